"""Compares two meanings, such as "5 km" and "5,000 m", which are the same: dates, quantities, times
of day and answers.

Two are called the same only if that is certain: merging two facts is worse than showing two
answers. A date includes a more precise one, quantities are converted, words must be equal.
"""

from __future__ import annotations

import enum
import math
import re
from collections.abc import Set
from dataclasses import dataclass, replace

from rag.meaning.dates import BOUNDS, Dated, TimeOfDay, includes, only_date
from rag.meaning.quantities import Quantity, base, bound_before, quantity
from rag.meaning.words import AUXILIARIES, CODE, DENIALS, SIGN, compatible, content_words, normalize

_THAN = r"(?! (?:fewer|less|more|later|earlier|greater|higher|lower) than)"
_NEGATION = re.compile(
    rf"\b(?:not(?! only| until| exceed| over| above| under| below){_THAN}|never{_THAN}"
    rf"|no(?!\.?\s*\d){_THAN}|neither|nor|nobody|none|without|denied|denies|cannot"
    r"|fail(?:s|ed)? to|rather than|instead of)\b|n['’]t\b"
)
_VERBS = "|".join([*sorted(word for word in AUXILIARIES if word.isalpha()), "wo", "ca"])
_DENIED_AFTER = re.compile(
    rf"^\s*(?:(?:{_VERBS})(?:\s+(?:not|never)\b(?! only| until)|n['’]t\b)|never\b"
    r"|(?:failed|refused|declined) to\b)"
)
"""A denial right after the subject: "Iran did not sign"."""
_BREAK = re.compile(
    r"[,;:()–—]|\b(?:but|while|whereas|although|though|and|because|which|who|instead(?! of))\b"
)
_CLAUSE = re.compile(r"[,;:()]\s|\s(?:but|so|because|although|though|while|whereas|which|who)\s")
_NO_DENIAL = re.compile(r"\bno (?:more|less|fewer|later|earlier) than\b|\bnot (?:only|until)\b")


def is_denied_around(text: str, text_before: str, text_after: str) -> bool:
    """Whether the clause of some words, between `text_before` and `text_after`, denies them."""
    clause = _BREAK.split(text_before)[-1]
    if _NEGATION.search(f"{clause} {text}".lower()):
        return True
    return bool(_DENIED_AFTER.match(text_after))


def is_denied(claim: str, evidence: str) -> bool:
    """Whether one of the two denies the other, judged by the clause of the evidence that shares
    most words with the claim.
    """
    claim_words = content_words(claim)
    clauses = [evidence] if _CLAUSE.search(claim) else _CLAUSE.split(evidence)
    closest_clause = max(clauses, key=lambda clause: len(claim_words & content_words(clause)))
    return _denials(claim) % 2 != _denials(closest_clause) % 2


def _denials(text: str) -> int:
    """The number of words that deny something."""
    text = text.lower().replace("’", "'")
    text = _NO_DENIAL.sub(" ", text).replace("n't", " not ")
    letters = "".join(letter if letter.isalpha() else " " for letter in text)
    return sum(word in DENIALS for word in letters.split())


_LEAD = re.compile(
    r"(?i)^(?:(?:in|on|at|to|by|from|as|about|around|approximately|roughly|an?|the)\s+)+"
)
_MONEY_SIGN = re.compile(rf"(?:{SIGN}|\b{CODE})\s?$")
_DATE_BOUND = re.compile(rf"(?i)\b({'|'.join(sorted(BOUNDS - {'eve'}))})\s+(?:the )?$")
_ERA = ("BC", "B.C.")
_INITIALS = re.compile(r"\b(?:(?:[A-Z]\.){2,}|[ap]\.\s?m\.?)")
_SYMBOLED = re.compile(r"(?<=[A-Za-z])(?:\+\+|#)")


