"""Dates as files write them, in the form that filters compare: YYYY, YYYY-MM or YYYY-MM-DD."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from email.utils import parsedate_to_datetime

_ISO = re.compile(
    r"\d{4}(?:-(?:0[1-9]|1[0-2])(?:-(?:0[1-9]|[12]\d|3[01])(?:[T ].*)?)?)?", re.DOTALL
)
_PDF = re.compile(r"D:(\d{4})(\d{2})?(\d{2})?")
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
_WORDS = re.compile(
    r"(?:(\d{1,2})\.?\s+)?([A-Za-z]{3,9})\.?\s+(?:(\d{1,2})(?:st|nd|rd|th)?,?\s+)?(\d{4})"
)
_YEAR = re.compile(r"(?:1[5-9]|20)\d\d")


def iso(text: str) -> str:
    """The date that `text` is, or "" if it is none that can be told for certain: 03/04/2024 is two
    days, so it is none.
    """
    text = text.strip()
    if _ISO.fullmatch(text):
        return text[:10]
    return next(filter(None, _readings(text)), "")


def _readings(text: str) -> Iterator[str]:
    if match := _PDF.match(text):
        yield "-".join(part for part in match.groups() if part)
    if match := _WORDS.fullmatch(text):
        day, month, other_day, year = match.groups()
        if month[:3].lower() in _MONTHS:
            yield _build(
                int(year), _MONTHS.index(month[:3].lower()) + 1, int(day or other_day or 0)
            )
    if "," in text or ":" in text:  # "Fri, 13 Feb 2026 10:00:00 +0000"
        yield _mail(text)


def _build(year: int, month: int, day: int) -> str:
    try:
        return date(year, month, day).isoformat() if day else f"{year:04}-{month:02}"
    except ValueError:
        return ""


def _mail(text: str) -> str:
    try:
        return parsedate_to_datetime(text).date().isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return ""


def year(text: str) -> str:
    """The year in a date, or the only one that a text such as "Spring 2024" names; "" if none or
    several.
    """
    found = {iso(text)[:4]} - {""} or set(_YEAR.findall(text))
    return found.pop() if len(found) == 1 else ""
