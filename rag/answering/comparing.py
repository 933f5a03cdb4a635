"""The two sides of a comparison: how a question names them, and which sentence is about each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.answering.selection import Sentence
from rag.meaning.sentences import Offsets
from rag.meaning.words import content_words, normalize, singular, singular_words
from rag.types import Document

_STOP = r"(?:[?!]|[.,;:](?:\s|$)|\s[-\u2013\u2014]\s)"
_END = rf"(?={_STOP}|$)"
_SIDE = rf"(?:(?!{_STOP}).)+?"


def _two(between: str) -> str:
    """A pattern for two sides with words between them."""
    return rf"(?P<one>{_SIDE}) (?:{between}) (?P<other>{_SIDE})"


_NOUNS = r"differences?|distinction|distinguish|similarit(?:y|ies)|choice|comparison"
_DIFFER = r"differ(?:s|ent)?(?: from)?|compare(?:d|s)? (?:to|with)|and"
_LED = r"(?:^|[,:] ?|\bthan |\bof )(?:is |are |does |do |should i use |should i take )?"
_OTHERS = r"or|vs[.]?|versus|compared (?:to|with)|rather than|instead of"
_PATTERNS = [
    re.compile(pattern + _END, re.IGNORECASE)
    for pattern in (
        rf"(?P<compare>\b(?:{_NOUNS}) (?:is there )?(?:between )?){_two('and|from|or')}",
        rf"(?P<compare>\bcompare ){_two('and|to|with|against')}",
        rf"(?P<compare>\bbetween ){_two('and')}",
        rf"(?P<compare>\bhow (?:do|does|did|is|are|was|were) ){_two(_DIFFER)}"
        r"(?: differ(?:ent)?| compare)?",
        rf"{_LED}{_two('or|vs[.]?|versus')}",
        rf"\b{_two(_OTHERS)}",
    )
]
_LEADS = re.compile(
    r"(?:what|which|who|how|is|are|was|were|does|do|did)\b.*\b(?=the |a |an )", re.IGNORECASE
)
_ASPECT = re.compile(r" (?:on|in|for|regarding|when|by|at|concerning) .*")
"""What the sides are compared on, after the second one."""
_LONGEST_QUESTION = 500
"""Characters; the patterns' time grows with the square of the question's length."""
_NEAR = 800
"""Characters between sentences that are about the same thing."""
_LEAST = 0.5
"""Least share of a side's words in a sentence or in its title and heading."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison: its name, and a question about it alone."""

    name: str
    question: str


def named(question: str) -> tuple[Side, ...]:
    """The two sides that a question compares; () if they are unclear or the question is long."""
    question = " ".join(question.split())  # a line break would make the patterns backtrack
    if len(question) > _LONGEST_QUESTION:
        return ()
    for pattern in _PATTERNS:
        match = pattern.search(question)
        if match:
            places = [_place(match, "one"), _place(match, "other")]
            one, other = (question[slice(*place)] for place in places)
            if not _ASPECT.search(one):
                other = _ASPECT.sub("", other)
            words = [singular_words(side) for side in (one, other)]
            if all(words) and words[0] != words[1]:
                compares = "compare" in pattern.groupindex
                before = question[: match.start("compare") if compares else places[0][0]]
                after = question[places[1][0] + len(other) :]
                return tuple(Side(name, _alone(before, name, after)) for name in (one, other))
    return ()


def _place(match: re.Match[str], group: str) -> Offsets:
    """The offsets of a side, without the question's first words and surrounding punctuation."""
    side = match[group]
    lead = _LEADS.match(side)
    start = match.start(group) + (lead.end() if lead else 0)
    kept = match.string[start : match.end(group)]
    start += len(kept) - len(kept.lstrip(" ,.?!'\""))
    return start, start + len(kept.strip(" ,.?!'\""))


def _alone(before: str, name: str, after: str) -> str:
    """The question with one side in the place of both."""
    if not content_words(f"{before} {after}"):
        return f"What is {name}?"
    return " ".join(f"{before} {name}{after}".split())


def sides(
    sentences: Sequence[Sentence],
    names: Sequence[str],
    documents: Mapping[str, Document],
) -> tuple[Sentence | None, ...]:
    """The best sentence for each side: one that has more of this side's own words than of the
    other's, its title and heading counted.
    """
    first, second = (singular_words(name) for name in names)
    own = (first - second or first, second - first or second)
    chosen: list[Sentence | None] = []
    for mine, theirs in zip(own, own[::-1], strict=True):
        fitting = [(_fit(one, mine, theirs - mine, documents), one) for one in sentences]
        best = max(fitting, key=lambda pair: pair[0] * (0.2 + pair[1].score), default=None)
        chosen.append(best[1] if best and best[0] >= _LEAST else None)
    return tuple(chosen)


def _fit(
    one: Sentence, mine: frozenset[str], theirs: frozenset[str], documents: Mapping[str, Document]
) -> float:
    document = documents.get(one.document_id)
    if document is None:
        return 0.0
    sentence = document.text[one.start : one.end]
    around = _share(mine, f"{one.hit.passage.context} {sentence}")
    return max(_share(mine, sentence), 0.8 * around) - 0.3 * _share(theirs, sentence)


def _share(words: frozenset[str], text: str) -> float:
    """The share of the words that the text contains."""
    held = {singular(word) for word in normalize(text).split()}
    return len(words & held) / len(words) if words else 0.0
