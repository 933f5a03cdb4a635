"""Typed values: what the words of an answer mean, with currency, unit, period and bound.

These may be beside the words, in the name of the column or in the heading of the table.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, replace

from rag.meaning.compare import meaning
from rag.meaning.dates import BETWEEN, Date, Dated, all_dates, only_date
from rag.meaning.figures import DATE_BOUND, figures
from rag.meaning.quantities import Quantity, figure_factor, named_unit, quantity
from rag.meaning.words import CODE, LONGEST_TEXT, NUMBER, SIGN, content_words, singular
from rag.types import Value, in_a_cell


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is around the words of a value: the text before and after them in their sentence. For a
    figure in a table also the `label` of its row (None elsewhere), the name of its column, and the
    `unit` that the table states: a currency's code, "percent", "penny", what is counted, or "".
    `headings` are those of the table, or of a list with the sentence that introduces it.
    """

    before: str = ""
    after: str = ""
    label: str | None = None
    column: str = ""
    headings: str = ""
    unit: str = ""


NOWHERE = Surroundings()
_UNIT_WITHIN = 40
"""Characters after a year in which its unit is looked for."""


def typed_value(text: str, kind: str, surroundings: Surroundings = NOWHERE) -> Value | None:
    """The first value in the words of an answer that suits a grid's column of this type; None
    without one. A date that can be read in two ways, such as 1/7/2023, has no `iso`.
    """
    match kind:
        case "text" | "list":
            return None
        case "yes_no":
            return _verdict(text)
        case "date":
            return _date(text, surroundings)
    return _amount(text, kind, surroundings)


def _verdict(text: str) -> Value | None:
    """Yes, no or a condition, if the text begins with it."""
    if text.casefold().startswith(in_a_cell("condition")):
        return Value("condition", text)
    opening = text[:3].casefold()
    if opening == "yes":
        return Value("boolean", text, yes=True)
    is_no = opening.startswith("no") and not text[2:3].isalnum()
    return Value("boolean", text, yes=False) if is_no else None


# Dates


def _date(text: str, surroundings: Surroundings) -> Value | None:
    """The date, the week, or the two ends of a period; without its ISO form if that is not certain.
    What a sentence says right after the words, such as the year, is part of it.
    """
    sentence = f"{surroundings.before}{text}{surroundings.after}"
    text_start = len(surroundings.before)
    text_end = text_start + len(text)
    stated = []
    for date in all_dates(sentence):
        is_in_text = text_start < date.end and date.start < text_end
        if is_in_text and not _is_other(date, sentence):
            stated.append(date)
    if not stated:
        return None

    opening_date = stated[0]
    words = sentence[opening_date.start : opening_date.end]
    if not opening_date.is_certain:
        return Value("date", words, precision=opening_date.precision)
    if week := _week(opening_date, sentence):
        return week
    dated = _period(opening_date, stated, sentence) or only_date(words)
    if dated is None:
        return Value("date", words, opening_date.iso, opening_date.precision)

    bound = DATE_BOUND.search(sentence[: opening_date.start])
    if bound:
        dated = dated.qualified(bound[1])
    qualifiers = " ".join(sorted(dated.qualifiers))
    return Value("date", words, dated.iso, dated.precision, bound=qualifiers)


_WEEK = re.compile(
    r"(?i)\bweeks? (?:of|(?P<last>ending)|beginning|commencing|starting|from)(?: on)?(?: the)?"
    r"(?: (?:mon|tues|wednes|thurs|fri|satur|sun)day)?,?\s+\Z"
)


def _week(date: Date, sentence: str) -> Value | None:
    """The first and last day of a "week of 23 September 2024", which is not one day; without its
    year the week has no `iso`.
    """
    match = _WEEK.search(sentence, max(0, date.start - _LONGEST_WEEK), date.start)
    if match is None or date.precision != "day":
        return None

    words = sentence[match.start() : date.end]
    if date.iso.startswith("-"):
        return Value("date", words, precision="week")
    day = dt.date.fromisoformat(date.iso)
    if match["last"]:
        first_day = day - dt.timedelta(days=6)
    elif day.weekday() == _SUNDAY:
        first_day = day
    else:
        first_day = day - dt.timedelta(days=day.weekday())
    last_day = first_day + dt.timedelta(days=6)
    return Value("date", words, f"{first_day.isoformat()}/{last_day.isoformat()}", "week")


_LONGEST_WEEK = 40
"""Characters before a day in which "week of" is looked for."""
_SUNDAY = 6
"""A week whose day is a Sunday begins with it; others begin on Monday."""


