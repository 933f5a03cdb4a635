"""The form classifier: a logistic regression on labelled questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from safetensors.numpy import load_file, save_file
from torch.nn.functional import cross_entropy

from rag.answering.forms import CLASSES, inputs
from rag.errors import InputError
from rag.evaluation.set_files import NonBlank, StrictRow, read_rows
from rag.protocols import Embedder

_DECAY = 1e-3
_STEPS = 350
_RATE = 0.1
_FOLDS = 5
Floats = NDArray[np.float32]


class Labelled(StrictRow):
    """A question and its form; `weight` is its weight relative to others."""

    question: NonBlank
    form: str
    weight: float = Field(1.0, gt=0, allow_inf_nan=False)


@dataclass(frozen=True, slots=True)
class Trained:
    """Weighted shares of correct forms in 5-fold cross-validation: of all, and of each form."""

    questions: int
    accuracy: float
    by_form: dict[str, float]


def read_labelled(path: Path) -> list[Labelled]:
    """JSON Lines of question, form and optionally weight. Raises InputError that names the line."""
    names = ", ".join(CLASSES)
    hint = f"give JSON lines with question and form, one of: {names}"
    rows = read_rows(path, Labelled, "questions", hint)
    for place, row in rows.items():
        if row.form not in CLASSES:
            raise InputError(f"{place}: unknown form {row.form!r}", hint)
    if len(rows) < _FOLDS:
        raise InputError(f"{path} has {len(rows)} questions, at least {_FOLDS} are needed", hint)
    return list(rows.values())


def fit(
    features: Floats, labels: NDArray[np.int64], weight: Floats, fixed: Floats | None = None
) -> tuple[Floats, Floats]:
    """Weights (classes, columns) and bias (classes,) that maximise the likelihood of `labels`, by
    Adam on all rows at once. `fixed`, shape (columns + 1, n), are weights and bias of the first n
    classes, which stay as they are.
    """
    ones = np.ones((len(features), 1))  # the bias is the weight of this column
    with_ones = np.hstack([features, ones])
    rows = torch.from_numpy(with_ones).float()
    columns = rows.shape[1]

    settled = torch.zeros(columns, 0)
    if fixed is not None:
        settled = torch.from_numpy(fixed)
    unsettled = len(CLASSES) - settled.shape[1]
    learned = torch.zeros(columns, unsettled, requires_grad=True)

    share = torch.from_numpy(weight / weight.sum())
    targets = torch.from_numpy(labels)
    adam = torch.optim.Adam([learned], lr=_RATE)
    for _ in range(_STEPS):
        adam.zero_grad()
        logits = rows @ torch.cat([settled, learned], 1)
        losses = cross_entropy(logits, targets, reduction="none")
        squares = learned[:-1] ** 2  # the bias does not decay
        loss = (share * losses).sum() + _DECAY / 2 * squares.sum()
        torch.autograd.backward(loss)
        adam.step()

    theta = torch.cat([settled, learned.detach()], 1).numpy()
    weights = theta[:-1].T.copy()
    bias = theta[-1].copy()
    return weights, bias


def train(
    labelled: Sequence[Labelled], embedder: Embedder, path: Path, initial: Path | None = None
) -> Trained:
    """Train a classifier and write it to `path`, a safetensors file in half precision. With an
    `initial` one, which lacks the last classes, only these are learned.
    """
    texts = [row.question for row in labelled]
    features = inputs(texts, embedder.embed_queries(texts))
    labels = np.array([CLASSES.index(row.form) for row in labelled])
    counts = np.array([row.weight for row in labelled], dtype=np.float32)
    weight = _balanced_weights(labels, counts)

    fixed: Floats | None = None
    if initial:
        file = load_file(initial)
        theta = np.vstack([file["weights"].T, file["bias"]])
        fixed = theta.astype(np.float32)

    are_right = _right_in_folds(features, labels, weight, fixed)
    weights, bias = fit(features, labels, weight, fixed)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {
        "weights": weights.astype(np.float16),
        "bias": bias.astype(np.float16),
    }
    save_file(tensors, path)

    def accuracy(members: NDArray[np.bool_]) -> float:
        share = np.average(are_right[members], weights=counts[members])
        return round(float(share), 3)

    by_form = {}
    for number, form in enumerate(CLASSES):
        members = labels == number
        if members.any():
            by_form[form] = accuracy(members)
    return Trained(
        questions=len(labelled),
        accuracy=accuracy(np.ones_like(are_right)),
        by_form=by_form,
    )


def _right_in_folds(
    features: Floats, labels: NDArray[np.int64], weight: Floats, fixed: Floats | None
) -> NDArray[np.bool_]:
    """Whether each row gets its label, by a fit on the other folds."""
    count = len(labels)
    fold = np.random.default_rng(0).permutation(count) % _FOLDS
    are_right = np.zeros(count, dtype=bool)
    for number in range(_FOLDS):
        in_fold = fold == number
        other_folds = ~in_fold
        weights, bias = fit(
            features[other_folds],
            labels[other_folds],
            weight[other_folds],
            fixed,
        )
        logits = features[in_fold] @ weights.T + bias
        are_right[in_fold] = logits.argmax(axis=1) == labels[in_fold]
    return are_right


def _balanced_weights(labels: NDArray[np.int64], counts: Floats) -> Floats:
    """The weights of the rows, of which each class has in sum the square root of what it had, so
    that facts do not drown rare forms.
    """
    totals = np.bincount(labels, counts, len(CLASSES))
    roots = np.sqrt(np.maximum(totals, 1e-6))
    return (counts / roots[labels]).astype(np.float32)
