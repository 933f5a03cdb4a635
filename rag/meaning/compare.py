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
_LIMITS = re.compile(
    r"\b(?:limit|cap|ban|bar|forbid|forbade|prohibit|restrict|prevent|stop|refus|reject|exclud|"
    r"only|except|unless|void|expir|against)\w*\b"
)
"""Words that deny in another way: a denial on the other side may then agree with them."""
_CLAUSE = re.compile(r"[,;:()]\s|\s(?:but|so|because|although|though|while|whereas|which|who)\s")
_NO_DENIAL = re.compile(r"\bno (?:more|less|fewer|later|earlier) than\b|\bnot (?:only|until)\b")


def is_denied_around(text: str, text_before: str, text_after: str) -> bool:
    """Whether the clause of some words, between `text_before` and `text_after`, denies them."""
    clause = _BREAK.split(text_before)[-1]
    return bool(_NEGATION.search(f"{clause} {text}".lower()) or _DENIED_AFTER.match(text_after))


def is_denied(claim: str, evidence: str, is_alike: bool) -> bool:
    """Whether one of the two denies the other, judged by the clause of the evidence that shares
    most words with the claim.

    `is_alike`: both have almost the same words, so that "limited to" and the like cannot express
    the same denial.
    """
    words = content_words(claim)
    clauses = [evidence] if _CLAUSE.search(claim) else _CLAUSE.split(evidence)
    closest_clause = max(clauses, key=lambda clause: len(words & content_words(clause)))
    if _denials(claim) % 2 == _denials(closest_clause) % 2:
        return False
    affirmed = claim if _denials(closest_clause) else closest_clause
    return is_alike or not _LIMITS.search(affirmed.lower())


def _denials(text: str) -> int:
    text = _NO_DENIAL.sub(" ", text.lower().replace("’", "'")).replace("n't", " not ")
    words = "".join(letter if letter.isalpha() else " " for letter in text).split()
    return sum(word in DENIALS for word in words)


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


def meaning(text: str, before: str = "", after: str = "", amount: bool = False) -> Meaning:
    """The meaning of words, given the text `before` and `after` them in their sentence. If the
    question asks for an `amount`, a number is not read as a date.
    """
    words = _LEAD.sub("", text)
    is_dated = not amount and not after.lstrip().startswith(_ERA)
    date = only_date(text) if is_dated else None
    if date and (bound := _DATE_BOUND.search(before)):
        date = date.qualified(bound[1])
    stated = None if date else _amount(text, before, after)
    is_denied = is_denied_around(text, before, after)
    return Meaning(words, _key(words) or text, is_denied, date, stated)


def _key(text: str) -> str:
    """Normalised text, with "U.S." as "US", "a.m." as "am", and "C++" distinct from "C"."""
    text = _INITIALS.sub(lambda match: "".join(filter(str.isalpha, match[0])), text)
    return normalize(_SYMBOLED.sub(lambda match: " sharp" if match[0] == "#" else " plus", text))


def _amount(text: str, text_before: str, text_after: str) -> Quantity | None:
    """The quantity with a currency sign or a bound right before it."""
    sign = _MONEY_SIGN.search(text_before)
    stated = quantity(f"{sign[0].strip()}{text}" if sign else text, text_after)
    if stated is None or stated.bound:
        return stated
    return replace(stated, bound=bound_before(text_before[: sign.start()] if sign else text_before))


_UP, _DOWN = frozenset(("more than", "at least")), frozenset(("less than", "at most"))
_EARLIER = frozenset(("before", "until", "till", "by", "no later than"))
_LATER = frozenset(("after", "since", "no earlier than"))
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
        if _are_opposed(stated.qualifiers, claimed.qualifiers, _EARLIER, _LATER):
            return False
        day, other = stated.plain, claimed.plain
        if "--" in (day.iso[:2], other.iso[:2]):  # without a year, it is that day of any year
            return _dates(day, other) is Relation.SAME
        return day.isos == other.isos or includes(other, day)
    if isinstance(stated, Quantity) and isinstance(claimed, Quantity):
        return _is_amount(stated, claimed)
    return compare(stated, claimed) is Relation.SAME


# Answers


def _answers(stated: Meaning, rival: Meaning) -> Relation:
    if stated.negated != rival.negated:
        return Relation.CONTRADICTS if stated.key == rival.key else Relation.UNRELATED
    if stated.anchor and rival.anchor and stated.anchor != rival.anchor:
        return Relation.COMPATIBLE
    if stated.date and rival.date:
        return _dates(stated.date, rival.date)
    if stated.quantity and rival.quantity:
        return _quantities(stated.quantity, rival.quantity)
    is_plain = not (stated.date or rival.date or stated.quantity or rival.quantity)
    if is_plain and stated.key == rival.key:
        return Relation.SAME
    return Relation.COMPATIBLE if compatible(stated.key, rival.key) else Relation.UNRELATED


# Dates


