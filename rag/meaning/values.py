"""Typed values: what the words of an answer mean, with currency, unit, period and bound.

These may be beside the words, in the name of the column or in the heading of the table.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rag.meaning.compare import meaning
from rag.meaning.dates import BETWEEN, Date, Dated, all_dates, only_date
from rag.meaning.figures import DATE_BOUND, figures
from rag.meaning.quantities import CURRENCIES, Quantity, figure_factor, quantity
from rag.meaning.words import CODE, LONGEST, NUMBER, SIGN
from rag.types import Value, in_a_cell


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is around the words of a value: the text before and after them in their sentence, and
    for a figure in a table the `label` of its row (None elsewhere), the name of its column, and the
    table's headings.
    """

    before: str = ""
    after: str = ""
    label: str | None = None
    column: str = ""
    headings: str = ""


NOWHERE = Surroundings()


def typed_value(text: str, kind: str, surroundings: Surroundings = NOWHERE) -> Value | None:
    """The first value in the words of an answer that suits a grid's column of this type; None
    without one. A date that can be read in two ways, such as 1/7/2023, has no `iso`.
    """
    if kind in ("text", "list"):
        return None
    if kind == "yes_no":
        if text.casefold().startswith(in_a_cell("condition")):
            return Value("condition", text)
        word = text[:3].casefold()
        is_yes, is_no = word == "yes", word[:2] == "no" and not text[2:3].isalnum()
        return Value("boolean", text, yes=is_yes) if is_yes or is_no else None
    if kind == "date":
        return _date(text, surroundings)
    return _amount(text, kind, surroundings)


# Dates


def _date(text: str, surroundings: Surroundings) -> Value | None:
    """The date, or the two ends of a period. What a sentence says right after the words, such as
    the year, is part of it.
    """
    sentence = f"{surroundings.before}{text}{surroundings.after}"
    start, end = len(surroundings.before), len(surroundings.before) + len(text)
    stated = [
        date
        for date in all_dates(sentence)
        if start < date.end and date.start < end and not _is_other(date, sentence)
    ]
    if not stated:
        return None
    opening_date = stated[0]
    words = sentence[opening_date.start : opening_date.end]
    if not opening_date.is_certain:
        return Value("date", words, precision=opening_date.precision)
    dated = _period(opening_date, stated, sentence) or only_date(words)
    if dated is None:
        return Value("date", words, opening_date.iso, opening_date.precision)
    if bound := DATE_BOUND.search(sentence[: opening_date.start]):
        dated = dated.qualified(bound[1])
    return Value(
        "date", words, dated.iso, dated.precision, bound=" ".join(sorted(dated.qualifiers))
    )


def _is_other(date: Date, sentence: str) -> bool:
    """Whether it is a decade, or a number with a unit, as in "2000 metres"."""
    if date.precision != "year":
        return date.precision == "decade"
    amount = quantity(sentence[date.start : date.end], sentence[date.end : date.end + 40])
    return bool(amount and amount.unit)


def _period(opening_date: Date, stated: list[Date], sentence: str) -> Dated | None:
    """The two ends of a period that begins with the `opening_date` date."""
    following = stated[stated.index(opening_date) + 1 :][:1]
    if not following or not BETWEEN.fullmatch(sentence[opening_date.end : following[0].start]):
        return None
    return only_date(sentence[opening_date.start : following[0].end])


# Amounts


_SCALE_AFTER = re.compile(r"\s?(?:thousand|million|billion|trillion|bn|mn)\b|[kKmMbB]\b")
"""The scale of a number, which an answer may have cut off."""


