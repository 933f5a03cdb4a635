"""What the values of a small grid must be, and what they come to: tests, order and sums."""

from __future__ import annotations

import math
import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from rag.meaning.dates import BETWEEN, Date, all_dates
from rag.meaning.quantities import base
from rag.meaning.values import typed_value
from rag.meaning.words import MONTH, SMALL_NUMBERS, YEAR, digits
from rag.types import Value

DateRange = tuple[str, str]
"""The first and the last day in ISO 8601, or "" for an open end."""
TestKind = Literal["any", "yes", "no", "unsaid", "names", "title", "date", "amount", "per", "rate"]


@dataclass(frozen=True, slots=True)
class Test:
    """What a document's value must be for the document to count.

    - any: a value of the column's type.
    - yes: this verdict, or that it is so on a condition.
    - no: this verdict.
    - unsaid: the document does not say it, nor has the words `text`, if any.
    - names: the document has the words `text`.
    - title: its title, which every document has.
    - date: a date within one of `ranges`, as `text` says.
    - amount: the amount that `text` says: "90 days", "more than £500".
    - per: an amount for each `text`, such as "month".
    - rate: an amount for each `text`, or one that can be converted to it.
    """

    __test__ = False

    kind: TestKind = "any"
    text: str = ""
    ranges: tuple[DateRange, ...] = ()

    def passes(self, value: Value | None) -> bool | None:
        """Whether a stated value passes; None if it cannot be compared."""
        match self.kind:
            case "yes":
                return _is_affirmative(value)
            case "no":
                affirms = _is_affirmative(value)
                return None if affirms is None else not affirms
            case "unsaid":
                return False
            case "date":
                return _is_within(value, self.ranges)
            case "per":
                return None if value is None else value.per == self.text
            case "rate":
                return None if value is None else for_each(value, self.text) is not None
            case "amount":
                return _is_amount(value, typed_value(self.text, "amount"))
        return True


def _is_affirmative(value: Value | None) -> bool | None:
    """Whether a verdict is yes, or yes on a condition; None if the value is not a verdict."""
    if value is None:
        return None
    return value.kind == "condition" or value.yes


ANY_VALUE = Test()
YES = Test("yes")


# Dates


_BEFORE_WORDS = re.compile(r"(?i)\b(before|by|until|till|no later than)\s+(?:the )?(?:end of )?$")
_AFTER_WORDS = re.compile(
    r"(?i)\b(after|beyond|past|since|from|later than)\s+(?:the )?(?:end of )?$"
)
_MONTHS = re.compile(
    rf"(?i)\b(?:{MONTH}(?:,| and| or|, and|, or| to| until| till)? )+(?:of )?(?P<year>{YEAR})\b"
)
_ONE_MONTH = re.compile(rf"(?i)\b{MONTH}\b(?! \d)")


def date_ranges(words: str) -> tuple[DateRange, ...]:
    """The days that words such as "before 1 October 2026" or "in October or November 2026" allow;
    () if they say no date with a year.
    """
    if part := _PART_OF_YEAR.search(words):
        return (_part_of_year(part),)
    if _VAGUE.search(words):
        return ()
    words = _with_years(words)
    dates = []
    for stated in all_dates(words):
        has_year = stated.iso[0].isdigit()
        if has_year and stated.is_certain:
            dates.append(stated)
    if not dates:
        return ()

    start = dates[0]
    bounded = _days_before_or_after(start, words[: start.start])
    if len(dates) == 1:
        return (bounded or _range(start.iso, start.iso),)

    end = dates[1]
    is_between = "between" in words.lower()
    if is_between:
        return (_range(start.iso, end.iso),)
    if len(dates) == 2 and _is_interval(start, end, words):
        return (_range(start.iso, end.iso),)
    if bounded:
        return (bounded,)
    return tuple(_range(date.iso, date.iso) for date in dates)


_PART_OF_YEAR = re.compile(
    rf"(?i)\b(?P<ordinal>first|second|third|fourth|last) "
    rf"(?P<part>quarter|half|(?P<number>{'|'.join(SMALL_NUMBERS)}|\d+) months) "
    rf"of (?P<year>{YEAR})\b"
)
_VAGUE = re.compile(
    r"(?i)\b(?:early|late|mid|middle|beginning|start|spring|summer|autumn|winter|weeks?|months?|"
    r"quarter|half|few)\b"
)
"""Words for a part of a year that has no first and last day, or is not read."""
_ORDINALS = ("first", "second", "third", "fourth")


