"""Negation: does the claim, or the evidence, deny what the other says?"""

from __future__ import annotations

import re

from rag.meaning.text import content_words

DENIALS = frozenset(
    "not never no nor neither without cannot nobody nothing denied denies refused failed "
    "lacks".split()
)
_LIMITS = re.compile(
    r"\b(?:limit|cap|ban|bar|forbid|forbade|prohibit|restrict|prevent|stop|refus|reject|exclud|"
    r"only|except|unless|void|expir|against)\w*\b"
)
"""Words that deny in another way: a denial on the other side may then agree with them."""
_CLAUSE = re.compile(r"[,;:()]\s|\s(?:but|so|because|although|though|while|whereas|which|who)\s")
_WORD = re.compile(r"n['’]t\b|\b[a-z]+\b")
_NO_DENIAL = re.compile(r"\bno (?:more|less|fewer|later|earlier) than\b|\bnot (?:only|until)\b")


def is_denied(claim: str, evidence: str, alike: bool) -> bool:
    """Whether one of the two denies the other, judged by the clause of the evidence that shares
    most words with the claim.

    `alike`: both have almost the same words, so that "limited to" and the like cannot express the
    same denial.
    """
    wanted = content_words(claim)
    clauses = [evidence] if _CLAUSE.search(claim) else _CLAUSE.split(evidence)
    nearest = max(clauses, key=lambda one: len(wanted & content_words(one)))
    if _denials(claim) % 2 == _denials(nearest) % 2:
        return False
    plain = claim if _denials(nearest) else nearest
    return alike or not _LIMITS.search(plain.lower())


def _denials(text: str) -> int:
    words = _WORD.findall(_NO_DENIAL.sub(" ", text.lower()))
    return sum(word in DENIALS or word.endswith(("n't", "n’t")) for word in words)