@dataclass(frozen=True, slots=True)
class Meaning:
    """The meaning of words. `key` is the normalised text, `negated` whether the clause denies it,
    `anchor` the document that a relative date such as "on Tuesday" refers to.
    """

    text: str
    key: str
    negated: bool
    date: Dated | None
    quantity: Quantity | None
    anchor: str = ""

    @property
    def said(self) -> tuple[object, ...]:
        """A key that equal wordings share."""
        return self.key, self.negated, self.date, self.quantity, self.anchor


def meaning(
    text: str, text_before: str = "", text_after: str = "", amount: bool = False
) -> Meaning:
    """The meaning of words, given `text_before` and `text_after` them in their sentence. If the
    question asks for an `amount`, a number is not read as a date.
    """
    may_be_date = not amount and not text_after.lstrip().startswith(_ERA)
    date = only_date(text) if may_be_date else None
    bound = _DATE_BOUND.search(text_before)
    if date and bound:
        date = date.qualified(bound[1])

    words = _LEAD.sub("", text)
    return Meaning(
        words,
        key=_key(words) or text,
        negated=is_denied_around(text, text_before, text_after),
        date=date,
        quantity=None if date else _amount(text, text_before, text_after),
    )


def _key(text: str) -> str:
    """Normalised text, with "U.S." as "US", "a.m." as "am", and "C++" distinct from "C"."""
    text = _INITIALS.sub(lambda match: "".join(filter(str.isalpha, match[0])), text)
    text = _SYMBOLED.sub(lambda match: " sharp" if match[0] == "#" else " plus", text)
    return normalize(text)


def _amount(text: str, text_before: str, text_after: str) -> Quantity | None:
    """The quantity with a currency sign or a bound right before it."""
    sign = _MONEY_SIGN.search(text_before)
    if sign:
        text = f"{sign[0].strip()}{text}"
        text_before = text_before[: sign.start()]

    stated = quantity(text, text_after)
    if stated is None or stated.bound:
        return stated
    return replace(stated, bound=bound_before(text_before))


_LOWER_BOUNDS = frozenset(("more than", "at least"))
_UPPER_BOUNDS = frozenset(("less than", "at most"))
_QUALIFIERS_BEFORE = frozenset(("before", "until", "till", "by", "no later than"))
_QUALIFIERS_AFTER = frozenset(("after", "since", "no earlier than"))
_CONVERTED = 0.01
"""Relative tolerance between two units."""
_APPROXIMATE = 0.05
"""Relative tolerance of "about" in a claim."""
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


Comparable = Meaning | Dated | Quantity | TimeOfDay


def compare(stated: Comparable, rival: Comparable) -> Relation:
    """The relation between two meanings; those of different kinds are unrelated."""
    if isinstance(stated, Meaning) and isinstance(rival, Meaning):
        return _answers(stated, rival)
    if isinstance(stated, Dated) and isinstance(rival, Dated):
        return _dates(stated, rival)
    if isinstance(stated, Quantity) and isinstance(rival, Quantity):
        return _quantities(stated, rival)
    if isinstance(stated, TimeOfDay) and isinstance(rival, TimeOfDay):
        return Relation.SAME if stated.is_same(rival) else Relation.CONTRADICTS
    return Relation.UNRELATED


def entails(stated: Comparable, claimed: Comparable) -> bool:
    """Whether the `stated` date, quantity or time is the claimed one, or a more precise one: "14
    July 2015" entails "2015", 150 entails "more than 100", and 19.6 entails "about 20".
    """
    if isinstance(stated, Dated) and isinstance(claimed, Dated):
        return _entails_date(stated, claimed)
    if isinstance(stated, Quantity) and isinstance(claimed, Quantity):
        return _is_amount(stated, claimed)
    return compare(stated, claimed) is Relation.SAME


def _entails_date(stated: Dated, claimed: Dated) -> bool:
    if _are_opposed(stated.qualifiers, claimed.qualifiers, _QUALIFIERS_BEFORE, _QUALIFIERS_AFTER):
        return False

    day = stated.plain
    claimed_day = claimed.plain
    has_no_year = "--" in (day.iso[:2], claimed_day.iso[:2])
    if has_no_year:  # it is that day of any year
        return _dates(day, claimed_day) is Relation.SAME
    return day.isos == claimed_day.isos or includes(claimed_day, day)


