"""Training data of the verdict head: yes/no questions and claims, each with a text.

Both are one task: does the text say so? The sets are JSON Lines: `question` and `context` with a
`label` of yes, no, maybe or condition (yes or no only under a condition that the question leaves
open). Or `claim` and `evidence` with supported, refuted, not_enough or not_supported (refuted or
not_enough). `set` names the part of the file.
"""

from __future__ import annotations

import random
import re
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

from rag.errors import InputError
from rag.evaluation.set_files import json_lines, reading
from rag.meaning.sentences import split_sentences
from rag.store.local.tantivy_index import LexicalIndex
from rag.training.data import Article, set_path
from rag.training.recipe import Verdicts

_FILES = ("yesno.jsonl.gz", "support.jsonl.gz")
_HELD_OUT = 5
"""One in this many claims is held out from every recipe."""
_MOST_FOUND = 12
_SENTENCE = range(30, 220)
"""Length in characters of a sentence to use as a claim."""
_MAX_PARAGRAPH = 700
_PARAGRAPHS = 6
"""Maximum number of paragraphs per article."""
_NUMBER = re.compile(r"(?<![\w.,])\d[\d,]*(?:\.\d+)?(?![\w,])")


class Label(IntEnum):
    """The text's verdict; the first four are the head's outputs, in order."""

    YES = 0
    NO = 1
    UNSAID = 2
    DEPENDS = 3
    NOT_YES = 4


_LABELS = {
    "yes": Label.YES,
    "no": Label.NO,
    "maybe": Label.UNSAID,
    "condition": Label.DEPENDS,
    "supported": Label.YES,
    "refuted": Label.NO,
    "not_enough": Label.UNSAID,
    "not_supported": Label.NOT_YES,
}
SetRow = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Statement:
    """A question or claim, a text with its title, and the text's verdict."""

    text: str
    title: str
    evidence: str
    label: Label


def is_held_out(claim: str) -> bool:
    """Whether a claim belongs to the fifth that no recipe trains on."""
    return zlib.crc32(claim.encode()) % _HELD_OUT == 0


def statements(
    mix: Verdicts, data: Path, articles: Sequence[Article], rng: random.Random
) -> list[Statement]:
    """The examples of a stage: rows of the sets, rows with another row's text, and sentences of
    `articles` as claims.

    Raises InputError for a set that is missing in `data`, or a file that is not JSON lines.
    """
    rows = _rows(mix.sets, data, rng)
    examples = []
    for row in rows:
        title = ""
        if rng.random() < 0.6:
            title = str(row.get("title") or "").replace("_", " ")
        example = Statement(
            text=_text(row, rng),
            title=title,
            evidence=_evidence(row),
            label=_LABELS[row["label"]],
        )
        examples.append(example)

    examples += _with_other_texts(rows, mix.elsewhere, rng)
    examples += _figures(articles, mix.figures, rng)
    return examples


def _rows(caps: Mapping[str, int], data: Path, rng: random.Random) -> list[SetRow]:
    """The rows to train on, at most as many of each set as `caps` allows."""
    by_set: dict[str, list[SetRow]] = defaultdict(list)
    for name in _FILES:
        path = set_path(data, name)
        with reading(path, "gzipped JSON lines", "point --data at the recipe's sets"):
            for row in json_lines(path):
                if "claim" in row and is_held_out(row["claim"]):
                    continue
                by_set[row["set"]].append(row)

    absent = sorted(set(caps) - set(by_set))
    if absent:
        listed = ", ".join(absent)
        message = f"{data} has no verdict set {listed}, which the recipe names"
        raise InputError(message, f"choose from {', '.join(sorted(by_set))}")

    chosen: list[SetRow] = []
    for name, cap in caps.items():
        rng.shuffle(by_set[name])
        chosen += by_set[name][:cap]
    return chosen


def _evidence(row: SetRow) -> str:
    return str(row.get("evidence") or row["context"])


def _text(row: SetRow, rng: random.Random) -> str:
    """The claim; or the question, mostly with the capital and mark that the sets leave out."""
    if "claim" in row:
        return str(row["claim"])

    question = str(row["question"]).strip()
    if rng.random() < 0.6:
        question = question[:1].upper() + question[1:]
    if question.endswith("?") or rng.random() < 0.3:
        return question
    return question + "?"


def _with_other_texts(rows: Sequence[SetRow], share: float, rng: random.Random) -> list[Statement]:
    """A share of the rows, each with another row's text that shares many words but does not decide
    it: one with another title and another beginning.
    """
    texts = [_evidence(row) for row in rows]
    index = LexicalIndex()
    index.update([], enumerate(texts))

    def is_other(place: int, row: SetRow, text: str) -> bool:
        if texts[place][:25] == text[:25]:
            return False
        title = row.get("title")
        return title is None or title != rows[place].get("title")

    undecided = []
    for row, text in zip(rows, texts, strict=True):
        if rng.random() >= share:
            continue

        query = row.get("claim") or row["question"]
        found = [place for place, _ in index.search(query, _MOST_FOUND)]
        other_places = [place for place in found if is_other(place, row, text)]
        if not other_places:
            continue

        evidence = texts[rng.choice(other_places[:6])]
        undecided.append(Statement(_text(row, rng), "", evidence, Label.UNSAID))
    return undecided


def _figures(articles: Sequence[Article], limit: int, rng: random.Random) -> list[Statement]:
    """Sentences as claims about their paragraph, some with a changed digit, or about another."""
    claims: list[Statement] = []
    for article in rng.sample(list(articles), len(articles)):
        contexts = [paragraph["context"] for paragraph in article["paragraphs"]]
        texts = [text for text in contexts if len(text) < _MAX_PARAGRAPH]
        for text in rng.sample(texts, min(_PARAGRAPHS, len(texts))):
            claims += _claims_of(text, texts, rng)
        if len(claims) >= limit:
            break
    return claims[:limit]


def _claims_of(text: str, texts: Sequence[str], rng: random.Random) -> list[Statement]:
    """Claims with a sentence of the text: about a changed figure in it, or about another text."""
    sentences = []
    for start, end in split_sentences(text):
        if end - start in _SENTENCE:
            sentences.append(text[start:end])
    if not sentences:
        return []

    figured = [sentence for sentence in sentences if _NUMBER.search(sentence)]
    if figured and rng.random() < 0.65:
        claim = rng.choice(figured)
        changed, figure = _with_other_number(claim, rng)
        claims = []
        if figure not in text:
            claims.append(Statement(changed, "", text, Label.NO))
        if rng.random() < 0.6:
            claims.append(Statement(claim, "", text, Label.YES))
        return claims

    claim = rng.choice(sentences)
    another = rng.choice(texts)
    if another == text or rng.random() < 0.5:
        return [Statement(claim, "", text, Label.YES)]
    return [Statement(claim, "", another, Label.UNSAID)]


def _with_other_number(sentence: str, rng: random.Random) -> tuple[str, str]:
    """(the sentence with one digit of one number changed, the changed number)."""
    matches = list(_NUMBER.finditer(sentence))
    match = rng.choice(matches)
    figure = list(match.group())
    digits = [place for place, character in enumerate(figure) if character.isdigit()]
    changed = rng.choice(digits)

    other_digits = [digit for digit in "123456789" if digit != figure[changed]]
    figure[changed] = rng.choice(other_digits)
    replacement = "".join(figure)

    text_before = sentence[: match.start()]
    text_after = sentence[match.end() :]
    return text_before + replacement + text_after, replacement
