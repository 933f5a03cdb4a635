"""Fits a probability to whether answers served, reports the effect of a threshold on it, and
certifies one: with a stated confidence, at most a stated share of the answers is wrong.

A threshold is certified if the one-sided Clopper-Pearson upper bound (1934) on its share of wrong
answers is at most the risk. Testing several thresholds and keeping the best would find one that
passes by chance. So they are tested in a fixed sequence (learn then test, Angelopoulos et al.
2021): from a starting point downwards, until the first that does not pass. Then the probability of
certifying any threshold whose true risk is higher is at most 1 - confidence. The starting point and
the order are chosen before any answer is compared with the gold ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import beta, binom

from rag.evaluation.statistics import Mask, RowValues, adaptive_ece, auroc, wilson

_PRIOR = 4.0
"""Weight of the unchanged probabilities in the fit, as a number of questions."""
_ITERATIONS = 50
THRESHOLDS = np.arange(99, -1, -1) / 100
_START_STEP = 5
_MOST_QUESTIONS = 200_000


class JudgedQuestions(NamedTuple):
    """The likeliest answer to each question, (n,) each: its log-odds, whether it served, whether
    the question is answerable, and its group.
    """

    log_odds: RowValues
    are_right: Mask
    answerable: Mask
    groups: NDArray[np.int64]

    def head(self, count: int) -> JudgedQuestions:
        """The first `count` of them."""
        return JudgedQuestions(
            self.log_odds[:count],
            self.are_right[:count],
            self.answerable[:count],
            self.groups[:count],
        )


def fit(data: JudgedQuestions, chosen: Mask) -> tuple[float, float]:
    """Slope and offset of the logistic function from log-odds to whether the chosen answers served
    (Platt 1999), drawn to 1 and 0, which change nothing. By Newton's method.
    """
    ones = np.ones(int(chosen.sum()))
    inputs = np.stack([data.log_odds[chosen], ones])
    served = data.are_right[chosen].astype(float)

    prior = np.array([1.0, 0.0])
    values = prior
    for _ in range(_ITERATIONS):
        share = expit(values @ inputs)
        gradient = inputs @ (share - served)
        gradient = gradient + _PRIOR * (values - prior)
        curvature = (inputs * share * (1 - share)) @ inputs.T
        curvature = curvature + _PRIOR * np.eye(2)
        values = values - np.linalg.solve(curvature, gradient)

    slope, offset = map(float, values)
    return max(0.05, slope), offset


def predict(slope: float, offset: float, log_odds: RowValues) -> RowValues:
    """The probabilities, (n,)."""
    return np.asarray(expit(slope * log_odds + offset))


def held_back(data: JudgedQuestions, folds: int) -> RowValues:
    """The probability of every answer, (n,), by a fit without its group."""
    probabilities = predict(1.0, 0.0, data.log_odds)
    for fold in range(folds):
        in_fold = data.groups % folds == fold
        if in_fold.all() or not in_fold.any():
            continue
        slope, offset = fit(data, ~in_fold)
        probabilities[in_fold] = predict(slope, offset, data.log_odds[in_fold])
    return probabilities


def choose_threshold(confidence: RowValues, answerable: Mask) -> float:
    """The confidence at which as many are refused as unanswerable: precision equals recall."""
    count = int(answerable.sum())
    if count == 0:
        return 1.0

    ordered = np.sort(confidence)[::-1]
    threshold = float(
        ordered[count - 1 : count + 1].mean()
    )  # the last answer and the first refusal
    return math.floor(threshold * 1e5) / 1e5


def bought(confidence: RowValues, data: JudgedQuestions, threshold: float) -> dict[str, Any]:
    """The effect of a threshold, as shares, with Wilson's 95 % interval for wrong answers."""
    answered = confidence >= threshold
    everything = np.ones_like(answered)
    are_right = data.are_right
    answerable = data.answerable

    wrong_share = _mean(~are_right, answered)
    area = auroc(confidence[are_right], confidence[~are_right])
    return {
        "questions": len(confidence),
        "answered": _mean(answered, everything),
        "wrong, of answered": wrong_share,
        "wrong, of answered, interval": wilson(wrong_share, int(answered.sum())),
        "expected wrong, of answered": _mean(1 - confidence, answered),
        "refused, of answerable": _mean(~answered, answerable),
        "refusal precision": _mean(~answerable, ~answered),
        "refusal recall": _mean(~answered, ~answerable),
        "best candidate right, of answerable": _mean(are_right, answerable),
        "ece": adaptive_ece(confidence, are_right),
        "auroc of right": None if area is None else round(area, 4),
    }


