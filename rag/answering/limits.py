"""Whether what askers say of themselves lies outside of what a sentence allows: "I am 15." and "for
guests of 16 and over". A "yes" beside such a sentence is not said there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from rag.meaning.dates import dates
from rag.meaning.figures import figures
from rag.meaning.quantities import Quantity, base, quantity
from rag.meaning.words import (
    DENIALS,
    FUNCTION_WORDS,
    NUMBER,
    SIGN,
    content_words,
    digits,
    singular,
    word_set,
)

_KINDS = frozenset(("number", "duration", "money", "percentage", "quantity"))
_DENYING = DENIALS | {"only", "unless", "except"}
_YEAR_OLD = "year-old"
_BOUNDS = ("at least", "more than", "at most", "less than")
_BETWEEN_CLAUSES = re.compile(r"(?i);\s|,\s(?=(?:and|but|while|whereas)\s)|\s(?=but\s)")
_SUBORDINATE = re.compile(r"(?i)(?:(?:and|but)\s+)?(?:if|when|where|unless|although|as long as)\b")
"""The beginning of a clause that says nothing without the next one."""
_END = rf"(?:{SIGN})?{NUMBER}"
_RANGE = re.compile(
    rf"(?i)(?<![\w.,:/-])(?:between {_END} and |(?:from )?{_END}(?: to | ?[-\u2013] ?))"
    rf"{_END}(?![\d:/-]|[.,]\d)"
)


def is_outside(question: str, sentence: str) -> bool:
    """Whether the only value, or range of values, that the question states of a kind is outside of
    the limits of the text. Those are the limits of that kind in the clause that has the most of the
    question's words; of several such clauses, each must exclude it. Clauses with a negation have no
    limits.
    """
    stated = _values(question)
    asked_words = content_words(question)
    judged = []
    for clause in _clauses(sentence):
        if word_set(clause) & _DENYING:
            continue
        answers = [
            _is_outside_of(stated, limit)
            for limit in _values(clause)
            if limit.bound or limit.upper is not None
        ]
        known = [answer for answer in answers if answer is not None]
        if known:
            asked = len(content_words(clause) & asked_words)
            judged.append((asked, all(known)))

    most_asked = max((asked for asked, _ in judged), default=0)
    decisive = [is_outside_of_all for asked, is_outside_of_all in judged if asked == most_asked]
    return bool(decisive) and all(decisive)


def _clauses(sentence: str) -> Iterator[str]:
    """The coordinate clauses of a sentence; a subordinate one is part of the next."""
    begun = ""
    for clause in _BETWEEN_CLAUSES.split(sentence):
        begun = f"{begun}, {clause}" if begun else clause
        if not _SUBORDINATE.match(clause):
            yield begun
            begun = ""
    if begun:
        yield begun


def _is_outside_of(stated: list[Quantity], limit: Quantity) -> bool | None:
    """Whether the only stated value that can be compared with a limit has nothing in common with
    it; None without such a value, or with several.
    """
    comparable = [value for value in stated if _is_comparable(value, limit)]
    if len(comparable) != 1:
        return None
    (value,) = comparable
    return _interval(value, limit).is_apart_from(_interval(limit, value))


class _NumberRange(NamedTuple):
    """The numbers from `low` to `high`, both included unless it `is_open`."""

    low: float
    high: float
    is_open: bool = False

    def is_apart_from(self, other: _NumberRange) -> bool:
        """Whether both have no number in common."""
        gap = max(self.low, other.low) - min(self.high, other.high)
        return gap > 0 or (gap == 0 and (self.is_open or other.is_open))


def _interval(value: Quantity, other: Quantity) -> _NumberRange:
    """The numbers that a value or limit allows, in the unit of comparison with another."""
    number = _number(value, value.number, other)
    if value.upper is not None:
        return _NumberRange(number, _number(value, value.upper, other))
    if value.bound in ("at least", "more than"):
        return _NumberRange(number, math.inf, is_open=value.bound == "more than")
    if value.bound in ("at most", "less than"):
        return _NumberRange(-math.inf, number, is_open=value.bound == "less than")
    return _NumberRange(number, number)


def _values(text: str) -> list[Quantity]:
    """The exact values of a text, its bounds and its ranges, such as "between 5 and 10 kg"."""
    text = digits(text)
    values = []

    def read(match: re.Match[str]) -> str:
        value = quantity(match[0], text[match.end() :])
        if value is None or dates(match[0]):  # "between 2015 and 2020"
            return match[0]
        values.append(value)
        return " " * len(match[0])

    without_ranges = _RANGE.sub(read, text)
    values += [figure.quantity for figure in figures(without_ranges) if figure.quantity]
    return [
        value
        for value in values
        if value.kind in _KINDS and (not value.bound or value.bound in _BOUNDS)
    ]


def _is_comparable(value: Quantity, limit: Quantity) -> bool:
    """Whether both count the same. A bare number may be an age in years."""
    units = _unit(value), _unit(limit)
    if value.kind == limit.kind == "quantity":
        return _dimension(value) == _dimension(limit)
    if value.kind == limit.kind and value.kind != "number":
        return value.kind == "duration" or units[0] == units[1]
    if {value.kind, limit.kind} <= {"number", "duration"}:
        return units[0] == units[1] or set(units) <= {"", "year"}
    return False


def _dimension(value: Quantity) -> str | None:
    """What a physical quantity measures, such as "mass"."""
    _, dimension = base(value.number, value.unit, value.kind)
    return dimension


def _number(value: Quantity, number: float, other: Quantity) -> float:
    """A number of the value, in the base unit if both are durations or physical quantities."""
    if value.kind == other.kind and value.kind in ("duration", "quantity"):
        in_base_unit, _ = base(number, value.unit, value.kind)
        return in_base_unit
    return number


def _unit(value: Quantity) -> str:
    """The first word of the unit, in the singular, "" for a number without one."""
    word = (value.unit or "").split(" ")[0]
    if word == _YEAR_OLD:
        return "year"
    return "" if word in FUNCTION_WORDS else singular(word)
