"""Classifies the form of answer that a question wants, by its embedding and words; and replies to
talk, such as "hello" or "What can I ask you?": questions to rag, not to documents.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from rag.errors import ModelError
from rag.protocols import Store
from rag.types import TALK, Answer, Document

FORMS = ("span", "yes_no", "sentences", "steps", "list", "comparison", "overview", "catalogue")
"""What an answer can look like; rag/answering/FORMS_CARD.md says how the choice is learned."""
NEEDS_ALL = "needs_all"
"""The class of questions that only all passages together answer; they are refused with that reason.
"""
CLASSES = (*FORMS, NEEDS_ALL, TALK)
SHIPPED = Path(__file__).with_name("forms.safetensors")
_WORD = re.compile(r"[a-z']+")
_CUES = tuple(
    (
        "who whom whose what which when where why how is are was were do does did has have had "
        "can could may might must should would will shall am much many long often far old big "
        "list name all every each any or versus vs between compare compared comparison "
        "difference differ different better cheaper than steps step need needed required "
        "requirements about summary summarise summarize overview outline gist main points "
        "document documents file files page pages note notes paper papers report reports "
        "mention mentions mentioned mentioning contain contains wrote written author total sum "
        "altogether average mean most least highest lowest largest smallest longest combined "
        "overall across number count kinds types options ways reasons set up install change "
        "make get use mean means meaning definition explain describe happens happen if purpose "
        "cause causes the a an i you we it to of for in with there"
    ).split()
)
_PLACE = {word: place for place, word in enumerate(_CUES)}


class Embeds(Protocol):
    def embed_queries(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


def cues(question: str) -> NDArray[np.float32]:
    """Question words in a question, shape (2 * len(_CUES),): anywhere, and among its first three
    words.
    """
    words = _WORD.findall(question.lower().replace("\u2019", "'"))
    flags = np.zeros(2 * len(_CUES), dtype=np.float32)
    for number, word in enumerate(words):
        if word in _PLACE:
            flags[_PLACE[word]] = 1
            if number < 3:
                flags[len(_CUES) + _PLACE[word]] = 1 - 0.25 * number
    return flags


def inputs(questions: Sequence[str], vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The classifier's input for each question, shape (n, dim + 2 * len(_CUES)); `vectors` are the
    embeddings, shape (n, dim).
    """
    return np.hstack(
        [
            vectors * np.sqrt(vectors.shape[1]) / 8,
            np.stack([cues(question) for question in questions]),
        ]
    )


