"""Exact match and token F1, as defined by SQuAD's evaluation script.

Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of Text"; for
unanswerable questions, Rajpurkar, Jia & Liang 2018, "Know What You Don't Know".
`rag.meaning.words.normalize`, which decides when two answers are equal, may change; this one must
stay comparable with published scores.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

LEAST_RIGHT_F1 = 0.5
"""Minimum token F1 of a right answer, which must not contain other figures. Confidence is the
probability that an answer is right in this sense."""
_ARTICLES = re.compile(r"\b(?:a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize(text: str) -> str:
    """Lower case, without ASCII punctuation, then without articles, then single spaces."""
    letters = text.lower().translate(_NO_PUNCTUATION)
    words = _ARTICLES.sub(" ", letters).split()
    return " ".join(words)


def exact_match(answer: str | None, accepted: Sequence[str]) -> float:
    """1 for an accepted answer after normalisation, or for None, a refusal, if none exists."""
    return float(normalize(answer or "") in _golds(accepted))


def f1(answer: str | None, accepted: Sequence[str]) -> float:
    """Token F1 with the closest accepted answer, in [0, 1]; 1 for a refusal if none exists."""
    words = normalize(answer or "").split()
    return max(_f1(words, gold.split()) for gold in _golds(accepted))


def _golds(accepted: Sequence[str]) -> list[str]:
    """The accepted answers, normalised, without empty ones; [""] if none is left."""
    golds = [normalize(answer) for answer in accepted]
    return [gold for gold in golds if gold] or [""]


def _f1(answer_words: list[str], gold_words: list[str]) -> float:
    if not answer_words or not gold_words:
        return float(answer_words == gold_words)
    common_words = Counter(answer_words) & Counter(gold_words)
    return 2 * common_words.total() / (len(answer_words) + len(gold_words))


def is_right(text: str | None, accepted: Sequence[str]) -> bool:
    """Whether the words overlap with an accepted answer by a token F1 of at least `LEAST_RIGHT_F1`,
    and name no other figures: "2015" is right for "14 July 2015", "2 miles" is not for "21 miles".
    An empty answer is never right.
    """
    words = normalize(text or "").split()
    return bool(words) and any(_is_right(words, normalize(answer).split()) for answer in accepted)


def _is_right(answer_words: list[str], gold_words: list[str]) -> bool:
    if _f1(answer_words, gold_words) < LEAST_RIGHT_F1:
        return False
    figures = _figures(answer_words)
    gold_figures = _figures(gold_words)
    return figures <= gold_figures or gold_figures <= figures


def _figures(words: Sequence[str]) -> set[str]:
    """The words with a digit."""
    return {word for word in words if any(map(str.isdigit, word))}
