"""Fits a probability to whether answers served, and says what a threshold of it brings."""

from __future__ import annotations

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
