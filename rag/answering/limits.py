"""Whether what askers say of themselves lies outside of what a sentence allows: "I am 15." and "for
guests of 16 and over". A "yes" beside such a sentence is not said there.
"""

from __future__ import annotations

from collections.abc import Iterator

from rag.meaning.figures import figures
from rag.meaning.quantities import Quantity, base
from rag.meaning.words import DENIALS, FUNCTION_WORDS, singular, word_set

_KINDS = frozenset(("number", "duration", "money", "percentage"))
_DENYING = DENIALS | {"only"}
_YEAR_OLD = "year-old"
_BOUNDS = ("at least", "more than", "at most", "less than")


def is_outside(question: str, sentence: str) -> bool:
    """Whether the only value that the question states breaks the only limit of a sentence without
    negation; False if either has none, or several, or if they are of different kinds.
    """
    if word_set(sentence) & _DENYING:
        return False
    stated = [value for value in _values(question) if not value.bound]
    limits = [value for value in _values(sentence) if value.bound in _BOUNDS]
    if len(stated) != 1 or len(limits) != 1:
        return False

    (value,), (limit,) = stated, limits
    if not _is_comparable(value, limit):
        return False

    mine, theirs = _number(value, limit), _number(limit, value)
    keeps = {
        "at least": mine >= theirs,
        "more than": mine > theirs,
        "at most": mine <= theirs,
        "less than": mine < theirs,
    }
    return not keeps[limit.bound]


def _values(text: str) -> Iterator[Quantity]:
    for figure in figures(text):
        if figure.quantity is not None and figure.quantity.kind in _KINDS:
            yield figure.quantity


def _is_comparable(value: Quantity, limit: Quantity) -> bool:
    """Whether both count the same. A bare number may be an age in years."""
    units = _unit(value), _unit(limit)
    if value.kind == limit.kind and value.kind != "number":
        return value.kind == "duration" or units[0] == units[1]
    if {value.kind, limit.kind} <= {"number", "duration"}:
        return units[0] == units[1] or set(units) <= {"", "year"}
    return False


def _number(value: Quantity, other: Quantity) -> float:
    """The value's number, in days if both are durations."""
    if value.kind == other.kind == "duration":
        days, _ = base(value.number, value.unit, value.kind)
        return days
    return value.number


def _unit(value: Quantity) -> str:
    """The first word of the unit, in the singular, "" for a number without one."""
    word = (value.unit or "").split(" ")[0]
    if word == _YEAR_OLD:
        return "year"
    return "" if word in FUNCTION_WORDS else singular(word)
