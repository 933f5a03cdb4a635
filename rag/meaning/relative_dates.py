"""Resolves dates such as "on Tuesday" or "last month" against the date of their document, and finds
that date."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rag.meaning.dates import dates, only_date
from rag.meaning.number_words import digits

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_MONTHS = (
    "january february march april may june july august september october november december".split()
)
_AHEAD = re.compile(
    r"\b(?:will|would|should|must|can|may|is to|are to|was to|were to|shall|scheduled|due(?! to "
    r")|expected|"
    r"plan(?:s|ned) (?:to|for)|set to|upcoming|ahead)\b",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"[,;:()–—]|\b(?:when|while|who|which|that|as|but|and|because|after|before|until)\b",
    re.IGNORECASE,
)
_HEAD = re.compile(
    r"^\W*(?:(?:in|on|at|of|by|from|since|until|till|the|late|early)\s+)*", re.IGNORECASE
)
_BOUND = re.compile(r"\b(by|until|till|from|since)\s+(?:the )?$", re.IGNORECASE)
_THE = re.compile(r"\bthe (?:last|next|past)\b", re.IGNORECASE)
"""Relative to another event, such as "the next day"."""
_LABEL = re.compile(
    r"^\W*(?:(?:first )?published|updated|posted|dated?|released|issued|filed)\b[\s:]*(?:on\b)?",
    re.IGNORECASE,
)
_DATELINE = re.compile(
    r"^(?:[A-Z][^.!?(\n]{0,60}?,\s*|[A-Z][A-Z "
    r".,'’/-]{2,60}\()(?P<date>[^–—()\n]{6,40}?)\)?\s*(?:\([^)]*\)\s*)?[–—-]+\s(?!\d)"
)
"""A dateline: place, day and a dash; not the dates of a life."""
_TOP_LINES = 15


@dataclass(frozen=True, slots=True)
class Resolved:
    """A date with the precision of its words, and its derivation in words."""

    iso: str
    precision: str
    how: str
    bound: str = ""
    """A word that bounds the date: "until"."""


def document_date(metadata: Mapping[str, str], text: str) -> dt.date | None:
    """The date of a document: from its metadata, otherwise from a line or dateline near its top
    that consists of a day."""
    for key in ("date", "published", "created"):
        day = _day(metadata.get(key, ""))
        if day:
            return day
    lines = [line.strip() for line in text[:3000].splitlines() if line.strip()][:_TOP_LINES]
    for line in lines:
        dateline = _DATELINE.match(line)
        day = _day(_LABEL.sub("", line)) if len(line) < 80 else None
        day = day or (_day(dateline["date"]) if dateline else None)
        if day:
            return day
    return None


def _day(text: str) -> dt.date | None:
    """The day that the text consists of; a time of day after an ISO date is ignored."""
    found = only_date(re.sub(r"[T ]\d\d:\d\d.*$", "", text.strip()))
    if (
        found is None
        or found.precision != "day"
        or len(found.isos) != 1
        or found.iso.startswith("-")
    ):
        return None
    return dt.date.fromisoformat(found.iso)


def resolve(text: str, before: str, day: dt.date, after: str = "") -> Resolved | None:
    """The date that a relative expression means in a document of `day`; `before` and `after` are
    the rest of its sentence.

    None if the expression is not relative, refers to another event, or has no calendar date. A
    weekday alone is the last one up to that day, or the next if its clause is about the future;
    with "until", "by" or "from" the clause must say so. In a table row a weekday recurs, and is not
    resolved.
    """
    head = _HEAD.match(text)
    words = digits(_HEAD.sub("", text.strip().lower())).strip(" .,;:")
    leading = f"{before}{head[0] if head else ''}"
    if _THE.search(f"{before[-8:]}{text}"):
        return None
    bound, ahead = _BOUND.search(leading), _is_ahead(before, after)
    for pattern, rule in _RULES:
        match = pattern.fullmatch(words)
        if match and rule is _weekday and " | " in f"{before} {after}":
            return None
        if match and bound and rule is _weekday and not (ahead or bound[1].lower() == "since"):
            return None
        if match:
            try:
                found = rule(match, day, ahead)
            except (ValueError, OverflowError):
                return None
            how = f'"{text.strip()}" in a document of {day.isoformat()}'
            return found and Resolved(found[0], found[1], how, bound[1].lower() if bound else "")
    return None


def _is_ahead(before: str, after: str) -> bool:
    """Whether the clause of the expression is about the future. The words after it count only if it
    begins its clause."""
    clause = _CLAUSE.split(before)[-1]
    follows = "" if clause.strip() else _CLAUSE.split(after.lstrip(" ,"))[0]
    return bool(_AHEAD.search(f"{clause} {follows}"))


_Found = tuple[str, str]
_Rule = Callable[[re.Match[str], dt.date, bool], _Found | None]


def _named(match: re.Match[str], day: dt.date, _: bool) -> _Found:
    days = {
        "the day before yesterday": -2,
        "day before yesterday": -2,
        "yesterday": -1,
        "tomorrow": 1,
        "day after tomorrow": 2,
    }
    return (day + dt.timedelta(days=days.get(match[1], 0))).isoformat(), "day"


def _weekday(match: re.Match[str], day: dt.date, ahead: bool) -> _Found | None:
    which, number = match["which"], _DAYS.index(match["day"])
    back = (day.weekday() - number) % 7
    if which == "next" and 7 - back <= 2:  # some mean the one after
        return None
    if which in ("next", "coming"):
        return (day + dt.timedelta(days=7 - back)).isoformat(), "day"
    if which == "this":
        return (day + dt.timedelta(days=-back % 7)).isoformat(), "day"
    if which in ("last", "past"):
        return (day - dt.timedelta(days=back or 7)).isoformat(), "day"
    move = -back if not ahead or back == 0 else 7 - back
    return (day + dt.timedelta(days=move)).isoformat(), "day"


def _ago(match: re.Match[str], day: dt.date, _: bool) -> _Found | None:
    count = 1 if match["count"] in ("a", "an") else int(match["count"])
    return _shifted(day, match["unit"], -count) if count <= 2000 else None


def _neighbour(match: re.Match[str], day: dt.date, _: bool) -> _Found | None:
    return _shifted(day, match["unit"], {"last": -1, "this": 0, "next": 1}[match["which"]])


def _shifted(day: dt.date, unit: str, count: int) -> _Found | None:
    if unit == "day":
        return (day + dt.timedelta(days=count)).isoformat(), unit
    if unit == "week":
        year, week, _ = (day + dt.timedelta(weeks=count)).isocalendar()
        return f"{year}-W{week:02}", unit
    months = 12 * day.year + day.month - 1 + count * (12 if unit == "year" else 1)
    year, month = divmod(months, 12)
    if not dt.MINYEAR <= year <= dt.MAXYEAR:
        return None
    return (f"{year:04}", unit) if unit == "year" else (f"{year:04}-{month + 1:02}", unit)


def _month(match: re.Match[str], day: dt.date, _: bool) -> _Found:
    """The nearest such month before ("last") or after ("next") the document's own."""
    number = _MONTHS.index(match["month"]) + 1
    year = (
        day.year - (number >= day.month)
        if match["which"] == "last"
        else day.year + (number <= day.month)
    )
    return f"{year:04}-{number:02}", "month"


_RULES: list[tuple[re.Pattern[str], _Rule]] = [
    (
        re.compile(r"(today|yesterday|tomorrow|day before yesterday|day after tomorrow)(?: \w+)?"),
        _named,
    ),
    (
        re.compile(r"(?:this (morning|afternoon|evening)|(tonight))"),
        lambda match, day, ahead: (day.isoformat(), "day"),
    ),
    (
        re.compile(
            rf"(?P<which>last|past|this|next|coming)? ?(?P<day>{'|'.join(_DAYS)})(?: "
            rf"(?:morning|afternoon|evening|night))?"
        ),
        _weekday,
    ),
    (re.compile(r"(?P<count>an?|\d+) (?P<unit>day|week|month|year)s? ago"), _ago),
    (re.compile(r"(?P<which>last|this|next) (?P<unit>week|month|year)"), _neighbour),
    (re.compile(rf"(?P<which>last|next) (?P<month>{'|'.join(_MONTHS)})"), _month),
]


def is_relative(text: str) -> bool:
    """Whether the text looks like a date relative to another day."""
    return not dates(text) and resolve(text, "", dt.date(2000, 1, 1)) is not None