def _is_other(date: Date, sentence: str) -> bool:
    """Whether it is a decade, or a number with a unit, as in "2000 metres"."""
    if date.precision != "year":
        return date.precision == "decade"
    text_after = sentence[date.end : date.end + _UNIT_WITHIN]
    amount = quantity(sentence[date.start : date.end], text_after)
    return amount is not None and bool(amount.unit)


def _period(opening_date: Date, stated: list[Date], sentence: str) -> Dated | None:
    """The two ends of a period that begins with the `opening_date`."""
    next_row = stated.index(opening_date) + 1
    if next_row == len(stated):
        return None
    next_date = stated[next_row]
    if not BETWEEN.fullmatch(sentence[opening_date.end : next_date.start]):
        return None
    return only_date(sentence[opening_date.start : next_date.end])


# Amounts


_SCALE_AFTER = re.compile(r"\s?(?:thousand|million|billion|trillion|bn|mn)\b|[kKmMbB]\b")
"""The scale of a number, which an answer may have cut off."""


def _amount(text: str, kind: str, surroundings: Surroundings) -> Value | None:
    """The first amount of the text, or of money in a column of amounts."""
    scale = _SCALE_AFTER.match(surroundings.after) if text[-1:].isdecimal() else None
    if scale:
        text += scale[0]
        surroundings = replace(surroundings, after=surroundings.after[scale.end() :])

    words, amount = _first_amount(text, kind)
    if amount is None:
        return None
    words, amount = _whole_amount(text, words, amount, surroundings)
    amount = _with_stated_unit(_scaled(words, amount, surroundings), surroundings)
    if amount.unit == "pound" and _is_paid(text, surroundings):
        amount = replace(amount, kind="money", unit="GBP")
    period = amount.per
    if not period and amount.kind == "money":
        period = _per(text, surroundings)
    return Value(
        amount.kind,
        words,
        amount.iso,
        number=amount.number,
        upper=amount.upper,
        unit=amount.unit,
        bound=amount.bound,
        per=period,
    )


def _first_amount(text: str, kind: str) -> tuple[str, Quantity | None]:
    """(the words of the first amount, the amount): one of money is preferred in a column of
    amounts, and how often something happens counts only if there is nothing else.
    """
    amounts = []
    frequencies = []
    for figure in figures(text):
        amount = figure.quantity
        if amount is None:
            continue
        if kind == "amount" and amount.kind == "money":
            return figure.text, amount
        if amount.kind == "frequency":
            frequencies.append((figure.text, amount))
        else:
            amounts.append((figure.text, amount))
    candidates = amounts or frequencies
    return candidates[0] if candidates else ("", None)


def _whole_amount(
    text: str, words: str, amount: Quantity, surroundings: Surroundings
) -> tuple[str, Quantity]:
    """(the whole text, what it says as one amount), if that is of the kind of the first amount in
    it; else that amount with its words.
    """
    readings = (
        meaning(text, surroundings.before, surroundings.after, amount=True).quantity,
        quantity(text, surroundings.after),
        _range(text, surroundings.after),
    )
    may_be_any_kind = amount.kind in ("number", "frequency")
    for reading in readings:
        if reading and (may_be_any_kind or reading.kind == amount.kind):
            return text, reading
    return words, amount


_PAID = re.compile(
    r"(?i)£|\b(?:pay(?:s|able|ments?)?|paid|fees?|rent|rental|prices?|costs?|charges?|charged|deposits?|"
    r"premiums?|invoices?|bills?|salary|wages?|fines?|vat|budget|sum|excess|refund(?:s|ed)?)\b"
)
_WEIGHED = re.compile(
    r"(?i)\b(?:weigh(?:s|t|ing|ed)?|heavy|heavier|lbs?|ounces?|kg|kilos?|kilograms?|load|luggage)\b"
)


def _is_paid(text: str, surroundings: Surroundings) -> bool:
    """Whether the words beside "48 pounds" speak of a payment, and of no weight."""
    texts = [
        surroundings.label or "",
        surroundings.column,
        surroundings.before[-REACH:],
        text,
        surroundings.after[:REACH],
    ]
    words = " ".join(texts)
    return bool(_PAID.search(words)) and not _WEIGHED.search(words)


_RANGE = re.compile(
    rf"(?:{CODE} ?|{SIGN})?{NUMBER}(?: ?(?:thousand|million|billion|[kmb])\b)?"
    rf"(?: to |\s?[-–—]\s?)(?:{CODE} ?|{SIGN})?{NUMBER}"
)


