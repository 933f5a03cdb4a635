"""One comparison of meanings: of two dates, quantities, times of day, periods or answers.

Two are called the same only if that is certain: merging two facts is worse than showing two
answers. A date includes a more precise one, quantities are converted, words must be equal.
"""

from __future__ import annotations

import enum
import math
from dataclasses import replace

from rag.meaning.dates import Dated, TimeOfDay, includes
from rag.meaning.periods import Periods
from rag.meaning.quantities import Quantity
from rag.meaning.reading import Meaning
from rag.meaning.units import base
from rag.meaning.words import compatible, normalize

_UP, _DOWN = frozenset(("more than", "at least")), frozenset(("less than", "at most"))
_EARLIER, _LATER = frozenset(("before", "until", "till", "by")), frozenset(("after", "since"))
_CONVERTED, _APPROXIMATE = 0.01, 0.05
"""Relative tolerances: between two units, and of "about" in a claim."""
_DEGREES = 0.6
"""Tolerance of temperatures: counted from absolute zero, 1 % would be three degrees."""


class Relation(enum.Enum):
    SAME = "same"
    """They mean the same, perhaps one more precisely."""
    COMPATIBLE = "compatible"
    """They are about different things; both may be true."""
    CONTRADICTS = "contrary"
    """They are of the same kind, and only one can be true."""
    UNRELATED = "unrelated"


Comparable = Meaning | Dated | Quantity | TimeOfDay | Periods


def compare(one: Comparable, other: Comparable) -> Relation:
    """The relation between two meanings; those of different kinds are unrelated."""
    if isinstance(one, Meaning) and isinstance(other, Meaning):
        return _answers(one, other)
    if isinstance(one, Dated) and isinstance(other, Dated):
        return _dates(one, other)
    if isinstance(one, Quantity) and isinstance(other, Quantity):
        return _quantities(one, other)
    if isinstance(one, TimeOfDay) and isinstance(other, TimeOfDay):
        return Relation.SAME if one.is_same(other) else Relation.CONTRADICTS
    if isinstance(one, Periods) and isinstance(other, Periods):
        if one.differ(other):
            return Relation.CONTRADICTS
        return Relation.SAME if one.agreement(other) > 0 else Relation.UNRELATED
    return Relation.UNRELATED


def entails(given: Comparable, claimed: Comparable) -> bool:
    """Whether the `given` date, quantity or time is the claimed one, or a more precise one: "14
    July 2015" entails "2015", 150 entails "more than 100", and 19.6 entails "about 20"."""
    if isinstance(given, Dated) and isinstance(claimed, Dated):
        is_opposed = _are_opposed(given.qualifiers, claimed.qualifiers, _EARLIER, _LATER)
        return not is_opposed and _is_within(_plain(given), _plain(claimed))
    if isinstance(given, Quantity) and isinstance(claimed, Quantity):
        return _is_amount(given, claimed)
    return compare(given, claimed) is Relation.SAME


# Answers


def _answers(one: Meaning, other: Meaning) -> Relation:
    if one.negated != other.negated:
        return Relation.CONTRADICTS if one.key == other.key else Relation.UNRELATED
    if one.anchor and other.anchor and one.anchor != other.anchor:
        return Relation.COMPATIBLE
    if one.date and other.date:
        return _dates(one.date, other.date)
    if one.quantity and other.quantity:
        return _quantities(one.quantity, other.quantity)
    is_plain = not (one.date or other.date or one.quantity or other.quantity)
    if is_plain and one.key == other.key:
        return Relation.SAME
    return Relation.COMPATIBLE if compatible(one.key, other.key) else Relation.UNRELATED


# Dates


def _dates(one: Dated, other: Dated) -> Relation:
    is_equal = (one.isos, one.qualifiers) == (other.isos, other.qualifiers)
    if is_equal or includes(one, other) or includes(other, one):
        return Relation.SAME
    if len(one.isos) != 1 or len(other.isos) != 1 or one.bounds or other.bounds:
        return Relation.COMPATIBLE
    precisions = {one.precision, other.precision}
    if one.iso.startswith("--") != other.iso.startswith("--") and precisions & {"year", "decade"}:
        return Relation.COMPATIBLE  # "1955" and "October"
    one, other = _plain(one), _plain(other)
    overlap = includes(one, other) or includes(other, one)
    return Relation.COMPATIBLE if overlap else Relation.CONTRADICTS


def _plain(date: Dated) -> Dated:
    return replace(date, qualifiers=frozenset())