def _part_of_year(part: re.Match[str]) -> DateRange:
    """The days of "the last quarter of 2026", "the first three months of 2027"."""
    lengths = {"quarter": 3, "half": 6}
    months = lengths.get(part["part"].lower()) or int(float(digits(part["number"])))
    months = max(1, min(months, 12))
    ordinal = part["ordinal"].lower()
    start = 12 - months if ordinal == "last" else months * _ORDINALS.index(ordinal)
    start = min(start, 12 - months)
    return _range(f"{part['year']}-{start + 1:02}", f"{part['year']}-{start + months:02}")


def _days_before_or_after(date: Date, words_before: str) -> DateRange | None:
    """The days before or after a date, if the words before it say so."""
    if match := _BEFORE_WORDS.search(words_before):
        is_strict = match[1].lower() == "before"
        last_day = _day_before(date.iso) if is_strict else _last_day(date.iso)
        return ("", last_day)
    if match := _AFTER_WORDS.search(words_before):
        is_strict = match[1].lower() not in ("since", "from")
        first_day = _day_after(date.iso) if is_strict else _first_day(date.iso)
        return (first_day, "")
    return None


def _range(start_iso: str, end_iso: str) -> DateRange:
    """The time from the first day of one period to the last day of another."""
    return _first_day(start_iso), _last_day(end_iso)


def _with_years(words: str) -> str:
    """The words with the year after each month: "October, November or December 2026"."""
    match = _MONTHS.search(words)
    if match is None:
        return words
    year = match["year"]
    dated = _ONE_MONTH.sub(lambda month: f"{month[0]} {year}", match[0])
    return words[: match.start()] + dated + words[match.end() :]


def _is_interval(start: Date, end: Date, words: str) -> bool:
    """Whether two dates are the ends of one period, as in "from May to July 2026"."""
    between = words[start.end : end.start]
    if not BETWEEN.fullmatch(between):
        return False
    return not re.search(r"(?i)\b(?:and|or)\b", between)


def _first_day(iso: str) -> str:
    """The first day of a year, a month or a day."""
    if len(iso) == 4:
        return f"{iso}-01-01"
    if len(iso) == 7:
        return f"{iso}-01"
    return iso[:10]


def _last_day(iso: str) -> str:
    """The last day of a year, a month or a day."""
    if len(iso) == 4:
        return f"{iso}-12-31"
    if len(iso) == 7:
        year, month = map(int, iso.split("-"))
        _, days_in_month = monthrange(year, month)
        return f"{iso}-{days_in_month:02}"
    return iso


def _day_before(iso: str) -> str:
    """The day before the first day of a period."""
    first_day = date.fromisoformat(_first_day(iso))
    return (first_day - timedelta(days=1)).isoformat()


def _day_after(iso: str) -> str:
    """The day after the last day of a period."""
    last_day = date.fromisoformat(_last_day(iso))
    return (last_day + timedelta(days=1)).isoformat()


def _is_within(value: Value | None, ranges: Sequence[DateRange]) -> bool | None:
    """Whether a date is in a range; None if only a part of its month or year is."""
    if value is None or not _has_year(value):
        return None
    iso = (value.iso or "").partition("/")[0]
    first_day = _first_day(iso)
    last_day = _last_day(iso)

    is_partly_within = False
    for range_start, range_end in ranges:
        starts_within = not range_start or range_start <= first_day
        ends_within = not range_end or last_day <= range_end
        if starts_within and ends_within:
            return True
        ends_after_start = not range_start or range_start <= last_day
        starts_before_end = not range_end or first_day <= range_end
        if ends_after_start and starts_before_end:
            is_partly_within = True
    return None if is_partly_within else False


def _has_year(value: Value) -> bool:
    return (value.iso or "")[:1].isdigit()


# Amounts


_IN_A_YEAR = {"week": 52, "month": 12, "quarter": 4, "year": 1}
"""How often something is paid in a year."""
_MONTHS_IN = {"month": 1, "year": 12, "decade": 120, "century": 1200}
_DAYS_IN_MONTH = 30
"""Days of a month, where a length in months is compared with one in days."""


def for_each(value: Value, period: str) -> Value | None:
    """An amount for another period: £1,200 per year is £100 per month. None if it has no period
    that can be converted.
    """
    if value.per == period:
        return value
    times, wanted_times = _IN_A_YEAR.get(value.per), _IN_A_YEAR.get(period)
    if times is None or wanted_times is None or value.number is None:
        return None
    factor = times / wanted_times
    upper = None if value.upper is None else value.upper * factor
    return replace(value, number=value.number * factor, upper=upper, per=period)


