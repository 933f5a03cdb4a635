"""The meaning of an answer's words: a date, a quantity or plain words, affirmed or denied."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rag.meaning.dates import BOUNDS, Dated, only_date
from rag.meaning.negation import is_denied_around
from rag.meaning.number_words import CODE, SIGN
from rag.meaning.quantities import Quantity, bound_before, quantity
from rag.meaning.text import normalize

_LEAD = re.compile(
    r"^(?:(?:in|on|at|to|by|from|as|about|around|approximately|roughly|an?|the)\s+)+", re.IGNORECASE
)
_MONEY_SIGN = re.compile(rf"(?:{SIGN}|\b{CODE})\s?$")
_DATE_BOUND = re.compile(rf"\b({'|'.join(sorted(BOUNDS - {'eve'}))})\s+(?:the )?$", re.IGNORECASE)
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
    bare = _LEAD.sub("", text)
    is_dated = not amount and not after.lstrip().startswith(_ERA)
    date = _bounded_date(text, before) if is_dated else None
    stated = None if date else _amount(text, before, after)
    is_denied = is_denied_around(text, before, after)
    return Meaning(bare, _key(bare) or text, is_denied, date, stated)


def _key(text: str) -> str:
    """Normalised text, with "U.S." as "US", "a.m." as "am", and "C++" distinct from "C"."""
    text = _INITIALS.sub(lambda match: "".join(filter(str.isalpha, match[0])), text)
    return normalize(_SYMBOLED.sub(lambda match: " sharp" if match[0] == "#" else " plus", text))


def _bounded_date(text: str, before: str) -> Dated | None:
    """The date with a bounding word right before it: "before 2015"."""
    date, bound = only_date(text), _DATE_BOUND.search(before)
    if date is None or bound is None:
        return date
    return replace(date, qualifiers=date.qualifiers | {bound[1].lower()})


def _amount(text: str, before: str, after: str) -> Quantity | None:
    """The quantity with a currency sign or a bound right before it."""
    sign = _MONEY_SIGN.search(before)
    stated = quantity(f"{sign[0].strip()}{text}" if sign else text, after)
    if stated is None or stated.bound:
        return stated
    return replace(stated, bound=bound_before(before[: sign.start()] if sign else before))
