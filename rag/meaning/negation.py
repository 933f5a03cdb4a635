"""Negation: whether a clause denies the words in it, and whether a claim or its evidence denies
what the other says."""

from __future__ import annotations

import re

from rag.meaning.text import content_words
from rag.meaning.vocabulary import AUXILIARIES, DENIALS

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