def _amount(text: str, kind: str, surroundings: Surroundings) -> Value | None:
    if text[-1:].isdecimal() and (scale := _SCALE_AFTER.match(surroundings.after)):
        text += scale[0]
        surroundings = replace(surroundings, after=surroundings.after[scale.end() :])

    values = [(figure.text, figure.quantity) for figure in figures(text) if figure.quantity]
    amounts = [pair for pair in values if pair[1].kind != "frequency"] or values
    money = [pair for pair in amounts if pair[1].kind == "money"] if kind == "amount" else []

    if not amounts:
        return None

    words, amount = (money or amounts)[0]
    readings = (
        meaning(text, surroundings.before, surroundings.after, amount=True).quantity,
        quantity(text, surroundings.after),
        _range(text, surroundings.after),
    )

    for reading in readings:
        if reading and (reading.kind == amount.kind or amount.kind in ("number", "frequency")):
            words, amount = text, reading
            break

    amount = _in_table(words, amount, surroundings)
    if amount.unit == "pound" and _is_paid(text, surroundings):
        amount = replace(amount, kind="money", unit="GBP")

    return Value(
        amount.kind,
        words,
        amount.iso,
        number=amount.number,
        upper=amount.upper,
        unit=amount.unit,
        bound=amount.bound,
        per=amount.per or (_per(text, surroundings) if amount.kind == "money" else ""),
    )


_PAID = re.compile(
    r"(?i)£|\b(?:pay(?:s|able|ments?)?|paid|fees?|rent|rental|prices?|costs?|charges?|charged|deposits?|"
    r"premiums?|invoices?|bills?|salary|wages?|fines?|vat|budget|sum|excess|refund(?:s|ed)?)\b"
)
_WEIGHED = re.compile(
    r"(?i)\b(?:weigh(?:s|t|ing|ed)?|heavy|heavier|lbs?|ounces?|kg|kilos?|kilograms?|load|luggage)\b"
)


def _is_paid(text: str, surroundings: Surroundings) -> bool:
    """Whether the words beside "48 pounds" speak of a payment, and of no weight."""
    beside = " ".join(
        [
            surroundings.label or "",
            surroundings.column,
            surroundings.before[-BESIDE:],
            text,
            surroundings.after[:BESIDE],
        ]
    )
    return bool(_PAID.search(beside)) and not _WEIGHED.search(beside)


_RANGE = re.compile(
    rf"(?:{CODE} ?|{SIGN})?{NUMBER}(?: ?(?:thousand|million|billion|[kmb])\b)?"
    rf"(?: to |\s?[-–—]\s?)(?:{CODE} ?|{SIGN})?{NUMBER}"
)


def _range(text: str, text_after: str) -> Quantity | None:
    """The first range in a longer text."""
    match = _RANGE.search(text) if len(text) <= LONGEST else None
    return quantity(match[0], f"{text[match.end() :]}{text_after}") if match else None


_OFTEN = {
    "monthly": "month",
    "annual": "year",
    "annually": "year",
    "yearly": "year",
    "weekly": "week",
    "daily": "day",
    "hourly": "hour",
    "quarterly": "quarter",
}
BESIDE = 80
"""Characters before an amount in which its period is looked for."""
_PER_BEFORE = re.compile(
    rf"(?i)(?:\b(?P<often>{'|'.join(_OFTEN)})\s(?:[a-z-]+\s){{0,3}}(?:of|is|are|be|at)\b"
    rf"|(?:^|[|\n])\s*(?P<label>{'|'.join(_OFTEN)})\s[a-z-]+(?:\s[a-z-]+)?\s*[:|=]?"
    r"|\bper\s(?P<unit>[a-z]+)\s*[:|=])"
    r"(?:\s(?:at least|at most|up to|about|approximately|currently|more than|less than))?\s*$"
)
"""Words before an amount that say how often it is paid: "a monthly rent of", "Annual fee:"."""
_PER_AFTER = re.compile(
    r"(?i)^[^\d.,;:]{0,40}?\b(?:(?:per|each|every)\s(?:calendar\s)?"
    r"(?P<unit>second|minute|hour|day|night|week|month|quarter|year|annum)\b"
    rf"|(?P<often>{'|'.join(_OFTEN)})\b(?=\W*$|\s*[.,;)]|\s(?:in|on|by|and|until|from|for)\b))"
)
"""Words after an amount that say so: "plus VAT per month", "(excluding VAT) monthly"."""
_NAMED_PER = re.compile(
    rf"(?i)\b(?:per|each|a|/)\s?(?P<unit>second|minute|hour|day|night|week|month|quarter|year|annum)\b"
    rf"|\b(?P<often>{'|'.join(_OFTEN)})\b"
)
"""In the name of a column or the label of a row."""


