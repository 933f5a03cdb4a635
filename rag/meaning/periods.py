"""The periods in questions and names of columns: days, years, quarters, lengths in months."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from rag.meaning.dates import Date, all_dates, full_days, full_year
from rag.meaning.words import MONTH

_YEARS = re.compile(
    r"(?i)(?<![\w,.$-])(?:FY ?)?(?P<year>(?:19|20)\d\d)(?!\d|[,.-]\d)"
    r"|(?:(?<![a-z])FY ?['\u2019]?|(?<![a-z\d])[1-4]Q ?['\u2019]?"
    r"|(?<![a-z\d])Q[1-4](?:FY| ?['\u2019]))(?P<short>\d\d)(?![\d,.-]\d|\d)"
)
"""A year that is neither an amount nor part of a longer number, or its last two digits in "FY24",
"3Q22" or "Q3 '22"."""
_TWO_YEARS = re.compile(
    r"(?i)(?<![\w,.$-])(?:(?:FY ?)?(?:19|20)|FY ?|(?<=\bin )|(?<=\bfor )|^)"
    r"(\d\d)[/\u2013-](?:20)?(\d\d)(?![\d/-])"
)
"""A year that begins in one calendar year and ends in the next, such as "2023/24"."""
_QUARTERS = {"first": "1", "second": "2", "third": "3", "fourth": "4"}
_QUARTER = re.compile(
    r"(?i)(?<![a-z\d])(?:Q(?P<q>[1-4])(?!\d)|(?P<n>[1-4])Q(?![a-z]))"
    rf"|\b(?P<word>{'|'.join(_QUARTERS)}|1st|2nd|3rd|4th) quarter\b"
)
"""A quarter of a year, such as "Q3", "3Q22" or "third quarter"."""
_FISCAL = r"(?:[\s,]++(?:of|in|fiscal|financial|the|year|FY)+)*[\s,_-]*+(?:FY[\s,_-]*+)?"
_QUARTER_OF_YEAR = re.compile(
    rf"(?i)(?:\b(?P<q>Q[1-4])|\b(?P<word>{'|'.join(_QUARTERS)}|[1-4](?:st|nd|rd|th)) quarter)"
    rf"{_FISCAL}(?P<year>(?:19|20)\d\d)(?!\d)"
    r"|(?<!\d)(?P<before>(?:19|20)\d\d)[\s,_-]*+(?P<last>Q[1-4])(?![^\W_])"
)
_NO_PERIOD = re.compile(
    r"(?i)\b(?:change|variance|vs|versus|compared)\b"
    rf"|\b(?:to|from|since|until|before|after|under|over|at least|at most)"
    rf"(?= [$\u20ac\u00a3]?\d| {MONTH} )"
    r"|\b(?:less|more|later|earlier) than\b|\bor (?:more|less|later|earlier)\b"
)
"""In the name of a column that compares two periods, or has a bound such as "from 1 July 2024"."""
_RANGE = re.compile(r"\d ?[-\u2013] ?\d")
"""In the name of a column such as "0-12 months"."""
_COUNTS = {
    "three": "3",
    "six": "6",
    "nine": "9",
    "twelve": "12",
    "thirteen": "13",
    "twenty-six": "26",
    "thirty-nine": "39",
    "fifty-two": "52",
    "fifty-three": "53",
}
_LENGTH = re.compile(
    rf"(?i)\b(?:(?P<count>\d\d?|{'|'.join(_COUNTS)})[- ](?P<unit>month|week)s?"
    r"|(?P<short>[69])M(?= (?:FY ?)?'?\d\d)"
    r"|(?P<half>H[12]|half[- ]year|(?:first|second) half)"
    r"|(?P<to_date>year[- ]to[- ]date|YTD)|(?P<year>years? ended|fiscal year|full year))\b"
)
"""A length in words or figures, such as "three months" or "26-week"; one that the calendar decides;
or words for a period of twelve months."""
_WEEKS = {"13": "3", "26": "6", "39": "9", "52": "12", "53": "12"}
"""Months of the periods that companies count in weeks."""
_LONGER = {"6", "9", "12"}
_SEASON_SHIFT = 20


class Periods(NamedTuple):
    """The periods that a text states: days in ISO 8601, years, quarters, and lengths in months."""

    days: frozenset[str] = frozenset()
    years: frozenset[str] = frozenset()
    quarters: frozenset[str] = frozenset()
    months: frozenset[str] = frozenset()

    def agreement(self, other: Periods) -> int:
        """Number of kinds in which both share something, less those in which they do not."""
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
        kinds: list[frozenset[str]] = []
        for stated, other_stated in zip(self, other, strict=True):
            kinds.append(stated if stated.isdisjoint(other_stated) else frozenset())
        return Periods(*kinds)


def _agreement(mine: frozenset[str], its: frozenset[str]) -> int:
    """1 if both have something in common, -1 if they have nothing, 0 if one states nothing."""
    if not mine or not its:
        return 0
    return 1 if mine & its else -1


def periods(text: str) -> Periods:
    """The periods in a text."""
    stated = all_dates(text)
    quarters = set()
    for match in _QUARTER.finditer(text):
        name = next(filter(None, match.groups()))
        quarters.add(_quarter(name))
    return Periods(
        days=full_days(stated),
        years=frozenset(_years(text, stated)),
        quarters=frozenset(quarters),
        months=_lengths(text),
    )


@functools.lru_cache(1024)
def of_column(name: str) -> Periods:
    """The periods in a column's name; none if it is a range or compares periods."""
    if _NO_PERIOD.search(name):
        return Periods()
    stated = periods(name)
    without_years = _TWO_YEARS.sub("", name) if stated.years else name
    is_range = not stated.days and _RANGE.search(without_years)
    return Periods() if is_range else stated


