"""The meaning of an answer's words: a date, a quantity or plain words, affirmed or denied; and
whether a claim or its evidence denies what the other says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from rag.meaning.dates import BOUNDS, Dated, only_date
from rag.meaning.quantities import Quantity, bound_before, quantity
from rag.meaning.words import AUXILIARIES, CODE, DENIALS, SIGN, content_words, normalize

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


def is_denied_around(text: str, before: str, after: str) -> bool:
    """Whether the clause of some words, between `before` and `after`, denies them."""
    clause = _BREAK.split(before)[-1]
    return bool(_NEGATION.search(f"{clause} {text}".lower()) or _DENIED_AFTER.match(after))


def is_denied(claim: str, evidence: str, is_alike: bool) -> bool:
    """Whether one of the two denies the other, judged by the clause of the evidence that shares
    most words with the claim.

    `is_alike`: both have almost the same words, so that "limited to" and the like cannot express
    the same denial.
    """
    words = content_words(claim)
    clauses = [evidence] if _CLAUSE.search(claim) else _CLAUSE.split(evidence)
    nearest = max(clauses, key=lambda clause: len(words & content_words(clause)))
    if _denials(claim) % 2 == _denials(nearest) % 2:
        return False
    plain = claim if _denials(nearest) else nearest
    return is_alike or not _LIMITS.search(plain.lower())


def _denials(text: str) -> int:
    text = _NO_DENIAL.sub(" ", text.lower().replace("’", "'")).replace("n't", " not ")
    words = "".join(letter if letter.isalpha() else " " for letter in text).split()
    return sum(word in DENIALS for word in words)


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
