"""Resolves dates such as "on Tuesday" or "last month" against the date of their document, and finds
that date.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from rag.meaning.dates import dates, only_date
from rag.meaning.words import MONTHS, WEEKDAYS, digits, month_number

_FUTURE = re.compile(
    r"(?i)\b(?:will|would|should|must|can|may|is to|are to|was to|were to|shall|scheduled|"
    r"due(?! to )|expected|plan(?:s|ned) (?:to|for)|set to|upcoming|ahead)\b"
)
_CLAUSE = re.compile(
    r"(?i)[,;:()–—]|\b(?:when|while|who|which|that|as|but|and|because|after|before|until)\b"
)
_HEAD = re.compile(r"(?i)^\W*(?:(?:in|on|at|of|by|from|since|until|till|the|late|early)\s+)*")
_BOUND = re.compile(r"(?i)\b(by|until|till|from|since)\s+(?:the )?$")
_THE = re.compile(r"(?i)\bthe (?:last|next|past)\b")
"""Relative to another event, such as "the next day"."""
_DATELINE = re.compile(
    r"^(?:[A-Z][^.!?(\n]{0,60}?,\s*+|[A-Z][A-Z .,'’/-]{2,60}\()(?P<date>[^–—()\n]{6,40}?)\)?+\s*+"
    r"(?:\([^)]*\)\s*+)?[–—-]++\s(?!\d)"
    r"|^\W*(?i:(?:first )?published|updated|posted|dated?|released|issued|filed)\b[\s:]*(?:on\b)?"
    r"(?P<labelled>.*)"
)
"""A dateline (place, day and a dash; not the dates of a life), or a line such as "Published: …"."""
_EXPRESSION = re.compile(
    r"(?P<near>today|yesterday|tomorrow|day before yesterday|day after tomorrow)(?: \w+)?"
    r"|(?P<now>this (?:morning|afternoon|evening)|tonight)"
    r"|(?P<count>an?|\d+) (?P<passed>day|week|month|year)s? ago"
    r"|(?:(?P<which>last|past|this|next|coming) )?"
    rf"(?:(?P<weekday>{'|'.join(WEEKDAYS)})(?: (?:morning|afternoon|evening|night))?"
    rf"|(?P<month>{'|'.join(MONTHS)})|(?P<unit>week|month|year))"
)
_DAYS_AWAY = {"day before yesterday": -2, "yesterday": -1, "tomorrow": 1, "day after tomorrow": 2}
_STEPS = {"last": -1, "this": 0, "next": 1}
_TOP_LENGTH = 3000
"""Characters of a document in which its dateline is looked for."""
_TOP_LINES = 15
_LONGEST_DATE_LINE = 80
"""Characters up to which a line may be nothing but a date."""
_MOST_PASSED = 2000
"""Longer times ago are figures of speech."""
_IsoDate = tuple[str, str]
"""(ISO date, precision)"""


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
    that consists of a day.
    """
    for key in ("date", "published", "created"):
        day = _day(metadata.get(key, ""))
        if day:
            return day
    return _date_near_top(text[:_TOP_LENGTH])