def _range(text: str, text_after: str) -> Quantity | None:
    """The first range in a longer text."""
    match = _RANGE.search(text) if len(text) <= LONGEST_TEXT else None
    if match is None:
        return None
    return quantity(match[0], f"{text[match.end() :]}{text_after}")


_FREQUENCIES = {
    "monthly": "month",
    "annual": "year",
    "annually": "year",
    "yearly": "year",
    "weekly": "week",
    "daily": "day",
    "hourly": "hour",
    "quarterly": "quarter",
}
REACH = 80
"""Characters before an amount in which its period is looked for."""
_PER_BEFORE = re.compile(
    rf"(?i)(?:\b(?P<often>{'|'.join(_FREQUENCIES)})\s(?:[a-z-]+\s){{0,3}}(?:of|is|are|be|at)\b"
    rf"|(?:^|[|\n])\s*(?P<label>{'|'.join(_FREQUENCIES)})\s[a-z-]+(?:\s[a-z-]+)?\s*[:|=]?"
    r"|\bper\s(?P<unit>[a-z]+)\s*[:|=])"
    r"(?:\s(?:at least|at most|up to|about|approximately|currently|more than|less than))?\s*$"
)
"""Words before an amount that say how often it is paid: "a monthly rent of", "Annual fee:"."""
_PER_AFTER = re.compile(
    r"(?i)^[^\d.,;:]{0,40}?\b(?:(?:per|each|every)\s(?:calendar\s)?"
    r"(?P<unit>second|minute|hour|day|night|week|month|quarter|year|annum)\b"
    rf"|(?P<often>{'|'.join(_FREQUENCIES)})\b(?=\W*$|\s*[.,;)]|\s(?:in|on|by|and|until|from|for)\b))"
)
"""Words after an amount that say so: "plus VAT per month", "(excluding VAT) monthly"."""
_NAMED_PER = re.compile(
    rf"(?i)\b(?:per|each|a|/)\s?(?P<unit>second|minute|hour|day|night|week|month|quarter|year|annum)\b"
    rf"|\b(?P<often>{'|'.join(_FREQUENCIES)})\b"
)
"""In the name of a column or the label of a row."""


def _per(text: str, surroundings: Surroundings) -> str:
    """How often an amount of money is paid, if the words beside it say so."""
    match = _period_beside(text, surroundings)
    if match is None:
        return ""
    parts = {name: part.lower() for name, part in match.groupdict().items() if part}
    adverb = parts.get("often") or parts.get("label")
    unit = _FREQUENCIES[adverb] if adverb else parts["unit"]
    return "year" if unit == "annum" else unit


def _period_beside(text: str, surroundings: Surroundings) -> re.Match[str] | None:
    """The words for a period: after the last number of the text, before it, or in a table."""
    numbers = list(re.finditer(NUMBER, text))
    if numbers:
        text_after = f"{text}{surroundings.after}"[numbers[-1].end() :]
        match = _PER_AFTER.match(text_after)
        if match:
            return match

    match = _PER_BEFORE.search(surroundings.before[-REACH:])
    if match or surroundings.label is None:
        return match
    return _NAMED_PER.search(surroundings.column) or _NAMED_PER.search(surroundings.label)


# Figures whose table or label states the unit

_COUNTED = re.compile(
    r"(?i)\b(?:number|shares|employees|headcount|stores|units|customers|rate|ratio|margin|count)\b|%"
)
"""In the label of a row or the name of a column whose figures are no money."""
_UNIT_AT_END = r"(?:\((?:in )?(?P<brackets>[^()]{1,30})\)|\bin (?P<name>[^\W\d]+(?: [^\W\d]+)?))\s?"
_OF_COLUMN = re.compile(rf"(?i){_UNIT_AT_END}$")
"""At the end of a name: "Weight (kg)", "Distance in km"."""
_OF_LABEL = re.compile(rf"(?i){_UNIT_AT_END}[:=]\s*$")
"""The same before a value that is in no table: "Annual fee (GBP): 12"."""
_OF_CAPTION = re.compile(
    r"(?i)\b(?P<what>[^\W\d]+) (?:(?:are|is|given|shown|stated) ){0,2}(?:in |\((?:in )?)"
    r"(?P<unit>(?:US )?[^\W\d]+)\b"
)
"""In a heading or a caption: "weights in kg", "All measurements are in mm"."""
_ANY_FIGURE = frozenset("all figures values amounts numbers measurements dimensions sizes".split())
"""Words of a caption whose unit is that of every column without one."""
_AMBIGUOUS = frozenset(("min", "second"))
"""They mean the least, or the one after the first, as often as a unit."""


