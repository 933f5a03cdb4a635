"""Dates and times of day in words or figures, with the precision of the words: the one grammar that
reads them.

Questions, answers, column names, metadata and claims all use it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from email.utils import parsedate_to_datetime

from rag.meaning.words import MONTH, SMALL_NUMBERS, WEEKDAYS, YEAR, month_number

_ZONE = (
    r"(?:UTC|GMT|Z|[ECMP][SD]T|local time"
    r"|(?i:(?:eastern|central|mountain|pacific|alaska) (?:standard |daylight )?time))\b"
)
_ON_A_CLOCK = rf"\s?(?:{_ZONE}|(?:hours?|hrs?|h)\b)"
"""After four digits that are a time of day or a duration, as in "1753 hours", and no year."""
_PARTS = {
    "MONTH": rf"(?P<month>{MONTH}\b\.?)",
    "Month": rf"(?P<month>(?=[A-Z][a-z])(?i:{MONTH})\b\.?)",
    "DAY": r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?\b",
    "YEAR": rf"(?P<year>{YEAR})\b(?!\s?(?:BC|%|\d)|[.,]\d)(?!{_ON_A_CLOCK})",
    "FIRST": r"(?P<first>[0-3]?\d)(?:st|nd|rd|th)?(?P<joiner>\s?[-–—/]\s?"
    r"|\s(?:to|and|or|until|till|through)\s(?:the )?)",
}
_FORMS = (
    rf"(?<![\d.,-])(?P<from>{YEAR})(?P<joiner>[-–/])(?P<upto>{YEAR}|\d\d)\b(?![-/–.,]?\d)",
    r"(?i:(?<![\d.,-])\bFIRSTDAY(?: of)? MONTH(?:,?(?: of)? YEAR)?)",
    r"(?i:\bMONTH FIRSTDAY(?:,? YEAR)?)",
    r"\b(?P<year>\d{4})-(?P<number>[01]\d)(?:-(?P<day>[0-3]\d))?\b(?![-/]\d)",
    rf"(?<![\d.])(?P<day>[0-3]?\d)\.\s?(?P<number>[01]?\d)\.\s?(?P<year>{YEAR})\b(?!\.?\d)",
    rf"(?<![\d.-])(?P<day>[0-3]?\d)-(?P<number>[01]?\d)-(?P<year>{YEAR})(?![\d.-])",
    rf"(?<![\d/])(?P<either>\d\d?)/(?P<day>\d\d?)/(?P<year>{YEAR}|\d\d)(?![\d/])",
    r"(?i:\bDAY(?: of)? MONTH,?(?: of)? YEAR)",
    r"(?i:\bMONTH DAY,? YEAR)",
    r"(?i:\bMONTH,?(?: of)? YEAR)",
    rf"(?i:\bMONTH[-'’](?P<year>{YEAR}|\d\d)(?![\d-]))",
    r"\bDAY(?: of)? Month",
    r"\bMonth DAY",
    r"\b(?P<decade>(?:1\d|20)\d)0s\b",
    r"(?<![\d.,$€£-])\bYEAR",
    r"\bMonth(?=\W|$)",
)
"""The forms of a date; at one place the first that fits counts. `either` is a month or a day."""


_GAP = r"(?:[^\S\n]|[^\S\n]{0,20}\n[^\S\n]{0,20})"
"""A space, or the end of a line: a date may be broken over two lines of a paragraph."""


def _numbered(form: str, number: int) -> str:
    """The form with its parts, whose group names get its number, since names must be unique."""
    form = form.replace(" ", _GAP)
    for name, pattern in _PARTS.items():
        form = form.replace(name, pattern)
    return form.replace("(?P<", f"(?P<f{number}_")


_DATE = re.compile("|".join(_numbered(form, number) for number, form in enumerate(_FORMS)))
_QUALIFIERS = re.compile(
    r"(?i)\b(?:early|mid|middle|late|end|start|beginning|spring|summer|autumn|fall|winter|before|"
    r"after|until|till|since|by|first half|second half|around|about|circa|eve)\b"
)
_NOISE = re.compile(
    r"(?i)\b(?:on|in|at|of|the|from|year|month|day|morning|evening|night|afternoon|during|as|dated|"
    rf"between|{'|'.join(WEEKDAYS)})\b"
)
BETWEEN = re.compile(r"(?i)\s*(?:to|until|till|through|and|or|[-–—/])\s*(?:the )?")
_PDF = re.compile(r"(?s)D:(\d{4})(\d{2})?(\d{2})?.*")
_CLOCK = re.compile(r"(?s)[T ]\d\d:\d\d.*$")
_LONGEST = 400
"""Maximum number of characters of a text that is nothing but a date."""
_PREVIOUS_CENTURY = 50
"""A year of two digits from here on is of the 20th century."""
BOUNDS = frozenset("before after until till since by eve".split())


@dataclass(frozen=True, slots=True)
class Date:
    """A date at `[start, end)` of a text. `iso` and `precision` as in `Value`: a month without a
    year has no year. `other` is the other reading of a date such as 1/7/2023. `is_certain` is
    False if there is one, or if the year has two digits.
    """

    start: int
    end: int
    iso: str
    precision: str
    other: str = ""
    is_certain: bool = True


def dates(text: str) -> list[Date]:
    """The valid calendar dates in a text that have one reading, in order, without overlaps."""
    return [date for date in all_dates(text) if date.is_certain]


def all_dates(text: str) -> list[Date]:
    """The valid calendar dates in a text, also those with two readings or short years."""
    return [date for match in _DATE.finditer(text) for date in _dates(match)]


def days(text: str) -> frozenset[str]:
    """The full dates in a text, in ISO 8601, with both readings of 1/7/2023."""
    return full_days(all_dates(text))


def full_days(stated: Sequence[Date]) -> frozenset[str]:
    """The days with a year among these dates, in ISO 8601, with all their readings."""
    days = [date for date in stated if date.precision == "day" and date.iso[0] != "-"]
    return frozenset(iso for date in days for iso in (date.iso, date.other) if iso)


_LOWER_MONTH = re.compile(
    rf"\b(?!may\b){MONTH}\b|(?:(?<=\d )|(?<=\d[snrt][tdh] )|(?<=\d[snrt][tdh] of ))may\b"
)
"""A month as people type it in questions; "may" only after a day."""


def named_days(text: str) -> frozenset[str]:
    """The days in a question, a title or a heading, in ISO 8601, with both readings of 1/7/2023;
    "--07-24" without a year. Months may be in lower case.
    """
    return frozenset(days_as_written(text))


def days_as_written(text: str) -> dict[str, str]:
    """The `named_days` of a text, each with the words that it has for the day."""
    capitalised = _LOWER_MONTH.sub(lambda month: month[0].capitalize(), text)
    found = [date for date in all_dates(capitalised) if date.precision == "day"]
    return {
        iso: text[date.start : date.end] for date in found for iso in (date.iso, date.other) if iso
    }


def share_day(some: Collection[str], others: Collection[str]) -> bool:
    """Whether one of the days is among the others; without a year it is of any year."""
    return any(
        day == other or (day[-6:] == other[-6:] and "--" in (day[:2], other[:2]))
        for day in some
        for other in others
    )


def _dates(match: re.Match[str]) -> Iterator[Date]:
    start, end = match.span()
    groups = {name: text for name, text in match.groupdict().items() if text}
    prefix = next(iter(groups)).partition("_")[0]
    parts = {name.partition("_")[2]: text for name, text in groups.items()}

    if "upto" in parts:
        middle = match.start(f"{prefix}_joiner")
        yield from _years(parts, start, middle, match.start(f"{prefix}_upto"), end)

    elif "joiner" in parts:
        first_iso, last_iso = _iso(parts | {"day": parts["first"]}), _iso(parts)

        if first_iso and last_iso and first_iso < last_iso:
            yield Date(start, match.start(f"{prefix}_joiner"), first_iso, "day")

        if last_iso:
            yield Date(match.end(f"{prefix}_joiner"), end, last_iso, "day")

    elif "decade" in parts:
        yield Date(start, end, parts["decade"] + "X", "decade")

    elif "either" in parts:
        swapped = parts | {"number": parts["day"], "day": parts["either"]}
        readings = [_iso(parts | {"number": parts["either"]}), _iso(swapped)]

        isos = list(dict.fromkeys(filter(None, readings)))
        if isos:
            is_certain = len(isos) == 1 and len(parts["year"]) > 2
            yield Date(start, end, isos[0], "day", isos[1] if isos[1:] else "", is_certain)

    elif iso := _iso(parts):
        precision = "day" if "day" in parts else "month" if len(parts) > 1 else "year"
        precision = "month" if "year" not in parts and "day" not in parts else precision
        yield Date(start, end, iso, precision, "", len(parts.get("year", "0000")) > 2)


def _years(
    parts: dict[str, str], start: int, middle: int, upto_start: int, end: int
) -> Iterator[Date]:
    """Both years of "2015-18", "2015–2018" and the season "2009/10"; "2009-07" is a month."""
    from_year, upto = int(parts["from"]), parts["upto"]
    upto_year = int(upto) if len(upto) == 4 else int(parts["from"][:2] + upto)
    upto_year += 100 * (upto_year == from_year - 99)

    is_dash = parts["joiner"] == "–" or upto > "12"

    if upto_year == from_year + 1 or (upto_year > from_year and is_dash and parts["joiner"] != "/"):
        yield Date(start, middle, str(from_year), "year")
        yield Date(upto_start, end, str(upto_year), "year")
    elif parts["joiner"] == "-" and len(upto) == 2:
        if iso := _iso({"year": parts["from"], "number": upto}):
            yield Date(start, end, iso, "month")
    elif parts["joiner"] == "/":
        yield Date(start, middle, str(from_year), "year")


def _iso(parts: dict[str, str]) -> str:
    """The date with these parts, or "" if the calendar has no such date."""
    year = full_year(parts["year"]) if "year" in parts else ""
    month = parts.get("number") or (month_number(parts["month"]) if "month" in parts else "")
    try:
        valid = date(int(year or 2000), int(month or 1), int(parts.get("day", 1)))
    except ValueError:
        return ""
    parts_of_iso = [year or "-"]
    parts_of_iso += [f"{valid.month:02}"] if month else []
    return "-".join([*parts_of_iso, *([f"{valid.day:02}"] if "day" in parts else [])])


def full_year(digits: str) -> str:
    """A year, or the one with these last two digits."""
    if len(digits) > 2:
        return digits
    return ("19" if int(digits) >= _PREVIOUS_CENTURY else "20") + digits


@dataclass(frozen=True, slots=True)
class Dated:
    """A text that is one date or the ends of an interval, with words such as "before"."""

    isos: tuple[str, ...]
    precision: str
    qualifiers: frozenset[str]

    @property
    def iso(self) -> str:
        return "/".join(self.isos)

    @property
    def bounds(self) -> frozenset[str]:
        """The qualifiers that exclude the date itself, such as "before"."""
        return self.qualifiers & BOUNDS

    @property
    def plain(self) -> Dated:
        """The date without its qualifiers."""
        return replace(self, qualifiers=frozenset())

    def qualified(self, word: str) -> Dated:
        """The date with another qualifier."""
        return replace(self, qualifiers=self.qualifiers | {word.lower()})


def only_date(text: str) -> Dated | None:
    """The date that a text consists of, apart from words such as "on", "early" or "before"; None if
    the text says anything else.
    """
    text_dates = dates(text) if len(text) <= _LONGEST else []
    if not 1 <= len(text_dates) <= 2:
        return None

    start, end = text_dates[0], text_dates[-1]
    if len(text_dates) == 2 and not BETWEEN.fullmatch(text[start.end : end.start]):
        return None

    context = f"{text[: start.start]} {text[end.end :]}"
    qualifiers = frozenset(word.lower() for word in _QUALIFIERS.findall(context))

    if start.iso.startswith("--") and not end.iso.startswith("-"):
        start_iso = f"{end.iso[:4]}{start.iso[1:]}"
        if start_iso > end.iso:  # it began in the year before
            start_iso = f"{int(end.iso[:4]) - 1:04}{start.iso[1:]}"
        start = replace(start, iso=start_iso)

    beside = _NOISE.sub(" ", _QUALIFIERS.sub(" ", context))
    if any(character.isalnum() or character == "_" for character in beside):
        return None

    return Dated((start.iso, end.iso)[: len(text_dates)], end.precision, qualifiers)


def includes(period: Dated, date: Dated) -> bool:
    """Whether the narrow date is within the wide one, as 14 July 2015 is within 2015; a bound such
    as "before" must be the same on both.
    """
    if len(period.isos) != 1 or len(date.isos) != 1:
        return False
    if (period.qualifiers or date.bounds) and period.qualifiers != date.qualifiers:
        return False
    period_iso, date_iso = period.iso, date.iso
    if period_iso.endswith("X"):
        return date_iso.startswith(period_iso[:-1])
    if period_iso.startswith("--"):
        return date_iso[4:].startswith(period_iso[1:])
    return date_iso == period_iso or date_iso.startswith(period_iso + "-")


def iso_date(text: str) -> str:
    """The date that metadata consists of, as YYYY, YYYY-MM or YYYY-MM-DD; a time of day is ignored.
    "" without a date, or if it is ambiguous: 03/04/2024 may mean two different days.
    """
    text = text.strip()
    if match := _PDF.fullmatch(text):
        text = "-".join(part for part in match.groups() if part)
    date = only_date(_CLOCK.sub("", text))
    if date and not date.qualifiers and len(date.isos) == 1 and date.iso.replace("-", "").isdigit():
        return "" if date.iso.startswith("-") else date.iso
    if "," in text or ":" in text:  # "Fri, 13 Feb 2026 10:00:00 +0000"
        with suppress(ValueError, TypeError, IndexError, OverflowError):
            return parsedate_to_datetime(text).date().isoformat()
    return ""


def only_year(text: str) -> str:
    """The year of the only date in a text such as "Spring 2024"; "" for none or several years."""
    years = {date.iso[:4] for date in all_dates(text) if date.iso[:4].isdigit()}
    return years.pop() if len(years) == 1 else ""


_MINUTES = {"five": 5, "ten": 10, "quarter": 15, "twenty": 20, "twenty-five": 25, "half": 30}
_HOUR = "|".join(SMALL_NUMBERS)
_AT = "|".join(rf"(?<=\bat {word}....)" for word in ("", "about ", "around ", "approximately "))
_SERVICE = (
    rf"(?=\s?(?:(?:hours?|hrs?|h)\s?)?{_ZONE}|\s?(?:hours?|hrs?) local\b)"
    rf"|(?:{_AT})(?=\s?(?:hours|hrs|h)\b)"
)
"""Shows that four digits are a time: "1753 hours local", "at 1753 hours"; "1500 hours" alone is a
duration."""
_TIME = re.compile(
    r"(?i)(?<![\w:.])(?P<hour>[01]?\d|2[0-3])(?:[:.](?P<minute>[0-5]\d)(?::[0-5]\d)?)?\s?"
    r"(?P<half>[ap])\.?m\b\.?"
    r"|(?<![\w:.])(?P<hours>[01]?\d|2[0-3])[:h](?P<minutes>[0-5]\d)(?![\w:]|\.\d)"
    rf"|(?<![\w:.,-])(?P<digits>(?:[01]\d|2[0-3])[0-5]\d)(?:{_SERVICE})"
    rf"|\b(?:(?P<part>{'|'.join(_MINUTES)})(?: minutes)?|a (?P<quarter>quarter)) (?P<side>to|past) "
    rf"(?P<named>{_HOUR})\b(?![-\s]?(?:hundred|thousand|million|percent|per cent|%))"
    rf"|\b(?P<clock>\d\d?|{_HOUR}) o['’]clock"
    r"|\b(?P<noon>noon|midday|midnight)\b"
)
_HALF_DAY = 12 * 60


@dataclass(frozen=True, slots=True)
class TimeOfDay:
    """A time at `[start, end)` of a text, in minutes since midnight. If `is_exact` is False, the
    words leave open which half of the day it is in.
    """

    start: int
    end: int
    minutes: int
    is_exact: bool

    def is_same(self, other: TimeOfDay) -> bool:
        """Whether both are one time, or may be if the half of the day is open."""
        if self.is_exact and other.is_exact:
            return self.minutes == other.minutes
        return (self.minutes - other.minutes) % _HALF_DAY == 0


def times(text: str) -> list[TimeOfDay]:
    """The times of day in a text, in order. "Five to ten" is a range of numbers, not a time."""
    readings = ((match, _minutes(match)) for match in _TIME.finditer(text))
    return [TimeOfDay(*match.span(), *minutes) for match, minutes in readings if minutes]


def _minutes(match: re.Match[str]) -> tuple[int, bool] | None:
    """(minutes since midnight, whether the half of the day is known)"""
    parts = {name: text.lower() for name, text in match.groupdict().items() if text}

    if "half" in parts:
        hour = int(parts["hour"])
        minutes = (hour % 12 + 12 * (parts["half"] == "p")) * 60 + int(parts.get("minute", 0))
        return (minutes, True) if 1 <= hour <= 12 else None

    if "hours" in parts:
        hour = int(parts["hours"])
        return 60 * hour + int(parts["minutes"]), hour > 12 or parts["hours"][0] == "0"

    if "digits" in parts:
        return 60 * int(parts["digits"][:2]) + int(parts["digits"][2:]), True

    if "noon" in parts:
        return 0 if parts["noon"] == "midnight" else 720, True

    if "clock" in parts:
        return 60 * _hour(parts["clock"]), False

    passed, hour = _MINUTES[parts.get("part") or parts["quarter"]], _hour(parts["named"])
    if parts["side"] == "to" and "part" in parts and passed <= hour:
        return None

    return 60 * hour + (passed if parts["side"] == "past" else -passed), False


def _hour(name: str) -> int:
    return int(name) if name.isdigit() else 1 + SMALL_NUMBERS.index(name)
