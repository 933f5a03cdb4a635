"""Questions over the whole shelf in everyday words: "what keeps going by itself if I do nothing" is
asked in the words of a known one, "Which contracts renew automatically?".

A classifier says which topic a question has, or none; the documents, days and amounts are taken
from its words. `eval.experiments.fit_shelf` fits it to eval/gold/training-shelf.jsonl.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from rag.answering.forms import inputs, weights_in
from rag.answering.shelf import NAMED, ShelfQuestion, understand
from rag.answering.shelf_columns import length_in, renewal_condition, unit_of_period
from rag.answering.shelf_kinds import Kinds
from rag.answering.shelf_values import date_ranges
from rag.errors import install_line
from rag.meaning.words import digits

WORDINGS = {
    "advance": ("Is the price payable in advance?",),
    "hourly": ("Is extra work charged by the hour?",),
    "insure": ("Does the hirer insure what is hired?",),
}
"""Other words in which a document is asked about a topic."""
TOPICS = {
    "renews": "Which {kind} renew automatically?",
    "renews_not": "Which {kind} do not renew automatically?",
    "renewal_unsaid": "Which {kind} say nothing about renewal?",
    "ends_when": "Which {kind} end {when}?",
    "ends_first": "Which {kind} ends first?",
    "ends_last": "Which {kind} ends last?",
    "notice_length": "Which {kind} need {length} notice?",
    "notice_longest": "Which {kind} needs the longest notice?",
    "notice_shortest": "Which {kind} needs the shortest notice?",
    "notice_unsaid": "Which {kind} have no notice period?",
    "price_total": "What do the {kind} cost per {unit} together?",
    "price_most": "Which {kind} is the dearest per {unit}?",
    "price_least": "Which {kind} is the cheapest per {unit}?",
    "price_limit": "Which {kind} cost {limit}?",
    "deposit": "Which {kind} ask for a deposit?",
    "deposit_unsaid": "Which {kind} say nothing about a deposit?",
    "advance": "Which {kind} ask for payment in advance?",
    "raises": "Which {kind} may raise their prices?",
    "surcharge": "Which {kind} include a surcharge?",
    "sublet": "Which {kind} allow subletting?",
    "sublet_no": "Which {kind} forbid subletting?",
    "insure": "Which {kind} require us to insure what is hired?",
    "consent": "Which {kind} forbid alterations without consent?",
    "hourly": "Which {kind} bill extra work by the hour?",
    "quantity": "Which {kind} charge by quantity?",
    "fixed_monthly": "Which {kind} charge a fixed fee per month?",
    "excess_most": "Which {kind} has the highest excess?",
    "excess": "Which {kind} have an excess?",
    "early": "Which {kind} may be ended early?",
    "late": "Which {kind} charge interest on late payment?",
    "liability": "Which {kind} limit liability?",
}
"""Topics, and a question on each in words that `understand` reads."""
NO_TOPIC = "none"
CLASSES = (*TOPICS, NO_TOPIC)
SHIPPED = Path(__file__).with_name("shelf_topics.safetensors")
_LIKELY = 0.5
"""Probability from which on a question has a topic."""
_DENIED = ("renews", "renews_not", "ends_when", "notice_length", "sublet_no", "consent")
"""Topics whose wordings have a "not" of their own, as those of silence have."""
_NOT = re.compile(r"(?i)\b(?:not|never)\b|n['’]t\b")
_HOW_MANY = re.compile(r"(?i)how many\b")
_WHEN = re.compile(
    r"(?i)\b(?:in|on|at|by|before|after|until|till|from|since|between|beyond|past|during)\b"
    r"[^?]{0,60}\b(?:19|20)\d\d\b"
)
_LIMIT = re.compile(
    r"(?i)\b(?:more than|over|above|less than|under|below|at least|at most|up to) "
    r"(?:US\$|[$€£¥])?\d[^?]{0,40}"
)
_THOUSAND = re.compile(r"(?i)\b(?:a grand|a thousand)\b")
_NAMES = r"(?P<a>[^,:;?]{2,40}) or (?P<b>[^,:;?]{2,40})"
_PAIRS = (re.compile(rf"(?i){_NAMES}[,:;] .+"), re.compile(rf"(?i).+[,:;] {_NAMES}"))


class TopicClassifier:
    """Logistic regression over the topics and none, with the inputs of `FormClassifier`."""

    def __init__(self, weights: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        """`weights`, shape (classes, dim + 2 * cues); `bias`, shape (classes,)."""
        self._weights = weights
        self._bias = bias

    @classmethod
    def load(cls, path: Path = SHIPPED) -> Self:
        """Raises ModelError if the file cannot be read."""
        hint = f"install the package again: {install_line()} --force-reinstall"
        return cls(*weights_in(path, f"classifier {path}", hint))

    def topic(self, question: str, vector: NDArray[np.float32]) -> str | None:
        """The topic of a question; None if none is likely, or if the classifier was fitted with
        another embedder.
        """
        row = inputs([question], vector[None, :])[0]
        if len(row) != self._weights.shape[1]:
            return None
        logits = self._weights @ row + self._bias
        odds = np.exp(logits - logits.max())
        likeliest = int(odds.argmax())
        is_likely = odds[likeliest] >= _LIKELY * odds.sum()
        topic = CLASSES[likeliest]
        return topic if is_likely and topic != NO_TOPIC else None


def understand_topic(question: str, topic: str, kinds: Kinds) -> ShelfQuestion | None:
    """A question with this topic as a grid; None if its words lack what the topic needs, or if the
    documents that they name are not there.
    """
    text = _THOUSAND.sub("1,000", " ".join(question.split()).rstrip(" ?.!"))
    is_silence = topic.endswith("_unsaid")
    if _NOT.search(text) and not is_silence and topic not in _DENIED:
        return None

    pair = _pair(text)
    kind = "contracts" if pair else kinds.everyday(text)
    known_question = _known_question(text, topic, kind) if kind else ""
    read = understand(known_question, kinds) if known_question else None
    if read is None:
        return None
    if pair:
        documents = kinds.named_all(pair) if read.operation in ("most", "least") else ()
        return replace(read, kind=NAMED, documents=documents) if documents else None

    operation = read.operation
    if operation == "list" and _HOW_MANY.match(text):
        operation = "count"
    column = read.columns[-1]
    wordings = (*column.rewordings, *WORDINGS.get(topic, ()))
    columns = [replace(column, rewordings=wordings)]
    renews = renewal_condition(text) if topic == "notice_length" else None
    if renews:
        columns.insert(0, renews)
    return replace(read, operation=operation, columns=tuple(columns))


def understand_in_other_words(
    question: str, topic: str | None, read: ShelfQuestion | None, kinds: Kinds
) -> ShelfQuestion | None:
    """A question that was `read` as a grid, or None, with what its topic adds: a question in
    everyday words is read by its topic alone, and one with yes or no to each document gets the
    topic's column, whose words documents answer.
    """
    of_topic = understand_topic(question, topic, kinds) if topic else None
    if read is None or of_topic is None:
        return read or of_topic

    column = read.columns[-1]
    is_own_words = column.type == "yes_no" and not column.rewordings
    if not is_own_words or of_topic.operation not in ("list", "count"):
        return read
    return replace(read, columns=(*read.columns[:-1], *of_topic.columns))


def _pair(text: str) -> tuple[str, str] | None:
    """The two that a question compares: "internet or phone, which costs less"."""
    for pattern in _PAIRS:
        match = pattern.fullmatch(text)
        if match:
            return match["a"], match["b"]
    return None


def _known_question(text: str, topic: str, kind: str) -> str:
    """The question on a topic in known words, or "" if a day or an amount is missing."""
    when = _first(_WHEN.finditer(text)) if topic == "ends_when" else ""
    length = length_in(text) if topic == "notice_length" else ""
    limit = _first(_LIMIT.finditer(digits(text))) if topic == "price_limit" else ""
    is_missing = {
        "ends_when": not date_ranges(when),
        "notice_length": not length,
        "price_limit": not limit,
    }
    if is_missing.get(topic):
        return ""
    unit = unit_of_period(text) or "month"
    return TOPICS[topic].format(kind=kind, when=when, length=length, limit=limit, unit=unit)


def _first(matches: Iterable[re.Match[str]]) -> str:
    """The words of the first match, or ""."""
    return next((match[0] for match in matches), "")
