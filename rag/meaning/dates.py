"""Dates and times of day in words or figures, with the precision of the words: the one grammar that
reads them.

Questions, answers, column names, metadata and claims all use it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
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


def _with_numbered_groups(form: str, number: int) -> str:
    """The form with its parts, whose group names get its number, since names must be unique."""
    form = form.replace(" ", _GAP)
    for name, pattern in _PARTS.items():
        form = form.replace(name, pattern)
    return form.replace("(?P<", f"(?P<f{number}_")


_DATE = re.compile(
    "|".join(_with_numbered_groups(form, number) for number, form in enumerate(_FORMS))
)
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
_LONGEST_TEXT = 400
"""Maximum number of characters of a text that is nothing but a date."""
_PREVIOUS_CENTURY = 50
"""A year of two digits from here on is of the 20th century."""
BOUNDS = frozenset("before after until till since by eve".split())
ENDS = frozenset("before until till by".split())
"""The bounds that are the last day of something."""


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

    @property
    def readings(self) -> tuple[str, ...]:
        """The date, in both readings if it has two."""
        return (self.iso, self.other) if self.other else (self.iso,)


def dates(text: str) -> list[Date]:
    """The valid calendar dates in a text that have one reading, in order, without overlaps."""
    return [date for date in all_dates(text) if date.is_certain]


def all_dates(text: str) -> list[Date]:
    """The valid calendar dates in a text, also those with two readings or short years."""
    stated: list[Date] = []
    for match in _DATE.finditer(text):
        stated += _dates(match)
    return stated


def days(text: str) -> frozenset[str]:
    """The full dates in a text, in ISO 8601, with both readings of 1/7/2023."""
    return full_days(all_dates(text))


def full_days(stated: Sequence[Date]) -> frozenset[str]:
    """The days with a year among these dates, in ISO 8601, with all their readings."""
    days: set[str] = set()
    for date in stated:
        has_year = date.iso[0] != "-"
        if date.precision == "day" and has_year:
            days.update(date.readings)
    return frozenset(days)


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
    words_by_day = {}
    for date in all_dates(capitalised):
        if date.precision != "day":
            continue
        for iso in date.readings:
            words_by_day[iso] = text[date.start : date.end]
    return words_by_day


def share_day(days: Collection[str], other_days: Collection[str]) -> bool:
    """Whether one of the days is among the others; without a year it is of any year."""
    return any(_is_same_day(day, other_day) for day in days for other_day in other_days)


def _is_same_day(day: str, other_day: str) -> bool:
    if day == other_day:
        return True
    has_no_year = day.startswith("--") or other_day.startswith("--")
    return has_no_year and day[-6:] == other_day[-6:]


def _dates(match: re.Match[str]) -> Iterator[Date]:
    """The dates of one match: an interval of days or of years has two."""
    start, end = match.span()
    groups = {name: text for name, text in match.groupdict().items() if text}
    prefix = next(iter(groups)).partition("_")[0]
    parts = {name.partition("_")[2]: text for name, text in groups.items()}

    if "upto" in parts:
        middle = match.start(f"{prefix}_joiner")
        yield from _years(parts, start, middle, match.start(f"{prefix}_upto"), end)

    elif "joiner" in parts:
        first_iso = _iso(parts | {"day": parts["first"]})
        last_iso = _iso(parts)
        if first_iso and last_iso and first_iso < last_iso:
            yield Date(start, match.start(f"{prefix}_joiner"), first_iso, "day")
        if last_iso:
            yield Date(match.end(f"{prefix}_joiner"), end, last_iso, "day")

    elif "decade" in parts:
        yield Date(start, end, parts["decade"] + "X", "decade")

    elif "either" in parts:
        yield from _in_figures(parts, start, end)

    elif iso := _iso(parts):
        is_certain = len(parts.get("year", "0000")) > 2
        yield Date(start, end, iso, _precision(parts), is_certain=is_certain)


def _in_figures(parts: dict[str, str], start: int, end: int) -> Iterator[Date]:
    """The date of "1/7/2023", with both readings if the calendar has them."""
    month_first = _iso(parts | {"number": parts["either"]})
    day_first = _iso(parts | {"number": parts["day"], "day": parts["either"]})
    isos = [iso for iso in dict.fromkeys((month_first, day_first)) if iso]
    if not isos:
        return
    is_certain = len(isos) == 1 and len(parts["year"]) > 2
    other_iso = isos[1] if len(isos) > 1 else ""
    yield Date(start, end, isos[0], "day", other_iso, is_certain)


def _precision(parts: dict[str, str]) -> str:
    if "day" in parts:
        return "day"
    is_year_alone = "year" in parts and len(parts) == 1
    return "year" if is_year_alone else "month"


def _years(
    parts: dict[str, str], start: int, middle: int, upto_start: int, end: int
) -> Iterator[Date]:
    """Both years of "2015-18", "2015–2018" and the season "2009/10"; "2009-07" is a month."""
    joiner = parts["joiner"]
    from_digits = parts["from"]
    upto_digits = parts["upto"]
    is_short = len(upto_digits) == 2
    from_year = int(from_digits)
    upto_year = int(from_digits[:2] + upto_digits) if is_short else int(upto_digits)
    is_turn_of_century = upto_year == from_year - 99
    if is_turn_of_century:
        upto_year += 100

    is_season = upto_year == from_year + 1
    may_be_interval = joiner == "–" or (joiner != "/" and upto_digits > "12")
    if is_season or (may_be_interval and upto_year > from_year):
        yield Date(start, middle, str(from_year), "year")
        yield Date(upto_start, end, str(upto_year), "year")
    elif joiner == "-" and is_short:
        iso = _iso({"year": from_digits, "number": upto_digits})
        if iso:
            yield Date(start, end, iso, "month")
    elif joiner == "/":
        yield Date(start, middle, str(from_year), "year")


def _iso(parts: dict[str, str]) -> str:
    """The date with these parts, or "" if the calendar has no such date."""
    year = full_year(parts["year"]) if "year" in parts else ""
    month = parts.get("number", "")
    if not month and "month" in parts:
        month = str(month_number(parts["month"]))
    day = parts.get("day", "")
    try:
        valid_date = dt.date(int(year or 2000), int(month or 1), int(day or 1))
    except ValueError:
        return ""

    iso = year or "-"
    if month:
        iso += f"-{valid_date.month:02}"
    if day:
        iso += f"-{valid_date.day:02}"
    return iso


def full_year(digits: str) -> str:
    """A year, or the one with these last two digits."""
    if len(digits) > 2:
        return digits
    century = "19" if int(digits) >= _PREVIOUS_CENTURY else "20"
    return century + digits


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
    if len(text) > _LONGEST_TEXT:
        return None
    stated = dates(text)
    if not 1 <= len(stated) <= 2:
        return None
    start = stated[0]
    end = stated[-1]
    is_interval = len(stated) == 2
    if is_interval and not BETWEEN.fullmatch(text[start.end : end.start]):
        return None

    context = f"{text[: start.start]} {text[end.end :]}"
    other_words = _NOISE.sub(" ", _QUALIFIERS.sub(" ", context))
    if any(character.isalnum() or character == "_" for character in other_words):
        return None

    qualifiers = frozenset(word.lower() for word in _QUALIFIERS.findall(context))
    if not is_interval:
        return Dated((end.iso,), end.precision, qualifiers)
    return Dated((_start_iso(start, end), end.iso), end.precision, qualifiers)


def _start_iso(start: Date, end: Date) -> str:
    """The start of an interval, in the year of its end if it has none of its own."""
    has_own_year = not start.iso.startswith("--")
    if has_own_year or end.iso.startswith("-"):
        return start.iso
    iso = f"{end.iso[:4]}{start.iso[1:]}"
    if iso > end.iso:  # it began in the year before
        iso = f"{int(end.iso[:4]) - 1:04}{start.iso[1:]}"
    return iso


def includes(period: Dated, date: Dated) -> bool:
    """Whether the narrow date is within the wide one, as 14 July 2015 is within 2015; a bound such
    as "before" must be the same on both.
    """
    if len(period.isos) != 1 or len(date.isos) != 1:
        return False
    has_qualifier = period.qualifiers or date.bounds
    if has_qualifier and period.qualifiers != date.qualifiers:
        return False

    is_decade = period.iso.endswith("X")
    if is_decade:
        return date.iso.startswith(period.iso[:-1])
    has_no_year = period.iso.startswith("--")
    if has_no_year:
        return date.iso[4:].startswith(period.iso[1:])
    return date.iso == period.iso or date.iso.startswith(period.iso + "-")


def iso_date(text: str) -> str:
    """The date that metadata consists of, as YYYY, YYYY-MM or YYYY-MM-DD; a time of day is ignored.
    "" without a date, or if it is ambiguous: 03/04/2024 may mean two different days.
    """
    text = text.strip()
    if match := _PDF.fullmatch(text):
        text = "-".join(part for part in match.groups() if part)

    date = only_date(_CLOCK.sub("", text))
    is_one_date = date is not None and not date.qualifiers and len(date.isos) == 1
    if date and is_one_date and date.iso.replace("-", "").isdigit():
        has_no_year = date.iso.startswith("-")
        return "" if has_no_year else date.iso

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

    def is_same(self, time: TimeOfDay) -> bool:
        """Whether both are one time, or may be if the half of the day is open."""
        if self.is_exact and time.is_exact:
            return self.minutes == time.minutes
        return (self.minutes - time.minutes) % _HALF_DAY == 0


def times(text: str) -> list[TimeOfDay]:
    """The times of day in a text, in order. "Five to ten" is a range of numbers, not a time."""
    stated = []
    for match in _TIME.finditer(text):
        reading = _minutes(match)
        if reading:
            minutes, is_exact = reading
            stated.append(TimeOfDay(match.start(), match.end(), minutes, is_exact))
    return stated


def _minutes(match: re.Match[str]) -> tuple[int, bool] | None:
    """(minutes since midnight, whether the half of the day is known)"""
    parts = {name: text.lower() for name, text in match.groupdict().items() if text}

    if "half" in parts:
        hour = int(parts["hour"])
        if not 1 <= hour <= 12:
            return None
        hours = hour % 12
        if parts["half"] == "p":
            hours += 12
        return 60 * hours + int(parts.get("minute", 0)), True

    if "hours" in parts:
        hour = int(parts["hours"])
        is_exact = hour > 12 or parts["hours"].startswith("0")
        return 60 * hour + int(parts["minutes"]), is_exact

    if "digits" in parts:
        hours_and_minutes = parts["digits"]
        return 60 * int(hours_and_minutes[:2]) + int(hours_and_minutes[2:]), True

    if "noon" in parts:
        is_midnight = parts["noon"] == "midnight"
        return 0 if is_midnight else _HALF_DAY, True

    if "clock" in parts:
        return 60 * _hour(parts["clock"]), False

    hour = _hour(parts["named"])
    minutes = _MINUTES[parts.get("part") or parts["quarter"]]
    if parts["side"] == "past":
        return 60 * hour + minutes, False
    is_range = "part" in parts and minutes <= hour
    return None if is_range else (60 * hour - minutes, False)


def _hour(name: str) -> int:
    """An hour in figures or in words."""
    if name.isdigit():
        return int(name)
    return 1 + SMALL_NUMBERS.index(name)
