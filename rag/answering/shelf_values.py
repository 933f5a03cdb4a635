"""What the values of a small grid must be, and what they come to: tests, order and sums."""

from __future__ import annotations

import math
import re
from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from rag.meaning.dates import BETWEEN, Date, all_dates
from rag.meaning.quantities import base
from rag.meaning.values import typed_value
from rag.meaning.words import MONTH, YEAR
from rag.types import Value

DateRange = tuple[str, str]
"""The first and the last day in ISO 8601, or "" for an open end."""
TestKind = Literal["any", "yes", "no", "unsaid", "names", "date", "amount", "per"]


@dataclass(frozen=True, slots=True)
class Test:
    """What a document's value must be for the document to count.

    - any: a value of the column's type.
    - yes: this verdict, or that it is so on a condition.
    - no: this verdict.
    - unsaid: the document does not say it.
    - names: the document has the words `text`.
    - date: a date within one of `ranges`, as `text` says.
    - amount: the amount that `text` says: "90 days", "more than £500".
    - per: an amount for each `text`, such as "month".
    """

    __test__ = False

    kind: TestKind = "any"
    text: str = ""
    ranges: tuple[DateRange, ...] = ()

    def passes(self, value: Value | None) -> bool | None:
        """Whether a stated value passes; None if it cannot be compared."""
        if self.kind in ("yes", "no"):
            is_yes = None if value is None else value.kind == "condition" or value.yes
            return None if is_yes is None else is_yes == (self.kind == "yes")
        if self.kind == "unsaid":
            return False
        if self.kind == "date":
            return _is_within(value, self.ranges)
        if self.kind == "per":
            return None if value is None else value.per == self.text
        if self.kind == "amount":
            return _is_amount(value, typed_value(self.text, "amount"))
        return True


ANY_VALUE = Test()


# Dates


_BEFORE = re.compile(r"(?i)\b(before|by|until|till|no later than)\s+(?:the )?(?:end of )?$")
_AFTER = re.compile(r"(?i)\b(after|since|from|later than)\s+(?:the )?(?:end of )?$")
_MONTHS = re.compile(rf"(?i)\b(?:{MONTH}(?:,| and| or|, and|, or)? )+(?:of )?(?P<year>{YEAR})\b")
_ONE_MONTH = re.compile(rf"(?i)\b{MONTH}\b(?! \d)")


def date_ranges(words: str) -> tuple[DateRange, ...]:
    """The days that words such as "before 1 October 2026" or "in October or November 2026" allow;
    () if they say no date with a year.
    """
    words = _with_years(words)

    stated = [one for one in all_dates(words) if one.is_certain and one.iso[0].isdigit()]
    if not stated:
        return ()

    date = stated[0]
    if "between" in words.lower() and len(stated) > 1:
        return ((_first_day(date.iso), _last_day(stated[1].iso)),)

    if match := _BEFORE.search(words[: date.start]):
        is_strict = match[1].lower() == "before"
        return (("", _day_before(date.iso) if is_strict else _last_day(date.iso)),)

    if match := _AFTER.search(words[: date.start]):
        is_strict = match[1].lower() in ("after", "later than")
        return ((_day_after(date.iso) if is_strict else _first_day(date.iso), ""),)

    if len(stated) == 2 and _is_interval(date, stated[1], words):
        return ((_first_day(date.iso), _last_day(stated[1].iso)),)

    return tuple((_first_day(one.iso), _last_day(one.iso)) for one in stated)


def _with_years(words: str) -> str:
    """The words with the year after each month: "October, November or December 2026"."""
    match = _MONTHS.search(words)
    if match is None:
        return words
    dated = _ONE_MONTH.sub(lambda month: f"{month[0]} {match['year']}", match[0])
    return f"{words[: match.start()]}{dated}{words[match.end() :]}"


def _is_interval(start: Date, end: Date, words: str) -> bool:
    between = words[start.end : end.start]
    return bool(BETWEEN.fullmatch(between)) and not re.search(r"(?i)\b(?:and|or)\b", between)