def _mean(values: RowValues | Mask, among: Mask) -> float:
    if not among.any():
        return 0.0
    return round(float(values[among].mean()), 4)


def risk_at_coverage(confidence: RowValues, data: JudgedQuestions) -> dict[str, float]:
    """Shares of wrong answers if only the surest tenth, two tenths and so on of the questions are
    answered; by that share, from "0.1" to "1.0".
    """
    order = np.argsort(-confidence, kind="stable")
    are_wrong = ~data.are_right[order]

    risks = {}
    for share in np.arange(1, 11) / 10:
        count = max(1, math.ceil(share * len(are_wrong) - 1e-9))
        risk = float(are_wrong[:count].mean())
        risks[f"{share:.1f}"] = round(risk, 4)
    return risks


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
    confidence: RowValues, are_right: Mask, risk: float, certainty: float = 0.95
) -> Certificate | None:
    """The lowest threshold whose risk is certified; None if no threshold passes.

    `confidence` in [0, 1] and `are_right`, (n,) each, are of questions that were not used to fit
    the confidence. `risk` and `certainty` are in (0, 1).
    """
    answered, wrong_counts = _counts(confidence, are_right)
    allowed = _most_wrong(answered, risk, certainty)
    start = _start(confidence, answered, allowed)

    # thresholds pass from the start on until the first that fails, if any does
    failed = np.flatnonzero(wrong_counts[start:] > allowed[start:])
    passed = int(failed[0]) if len(failed) else len(THRESHOLDS) - start
    if not passed:
        return None

    place = start + passed - 1
    answers = int(answered[place])
    errors = int(wrong_counts[place])
    return Certificate(
        threshold=float(THRESHOLDS[place]),
        answered=answers,
        wrong=errors,
        bound=upper_bound(errors, answers, certainty),
        tested=passed + (1 if len(failed) else 0),
    )


def _start(confidence: RowValues, answered: NDArray[np.int64], allowed: NDArray[np.int64]) -> int:
    """Of every fifth threshold, the place of the likeliest to pass if confidences are right."""
    doubts = []
    for threshold in THRESHOLDS:
        confidence_above = confidence[confidence >= threshold]
        doubts.append((1 - confidence_above).sum())

    expected = np.clip(np.array(doubts) / np.maximum(answered, 1), 0, 1)
    chances = np.where(allowed >= 0, binom.cdf(allowed, answered, expected), 0.0)
    likeliest_step = int(np.argmax(chances[::_START_STEP]))
    return _START_STEP * likeliest_step


def upper_bound(errors: int, answers: int, certainty: float) -> float:
    """An upper bound on the true share of wrong answers if `errors` of `answers` are wrong: the
    one-sided bound of Clopper and Pearson (1934).
    """
    if errors >= answers:
        return 1.0
    return float(beta.ppf(certainty, errors + 1, answers - errors))


def questions_needed(
    confidence: RowValues, are_right: Mask, risk: float, certainty: float = 0.95
) -> int | None:
    """About how many questions certify the risk if as large a share of them is answered, and is
    right, as of these; None if no number up to 200,000 does.
    """
    fewest = math.log(1 - certainty) / math.log(1 - risk)
    steps = np.geomspace(fewest, _MOST_QUESTIONS, 250)
    sizes = np.unique(np.ceil(steps).astype(int))
    allowed = _most_wrong(sizes, risk, certainty)

    needed = []
    for answered, errors in zip(*_counts(confidence, are_right), strict=True):
        sufficient = sizes[allowed >= sizes * (errors + 0.5) / (answered + 1)]
        if answered and len(sufficient):
            needed.append(math.ceil(sufficient[0] * len(confidence) / answered))

    possible = [number for number in needed if number <= _MOST_QUESTIONS]
    return min(possible, default=None)


def _counts(confidence: RowValues, are_right: Mask) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number of answered questions, and of wrong answers, at each of THRESHOLDS."""
    answered = confidence >= THRESHOLDS[:, None]
    are_wrong = answered & ~are_right
    return answered.sum(axis=1), are_wrong.sum(axis=1)


def _most_wrong(answered: NDArray[np.int64], risk: float, certainty: float) -> NDArray[np.int64]:
    """The largest number of wrong answers that passes; -1 if not even 0 does."""
    count = binom.ppf(1 - certainty, answered, risk)
    is_too_likely = binom.cdf(count, answered, risk) > 1 - certainty
    return np.asarray(count - is_too_likely, int)