def _per(text: str, surroundings: Surroundings) -> str:
    """How often an amount of money is paid, if the words beside it say so."""
    beside = f"{text}{surroundings.after}"
    number_ends = [match.end() for match in re.finditer(NUMBER, text)][-1:]

    match = _PER_AFTER.match(beside[number_ends[0] :]) if number_ends else None
    match = match or _PER_BEFORE.search(surroundings.before[-BESIDE:])

    if match is None and surroundings.label is not None:
        match = _NAMED_PER.search(surroundings.column) or _NAMED_PER.search(surroundings.label)
    if match is None:
        return ""

    parts = {name: part.lower() for name, part in match.groupdict().items() if part}
    adverb = parts.get("often") or parts.get("label")
    unit = _OFTEN[adverb] if adverb else parts["unit"]
    return "year" if unit == "annum" else unit


# Figures of tables

_CURRENCY = re.compile(rf"{SIGN}|\b{CODE}\b")
_TABLE_CURRENCY = re.compile(rf"\(\s*(?:in )?({SIGN}|{CODE}\b)|\bin ({SIGN}|{CODE}\b)")
"""In a heading or a caption: "(£ millions)", "in EUR"."""
_COUNTED = re.compile(
    r"(?i)\b(?:number|shares|employees|headcount|stores|units|customers|rate|ratio|margin|count)\b|%"
)
"""In the label of a row or the name of a column whose figures are no money."""


def _in_table(text: str, amount: Quantity, surroundings: Surroundings) -> Quantity:
    """A figure of a table with the scale, the sign and the currency that its column, its row or the
    heading states.
    """
    if surroundings.label is None or amount.kind not in ("money", "number", "percentage"):
        return amount
    stated = (surroundings.column, surroundings.label, surroundings.headings)
    factor = figure_factor(text, amount.kind, " ".join(stated), surroundings.label)
    number = abs(amount.number) if factor < 0 else amount.number
    upper_number = None if amount.upper is None else factor * amount.upper
    amount = replace(amount, number=factor * number, upper=upper_number)
    currency = _currency(surroundings) if amount.kind == "number" and amount.unit is None else ""
    return replace(amount, kind="money", unit=currency) if currency else amount


def _currency(surroundings: Surroundings) -> str:
    """The currency that the name of the column, the label of the row or a heading states, or ""."""
    if _COUNTED.search(f"{surroundings.label} {surroundings.column}"):
        return ""
    stated = _CURRENCY.search(surroundings.column) or _CURRENCY.search(surroundings.label or "")
    if stated is None and (heading := _TABLE_CURRENCY.search(surroundings.headings)):
        return CURRENCIES[(heading[1] or heading[2]).lower()]
    return CURRENCIES[stated[0].lower()] if stated else ""


# What a value says beyond its words


def addition(value: Value | None, words: str) -> str:
    """What a value says that its words do not: "per month" beside "€3,200", or "= 3,200 GBP per
    month" beside the "3,200" of a table; "" if the words say it all.
    """
    if value is None or value.number is None:
        return ""
    stated = typed_value(words, "amount")
    per = f"per {value.per}" if value.per else ""
    if stated is None or (stated.number, stated.unit) != (value.number, value.unit):
        unit = (value.unit or "").replace("_", " ")
        number = f"= {value.number:,.12g}" + (
            "" if value.upper is None else f" to {value.upper:,.12g}"
        )
        return " ".join(part for part in (value.bound, number, unit, per) if part)
    additions = ((value.bound, stated.bound), (per, f"per {stated.per}" if stated.per else ""))
    return ", ".join(part for part, said in additions if part != said)