# Answers


def _answers(stated: Meaning, rival: Meaning) -> Relation:
    """The relation of two answers to one question."""
    is_same_key = stated.key == rival.key
    if stated.negated != rival.negated:
        return Relation.CONTRADICTS if is_same_key else Relation.UNRELATED

    if stated.anchor and rival.anchor and stated.anchor != rival.anchor:
        return Relation.COMPATIBLE
    if stated.date and rival.date:
        return _dates(stated.date, rival.date)
    if stated.quantity and rival.quantity:
        return _quantities(stated.quantity, rival.quantity)

    has_date = stated.date or rival.date
    has_quantity = stated.quantity or rival.quantity
    if is_same_key and not has_date and not has_quantity:
        return Relation.SAME
    return Relation.COMPATIBLE if compatible(stated.key, rival.key) else Relation.UNRELATED


# Dates


def _dates(stated: Dated, rival: Dated) -> Relation:
    """The relation of two dates."""
    is_equal = stated.isos == rival.isos and stated.qualifiers == rival.qualifiers
    if is_equal or _do_overlap(stated, rival):
        return Relation.SAME

    are_single = len(stated.isos) == len(rival.isos) == 1
    if not are_single or stated.bounds or rival.bounds:
        return Relation.COMPATIBLE

    does_one_lack_year = stated.iso.startswith("--") != rival.iso.startswith("--")
    is_one_a_year = not {stated.precision, rival.precision}.isdisjoint(("year", "decade"))
    if does_one_lack_year and is_one_a_year:
        return Relation.COMPATIBLE  # "1955" and "October"

    if _do_overlap(stated.plain, rival.plain):
        return Relation.COMPATIBLE
    return Relation.CONTRADICTS


def _do_overlap(stated: Dated, rival: Dated) -> bool:
    return includes(stated, rival) or includes(rival, stated)


def _are_opposed(
    bounds: Set[str], rival_bounds: Set[str], lowering: Set[str], raising: Set[str]
) -> bool:
    is_lower = bounds & lowering and rival_bounds & raising
    is_higher = bounds & raising and rival_bounds & lowering
    return bool(is_lower or is_higher)


# Quantities


def _quantities(stated: Quantity, rival: Quantity) -> Relation:
    """The relation of two quantities."""
    ranges = _in_one_unit(stated, rival)
    if ranges is None:
        return Relation.UNRELATED

    (minimum, maximum), (rival_minimum, rival_maximum) = ranges
    is_near = _is_near(minimum, rival_minimum, stated, rival) and _is_near(
        maximum, rival_maximum, stated, rival
    )
    if not is_near:
        do_overlap = minimum <= rival_maximum and rival_minimum <= maximum
        if do_overlap or _is_bounded(stated, minimum, rival, rival_minimum):
            return Relation.COMPATIBLE
        return Relation.CONTRADICTS

    strict_bounds = {stated.bound, rival.bound} - {"", "about"}
    if strict_bounds and stated.bound != rival.bound:
        return Relation.COMPATIBLE

    are_counts = stated.kind == rival.kind == "number"  # "19,000" and "19,000 centrifuges"
    does_one_lack_unit = (stated.unit is None) != (rival.unit is None)
    if does_one_lack_unit and not are_counts:
        return Relation.COMPATIBLE
    if stated.per != rival.per:
        return Relation.COMPATIBLE

    words = frozenset(normalize(stated.rest).split())
    rival_words = frozenset(normalize(rival.rest).split())
    is_same_thing = words == rival_words or not words or not rival_words
    return Relation.SAME if is_same_thing else Relation.COMPATIBLE


_Range = tuple[float, float]