def same_season(day: str, other: str) -> bool:
    """Whether two ISO dates are at most 20 days apart, ignoring the year: fiscal quarters shift by
    as much.
    """
    day_of_year = date.fromisoformat(day).timetuple().tm_yday
    other_day_of_year = date.fromisoformat(other).timetuple().tm_yday
    difference = abs(day_of_year - other_day_of_year)
    days_apart = min(difference, 365 - difference)
    return days_apart <= _SEASON_SHIFT


def quarters_of_years(text: str) -> frozenset[str]:
    """The quarters with their years: "2023q3" for "2023 Q3" and "third quarter of fiscal 2023"."""
    quarters = set()
    for match in _QUARTER_OF_YEAR.finditer(text):
        year = match["year"] or match["before"]
        quarter = _quarter(match["q"] or match["word"] or match["last"])
        quarters.add(f"{year}q{quarter}")
    return frozenset(quarters)


def _quarter(name: str) -> str:
    """The number of a quarter."""
    number = _QUARTERS.get(name.lower())
    return number or name.strip("Qq")[0]


def _years(text: str, stated: Sequence[Date]) -> Iterator[str]:
    for match in _YEARS.finditer(text):
        yield full_year(match["year"] or match["short"])
    for match in _TWO_YEARS.finditer(text):
        start, end = map(full_year, match.groups())
        if int(end) == int(start) + 1:
            yield from (start, end)
    for stated_date in stated:
        if stated_date.precision in ("day", "month") and stated_date.iso[0] != "-":
            yield stated_date.iso[:4]


def _lengths(text: str) -> frozenset[str]:
    """The stated lengths in months; else that of a quarter or a year, if the text is of one."""
    matches = list(_LENGTH.finditer(text))
    if any(match["to_date"] for match in matches):
        return frozenset()
    stated = frozenset(_months(match) for match in matches if match["count"] or match["short"])
    if stated:
        return stated
    if any(match["half"] for match in matches):
        return frozenset({"6"})
    if "quarter" in text.lower() or _QUARTER.search(text):
        return frozenset({"3"})
    return frozenset({"12"} if matches else ())


def _months(match: re.Match[str]) -> str:
    """A length in months; "" for weeks that are no such period."""
    if match["short"]:
        return match["short"]
    count = _COUNTS.get(match["count"].lower(), match["count"])
    if match["unit"].lower() == "week":
        return _WEEKS.get(count, "")
    return count
