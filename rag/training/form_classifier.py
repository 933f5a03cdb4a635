"""The form classifier: a logistic regression in NumPy on labelled questions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from rag.answering.forms import CLASSES, Embeds, inputs
from rag.errors import InputError
from rag.evaluation.set_files import StrictRow, Text, read_rows

_DECAY = 1e-3
_STEPS = 350
_RATE = 0.1
_FOLDS = 5
Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A question and its form; `weight` is what it counts beside others."""

    question: str
    form: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Trained:
    """`accuracy` is the weighted share of correct forms in 5-fold cross-validation, `by_form` that
    of each form.
    """

    questions: int
    accuracy: float
    by_form: dict[str, float]


class _LabelledRow(StrictRow):
    question: Text
    form: str
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)


def read_labelled(path: Path) -> list[Labelled]:
    """JSON Lines of `question`, `form` and optionally `weight`. Raises InputError that names the
    line.
    """
    hint = f"give JSON lines with question and form, one of: {', '.join(CLASSES)}"
    rows = read_rows(path, _LabelledRow, "questions", hint)
    for place, row in rows.items():
        if row.form not in CLASSES:
            raise InputError(f"{place}: unknown form {row.form!r}", hint)
    if len(rows) < _FOLDS:
        raise InputError(f"{path} has {len(rows)} questions, at least {_FOLDS} are needed", hint)
    return [Labelled(row.question, row.form, row.weight) for row in rows.values()]


def fit(
    features: Rows, labels: NDArray[np.int64], weight: Rows, fixed: Rows | None = None
) -> tuple[Rows, Rows]:
    """Weights (classes, columns) and bias (classes,) that maximise the likelihood of `labels`, by
    Adam on all rows at once. `fixed`, shape (columns + 1, n), are weights and bias of the first n
    classes, which stay as they are.
    """
    targets = np.eye(len(CLASSES), dtype=np.float32)[labels]
    share = (weight / weight.sum())[:, None]
    inner = np.hstack([features, np.ones((len(features), 1), dtype=np.float32)])
    theta = np.zeros((inner.shape[1], len(CLASSES)), dtype=np.float32)
    settled = 0 if fixed is None else fixed.shape[1]
    if fixed is not None:
        theta[:, :settled] = fixed
    mean, square = np.zeros_like(theta), np.zeros_like(theta)
    for step in range(1, _STEPS + 1):
        logits = inner @ theta
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        slope = inner.T @ (share * (likely - targets))
        slope[:-1] += _DECAY * theta[:-1]
        slope[:, :settled] = 0
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        theta -= _RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return theta[:-1].T.copy(), theta[-1].copy()


def train(
    labelled: Sequence[Labelled],
    embedder: Embeds,
    out: Path,
    progress: Callable[[str], object] = lambda _: None,
    initial: Path | None = None,
) -> Trained:
    """Train a classifier and write it to `out`, a safetensors file in half precision. With an
    `initial` one, which lacks the last classes, only these are learned.
    """
    from safetensors.numpy import save_file

    progress(f"embedding {len(labelled):,} questions")
    texts = [question.question for question in labelled]
    features = inputs(texts, embedder.embed_queries(texts))
    labels = np.array([CLASSES.index(question.form) for question in labelled])
    counts = np.array([question.weight for question in labelled], dtype=np.float32)
    weight = _balanced(labels, counts)
    progress("fitting")
    fixed = _settled(initial) if initial else None
    right = _held_out(features, labels, weight, fixed)
    weights, bias = fit(features, labels, weight, fixed)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file({"weights": weights.astype(np.float16), "bias": bias.astype(np.float16)}, out)
    rows = {name: labels == number for number, name in enumerate(CLASSES)}
    by_form = {
        name: _share(right[members], counts[members])
        for name, members in rows.items()
        if members.any()
    }
    return Trained(len(labelled), _share(right, counts), by_form)


def _share(right: NDArray[np.bool_], weight: Rows) -> float:
    """The share of true values by weight, to three digits."""
    return round(float(np.average(right, weights=weight)), 3)


def _balanced(labels: NDArray[np.int64], weight: Rows) -> Rows:
    """Weights that give each class the square root of its share, so that facts do not drown rare
    forms.
    """
    totals = np.bincount(labels, weight, len(CLASSES))
    return (weight / np.sqrt(np.maximum(totals, 1e-6))[labels]).astype(np.float32)


def _settled(path: Path) -> Rows:
    """The weights and bias of a classifier, shape (columns + 1, classes)."""
    from safetensors.numpy import load_file

    file = load_file(path)
    return np.vstack([file["weights"].T, file["bias"]]).astype(np.float32)


def _held_out(
    features: Rows, labels: NDArray[np.int64], weight: Rows, fixed: Rows | None
) -> NDArray[np.bool_]:
    """Whether each question is classified correctly by a fit on the other folds."""
    fold = np.random.default_rng(0).permutation(len(labels)) % _FOLDS
    right = np.zeros(len(labels), dtype=bool)
    for number in range(_FOLDS):
        training = fold != number
        weights, bias = fit(features[training], labels[training], weight[training], fixed)
        right[~training] = (features[~training] @ weights.T + bias).argmax(axis=1) == labels[
            ~training
        ]
    return right
