"""The values in a text: its dates, times of day and quantities, in order."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rag.meaning.compare import Relation, compare, entails
from rag.meaning.dates import Date, Dated, dates, only_date
from rag.meaning.number_words import CODE, LONGEST, NUMBER, SIGN, digits
from rag.meaning.quantities import Quantity, bound_before, quantity
from rag.meaning.times import TimeOfDay, times

_NUMBER = re.compile(
    rf"(?<![\w.,])(?<![A-Za-z]-)(?:{CODE} ?|{SIGN})?(?P<number>{NUMBER})", re.IGNORECASE
)
_DATE_BOUND = re.compile(
    r"\b(before|after|until|till|since|by|early|late|mid|around|about)[\s-]+(?:in |the )?$",
    re.IGNORECASE,
)
_UNIT = re.compile(r"\s?(?:%|[A-Za-z°µ²³/-]+)")
_DIGITS = re.compile(r"\d+")
_UNIT_WITHIN = 40
"""Characters after a year in which its unit is looked for: "2,000 metres"."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A value in a text: its words, the date, time or quantity that they mean, and the numbers in
    them as written."""

    text: str
    date: Dated | None = None
    quantity: Quantity | None = None
    time: TimeOfDay | None = None
    numbers: tuple[float, ...] = ()


@functools.lru_cache(4096)
def figures(text: str) -> tuple[Figure, ...]:
    """The dates, times and quantities of a text, in order."""
    return tuple(figure for piece in _pieces(text) for figure in _figures(piece))


def _pieces(text: str) -> list[str]:
    """The text in pieces short enough to be read, cut at spaces."""
    pieces = []
    while len(text) > LONGEST:
        cut = text.rfind(" ", 0, LONGEST)
        cut = cut if cut > 0 else LONGEST
        pieces.append(text[:cut])
        text = text[cut:]
    return [*pieces, text]


def _figures(text: str) -> list[Figure]:
    placed = [
        (date.start, date.end, figure)
        for date in dates(text)
        if date.precision != "decade" and (figure := _date(text, date))
    ]
    remaining = _without(text, placed)
    clocks = [(t.start, t.end, Figure(text[t.start : t.end], time=t)) for t in times(remaining)]
    placed += clocks + list(_quantities(digits(_without(remaining, clocks))))
    return [figure for _, _, figure in sorted(placed, key=lambda item: item[0])]


def _without(text: str, placed: Sequence[tuple[int, int, Figure]]) -> str:
    for start, end, _ in placed:
        text = f"{text[:start]}{' ' * (end - start)}{text[end:]}"
    return text


def _date(text: str, date: Date) -> Figure | None:
    words = text[date.start : date.end]
    only = only_date(words)
    if only is None:
        return None
    bound = _DATE_BOUND.search(text[: date.start])
    if bound:
        only = replace(only, qualifiers=only.qualifiers | {bound[1].lower()})
    numbers = tuple(map(float, _DIGITS.findall(words)))
    amount = None
    if date.precision == "year":
        amount = quantity(words, text[date.end : date.end + _UNIT_WITHIN])
    return Figure(words, only, amount if amount and amount.unit else None, None, numbers)


def _quantities(text: str) -> Iterator[tuple[int, int, Figure]]:
    for match in _NUMBER.finditer(text):
        after = text[match.end() :]
        amount = quantity(match[0], after)
        bound = bound_before(text[: match.start()])
        if amount and bound and not amount.bound:
            amount = replace(amount, bound=bound)
        number = float(match["number"].replace(",", ""))
        written = match[0].replace(match["number"], _grouped(match["number"], number))
        words = f"{written}{_unit_words(after, amount)}"
        yield match.start(), match.end(), Figure(words, None, amount, None, (number,))


def _grouped(written: str, number: float) -> str:
    """A long number with commas, which number words lack once they are digits."""
    return f"{number:,.0f}" if written.isdigit() and len(written) > 4 else written


def _unit_words(after: str, amount: Quantity | None) -> str:
    """The unit as written after a number."""
    if amount is None or amount.unit is None or amount.kind == "money":
        return ""
    unit = _UNIT.match(after)
    return unit[0] if unit else ""


def states(stated: Figure, claimed: Figure) -> bool:
    """Whether a `stated` value is the `claimed` one, or a more precise one."""
    for name in ("date", "time", "quantity"):
        given, wanted = getattr(stated, name), getattr(claimed, name)
        if given and wanted:
            return entails(given, wanted)
    return len(claimed.numbers) == 1 and claimed.numbers == stated.numbers


def contradicting(
    claimed: Figure, stated: Sequence[Figure], claims: Sequence[Figure]
) -> tuple[str, str] | None:
    """(the claim's words, the evidence's words) for a `stated` value of the same kind that differs
    from the `claimed` one and is none of the values that the claim has."""
    for value in stated:
        if not any(states(value, own) for own in claims) and _differ(claimed, value):
            return claimed.text, value.text
    return None


def _differ(claimed: Figure, stated: Figure) -> bool:
    if claimed.date and stated.date:
        return _are_other_dates(claimed.date, stated.date)
    if claimed.time and stated.time:
        return compare(claimed.time, stated.time) is Relation.CONTRADICTS
    if not claimed.quantity or not stated.quantity or claimed.quantity.unit is None:
        return False
    is_other = compare(claimed.quantity, stated.quantity) is Relation.CONTRADICTS
    either = (claimed.quantity, stated.quantity), (stated.quantity, claimed.quantity)
    return is_other and not any(entails(*pair) for pair in either)


def _are_other_dates(claimed: Dated, stated: Dated) -> bool:
    relation = compare(*(replace(date, qualifiers=frozenset()) for date in (claimed, stated)))
    if relation is Relation.SAME:  # "before 2015" and "after 2015"
        return not entails(claimed, stated) and not entails(stated, claimed)
    return relation is Relation.CONTRADICTS