def _first_day(iso: str) -> str:
    return f"{iso}-01-01"[:10] if len(iso) == 4 else f"{iso}-01"[:10]


def _last_day(iso: str) -> str:
    if len(iso) == 4:
        return f"{iso}-12-31"
    if len(iso) == 7:
        return f"{iso}-{monthrange(int(iso[:4]), int(iso[5:]))[1]:02}"
    return iso


def _day_before(iso: str) -> str:
    return (date.fromisoformat(_first_day(iso)) - timedelta(days=1)).isoformat()


def _day_after(iso: str) -> str:
    return (date.fromisoformat(_last_day(iso)) + timedelta(days=1)).isoformat()


def _is_within(value: Value | None, ranges: Sequence[DateRange]) -> bool | None:
    """Whether a date is in a range; None if only a part of its month or year is."""
    if value is None or not value.iso or not value.iso[0].isdigit():
        return None
    stated = value.iso.partition("/")[0]
    start, end = _first_day(stated), _last_day(stated)
    fits = [(not low or low <= start) and (not high or end <= high) for low, high in ranges]
    if any(fits):
        return True
    meets = [(not low or low <= end) and (not high or start <= high) for low, high in ranges]
    return None if any(meets) else False


# Amounts


def _is_amount(value: Value | None, wanted: Value | None) -> bool | None:
    """Whether an amount is the wanted one, or within its bound; None for another unit."""
    if value is None or wanted is None or value.number is None or wanted.number is None:
        return None
    if wanted.per and value.per != wanted.per:
        return None
    number, unit = base(value.number, value.unit, value.kind)
    goal, goal_unit = base(wanted.number, wanted.unit, wanted.kind)
    if unit != goal_unit:
        return None
    match wanted.bound:
        case "more than":
            return number > goal
        case "less than":
            return number < goal
        case "at least":
            return number >= goal
        case "at most":
            return number <= goal
    return math.isclose(number, goal)


def order(value: Value) -> tuple[str, float | str] | None:
    """(what is measured, where the value is in it), so that equal measures can be compared;
    None for a value that has no order.
    """
    if value.kind == "date":
        is_dated = value.iso and value.iso[0].isdigit()
        return ("date", (value.iso or "").partition("/")[0]) if is_dated else None
    if value.number is None:
        return None
    number, unit = base(value.number, value.unit, value.kind)
    return f"{unit or ''} per {value.per}" if value.per else unit or "", number


def why_not_added(values: Sequence[Value]) -> str:
    """Why amounts have no sum: they differ in currency, period or unit, or one is a range; "" if
    they have one.
    """
    units = {value.unit or value.kind for value in values}
    if len(units) > 1:
        what = "currencies" if all(value.kind == "money" for value in values) else "units"
        return f"the amounts are in different {what}: {_listed(units)}"
    periods = {value.per for value in values}
    if len(periods) > 1:
        named = {f"per {period}" if period else "without a period" for period in periods}
        return f"the amounts are for different periods: {_listed(named)}"
    if any(value.upper is not None or value.number is None for value in values):
        return "an amount is a range"
    return ""


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))


def total(values: Sequence[Value], sign: int = 1) -> Value:
    """The sum of amounts of one unit and period, or with `sign` -1 the first less the others."""
    model, *others = values
    numbers = [sign * (value.number or 0.0) for value in others]
    number = round(sum(numbers, model.number or 0.0), 6)
    return Value("computed", in_words(number, model), number=number, unit=model.unit, per=model.per)


_SIGNS = {"GBP": "£", "USD": "$", "EUR": "€", "JPY": "¥"}


def in_words(number: float, model: Value) -> str:
    """A number in the unit and period of another value: "£6,094 per month"."""
    words = f"{number:,.2f}".removesuffix(".00")
    unit = (model.unit or "").replace("_", " ")
    if model.kind == "money" or model.unit in _SIGNS:
        words = f"{_SIGNS[unit]}{words}" if unit in _SIGNS else f"{words} {unit}"
    elif unit:
        words = f"{words} {unit}{'' if number == 1 else 's'}"
    return f"{words} per {model.per}" if model.per else words