def _scaled(text: str, amount: Quantity, surroundings: Surroundings) -> Quantity:
    """A figure of a table with the scale and the sign that its column, its row or the heading
    states.
    """
    label = surroundings.label
    if label is None or amount.kind not in ("money", "number", "percentage"):
        return amount

    names = f"{surroundings.column} {label} {surroundings.headings}"
    factor = figure_factor(text, amount.kind, names, label)
    number = abs(amount.number) if factor < 0 else amount.number
    upper = None if amount.upper is None else factor * amount.upper
    return replace(amount, number=factor * number, upper=upper)


def _with_stated_unit(amount: Quantity, surroundings: Surroundings) -> Quantity:
    """A number without a unit with the one that its table, or the label before it, states."""
    if amount.kind != "number" or amount.unit is not None:
        return amount
    if surroundings.label is None:
        stated = _label_unit(surroundings)
    else:
        stated = _table_unit(surroundings)
    if stated is None:
        return amount
    kind, unit = stated
    return replace(amount, kind=kind, unit=unit)


def _table_unit(surroundings: Surroundings) -> tuple[str, str] | None:
    """(kind, unit) of a figure, as the name of its column, the label of its row, or the headings
    of the table state it.
    """
    unit = surroundings.unit.replace("_", " ")
    if unit == "percent":
        return "percentage", unit

    label = surroundings.label or ""
    if unit == "number" or _COUNTED.search(f"{label} {surroundings.column}"):
        return None
    if unit == "penny":
        return "number", "pence"
    if unit:
        return named_unit(unit) or ("number", singular(unit))
    return (
        _at_end(_OF_COLUMN, surroundings.column)
        or _at_end(_OF_COLUMN, label)
        or _in_caption(surroundings.headings, f"{surroundings.column} {label}")
    )


def _label_unit(surroundings: Surroundings) -> tuple[str, str] | None:
    """(kind, unit) of a figure in no table, as the label before it states it, or what introduces
    its list. "All amounts are in EUR" is not said of what counts no money.
    """
    text_before = surroundings.before[-REACH:]
    stated = _at_end(_OF_LABEL, text_before)
    label = text_before.rpartition("\n")[2].rstrip()
    if stated or not label.endswith((":", "=")) or _COUNTED.search(label):
        return stated
    stated = _in_caption(surroundings.headings, label)
    is_money = stated is not None and (stated[0] == "money" or stated[1] == "pound")
    return None if is_money and not _PAID.search(label) else stated


def _at_end(pattern: re.Pattern[str], text: str) -> tuple[str, str] | None:
    """The unit at the end of a name."""
    match = pattern.search(text)
    return _unit(match["brackets"] or match["name"]) if match else None


def _in_caption(headings: str, names: str) -> tuple[str, str] | None:
    """The unit that headings state for all figures, or for what the names of a figure say."""
    stems = content_words(names)
    for match in _OF_CAPTION.finditer(headings):
        what = match["what"].lower()
        is_of_figure = what in _ANY_FIGURE or bool(content_words(what) & stems)
        stated = _unit(match["unit"]) if is_of_figure else None
        if stated:
            return stated
    return None


def _unit(name: str) -> tuple[str, str] | None:
    """The currency or unit with this name. A letter alone may be a note or a scale, and "(month)"
    a period.
    """
    name = name.strip()
    is_letter = len(name) == 1 and name.isalpha()
    if is_letter or name.lower() in _AMBIGUOUS:
        return None
    if name == "%":
        return "percentage", "percent"
    unit = named_unit(name)
    is_period = (
        unit is not None and unit[0] == "duration" and not name.lower().endswith(("s", "hr"))
    )
    return None if is_period else unit


# What a value says beyond its words


def addition(value: Value | None, words: str) -> str:
    """What a value says that its words do not: "per month" beside "€3,200", or "= 3,200 GBP per
    month" beside the "3,200" of a table; "" if the words say it all.
    """
    if value is None or value.number is None:
        return ""
    period = _period_words(value)
    stated = typed_value(words, "amount")
    is_stated = stated is not None and (stated.number, stated.unit) == (value.number, value.unit)
    if stated is None or not is_stated:
        number = f"= {value.number:,.12g}"
        if value.upper is not None:
            number += f" to {value.upper:,.12g}"
        unit = (value.unit or "").replace("_", " ")
        return " ".join(filter(None, (value.bound, number, unit, period)))

    additions = []
    if value.bound != stated.bound:
        additions.append(value.bound)
    if period != _period_words(stated):
        additions.append(period)
    return ", ".join(additions)


def _period_words(value: Value) -> str:
    return f"per {value.per}" if value.per else ""