def in_one_period(values: Sequence[Value | None]) -> list[Value | None]:
    """Amounts for different periods as amounts per year, if all of them can be converted; else as
    they are.
    """
    periods = {value.per for value in values if value}
    if len(periods) < 2:
        return list(values)
    converted = [value and for_each(value, "year") for value in values]
    is_whole = all(bool(value) == bool(old) for value, old in zip(converted, values, strict=True))
    return converted if is_whole else list(values)


def _is_amount(value: Value | None, wanted: Value | None) -> bool | None:
    """Whether an amount is the wanted one, or within its bound; None for another unit."""
    if value is None or wanted is None or wanted.number is None:
        return None
    if wanted.per:
        value = for_each(value, wanted.per)
    if value is None or value.number is None:
        return None

    number, unit = base(value.number, value.unit, value.kind)
    wanted_number, wanted_unit = base(wanted.number, wanted.unit, wanted.kind)
    if wanted.bound and value.kind == wanted.kind == "duration":
        number, wanted_number = _lengths(value, wanted)
    is_plain = wanted.kind == "number" and wanted.unit is None
    if is_plain and _has_plain_words(value):
        number, unit = value.number, None
    elif unit != wanted_unit and not (is_plain and value.kind == "money"):
        return None
    match wanted.bound:
        case "more than":
            return number > wanted_number
        case "less than":
            return number < wanted_number
        case "at least":
            return number >= wanted_number
        case "at most":
            return number <= wanted_number
    return math.isclose(number, wanted_number)


def _has_plain_words(value: Value) -> bool:
    """Whether the words are a number alone, whose unit a table or a label states."""
    stated = typed_value(value.text, "number")
    return stated is not None and stated.kind == "number" and stated.unit is None


def _lengths(value: Value, other: Value) -> tuple[float, float]:
    """Two durations in one unit, so that one bounds the other: in days, with 30
    days to each month.
    """
    lengths = []
    for duration in (value, other):
        number = duration.number or 0.0
        months = _MONTHS_IN.get(duration.unit or "")
        if months:
            lengths.append(number * months * _DAYS_IN_MONTH)
        else:
            days, _ = base(number, duration.unit, "duration")
            lengths.append(days)
    return lengths[0], lengths[1]


def order(value: Value) -> tuple[str, float | str] | None:
    """(what is measured, where the value is in it), so that equal measures can be compared;
    None for a value that has no order.
    """
    if value.kind == "date":
        if not _has_year(value):
            return None
        return "date", (value.iso or "").partition("/")[0]
    if value.number is None:
        return None

    number, unit = base(value.number, value.unit, value.kind)
    measure = unit or ""
    if value.per:
        measure = f"{measure} per {value.per}"
    return measure, number


def why_not_added(values: Sequence[Value]) -> str:
    """Why amounts have no sum: they differ in currency, period or unit, or one is a range; "" if
    they have one.
    """
    units = {value.unit or value.kind for value in values}
    if len(units) > 1:
        are_all_money = all(value.kind == "money" for value in values)
        what = "currencies" if are_all_money else "units"
        return f"the amounts are in different {what}: {_joined_by_commas(units)}"

    periods = {f"per {value.per}" if value.per else "without a period" for value in values}
    if len(periods) > 1:
        return f"the amounts are for different periods: {_joined_by_commas(periods)}"

    for value in values:
        if value.number is None or value.upper is not None:
            return "an amount is a range"
    return ""


def _joined_by_commas(names: set[str]) -> str:
    """The names in alphabetical order."""
    return ", ".join(sorted(names))


def total(values: Sequence[Value], sign: int = 1) -> Value:
    """The sum of amounts of one unit and period, or with `sign` -1 the first less the others."""
    model, *others = values
    addends = [sign * (value.number or 0.0) for value in others]
    number = round(sum(addends, model.number or 0.0), 6)
    return Value(
        kind="computed",
        text=in_words(number, model),
        number=number,
        unit=model.unit,
        per=model.per,
    )


_SIGNS = {"GBP": "£", "USD": "$", "EUR": "€", "JPY": "¥"}


def in_words(number: float, model: Value) -> str:
    """A number in the unit and period of another value: "£6,094 per month"."""
    words = f"{number:,.2f}".removesuffix(".00")
    unit = (model.unit or "").replace("_", " ")
    if unit in _SIGNS:
        words = f"{_SIGNS[unit]}{words}"
    elif model.kind == "money":
        words = f"{words} {unit}"
    elif unit:
        plural = "" if number == 1 else "s"
        words = f"{words} {unit}{plural}"
    if not model.per:
        return words
    return f"{words} per {model.per}"