class FormClassifier:
    """Logistic regression over all classes."""

    def __init__(
        self, weights: NDArray[np.float32], bias: NDArray[np.float32], embedder: Embeds
    ) -> None:
        """`weights`, shape (classes, dim + 2 * cues); `bias`, shape (classes,)."""
        self._weights = weights
        self._bias = bias
        self._embedder = embedder

    @classmethod
    def load(cls, embedder: Embeds, path: Path = SHIPPED) -> Self:
        """Raises ModelError if the file cannot be read or was fitted to other classes."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tensors = load_file(path)
            weights, bias = (tensors[name].astype(np.float32) for name in ("weights", "bias"))
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise ModelError(
                f"form classifier {path} cannot be read: {error}",
                "train it again: rag train forms",
            ) from error
        if len(bias) != len(CLASSES) or len(weights) != len(CLASSES):
            raise ModelError(
                f"form classifier {path} has {len(bias)} classes, not {len(CLASSES)}",
                "train it again: rag train forms",
            )
        return cls(weights, bias, embedder)

    def probabilities(self, questions: Sequence[str]) -> list[dict[str, float]]:
        """For each question, the probability of each class by name; {} if the classifier was
        trained with another embedder.
        """
        if not questions:
            return []
        rows = inputs(questions, self._embedder.embed_queries(questions))
        if rows.shape[1] != self._weights.shape[1]:
            return [{} for _ in questions]
        logits = rows @ self._weights.T + self._bias
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        shares = odds / odds.sum(axis=1, keepdims=True)
        return [dict(zip(CLASSES, map(float, row), strict=True)) for row in shares]


REPLY = (
    "This is a question to rag, not to your documents. rag answers questions from your documents, "
    "in their own words"
)
SUGGESTED = 3
"""Number of questions that a reply suggests."""
_PROBABILITY = 0.8
"""Minimum confidence of the answer to a suggested question."""
SUGGESTION_READS = 3
"""Number of passages read for a question that may be suggested."""
_TRIES = 9
_SHARES = (5, 2, 2)
"""Tries for headings that ask, headings that name something, and titles."""
_DOCUMENTS = 12
"""Number of documents, evenly spread, whose headings are looked at."""
_PLAIN = re.compile(r"[^\W_][\w '\u2019,-]{2,80}\??")

_NUMBERED = re.compile(r"\d|\?$")
"""Headings that are dates or numbers, which nobody asks about, or questions already."""

Ask = Callable[[str], Answer]


class Suggestions:
    """Questions that an index answers, one list for each of its generations."""

    def __init__(self) -> None:
        self._found: tuple[int, tuple[str, ...]] = (-1, ())

    def known(self, generation: int) -> tuple[str, ...] | None:
        """The questions of this generation; None if nobody has looked for them."""
        return self._found[1] if self._found[0] == generation else None

    def questions(self, store: Store, ask: Ask) -> tuple[str, ...]:
        """At most `SUGGESTED` questions, made from headings and titles, that `ask` answers with a
        confidence of at least 80 %. At most nine are asked, once per generation; while one call
        looks for them, others get those that it has found. Raises what `ask` does.
        """
        generation = store.stats().generation
        if generation != self._found[0]:
            self._found = generation, ()  # a candidate may itself be talk
            try:
                for question in candidates(store):
                    if len(self._found[1]) < SUGGESTED and _is_answered(ask(question)):
                        self._found = generation, (*self._found[1], question)
            except BaseException:
                self._found = -1, ()  # the next call looks again
                raise
        return self._found[1]


def _is_answered(answer: Answer) -> bool:
    return answer.text is not None and answer.confidence >= _PROBABILITY


def candidates(store: Store) -> Iterator[str]:
    """At most nine questions from the headings and titles of documents all over the index."""
    listed = store.documents()
    chosen = listed[:: max(1, len(listed) // _DOCUMENTS)][:_DOCUMENTS]
    whole = [document for one in chosen if (document := store.document(one.id))]
    headings = {document.id: _headings(document) for document in whole}
    asking = [next((h for h in names if h.endswith("?")), "") for names in headings.values()]
    naming = [
        next((h for h in names if len(h.split()) <= 4 and not _NUMBERED.search(h)), "")
        for names in headings.values()
    ]
    groups = (
        [question for question in asking if question],
        [_about(name) for name in naming if name],
        [f"What is {one.title} about?" for one in whole if _PLAIN.fullmatch(one.title)],
    )
    yield from dict.fromkeys(_shared(groups))


def _about(heading: str) -> str:
    """A question about what follows a heading."""
    if heading.startswith("How to "):
        return f"How do I {heading.removeprefix('How to ')}?"
    return f"What is said about {heading}?"


def _shared(groups: Sequence[Sequence[str]]) -> list[str]:
    """`_TRIES` questions in order, with a share of each group that has as many."""
    first = [q for group, share in zip(groups, _SHARES, strict=True) for q in group[:share]]
    further = [q for group, share in zip(groups, _SHARES, strict=True) for q in group[share:]]
    chosen = {*first, *further[: max(0, _TRIES - len(first))]}
    return [question for group in groups for question in group if question in chosen][:_TRIES]


def _headings(document: Document) -> list[str]:
    """The headings that consist of plain words, without the title."""
    names = (block.name for block in document.blocks if block.kind == "heading")
    return [name for name in names if _PLAIN.fullmatch(name) and name != document.title]


def talk_reply(question: str, suggestions: tuple[str, ...], timings: Mapping[str, float]) -> Answer:
    """No answer, with the questions that can be asked instead."""
    return Answer(
        question, None, 0.0, (), (), (), REPLY, timings, form=TALK, suggestions=suggestions
    )
