"""Dates and quantities of a text, compared by what they mean."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rag.claims.words import LONGEST
from rag.meaning.dates import Date, Dated, agree, contrary, dates, includes, only_date
from rag.meaning.number_words import CODE, NUMBER, SIGN, digits
from rag.meaning.quantities import Quantity, bound_before, quantity
from rag.meaning.units import base

_FIGURE = re.compile(
    rf"(?<![\w.,])(?<![A-Za-z]-)(?:{CODE} ?|{SIGN})?(?P<number>{NUMBER})", re.IGNORECASE
)
_DATE_BOUND = re.compile(
    r"\b(before|after|until|till|since|by|early|late|mid|around|about)[\s-]+(?:in |the )?$",
    re.IGNORECASE,
)
_UNIT = re.compile(r"\s?(?:%|[A-Za-z°µ²³/-]+)")
_UNIT_WITHIN = 40
"""Characters after a year in which its unit is looked for: "2,000 metres"."""
_UP, _DOWN = frozenset(("more than", "at least")), frozenset(("less than", "at most"))
_EARLIER, _LATER = frozenset(("before", "until", "till", "by")), frozenset(("after", "since"))
_EXACT, _CONVERTED, _APPROXIMATE = 1e-9, 0.01, 0.05
"""Relative tolerances: in one unit, between two units, and of "about"."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A value in a text: its words, the date or the quantity that they mean, and the numbers in
    them as written."""

    text: str
    date: Dated | None = None
    quantity: Quantity | None = None
    numbers: tuple[float, ...] = ()


@functools.lru_cache(4096)
def figures(text: str) -> tuple[Figure, ...]:
    """The dates and quantities of a text, in order."""
    return tuple(one for piece in _pieces(text) for one in _figures(piece))


def _pieces(text: str) -> list[str]:
    """The text in pieces short enough to be read, cut at spaces."""
    found = []
    while len(text) > LONGEST:
        cut = text.rfind(" ", 0, LONGEST)
        cut = cut if cut > 0 else LONGEST
        found.append(text[:cut])
        text = text[cut:]
    return [*found, text]


def _figures(text: str) -> list[Figure]:
    found = [
        (date.start, date.end, figure)
        for date in dates(text)
        if date.precision != "decade" and (figure := _date(text, date))
    ]
    without_dates = text
    for start, end, _ in found:
        without_dates = f"{without_dates[:start]}{' ' * (end - start)}{without_dates[end:]}"
    found += _quantities(digits(without_dates))
    return [figure for _, _, figure in sorted(found, key=lambda item: item[0])]


def _date(text: str, date: Date) -> Figure | None:
    words = text[date.start : date.end]
    meant = only_date(words)
    if meant is None:
        return None
    bound = _DATE_BOUND.search(text[: date.start])
    if bound:
        meant = replace(meant, qualifiers=meant.qualifiers | {bound[1].lower()})
    numbers = tuple(float(number) for number in re.findall(r"\d+", words))
    amount = None
    if date.precision == "year":
        amount = quantity(words, text[date.end : date.end + _UNIT_WITHIN])
    return Figure(words, meant, amount if amount and amount.unit else None, numbers)


def _quantities(text: str) -> Iterator[tuple[int, int, Figure]]:
    for match in _FIGURE.finditer(text):
        after = text[match.end() :]
        amount = quantity(match[0], after)
        bound = bound_before(text[: match.start()])
        if amount and bound and not amount.bound:
            amount = replace(amount, bound=bound)
        number = float(match["number"].replace(",", ""))
        written = match[0].replace(match["number"], _grouped(match["number"], number))
        words = f"{written}{_unit_words(after, amount)}"
        yield match.start(), match.end(), Figure(words, None, amount, (number,))


def _grouped(written: str, number: float) -> str:
    """A long number with commas, which number words lack once they are digits."""
    return f"{number:,.0f}" if written.isdigit() and len(written) > 4 else written


def _unit_words(after: str, amount: Quantity | None) -> str:
    """The unit as written after a number."""
    if amount is None or amount.unit is None or amount.kind == "money":
        return ""
    found = _UNIT.match(after)
    return found[0] if found else ""


def matches(one: Figure, other: Figure) -> bool:
    """Whether `other` has the same meaning as `one`, or a more precise one."""
    if one.date and other.date:
        return _is_same_date(one.date, other.date) and _bounds_agree(one.date, other.date)
    if one.quantity and other.quantity:
        return _is_same_amount(one.quantity, other.quantity)
    return len(one.numbers) == 1 and one.numbers == other.numbers


def contradicting(
    one: Figure, given: Sequence[Figure], claimed: Sequence[Figure]
) -> tuple[str, str] | None:
    """(`one`'s words, the evidence's words) for a value of the same kind among `given` that the
    claim, with its values `claimed`, does not have."""
    for other in given:
        if any(matches(mine, other) for mine in claimed):
            continue
        if one.date and other.date:
            differs = _is_other_date(one.date, other.date)
        else:
            differs = _is_other_amount(one.quantity, other.quantity)
        if differs:
            return one.text, other.text
    return None


# Dates


def _is_same_date(claimed: Dated, given: Dated) -> bool:
    """Whether `given` is the date claimed, or within it; a day without a year is that day of any
    year."""
    mine, other = _unbound(claimed), _unbound(given)
    if "--" in (mine.iso[:2], other.iso[:2]):
        return agree(mine, other)
    return mine.isos == other.isos or includes(mine, other)


def _is_other_date(claimed: Dated, given: Dated) -> bool:
    mine, other = _unbound(claimed), _unbound(given)
    return (contrary(mine, other) or agree(mine, other)) and not includes(other, mine)


def _unbound(date: Dated) -> Dated:
    return replace(date, qualifiers=frozenset())


def _bounds_agree(one: Dated, other: Dated) -> bool:
    """ "before 2015" disagrees with "after 2015"; "in 2015" and "early 2015" agree."""
    return not _opposed(one.qualifiers, other.qualifiers, _EARLIER, _LATER)


def _opposed(
    one: frozenset[str], other: frozenset[str], down: frozenset[str], up: frozenset[str]
) -> bool:
    return bool((one & down and other & up) or (one & up and other & down))


# Quantities


def _is_same_amount(one: Quantity, other: Quantity) -> bool:
    if one.kind == other.kind == "number" and _ends(one) == _ends(other):
        return not _opposed(frozenset((one.bound,)), frozenset((other.bound,)), _DOWN, _UP)
    comparable = _comparable(one, other)
    if not comparable:
        return one.number == other.number and (one.unit is None or other.unit is None)
    (low, high), (other_low, other_high) = comparable
    tolerance = _tolerance(one, other)
    is_close = math.isclose(low, other_low, rel_tol=tolerance) and math.isclose(
        high, other_high, rel_tol=tolerance
    )
    return is_close or _is_within_bound(one, low, other, other_low)


def _is_other_amount(one: Quantity | None, other: Quantity | None) -> bool:
    """Whether both are amounts in the same unit, and different."""
    if one is None or other is None or one.unit is None or not _comparable(one, other):
        return False
    return not _is_same_amount(one, other) and not _is_same_amount(other, one)


def _ends(amount: Quantity) -> tuple[float, float]:
    return amount.number, amount.number if amount.upper is None else amount.upper


def _comparable(
    one: Quantity, other: Quantity
) -> tuple[tuple[float, float], tuple[float, float]] | None:
    """Both as (least, greatest) in one unit; None if they count different things."""
    if one.unit is None or other.unit is None:
        is_same_kind = one.unit == other.unit or one.kind == other.kind == "number"
        return (_ends(one), _ends(other)) if is_same_kind else None
    mine, unit = _in_base_unit(one, one.unit)
    theirs, other_unit = _in_base_unit(other, other.unit)
    is_same_unit = f" {unit}".endswith(f" {other_unit}") or f" {other_unit}".endswith(f" {unit}")
    is_same_rate = one.per == other.per or not one.per or not other.per
    return (mine, theirs) if is_same_unit and is_same_rate else None


def _in_base_unit(amount: Quantity, unit: str) -> tuple[tuple[float, float], str]:
    """((least, greatest), unit) in the base unit of its kind."""
    least, greatest = (base(number, unit, amount.kind) for number in _ends(amount))
    return (least[0], greatest[0]), least[1] or ""


def _tolerance(one: Quantity, other: Quantity) -> float:
    if "about" in (one.bound, other.bound):
        return _APPROXIMATE
    return _EXACT if one.unit == other.unit else _CONVERTED


def _is_within_bound(one: Quantity, low: float, other: Quantity, other_low: float) -> bool:
    """Whether "more than 100" is claimed and 150 is given; two bounds must be the same."""
    if other.bound in _UP | _DOWN:
        return False
    return (one.bound in _UP and other_low > low) or (one.bound in _DOWN and other_low < low)
