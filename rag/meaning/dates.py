"""Reads dates in words, with the precision of the words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

_MONTHS = (
    "January|February|March|April|May|June|July|August|September|October|November|December"
    "|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept|Sep|Oct|Nov|Dec"
)
_MONTH = rf"(?P<month>(?:{_MONTHS})\b\.?)"
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?\b"
_YEAR = r"(?P<year>(?:1\d|20)\d\d)\b(?!\s?(?:BC|%|\d)|[.,]\d)"
_FIRST = (
    r"(?P<first>[0-3]?\d)(?:st|nd|rd|th)?(?P<joiner>\s?[-–—/]\s?"
    r"|\s(?:to|and|or|until|till|through)\s(?:the )?)"
)
_PATTERNS = [
    re.compile(r"(?<![\d.,-])(?P<from>(?:1\d|20)\d\d)(?P<joiner>[-–])(?P<upto>\d\d)\b(?![-/–]?\d)"),
    re.compile(
        rf"(?<![\d.,-])\b{_FIRST}{_DAY}(?: of)? {_MONTH}(?:,?(?: of)? {_YEAR})?", re.IGNORECASE
    ),
    re.compile(rf"\b{_MONTH} {_FIRST}{_DAY}(?:,? {_YEAR})?", re.IGNORECASE),
    re.compile(r"\b(?P<year>\d{4})-(?P<month>[01]\d)(?:-(?P<day>[0-3]\d))?\b(?![-/]\d)"),
    re.compile(
        r"(?<![\d.])(?P<day>[0-3]?\d)\.\s?(?P<month>[01]?\d)\.\s?(?P<year>(?:19|20)\d\d)\b(?!\.?\d)"
    ),
    re.compile(rf"\b{_DAY}(?: of)? {_MONTH},?(?: of)? {_YEAR}", re.IGNORECASE),
    re.compile(rf"\b{_MONTH} {_DAY},? {_YEAR}", re.IGNORECASE),
    re.compile(rf"\b{_MONTH},?(?: of)? {_YEAR}", re.IGNORECASE),
    re.compile(rf"\b{_DAY}(?: of)? {_MONTH}"),
    re.compile(rf"\b{_MONTH} {_DAY}"),
    re.compile(r"\b(?P<decade>(?:1\d|20)\d)0s\b"),
    re.compile(rf"(?<![\d.,$€£-])\b{_YEAR}"),
    re.compile(rf"\b{_MONTH}(?=\W|$)"),
]
_NUMBERS = {
    name: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}
_QUALIFIERS = re.compile(
    r"\b(?:early|mid|middle|late|end|start|beginning"
    r"|spring|summer|autumn|fall|winter|before|after|until|till|since|by|"
    r"first half|second half|around|about|circa|eve)\b",
    re.IGNORECASE,
)
_NOISE = re.compile(
    r"\b(?:on|in|at|of|the|from|year|month|day|morning"
    r"|evening|night|afternoon|during|as|dated|(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day)\b",
    re.IGNORECASE,
)
_LONGEST = 400
"""Maximum number of characters read as a date."""
_BETWEEN = re.compile(r"\s*(?:to|until|till|through|and|or|[-–—/])\s*(?:the )?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Date:
    """A date at `[start, end)` of a text. `iso` and `precision` as in `Value`: a month without a
    year has no year."""

    start: int
    end: int
    iso: str
    precision: str


def dates(text: str) -> list[Date]:
    """The valid calendar dates in a text, in order, without overlaps."""
    if len(text) > _LONGEST:
        return []
    found: list[Date] = []
    taken: list[tuple[int, int]] = []
    for pattern in _PATTERNS:
        for match in pattern.finditer(text):
            if all(match.end() <= start or match.start() >= end for start, end in taken):
                taken.append(match.span())
                found.extend(_dates(match))
    return sorted(found, key=lambda date: date.start)


def _dates(match: re.Match[str]) -> Iterator[Date]:
    parts = match.groupdict()
    if parts.get("joiner"):
        yield from _years(match) if parts.get("upto") else _days(match)
        return
    if parts.get("decade"):
        yield Date(match.start(), match.end(), parts["decade"] + "X", "decade")
        return
    iso = _iso(parts.get("year"), parts.get("month"), parts.get("day"))
    if iso:
        precision = "day" if parts.get("day") else "month" if parts.get("month") else "year"
        yield Date(match.start(), match.end(), iso, precision)


def _years(match: re.Match[str]) -> Iterator[Date]:
    """Both years of "2015-18" and of the season "2009-10"; "2009-07" is a month."""
    first, last = int(match["from"]), int(match["from"][:2] + match["upto"])
    last += 100 * (last == first - 99)
    if last == first + 1 or (last > first and (match["joiner"] == "–" or match["upto"] > "12")):
        yield Date(match.start("from"), match.end("from"), str(first), "year")
        yield Date(match.start("upto"), match.end("upto"), str(last), "year")
    elif match["joiner"] == "-" and (iso := _iso(match["from"], match["upto"], None)):
        yield Date(match.start(), match.end(), iso, "month")


def _days(match: re.Match[str]) -> Iterator[Date]:
    """Both days of "14-16 July 2015"."""
    first, last = (_iso(match["year"], match["month"], match[name]) for name in ("first", "day"))
    if first and last and first < last:
        yield Date(match.start(), match.start("joiner"), first, "day")
    if last:
        yield Date(match.end("joiner"), match.end(), last, "day")


def _iso(year: str | None, month: str | None, day: str | None) -> str | None:
    """The date with these parts, or None if the calendar has no such date. `month` is a name or a
    number.
    """
    number = int(month) if month and month.isdigit() else _NUMBERS.get((month or "jan")[:3].lower())
    try:
        found = date(int(year or 2000), number or 0, int(day or 1))
    except ValueError:
        return None
    parts = [
        f"{found.year:04}" if year else "-",
        *([f"{found.month:02}"] if month else []),
        *([f"{found.day:02}"] if day else []),
    ]
    return "-".join(parts)


@dataclass(frozen=True, slots=True)
class Dated:
    """A text that is one date, or the two ends of an interval, and words that qualify it such as
    "early" or "before"."""

    isos: tuple[str, ...]
    precision: str
    qualifiers: frozenset[str]

    @property
    def iso(self) -> str:
        return "/".join(self.isos)


def only_date(text: str) -> Dated | None:
    """The date that a text consists of, apart from words such as "on", "early" or "before"; None if
    the text says anything else."""
    found = dates(text)
    if not 1 <= len(found) <= 2:
        return None
    first, last = found[0], found[-1]
    if len(found) == 2 and not _BETWEEN.fullmatch(text[first.end : last.start]):
        return None
    around = f"{text[: first.start]} {text[last.end :]}"
    qualifiers = frozenset(word.lower() for word in _QUALIFIERS.findall(around))
    if first.iso.startswith("--") and not last.iso.startswith("-"):
        first = replace(first, iso=_in_year(first.iso, last.iso))
    rest = re.sub(
        r"\bbetween\b", " ", _NOISE.sub(" ", _QUALIFIERS.sub(" ", around)), flags=re.IGNORECASE
    )
    if re.search(r"\w", rest):
        return None
    return Dated((first.iso, last.iso)[: len(found)], last.precision, qualifiers)


def _in_year(first: str, last: str) -> str:
    """The start "--05-03" of an interval that ends on "2020-07-05", in the same year, or in the
    year before if it would be later than the end."""
    whole = f"{last[:4]}{first[1:]}"
    return whole if whole <= last else f"{int(last[:4]) - 1:04}{first[1:]}"


def includes(wide: Dated, narrow: Dated) -> bool:
    """Whether the narrow date is within the wide one, as 14 July 2015 is within 2015; a bound such
    as "before" must be the same on both."""
    if (
        len(wide.isos) != 1
        or len(narrow.isos) != 1
        or (wide.qualifiers and wide.qualifiers != narrow.qualifiers)
    ):
        return False
    if narrow.qualifiers & _BOUNDS and wide.qualifiers != narrow.qualifiers:
        return False
    one, other = wide.isos[0], narrow.isos[0]
    if one.endswith("X"):
        return other.startswith(one[:-1])
    if one.startswith("--"):
        return other[4:].startswith(one[1:])
    return other == one or other.startswith(one + "-")


_BOUNDS = frozenset(("before", "after", "until", "till", "since", "by", "eve"))


def agree(one: Dated, other: Dated) -> bool:
    """Whether both have the same meaning, perhaps with different precision."""
    same = (one.isos, one.qualifiers) == (other.isos, other.qualifiers)
    return same or includes(one, other) or includes(other, one)


def contrary(one: Dated, other: Dated) -> bool:
    """Whether no day can be both: single dates without bounds, neither within the other, and not
    one without a year beside a year."""
    if len(one.isos) != 1 or len(other.isos) != 1 or (one.qualifiers | other.qualifiers) & _BOUNDS:
        return False
    if one.iso.startswith("--") != other.iso.startswith("--") and {
        one.precision,
        other.precision,
    } & {"year", "decade"}:
        return False
    bare_one, bare_other = (Dated(d.isos, d.precision, frozenset()) for d in (one, other))
    return not includes(bare_one, bare_other) and not includes(bare_other, bare_one)
