"""Certifies a threshold: with a stated confidence, at most a stated share of the answers is wrong.

A threshold passes if the one-sided Clopper-Pearson upper bound (1934) on its share of wrong answers
is at most the risk. Testing several thresholds and keeping the best would find one that passes by
chance, so they are tested in a fixed sequence (learn then test, Angelopoulos et al. 2021): from a
starting point downwards, until the first that does not pass. Then the probability of certifying any
threshold whose true risk is higher is at most 1 - confidence. The starting point and the order are
chosen before any answer is compared with the gold ones.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from rag.evaluation.statistics import Mask, Rows

THRESHOLDS = tuple(float(percent) / 100 for percent in range(99, -1, -1))
_MOST_QUESTIONS = 200_000
_STEP = 5


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certified threshold. `wrong` of the `answered` questions at or above it are wrong; `bound`
    is the upper bound on their share in [0, 1]; `tested` counts the thresholds that were tested.
    """

    threshold: float
    answered: int
    wrong: int
    bound: float
    tested: int


def certify(
    confidence: Rows, right: Mask, risk: float, certainty: float = 0.95
) -> Certificate | None:
    """The lowest threshold whose risk is certified; None if no threshold passes.

    `confidence` in [0, 1] and `right`, (n,) each, are of questions that were not used to fit the
    confidence. `risk` and `certainty` are in (0, 1).
    """
    start = _start(confidence, risk, certainty)
    passed: tuple[float, int, int] | None = None
    tested = 0
    for threshold in THRESHOLDS[start:]:
        tested += 1
        answered, wrong = _counts(confidence, right, threshold)
        if wrong > _most_wrong(answered, risk, certainty):
            break
        passed = threshold, answered, wrong
    if passed is None:
        return None
    threshold, answered, wrong = passed
    bound = upper_bound(wrong, answered, certainty)
    return Certificate(threshold, answered, wrong, bound, tested)


def upper_bound(wrong: int, answered: int, certainty: float) -> float:
    """The one-sided Clopper-Pearson upper bound on a share of which `wrong` of `answered` were
    observed.
    """
    low, high = 0.0, 1.0
    if wrong >= answered:
        return high
    for _ in range(50):
        middle = (low + high) / 2
        if _at_most(wrong, answered, middle) > 1 - certainty:
            low = middle
        else:
            high = middle
    return high


def questions_needed(
    confidence: Rows, right: Mask, risk: float, certainty: float = 0.95
) -> int | None:
    """About how many questions certify the risk if as large a share of them is answered, and is
    right, as of these; None if no number up to 200,000 does.
    """
    needed = []
    for threshold in THRESHOLDS:
        answered, wrong = _counts(confidence, right, threshold)
        share = (wrong + 0.5) / (answered + 1)
        if answered and share < risk:
            answers = _answers_needed(share, risk, certainty)
            needed.append(math.ceil(answers * len(confidence) / answered))
    return min((number for number in needed if number <= _MOST_QUESTIONS), default=None)


def _answers_needed(share: float, risk: float, certainty: float) -> int:
    """The number of answers that certify the risk if this share of them is wrong."""
    count = math.ceil(math.log(1 - certainty) / math.log(1 - risk))
    while count < _MOST_QUESTIONS and _most_wrong(count, risk, certainty) < share * count:
        count = math.ceil(count * 1.05)
    return count


def _start(confidence: Rows, risk: float, certainty: float) -> int:
    """The place of the threshold, among every fifth, that is likeliest to pass if the confidences
    are right.
    """
    chances = []
    for threshold in THRESHOLDS[::_STEP]:
        sure = confidence[confidence >= threshold]
        allowed = _most_wrong(len(sure), risk, certainty)
        chances.append(
            _at_most(allowed, len(sure), float(1 - sure.mean())) if allowed >= 0 else 0.0
        )
    return _STEP * int(np.argmax(chances))


def _counts(confidence: Rows, right: Mask, threshold: float) -> tuple[int, int]:
    """(answered, wrong) at a threshold."""
    answered = confidence >= threshold
    return int(answered.sum()), int((answered & ~right).sum())


@functools.lru_cache(maxsize=4096)
def _most_wrong(answered: int, risk: float, certainty: float) -> int:
    """The largest number of wrong answers that passes; -1 if not even 0 does."""
    return int(np.searchsorted(_cumulative(answered, answered, risk), 1 - certainty, "right")) - 1


def _at_most(wrong: int, answered: int, share: float) -> float:
    """Probability of at most `wrong` of `answered` if each is wrong with probability `share`."""
    return float(_cumulative(wrong, answered, share)[-1])


def _cumulative(highest: int, total: int, share: float) -> Rows:
    """Probabilities of at most 0, 1, …, `most` of `total`, (most + 1,)."""
    if share <= 0:
        return np.ones(highest + 1)
    share = min(share, 1 - 1e-12)
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    counts = np.arange(highest + 1)
    ways = factorials[total] - factorials[counts] - factorials[total - counts]
    logs = ways + counts * math.log(share) + (total - counts) * math.log1p(-share)
    cumulative: Rows = np.minimum(np.cumsum(np.exp(logs)), 1.0)
    return cumulative
