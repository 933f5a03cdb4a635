"""Fits a probability to whether answers served, says what a threshold of it brings, and certifies
one: with a stated confidence, at most a stated share of the answers is wrong.

A threshold is certified if the one-sided Clopper-Pearson upper bound (1934) on its share of wrong
answers is at most the risk. Testing several thresholds and keeping the best would find one that
passes by chance, so they are tested in a fixed sequence (learn then test, Angelopoulos et al.
2021): from a starting point downwards, until the first that does not pass. Then the probability of
certifying any threshold whose true risk is higher is at most 1 - confidence. The starting point and
the order are chosen before any answer is compared with the gold ones.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.evaluation.statistics import Mask, Rows, adaptive_ece, auroc, wilson

_PRIOR = 4.0
"""Questions that the probabilities as they are count for."""
_STEPS = 50


@dataclass(frozen=True, slots=True)
class Judged:
    """The likeliest answer to each question, (n,) each: its log-odds, whether it served, whether
    the question is answerable, its weight and its group.
    """

    log_odds: Rows
    right: Mask
    answerable: Mask
    weight: Rows
    groups: NDArray[np.int64]


def fit(data: Judged, chosen: Mask) -> tuple[float, float]:
    """Slope and offset of the logistic function from log-odds to whether the chosen answers served
    (Platt 1999), drawn to 1 and 0, which change nothing. By Newton's method.
    """
    inputs = np.stack([data.log_odds[chosen], np.ones(int(chosen.sum()))])
    right, weight = data.right[chosen].astype(float), data.weight[chosen]
    prior = np.array([1.0, 0.0])
    values = prior.copy()
    for _ in range(_STEPS):
        share = _logistic(values @ inputs)
        gradient = inputs @ (weight * (share - right)) + _PRIOR * (values - prior)
        curvature = (inputs * weight * share * (1 - share)) @ inputs.T + _PRIOR * np.eye(2)
        values = values - np.linalg.solve(curvature, gradient)
    return max(0.05, float(values[0])), float(values[1])


def predict(slope: float, offset: float, log_odds: Rows) -> Rows:
    """The probabilities, (n,)."""
    return _logistic(slope * log_odds + offset)


def held_back(data: Judged, folds: int) -> Rows:
    """The probability of every answer, (n,), by a fit without its group."""
    probabilities = predict(1.0, 0.0, data.log_odds)
    for fold in range(folds):
        own = data.groups % folds == fold
        if own.any() and not own.all():
            probabilities[own] = predict(*fit(data, ~own), data.log_odds[own])
    return probabilities


def _logistic(values: Rows) -> Rows:
    shares: Rows = 1 / (1 + np.exp(-np.clip(values, -30, 30)))
    return shares


def choose_threshold(confidence: Rows, data: Judged, risk: float | None) -> float:
    """If `risk` is given, the lowest confidence above which at most that share of answers is wrong.
    Otherwise, the confidence at which as many questions are refused as are unanswerable, so that
    precision and recall of refusals are equal.
    """
    order = np.argsort(-confidence, kind="stable")
    weight = data.weight[order]
    if risk is None:
        answerable = float((data.weight * data.answerable).sum())
        count = np.searchsorted(np.cumsum(weight), answerable + 1e-9, side="right")
        return _between(confidence[order], int(count))
    wrong = np.cumsum(weight * ~data.right[order]) / np.cumsum(weight)
    apart = np.append(-np.diff(confidence[order]) > 1e-4, True)  # no threshold separates equals
    within = np.flatnonzero((wrong <= risk) & apart)
    return _between(confidence[order], int(within[-1]) + 1 if len(within) else 0)


def _between(ordered: Rows, count: int) -> float:
    """A threshold that accepts the first `count`."""
    if count == 0:
        return 1.0
    last = float(ordered[count - 1])
    if count >= len(ordered):
        return math.floor(last * 1e4) / 1e4
    return math.floor((last + float(ordered[count])) / 2 * 1e5) / 1e5


def bought(confidence: Rows, data: Judged, threshold: float) -> dict[str, Any]:
    """The effect of a threshold, as shares by weight; the interval, Wilson's at 95 %, is for the
    share of wrong answers.
    """
    answered = confidence >= threshold
    wrong = _share(~data.right, answered, data.weight)
    refused = ~answered
    area = auroc(confidence[data.right], confidence[~data.right])
    return {
        "questions": len(confidence),
        "answered": _share(answered, np.ones_like(answered), data.weight),
        "wrong, of answered": wrong,
        "wrong, of answered, interval": wilson(wrong, int(answered.sum())),
        "expected wrong, of answered": _mean(1 - confidence, answered, data.weight),
        "refused, of answerable": _share(refused, data.answerable, data.weight),
        "refusal precision": _share(~data.answerable, refused, data.weight),
        "refusal recall": _share(refused, ~data.answerable, data.weight),
        "best candidate right, of answerable": _share(data.right, data.answerable, data.weight),
        "ece": adaptive_ece(confidence, data.right, data.weight),
        "auroc of right": None if area is None else round(area, 4),
    }


def risk_at_coverage(confidence: Rows, data: Judged) -> dict[str, float]:
    """The share of wrong answers if only the most confident share of the questions is answered, by
    that share.
    """
    order = np.argsort(-confidence, kind="stable")
    covered = np.cumsum(data.weight[order]) / data.weight.sum()
    wrong = np.cumsum(data.weight[order] * ~data.right[order]) / np.cumsum(data.weight[order])
    return {
        f"{share:.1f}": round(
            float(wrong[min(len(wrong) - 1, int(np.searchsorted(covered, share)))]), 4
        )
        for share in np.arange(1, 11) / 10
    }


def _share(holds: Mask, among: Mask, weight: Rows) -> float:
    return _mean(holds.astype(float), among, weight)


def _mean(values: Rows, among: Mask, weight: Rows) -> float:
    total = float(weight[among].sum())
    return round(float((values * weight)[among].sum()) / total, 4) if total else 0.0


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
    """An upper bound on the true share of wrong answers if `wrong` of `answered` are wrong: the
    one-sided bound of Clopper and Pearson (1934).
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
