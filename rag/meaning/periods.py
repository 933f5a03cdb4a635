"""The periods that a question or a column's name states: days, years, quarters, and lengths in
months.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from typing import NamedTuple

from rag.meaning import identifiers

_YEAR = re.compile(r"(?<![\w,.$-])(?:FY ?)?((?:19|20)\d\d)(?!\d|[,.-]\d)", re.IGNORECASE)
"""A year that is neither an amount nor part of a longer number."""
_SHORT_YEAR = re.compile(
    r"(?:(?<![a-z])FY ?['\u2019]?|(?<![a-z\d])[1-4]Q ?['\u2019]?|(?<![a-z\d])Q[1-4] ?['\u2019])"
    r"(\d\d)(?![\d,.-]\d|\d)",
    re.IGNORECASE,
)
"""The last two digits of a year, such as in "FY24", "3Q22" or "Q3 '22"."""
_TWO_YEARS = re.compile(
    r"(?<![\w,.$-])(?:(?:FY ?)?(?:19|20)|FY ?|(?<=\bin )|(?<=\bfor )|^)"
    r"(\d\d)[/\u2013-](?:20)?(\d\d)(?![\d/-])",
    re.IGNORECASE,
)
"""A year that begins in one calendar year and ends in the next, such as "2023/24" and "2023-24"."""
_PREVIOUS_CENTURY = 50
"""A year of two digits from here on is of the 20th century."""
_EITHER = re.compile(r"(?<![\d/])(\d\d?)/(\d\d?)/((?:19|20)?\d\d)(?![\d/])")
"""A date whose first number is the month or the day."""
_DAY_FIRST = re.compile(r"(?<![\d.-])(\d\d?)([.-])(\d\d?)\2((?:19|20)\d\d)(?![\d.-])")
"""A date such as "31.12.2023"."""
_OF_MONTH = re.compile(
    rf"\b{identifiers.MONTH}\.?[-'\u2019]((?:19|20)?\d\d)(?![\d-])", re.IGNORECASE
)
"""The year of a month, such as "Dec-23"."""
_QUARTER = re.compile(
    r"(?<![a-z\d])(?:Q([1-4])(?!\d)|([1-4])Q(?![a-z]))|"
    r"\b(first|second|third|fourth|1st|2nd|3rd|4th) quarter\b",
    re.IGNORECASE,
)
"""A quarter of a year, such as "Q3", "3Q22" or "third quarter"."""
_TO_DATE = re.compile(r"\byear[- ]to[- ]date\b|\bYTD\b", re.IGNORECASE)
"""A length that the calendar decides."""
_BOUNDED = re.compile(
    rf"\b(?:to|from|since|until|before|after|under|over|at least|at most)"
    rf"(?= [$\u20ac\u00a3]?\d| {identifiers.MONTH} )|"
    r"\b(?:less|more|later|earlier) than\b|\bor (?:more|less|later|earlier)\b",
    re.IGNORECASE,
)
"""In the name of a column for a range, such as "from 1 July 2024"."""
_RANGE = re.compile(r"\d ?[-\u2013] ?\d")
"""In the name of a column such as "0-12 months"."""
_COMPARES = re.compile(r"\b(?:change|variance|vs|versus|compared)\b", re.IGNORECASE)
"""In the name of a column that compares two periods."""
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
_LONGER = {"6", "9", "12"}
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


class Periods(NamedTuple):
    """What a text states: days in ISO 8601, years, quarters, and lengths in months."""

    days: frozenset[str] = frozenset()
    years: frozenset[str] = frozenset()
    quarters: frozenset[str] = frozenset()
    months: frozenset[str] = frozenset()

    def agreement(self, other: Periods) -> int:
        """Number of kinds in which both have something in common, less those in which they have
        not.
        """
        return sum(map(_agreement, self, other))

    def differ(self, other: Periods) -> bool:
        """Whether both state days, years or quarters, but none in common; or this one only a
        quarter's length, and the other only longer ones.
        """
        if min(map(_agreement, self[:3], other[:3])) < 0:
            return True
        return self.months == {"3"} and bool(other.months & _LONGER)

    def besides(self, other: Periods) -> Periods:
        """The kinds of this one that have nothing in common with the other's."""
        return Periods(*map(_unlike, self, other))


def _agreement(mine: frozenset[str], its: frozenset[str]) -> int:
    """1 if both have something in common, -1 if they have not, 0 if one states nothing."""
    if not mine or not its:
        return 0
    return 1 if mine & its else -1


def _unlike(mine: frozenset[str], its: frozenset[str]) -> frozenset[str]:
    """The first, or nothing if both have something in common."""
    if mine & its:
        return frozenset()
    return mine


def periods(text: str) -> Periods:
    """The periods in a text."""
    quarters = map(_number, _QUARTER.finditer(text))
    days = identifiers.days(text) | frozenset(_other_readings(text))
    return Periods(
        days,
        frozenset(_years(text)) | {day[:4] for day in days},
        frozenset(quarters),
        _lengths(text),
    )


@functools.lru_cache(1024)
def of_column(name: str) -> Periods:
    """The periods in a column's name; none if it is a range or compares periods."""
    found = periods(name)
    if _COMPARES.search(name) or _BOUNDED.search(name):
        return Periods()
    if not found.days and _RANGE.search(_TWO_YEARS.sub("", name) if found.years else name):
        return Periods()
    return found


def _years(text: str) -> Iterator[str]:
    for match in _YEAR.finditer(text):
        yield match[1]
    for match in _SHORT_YEAR.finditer(text):
        yield _whole(match[1])
    for match in _TWO_YEARS.finditer(text):
        first, last = map(_whole, match.groups())
        if int(last) == int(first) + 1:
            yield first
            yield last
    for match in _OF_MONTH.finditer(text):
        yield _whole(match[1])


def _whole(digits: str) -> str:
    """A year, or that with these last two digits."""
    if len(digits) > 2:
        return digits
    century = "19" if int(digits) >= _PREVIOUS_CENTURY else "20"
    return century + digits


def _other_readings(text: str) -> Iterator[str]:
    """The dates in figures, with the day first; with slashes also with the month first."""
    found = [match.groups() for match in _EITHER.finditer(text)]
    found += [(month, day, year) for day, month, year in found]
    found += [match.group(1, 3, 4) for match in _DAY_FIRST.finditer(text)]
    for day, month, year in found:
        with suppress(ValueError):
            yield date(int(_whole(year)), int(month), int(day)).isoformat()


def _number(match: re.Match[str]) -> str:
    stated = str(next(filter(None, match.groups())))
    return str(identifiers.quarter(stated))


def _lengths(text: str) -> frozenset[str]:
    """The stated lengths in months; else that of a quarter or a year, if the text is of one."""
    if _TO_DATE.search(text):
        return frozenset()
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
