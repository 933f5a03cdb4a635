"""Whether two answers mean the same, contradict each other, or neither. Answers are called equal
only if that is certain: merging two facts is worse than showing two answers. A date includes a more
precise one, quantities are converted, words must be equal.
"""

from __future__ import annotations

import enum
import math

from rag.answering.mention import Meaning
from rag.meaning.dates import Dated, agree, contrary
from rag.meaning.quantities import Quantity
from rag.meaning.text import compatible, normalize
from rag.meaning.units import base


class Relation(enum.Enum):
    SAME = "same"
    """They mean the same, perhaps one more precisely."""
    COMPATIBLE = "compatible"
    """They are about different things; both may be true."""
    CONTRADICTS = "contrary"
    """They are of the same kind, and only one can be true."""
    UNRELATED = "unrelated"


def relation(one: Meaning, other: Meaning) -> Relation:
    """The relation between two answers to the same question."""
    if one.negated != other.negated:
        return Relation.CONTRADICTS if one.key == other.key else Relation.UNRELATED
    if one.anchor and other.anchor and one.anchor != other.anchor:
        return Relation.COMPATIBLE
    if one.date and other.date:
        return _dates(one.date, other.date)
    if one.quantity and other.quantity:
        return _quantities(one.quantity, other.quantity)
    plain = not (one.date or other.date or one.quantity or other.quantity)
    if plain and one.key == other.key:
        return Relation.SAME
    return Relation.COMPATIBLE if compatible(one.key, other.key) else Relation.UNRELATED


def equivalent(one: Meaning, other: Meaning) -> bool:
    """Whether `relation` is SAME."""
    return relation(one, other) is Relation.SAME


def _dates(one: Dated, other: Dated) -> Relation:
    if agree(one, other):
        return Relation.SAME
    return Relation.CONTRADICTS if contrary(one, other) else Relation.COMPATIBLE


def _quantities(first: Quantity, second: Quantity) -> Relation:
    both = first.unit is not None and second.unit is not None
    (low, high, unit), (low_other, high_other, unit_other) = (
        _range(found, both) for found in (first, second)
    )
    if both and not _same_unit(unit or "", unit_other or ""):
        return Relation.UNRELATED
    if not _near(low, low_other, first, second) or not _near(high, high_other, first, second):
        overlap = low <= high_other and low_other <= high
        may_both = overlap or _bounded(first, low, second, low_other)
        return Relation.COMPATIBLE if may_both else Relation.CONTRADICTS
    strict = {first.bound, second.bound} - {"", "about"}
    counted = first.kind == second.kind == "number"  # "19,000" and "19,000 centrifuges"
    bare = (unit is None) != (unit_other is None) and not counted
    if (strict and first.bound != second.bound) or bare or first.per != second.per:
        return Relation.COMPATIBLE
    rests = {frozenset(normalize(found.rest).split()) for found in (first, second)}
    return Relation.SAME if len(rests) == 1 or frozenset() in rests else Relation.COMPATIBLE


def _range(found: Quantity, in_base: bool) -> tuple[float, float, str | None]:
    """(lower end, upper end, unit), in the base unit of its dimension if the other has a comparable
    unit.
    """
    unit, kind = found.unit, found.kind
    low, named = base(found.number, unit, kind) if in_base else (found.number, unit)
    upper = found.number if found.upper is None else found.upper
    return low, base(upper, unit, kind)[0] if in_base else upper, named


def _same_unit(one: str, other: str) -> bool:
    """Whether units are equal, or one is more specific: "member", "permanent member"."""
    return one == other or f" {one}".endswith(f" {other}") or f" {other}".endswith(f" {one}")


def _near(one: float, other: float, first: Quantity, second: Quantity) -> bool:
    """Equal, or within 1 % if the units were converted."""
    if math.isclose(one, other, rel_tol=1e-12):
        return True
    if first.kind not in ("quantity", "duration") or first.unit == second.unit:
        return False
    if "degree_" in f"{first.unit} {second.unit}":
        # counted from absolute zero, 1 % would be three degrees
        return math.isclose(one, other, abs_tol=0.6)
    return math.isclose(one, other, rel_tol=0.01)


def _bounded(first: Quantity, low: float, second: Quantity, low_other: float) -> bool:
    """Whether values such as "more than 100" and "150" can both be true."""
    above = {"more than", "at least"}
    below = {"less than", "at most"}
    return any(
        (a.bound in above and (x <= y or b.bound in above))
        or (a.bound in below and (x >= y or b.bound in below))
        for a, x, b, y in ((first, low, second, low_other), (second, low_other, first, low))
    )
