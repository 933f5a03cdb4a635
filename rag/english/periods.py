"""The periods that a question or a column's name states: days, years, quarters, and lengths in
months.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rag.english import identifiers

_YEAR = re.compile(r"(?<![\w,.$-])(?:FY ?)?((?:19|20)\d\d)(?!\d|[,.-]\d)", re.IGNORECASE)
"""A year that is neither an amount nor part of a longer number."""
_QUARTER = re.compile(r"\bQ([1-4])\b|\b(first|second|third|fourth) quarter\b", re.IGNORECASE)
_COUNTS = {
    "three": 3,
    "six": 6,
    "nine": 9,
    "twelve": 12,
    "thirteen": 13,
    "twenty-six": 26,
    "thirty-nine": 39,
    "fifty-two": 52,
    "fifty-three": 53,
}
_LENGTH = re.compile(rf"\b(\d\d?|{'|'.join(_COUNTS)})[- ](month|week)s?\b", re.IGNORECASE)
"""A length in words or figures, such as "three months" or "26-week"."""
_QUARTER_LONG = re.compile(r"\bquarter\b|\bQ[1-4]\b", re.IGNORECASE)
"""Words for a period of three months."""
_YEAR_LONG = re.compile(r"\byears? ended\b|\bfiscal year\b|\bfull year\b", re.IGNORECASE)
"""Words for a period of twelve months."""
_WEEKS = {
    "13": "3",
    "26": "6",
    "39": "9",
    "52": "12",
    "53": "12",
}
"""Months of the periods that companies count in weeks."""
_ORDER = {
    "first": "1",
    "second": "2",
    "third": "3",
    "fourth": "4",
}


@dataclass(frozen=True, slots=True)
class Periods:
    """What a text states: days in ISO 8601, years, quarters, and lengths in months."""

    days: frozenset[str]
    years: frozenset[str]
    quarters: frozenset[str]
    months: frozenset[str]

    def agreement(self, other: Periods) -> int:
        """Number of kinds in which both state the same, less those in which they differ."""
        return (
            _agreement(self.days, other.days)
            + _agreement(self.years, other.years)
            + _agreement(self.quarters, other.quarters)
            + _agreement(self.months, other.months)
        )


def _agreement(mine: frozenset[str], its: frozenset[str]) -> int:
    """1 if both state the same, -1 if they differ, 0 if one states nothing."""
    if not mine or not its:
        return 0
    return 1 if mine & its else -1


def periods(text: str) -> Periods:
    """The periods in a text."""
    return Periods(
        identifiers.days(text),
        frozenset(match[1] for match in _YEAR.finditer(text)),
        frozenset(match[1] or _ORDER[match[2].lower()] for match in _QUARTER.finditer(text)),
        _lengths(text),
    )


def _lengths(text: str) -> frozenset[str]:
    """The stated lengths in months; else that of a quarter or a year, if the text is of one."""
    stated = frozenset(map(_months, _LENGTH.finditer(text)))
    if stated:
        return stated
    if _QUARTER_LONG.search(text):
        return frozenset({"3"})
    if _YEAR_LONG.search(text):
        return frozenset({"12"})
    return frozenset()


def _months(match: re.Match[str]) -> str:
    """A length in months; "" for weeks that are no such period."""
    count = str(_COUNTS.get(match[1].lower(), match[1]))
    if match[2].lower() == "week":
        return _WEEKS.get(count, "")
    return count