def _in_one_unit(stated: Quantity, rival: Quantity) -> tuple[_Range, _Range] | None:
    """Both as (least, greatest): in the base unit of their dimension if both have a unit; None if
    their units measure different things.
    """
    has_unit = stated.unit is not None and rival.unit is not None
    are_pounds = {stated.unit, rival.unit} == {"GBP", "pound"}
    if not has_unit or are_pounds:
        return _range(stated), _range(rival)

    converted, unit = _in_base_unit(stated)
    rival_converted, rival_unit = _in_base_unit(rival)
    # one may be more specific: "member", "permanent member"
    is_specific = f" {unit}".endswith(f" {rival_unit}")
    is_rival_specific = f" {rival_unit}".endswith(f" {unit}")
    if not is_specific and not is_rival_specific:
        return None
    return converted, rival_converted


def _in_base_unit(amount: Quantity) -> tuple[_Range, str | None]:
    """The range in the base unit of its dimension, and the name of that unit."""
    minimum, maximum = _range(amount)
    converted, unit = base(minimum, amount.unit, amount.kind)
    converted_maximum, _ = base(maximum, amount.unit, amount.kind)
    return (converted, converted_maximum), unit


def _range(amount: Quantity) -> _Range:
    """(least, greatest)"""
    greatest = amount.number if amount.upper is None else amount.upper
    return amount.number, greatest


def _is_near(amount: float, other_amount: float, stated: Quantity, rival: Quantity) -> bool:
    """Equal, or nearly so if the units were converted."""
    if math.isclose(amount, other_amount, rel_tol=1e-12):
        return True
    may_be_converted = stated.kind in ("quantity", "duration", "frequency")
    if not may_be_converted or stated.unit == rival.unit:
        return False
    are_degrees = "degree_" in f"{stated.unit} {rival.unit}"
    if are_degrees:
        return math.isclose(amount, other_amount, abs_tol=_DEGREES)
    return math.isclose(amount, other_amount, rel_tol=_CONVERTED)


def _is_bounded(stated: Quantity, minimum: float, rival: Quantity, rival_minimum: float) -> bool:
    """Whether values such as "more than 100" and "150" can both be true."""
    return _may_reach(stated, minimum, rival, rival_minimum) or _may_reach(
        rival, rival_minimum, stated, minimum
    )


def _may_reach(bounded: Quantity, minimum: float, rival: Quantity, rival_minimum: float) -> bool:
    """Whether a quantity has a bound that allows the other one."""
    if bounded.bound in _LOWER_BOUNDS:
        return minimum <= rival_minimum or rival.bound in _LOWER_BOUNDS
    if bounded.bound in _UPPER_BOUNDS:
        return minimum >= rival_minimum or rival.bound in _UPPER_BOUNDS
    return False


def _is_amount(stated: Quantity, claimed: Quantity) -> bool:
    """Whether the given quantity makes the claimed one true."""
    are_counts = stated.kind == claimed.kind == "number"
    if are_counts and _range(stated) == _range(claimed):
        return not _are_opposed({stated.bound}, {claimed.bound}, _UPPER_BOUNDS, _LOWER_BOUNDS)

    have_units = stated.unit is not None and claimed.unit is not None
    if not have_units and stated.unit != claimed.unit and not are_counts:
        return stated.number == claimed.number
    if have_units and stated.per and claimed.per and stated.per != claimed.per:
        return False

    ranges = _in_one_unit(stated, claimed)
    if ranges is None:
        return False
    (minimum, maximum), (claimed_minimum, claimed_maximum) = ranges
    is_exact = stated.bound not in _LOWER_BOUNDS | _UPPER_BOUNDS
    if is_exact and claimed.bound in _LOWER_BOUNDS and minimum > claimed_minimum:
        return True
    if is_exact and claimed.bound in _UPPER_BOUNDS and minimum < claimed_minimum:
        return True

    tolerance = _tolerance(stated, claimed)
    is_least_near = math.isclose(minimum, claimed_minimum, rel_tol=tolerance)
    return is_least_near and math.isclose(maximum, claimed_maximum, rel_tol=tolerance)


def _tolerance(stated: Quantity, claimed: Quantity) -> float:
    """The share by which two quantities may differ that count as equal."""
    if "about" in (stated.bound, claimed.bound):
        return _APPROXIMATE
    if stated.unit != claimed.unit:
        return _CONVERTED
    return 1e-9