@functools.lru_cache(256)
def _date_near_top(text: str) -> dt.date | None:
    """Cached, since every citation of a document has its date."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines[:_TOP_LINES]:
        day = _day(line) if len(line) < _LONGEST_DATE_LINE else None
        dateline = _DATELINE.match(line)
        if day is None and dateline:
            day = _day(dateline["date"] or dateline["labelled"])
        if day:
            return day
    return None


def _day(text: str) -> dt.date | None:
    """The day that the text consists of; a time of day after an ISO date is ignored."""
    date_part, _, clock = text.strip().replace("T", " ", 1).partition(" ")
    has_clock = ":" in clock[:3]
    date = only_date(date_part if has_clock else text)
    if date is None or date.precision != "day" or len(date.isos) != 1:
        return None
    has_year = not date.iso.startswith("-")
    return dt.date.fromisoformat(date.iso) if has_year else None


def resolve(
    text: str, text_before: str, day: dt.date, text_after: str = "", in_row: bool = False
) -> Resolved | None:
    """The date that a relative expression means in a document of `day`; `text_before` and
    `text_after` are the rest of its sentence.

    None if the expression is not relative, refers to another event, or has no calendar date. A
    weekday alone is the last one up to that day, or the next if its clause is about the future;
    with "until", "by" or "from" the clause must say so. `in_row` is whether the expression is in a
    row of a table, where a weekday recurs and is not resolved.
    """
    expression = digits(_HEAD.sub("", text.strip().lower())).strip(" .,;:")
    match = _EXPRESSION.fullmatch(expression)
    if match is None or _THE.search(f"{text_before[-8:]}{text}"):
        return None

    head = _HEAD.match(text)
    bound = _BOUND.search(f"{text_before}{head[0] if head else ''}")
    bound_word = bound[1].lower() if bound else ""
    is_ahead = _is_ahead(text_before, text_after)
    is_open = bound_word not in ("", "since") and not is_ahead
    if match["weekday"] and (in_row or is_open):
        return None
    try:
        resolved = _resolved(match, day, is_ahead)
    except (ValueError, OverflowError):
        return None
    if resolved is None:
        return None

    iso, precision = resolved
    explanation = f'"{text.strip()}" in a document of {day.isoformat()}'
    return Resolved(iso, precision, explanation, bound_word)


def _is_ahead(text_before: str, text_after: str) -> bool:
    """Whether the clause of the expression is about the future. The words after it count only if it
    begins its clause.
    """
    clause = _CLAUSE.split(text_before)[-1]
    words_after = ""
    begins_clause = not clause.strip()
    if begins_clause:
        words_after = _CLAUSE.split(text_after.lstrip(" ,"))[0]
    return bool(_FUTURE.search(f"{clause} {words_after}"))


def _resolved(match: re.Match[str], day: dt.date, is_ahead: bool) -> _IsoDate | None:
    """The date of a relative expression; None if it has no calendar date."""
    modifier = match["which"]
    if match["near"] or match["now"]:
        days = _DAYS_AWAY.get(match["near"] or "", 0)
        return _shifted_date(day, "day", days)

    if match["count"]:
        count = 1 if match["count"] in ("a", "an") else int(match["count"])
        if count > _MOST_PASSED:
            return None
        return _shifted_date(day, match["passed"], -count)

    if match["weekday"]:
        return _weekday(modifier, WEEKDAYS.index(match["weekday"]), day, is_ahead)
    if match["unit"] and modifier in _STEPS:
        return _shifted_date(day, match["unit"], _STEPS[modifier])
    if match["month"] and modifier in ("last", "next"):
        return _month(modifier, month_number(match["month"]), day)
    return None


def _month(modifier: str, number: int, day: dt.date) -> _IsoDate:
    """ "last May" or "next May": the nearest one before or after the month of the day."""
    year = day.year
    if modifier == "last" and number >= day.month:
        year -= 1
    if modifier == "next" and number <= day.month:
        year += 1
    return f"{year:04}-{number:02}", "month"


def _weekday(modifier: str | None, number: int, day: dt.date, is_ahead: bool) -> _IsoDate | None:
    """The day of a weekday, such as "last Tuesday"; without a modifier the last one up to the day,
    or the next if it `is_ahead`.
    """
    days_back = (day.weekday() - number) % 7
    days_to_next = 7 - days_back
    days_to_last = -(days_back or 7)
    if modifier == "next" and days_to_next <= 2:  # some mean the one after
        return None

    if modifier in ("next", "coming"):
        days = days_to_next
    elif modifier == "this":
        days = -days_back % 7
    elif modifier in ("last", "past"):
        days = days_to_last
    elif is_ahead and days_back:
        days = days_to_next
    else:
        days = -days_back
    return _shifted_date(day, "day", days)


def _shifted_date(day: dt.date, unit: str, count: int) -> _IsoDate | None:
    """The day, or its week, month or year, so many units later."""
    if unit == "day":
        return (day + dt.timedelta(days=count)).isoformat(), unit
    if unit == "week":
        year, week, _ = (day + dt.timedelta(weeks=count)).isocalendar()
        return f"{year}-W{week:02}", unit

    months_in_unit = 12 if unit == "year" else 1
    months = 12 * day.year + day.month - 1 + count * months_in_unit
    year, month = divmod(months, 12)
    if not dt.MINYEAR <= year <= dt.MAXYEAR:
        return None
    if unit == "year":
        return f"{year:04}", unit
    return f"{year:04}-{month + 1:02}", unit


def is_relative(text: str) -> bool:
    """Whether the text looks like a date relative to another day."""
    return not dates(text) and resolve(text, "", dt.date(2000, 1, 1)) is not None
