"""The periods that a question or a column's name states: days, years, quarters, and lengths in
months.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from rag.english import identifiers

_YEAR = re.compile(r"(?<![\w,.$-])(?:FY ?)?((?:19|20)\d\d)(?!\d|[,.-]\d)", re.IGNORECASE)
"""A year that is neither an amount nor part of a longer number."""
_SHORT_YEAR = re.compile(
    r"(?<![a-z\d])(?:FY ?['\u2019]?|[1-4]Q ?['\u2019]?|Q[1-4] ?['\u2019])(\d\d)(?![\d,.-]\d|\d)",
    re.IGNORECASE,
)
"""The last two digits of a year after 2000, such as in "FY24", "3Q22" or "Q3 '22"."""
_QUARTER = re.compile(
    r"(?<![a-z\d])(?:Q([1-4])(?!\d)|([1-4])Q(?![a-z]))|\b(first|second|third|fourth) quarter\b",
    re.IGNORECASE,
)
"""A quarter of a year, such as "Q3", "3Q22" or "third quarter"."""
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
_QUARTER_LONG = re.compile(r"\bquarter\b", re.IGNORECASE)
"""A word for a period of three months."""
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


class Periods(NamedTuple):
    """What a text states: days in ISO 8601, years, quarters, and lengths in months."""

    days: frozenset[str] = frozenset()
    years: frozenset[str] = frozenset()
    quarters: frozenset[str] = frozenset()
    months: frozenset[str] = frozenset()

    def agreement(self, other: Periods) -> int:
        """Number of kinds in which both state the same, less those in which they differ."""
        return sum(map(_agreement, self, other))

    def differ(self, other: Periods) -> bool:
        """Whether both state something of one kind, and not the same."""
        return min(map(_agreement, self, other)) < 0

    def besides(self, other: Periods) -> Periods:
        """Without the kinds in which both state the same."""
        return Periods(*map(_unlike, self, other))


def _agreement(mine: frozenset[str], its: frozenset[str]) -> int:
    """1 if both state the same, -1 if they differ, 0 if one states nothing."""
    if not mine or not its:
        return 0
    return 1 if mine & its else -1


def _unlike(mine: frozenset[str], its: frozenset[str]) -> frozenset[str]:
    """What the first states, unless both state the same."""
    if mine & its:
        return frozenset()
    return mine


def periods(text: str) -> Periods:
    """The periods in a text."""
    years = [match[1] for match in _YEAR.finditer(text)]
    years += [f"20{match[1]}" for match in _SHORT_YEAR.finditer(text)]
    quarters = map(_number, _QUARTER.finditer(text))
    return Periods(
        identifiers.days(text),
        frozenset(years),
        frozenset(quarters),
        _lengths(text),
    )


def _number(quarter: re.Match[str]) -> str:
    digit, before, word = quarter.groups()
    return digit or before or _ORDER[word.lower()]


def _lengths(text: str) -> frozenset[str]:
    """The stated lengths in months; else that of a quarter or a year, if the text is of one."""
    stated = frozenset(map(_months, _LENGTH.finditer(text)))
    if stated:
        return stated
    if _QUARTER_LONG.search(text) or _QUARTER.search(text):
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