def _dates(stated: Dated, rival: Dated) -> Relation:
    is_equal = (stated.isos, stated.qualifiers) == (rival.isos, rival.qualifiers)
    if is_equal or includes(stated, rival) or includes(rival, stated):
        return Relation.SAME
    if len(stated.isos) != 1 or len(rival.isos) != 1 or stated.bounds or rival.bounds:
        return Relation.COMPATIBLE
    lacks_year = stated.iso.startswith("--") != rival.iso.startswith("--")
    if lacks_year and {stated.precision, rival.precision} & {"year", "decade"}:
        return Relation.COMPATIBLE  # "1955" and "October"
    stated, rival = stated.plain, rival.plain
    overlap = includes(stated, rival) or includes(rival, stated)
    return Relation.COMPATIBLE if overlap else Relation.CONTRADICTS


def _are_opposed(
    bounds: Set[str], rival_bounds: Set[str], lowering: Set[str], raising: Set[str]
) -> bool:
    return bool(
        (bounds & lowering and rival_bounds & raising)
        or (bounds & raising and rival_bounds & lowering)
    )


# Quantities


def _quantities(stated: Quantity, rival: Quantity) -> Relation:
    ranges = _in_one_unit(stated, rival)
    if ranges is None:
        return Relation.UNRELATED

    (least, greatest), (rival_least, rival_greatest) = ranges

    if not _is_near(least, rival_least, stated, rival) or not _is_near(
        greatest, rival_greatest, stated, rival
    ):
        overlap = least <= rival_greatest and rival_least <= greatest
        may_both = overlap or _is_bounded(stated, least, rival, rival_least)
        return Relation.COMPATIBLE if may_both else Relation.CONTRADICTS

    strict = {stated.bound, rival.bound} - {"", "about"}
    is_counted = stated.kind == rival.kind == "number"  # "19,000" and "19,000 centrifuges"
    is_bare = (stated.unit is None) != (rival.unit is None) and not is_counted
    if (strict and stated.bound != rival.bound) or is_bare or stated.per != rival.per:
        return Relation.COMPATIBLE

    words = {frozenset(normalize(amount.rest).split()) for amount in (stated, rival)}
    return Relation.SAME if len(words) == 1 or frozenset() in words else Relation.COMPATIBLE


_Range = tuple[float, float]


def _in_one_unit(stated: Quantity, rival: Quantity) -> tuple[_Range, _Range] | None:
    """Both as (least, greatest): in the base unit of their dimension if both have a unit; None if
    their units measure different things.
    """
    if stated.unit is None or rival.unit is None or {stated.unit, rival.unit} == {"GBP", "pound"}:
        return _range(stated), _range(rival)
    (least, unit), (rival_least, other_unit) = (
        base(a.number, a.unit, a.kind) for a in (stated, rival)
    )
    # one may be more specific: "member", "permanent member"
    if not (f" {unit}".endswith(f" {other_unit}") or f" {other_unit}".endswith(f" {unit}")):
        return None
    greatest, rival_greatest = (base(_range(a)[1], a.unit, a.kind)[0] for a in (stated, rival))
    return (least, greatest), (rival_least, rival_greatest)


def _range(amount: Quantity) -> _Range:
    return amount.number, amount.number if amount.upper is None else amount.upper


def _is_near(amount: float, other_amount: float, stated: Quantity, rival: Quantity) -> bool:
    """Equal, or nearly so if the units were converted."""
    if math.isclose(amount, other_amount, rel_tol=1e-12):
        return True
    if stated.kind not in ("quantity", "duration") or stated.unit == rival.unit:
        return False
    if "degree_" in f"{stated.unit} {rival.unit}":
        return math.isclose(amount, other_amount, abs_tol=_DEGREES)
    return math.isclose(amount, other_amount, rel_tol=_CONVERTED)


def _is_bounded(stated: Quantity, least: float, rival: Quantity, rival_least: float) -> bool:
    """Whether values such as "more than 100" and "150" can both be true."""
    return any(
        (a.bound in _UP and (x <= y or b.bound in _UP))
        or (a.bound in _DOWN and (x >= y or b.bound in _DOWN))
        for a, x, b, y in ((stated, least, rival, rival_least), (rival, rival_least, stated, least))
    )


def _is_amount(stated: Quantity, claimed: Quantity) -> bool:
    """Whether the given quantity makes the claimed one true."""
    if stated.kind == claimed.kind == "number" and _range(stated) == _range(claimed):
        return not _are_opposed({stated.bound}, {claimed.bound}, _DOWN, _UP)

    if stated.unit is None or claimed.unit is None:
        if stated.unit != claimed.unit and not stated.kind == claimed.kind == "number":
            return stated.number == claimed.number
    elif stated.per and claimed.per and stated.per != claimed.per:
        return False

    ranges = _in_one_unit(stated, claimed)
    if ranges is None:
        return False

    (stated_least, _), (claimed_least, _) = ranges
    is_open = claimed.bound in _UP | _DOWN and stated.bound not in _UP | _DOWN
    if is_open and (
        stated_least > claimed_least if claimed.bound in _UP else stated_least < claimed_least
    ):
        return True

    tolerance = _CONVERTED if stated.unit != claimed.unit else 1e-9
    tolerance = _APPROXIMATE if "about" in (stated.bound, claimed.bound) else tolerance

    return all(math.isclose(*ends, rel_tol=tolerance) for ends in zip(*ranges, strict=True))
