"""The two sides of a comparison: how a question names them, and which sentence is about each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from rag.answering.selection import Sentence
from rag.english.sentences import enclosing_sentence
from rag.english.text import content_words, coverage
from rag.protocols import ReaderOutput
from rag.types import Document

_END = r"(?=[?.!,]|$)"


def _two(between: str) -> str:
    """A pattern for two sides with words between them."""
    return rf"(?P<one>[^?,]+?) (?:{between}) (?P<other>[^?,]+?)"


_NOUNS = r"differences?|distinction|distinguish|similarit(?:y|ies)|choice|comparison"
_DIFFER = r"differ(?:s|ent)?(?: from)?|compare(?:d|s)? (?:to|with)|and"
_LED = r"(?:^|[,:] ?|\bthan |\bof )(?:is |are |does |do |should i use |should i take )?"
_OTHERS = r"or|vs[.]?|versus|compared (?:to|with)|rather than|instead of"
_PATTERNS = [
    re.compile(pattern + _END, re.IGNORECASE)
    for pattern in (
        rf"\b(?:{_NOUNS}) (?:is there )?(?:between )?{_two('and|from|or')}",
        rf"\bcompare {_two('and|to|with|against')}",
        rf"\bhow (?:do|does|did|is|are|was|were) {_two(_DIFFER)}(?: differ(?:ent)?| compare)?",
        rf"{_LED}{_two('or|vs[.]?|versus')}",
        rf"\b{_two(_OTHERS)}",
    )
]
_ASKS = re.compile(
    r"^(?:what|which|who|how|is|are|was|were|does|do|did)\b.*\b(?=the |a |an )", re.IGNORECASE
)
_LEAST = 0.5
"""Least share of a side's words in a sentence or in its title and heading."""


def named(question: str) -> tuple[str, ...]:
    """The two sides that a question compares; () if they are unclear."""
    for pattern in _PATTERNS:
        match = pattern.search(question.strip())
        if match:
            one, other = (_bare(match[name]) for name in ("one", "other"))
            if (
                content_words(one)
                and content_words(other)
                and content_words(one) != content_words(other)
            ):
                return one, other
    return ()


def _bare(side: str) -> str:
    return _ASKS.sub("", side.strip(" ,.?!'\"")).strip()


def asked_of(question: str, sides: Sequence[str]) -> list[str]:
    """A search query per side: the question without the other side's words."""
    made = []
    for number, side in enumerate(sides):
        rest = question.replace(sides[1 - number], " ")
        rest = re.sub(
            r"\b(?:or|and|vs|versus|than|between|compared?|differences?|to|with)\b",
            " ",
            rest.replace(side, " "),
        )
        made.append(" ".join(f"{side} {rest}".replace("?", " ").split()))
    return made


def sides(
    found: Sequence[Sentence], names: Sequence[str], documents: Mapping[str, Document]
) -> tuple[Sentence | None, Sentence | None]:
    """The best sentence for each side: one that contains more of this side's own words than of the
    other's, counting its title and heading.
    """
    first, second = (content_words(name) for name in names)
    own = first - second, second - first
    chosen: list[Sentence | None] = []
    for mine, theirs in (own, own[::-1]):
        fitting = [(_fit(one, mine, theirs, documents), one) for one in found]
        best = max(fitting, key=lambda pair: pair[0] * (0.2 + pair[1].score), default=None)
        chosen.append(best[1] if best and best[0] >= _LEAST else None)
    return chosen[0], chosen[1]


def _fit(
    one: Sentence, mine: frozenset[str], theirs: frozenset[str], documents: Mapping[str, Document]
) -> float:
    document = documents.get(one.document_id)
    if document is None:
        return 0.0
    sentence = document.text[one.start : one.end]
    here = coverage(mine, sentence)
    around = coverage(mine, f"{one.hit.passage.context} {sentence}")
    return max(here, 0.8 * around) - 0.3 * coverage(theirs, sentence)


def from_spans(output: ReaderOutput) -> list[Sentence]:
    """The sentences around all spans, for readers without a sentence head. The best span's sentence
    gets a score near 1.
    """
    if not output.spans:
        return []
    top = output.spans[0].score
    found: dict[tuple[str, int], Sentence] = {}
    for span in output.spans:
        passage = span.hit.passage
        start, end = enclosing_sentence(passage.text, span.start, span.end)
        score = 1 / (1 + 2.0 ** ((top - span.score) / 2))
        found.setdefault(
            (passage.document_id, passage.start + start),
            Sentence(
                passage.document_id, passage.start + start, passage.start + end, score, span.hit
            ),
        )
    return list(found.values())