def _is_within(given: Dated, claimed: Dated) -> bool:
    """A day without a year is that day of any year."""
    if "--" in (given.iso[:2], claimed.iso[:2]):
        return _dates(given, claimed) is Relation.SAME
    return given.isos == claimed.isos or includes(claimed, given)


def _are_opposed(
    one: frozenset[str], other: frozenset[str], down: frozenset[str], up: frozenset[str]
) -> bool:
    return bool((one & down and other & up) or (one & up and other & down))


# Quantities


def _quantities(first: Quantity, second: Quantity) -> Relation:
    ranges = _in_one_unit(first, second)
    if ranges is None:
        return Relation.UNRELATED
    (low, high), (other_low, other_high) = ranges
    if not _is_near(low, other_low, first, second) or not _is_near(high, other_high, first, second):
        overlap = low <= other_high and other_low <= high
        may_both = overlap or _is_bounded(first, low, second, other_low)
        return Relation.COMPATIBLE if may_both else Relation.CONTRADICTS
    strict = {first.bound, second.bound} - {"", "about"}
    is_counted = first.kind == second.kind == "number"  # "19,000" and "19,000 centrifuges"
    is_bare = (first.unit is None) != (second.unit is None) and not is_counted
    if (strict and first.bound != second.bound) or is_bare or first.per != second.per:
        return Relation.COMPATIBLE
    words = {frozenset(normalize(amount.rest).split()) for amount in (first, second)}
    return Relation.SAME if len(words) == 1 or frozenset() in words else Relation.COMPATIBLE


_Range = tuple[float, float]


def _in_one_unit(first: Quantity, second: Quantity) -> tuple[_Range, _Range] | None:
    """Both as (least, greatest): in the base unit of their dimension if both have a unit; None if
    their units are of different things."""
    if first.unit is None or second.unit is None or {first.unit, second.unit} == {"GBP", "pound"}:
        return _range(first), _range(second)
    (one, unit), (other, other_unit) = (
        ([base(number, amount.unit, amount.kind)[0] for number in _range(amount)], name)
        for amount in (first, second)
        for name in (base(0, amount.unit, amount.kind)[1] or "",)
    )
    # one may be more specific: "member", "permanent member"
    if not (f" {unit}".endswith(f" {other_unit}") or f" {other_unit}".endswith(f" {unit}")):
        return None
    return (one[0], one[1]), (other[0], other[1])


def _range(amount: Quantity) -> _Range:
    return amount.number, amount.number if amount.upper is None else amount.upper


def _is_near(one: float, other: float, first: Quantity, second: Quantity) -> bool:
    """Equal, or nearly so if the units were converted."""
    if math.isclose(one, other, rel_tol=1e-12):
        return True
    if first.kind not in ("quantity", "duration") or first.unit == second.unit:
        return False
    if "degree_" in f"{first.unit} {second.unit}":
        return math.isclose(one, other, abs_tol=_DEGREES)
    return math.isclose(one, other, rel_tol=_CONVERTED)


def _is_bounded(first: Quantity, low: float, second: Quantity, other_low: float) -> bool:
    """Whether values such as "more than 100" and "150" can both be true."""
    return any(
        (a.bound in _UP and (x <= y or b.bound in _UP))
        or (a.bound in _DOWN and (x >= y or b.bound in _DOWN))
        for a, x, b, y in ((first, low, second, other_low), (second, other_low, first, low))
    )


def _is_amount(given: Quantity, claimed: Quantity) -> bool:
    """Whether the given quantity makes the claimed one true."""
    bounds = frozenset((given.bound,)), frozenset((claimed.bound,))
    if given.kind == claimed.kind == "number" and _range(given) == _range(claimed):
        return not _are_opposed(*bounds, _DOWN, _UP)
    if given.unit is None or claimed.unit is None:
        if given.unit != claimed.unit and not given.kind == claimed.kind == "number":
            return given.number == claimed.number
    elif given.per and claimed.per and given.per != claimed.per:
        return False
    ranges = _in_one_unit(given, claimed)
    if ranges is None:
        return False
    (low, high), (claimed_low, claimed_high) = ranges
    if claimed.bound in _UP | _DOWN and given.bound not in _UP | _DOWN:
        is_beyond = low > claimed_low if claimed.bound in _UP else low < claimed_low
        if is_beyond:
            return True
    tolerance = _CONVERTED if given.unit != claimed.unit else 1e-9
    tolerance = _APPROXIMATE if "about" in (given.bound, claimed.bound) else tolerance
    return math.isclose(low, claimed_low, rel_tol=tolerance) and math.isclose(
        high, claimed_high, rel_tol=tolerance
    )
