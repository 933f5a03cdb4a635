"""Exact match and token F1, as SQuAD's published evaluation script defines them.

Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of Text"; for questions
without an answer Rajpurkar, Jia & Liang 2018, "Know What You Don't Know". Not
`rag.english.text.normalize`: that one decides when the service takes two answers for the same, and
may change; this one must stay what others report.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

RIGHT = 0.5
"""An answer is taken for right from this token F1 on, if it names no other figures. What confidence
is the probability of, and what a miss is the lack of."""
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize(text: str) -> str:
    """Lower case, without ASCII punctuation, then without articles, then single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact(given: str | None, accepted: Sequence[str]) -> float:
    """1 if it is an accepted answer after normalisation, else 0. None, a refusal, is right where
    nothing is accepted.
    """
    return max(float(normalize(given or "") == wanted) for wanted in _golds(accepted))


def f1(given: str | None, accepted: Sequence[str]) -> float:
    """Token F1, in [0, 1], with the nearest accepted answer. None, a refusal, is right where
    nothing is accepted.
    """
    return max(_f1(normalize(given or "").split(), wanted.split()) for wanted in _golds(accepted))


def _golds(accepted: Sequence[str]) -> list[str]:
    """Normalised; those of which nothing is left do not count, and if none is left the right answer
    is none.
    """
    return [normal for answer in accepted if (normal := normalize(answer))] or [""]


def _f1(given: list[str], wanted: list[str]) -> float:
    if not given or not wanted:
        return float(given == wanted)
    common = sum((Counter(given) & Counter(wanted)).values())
    return 2 * common / (len(given) + len(wanted))


def is_right(given: str | None, accepted: Sequence[str]) -> bool:
    """Whether the words given are an answer that is accepted, or overlap with one by half and name
    no other figures: "2015" is right for "14 July 2015", "2 miles" is not for "21 miles". Nothing
    is never right."""
    words = normalize(given or "").split()
    return bool(words) and any(_is_right(words, normalize(answer).split()) for answer in accepted)


def _is_right(given: list[str], wanted: list[str]) -> bool:
    figures, others = (
        {word for word in words if any(map(str.isdigit, word))} for words in (given, wanted)
    )
    return _f1(given, wanted) >= RIGHT and (figures <= others or others <= figures)
