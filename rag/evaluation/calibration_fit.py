"""Calibrates confidence and threshold on questions with known answers.

A logistic regression predicts from its features whether the best candidate is right. Its weights
are at least 0, since every feature is evidence for an answer, and regularised towards the current
model, so that few questions change little. It is evaluated by cross-validation over whole groups.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.answering.confidence import Confidence
from rag.answering.features import FEATURES, features
from rag.answering.mention import QuestionAnalysis
from rag.evaluation.squad import is_right
from rag.evaluation.statistics import Mask, Rows, adaptive_ece, auroc, wilson
from rag.types import Span

_PULL = 10.0
"""Weight of the current model, in questions."""


@dataclass(frozen=True, slots=True)
class Example:
    """A question with the reader's spans. `answers` are all accepted ones, () if unanswerable;
    folds keep a `group` together.
    """

    question: str
    answers: tuple[str, ...]
    spans: tuple[Span, ...]
    group: str
    kind: str = "own"


@dataclass(frozen=True, slots=True)
class CalibrationTable:
    """The best candidate of each example: its features (n, features), and, (n,) each, whether it is
    right, whether the question is answerable, its weight and its group.
    """

    rows: Rows
    right: Mask
    answerable: Mask
    weight: Rows
    groups: NDArray[np.int64]

    def part(self, chosen: Mask) -> CalibrationTable:
        """The chosen examples."""
        return CalibrationTable(
            self.rows[chosen],
            self.right[chosen],
            self.answerable[chosen],
            self.weight[chosen],
            self.groups[chosen],
        )


def table(
    examples: Sequence[Example], model: Confidence, shares: Mapping[str, float] | None = None
) -> CalibrationTable:
    """The table of the examples. `shares` sets the share of the total weight for each kind of
    example; by default all weights are equal.
    """
    rows, right = [], []
    for example in examples:
        values, correct = _row(example, model)
        rows.append(values)
        right.append(correct)
    kinds = Counter(example.kind for example in examples)
    share = shares or {kind: count / len(examples) for kind, count in kinds.items()}
    total = sum(share[kind] for kind in kinds)
    weight = [share[e.kind] / total / kinds[e.kind] * len(examples) for e in examples]
    names = {group: number for number, group in enumerate(dict.fromkeys(e.group for e in examples))}
    groups = np.array([names[e.group] for e in examples])
    answerable = np.array([bool(e.answers) for e in examples])
    return CalibrationTable(np.array(rows), np.array(right), answerable, np.array(weight), groups)


def _row(example: Example, model: Confidence) -> tuple[list[float], bool]:
    ranked = model.rank(QuestionAnalysis.of(example.question), example.spans)
    if not ranked:
        return [0.0] * len(FEATURES), False
    values = features(ranked[0], ranked)
    return [values[name] for name in FEATURES], is_right(ranked[0].spans[0].text, example.answers)


def fit(
    data: CalibrationTable, prior: Confidence | None = None, names: Sequence[str] = FEATURES
) -> Confidence:
    """Fit a model, regularised towards `prior`; its threshold is that of `prior`, or .5."""
    columns = [FEATURES.index(name) for name in names]
    rows = data.rows[:, columns]
    scale = rows.std(axis=0) + 1e-6
    start = np.array([(prior.weights.get(name, 0.0) if prior else 0.0) for name in names]) * scale
    bias = prior.bias + float(rows.mean(axis=0) @ (start / scale)) if prior else 0.0
    weights, bias = _logistic(
        (rows - rows.mean(axis=0)) / scale, data.right, data.weight, start, bias
    )
    plain = weights / scale
    base = prior or Confidence({}, 0.0, 0.5, 0.0)
    used = {
        name: round(float(weight), 4)
        for name, weight in zip(names, plain, strict=True)
        if weight > 1e-4
    }
    return replace(base, weights=used, bias=round(float(bias - rows.mean(axis=0) @ plain), 4))


def rescale(data: CalibrationTable, prior: Confidence) -> Confidence:
    """`prior` with its log-odds scaled and shifted to fit (Platt 1999), which keeps its ranking.
    `data` comes from `table` with `prior`.
    """
    chance = np.clip(predict(prior, data.rows), 1e-9, 1 - 1e-9)
    odds = np.log(chance / (1 - chance))[:, None]
    (slope,), shift = _logistic(odds, data.right, data.weight, np.ones(1), 0.0)
    weights = {name: round(float(slope * w), 4) for name, w in prior.weights.items()}
    return replace(prior, weights=weights, bias=round(float(slope * prior.bias + shift), 4))


def _logistic(
    rows: Rows, right: Mask, weight: Rows, start: Rows, bias: float
) -> tuple[Rows, float]:
    """Weights of at least 0, and the bias, by accelerated projected gradient (Beck & Teboulle 2009)
    on the weighted log loss and the squared distance to `start`.
    """
    step = 1 / (0.25 * float((weight[:, None] * rows**2).sum() + weight.sum()) + _PULL)
    point = now = np.append(np.maximum(start, 0), bias)
    full = np.column_stack([rows, np.ones(len(rows))])
    pull = np.append(np.full(rows.shape[1], _PULL), 0.0)
    centre = np.append(start, bias)
    speed = 1.0
    for _ in range(4000):
        chance = 1 / (1 + np.exp(-np.clip(full @ point, -60, 60)))
        gradient = full.T @ (weight * (chance - right)) + pull * (point - centre)
        after = point - step * gradient
        after[:-1] = np.maximum(after[:-1], 0)
        faster = (1 + math.sqrt(1 + 4 * speed**2)) / 2
        point, now, speed = after + (speed - 1) / faster * (after - now), after, faster
    return now[:-1], float(now[-1])


def predict(model: Confidence, rows: Rows) -> Rows:
    """The model's confidence for every row, (n,)."""
    return np.array([model(dict(zip(FEATURES, row.tolist(), strict=True))) for row in rows])


def held_back(
    data: CalibrationTable, prior: Confidence | None, folds: int, names: Sequence[str] = FEATURES
) -> Rows:
    """The confidence for every row, (n,), by a model fitted without its group."""
    confidence = np.zeros(len(data.right))
    for fold in range(folds):
        out = data.groups % folds == fold
        if out.any() and not out.all():
            confidence[out] = predict(fit(data.part(~out), prior, names), data.rows[out])
    return confidence


def threshold(confidence: Rows, data: CalibrationTable, risk: float | None) -> float:
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
    """A threshold that accepts the first `given`."""
    if count == 0:
        return 1.0
    last = float(ordered[count - 1])
    if count >= len(ordered):
        return math.floor(last * 1e4) / 1e4
    return math.floor((last + float(ordered[count])) / 2 * 1e5) / 1e5


def bought(confidence: Rows, data: CalibrationTable, threshold: float) -> dict[str, Any]:
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


def risk_at_coverage(confidence: Rows, data: CalibrationTable) -> dict[str, float]:
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
