"""The form classifier: a logistic regression in NumPy on labelled questions and public question
sets.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.answering.forms import CLASSES, Embeds, inputs
from rag.errors import InputError
from rag.evaluation.set_files import json_lines, open_text

_OF_A_SET = 120
"""Maximum number of questions per label from a public set."""
_DECAY = 2e-3
_STEPS = 250
_RATE = 0.1
_FOLDS = 5
_SPAN_WORDS = re.compile(
    r"(?:who|when|where|whose|which|what|in which|in what|how (?:many|much|long|old|far))\b"
    r"(?!.*\b(?:why|because)\b)"
)
_WHY_HOW = re.compile(r"(?:why\b|how (?:does|do|did|is|are|was|were)\b)")
_PUBLIC: list[tuple[str, str, str]] = [
    ("qa/squad-train-parts.json.gz", "span", _SPAN_WORDS.pattern),
    ("qa/squad-train-lower.json.gz", "span", _SPAN_WORDS.pattern),
    ("qa/squadshifts-reddit.json.gz", "span", _SPAN_WORDS.pattern),
    ("qa/squadshifts-amazon.json.gz", "span", _SPAN_WORDS.pattern),
    ("qa/tatqa.json.gz", "span", r"(?:when|who|where|how (?:many|much))\b"),
    ("qa/squad-train-parts.json.gz", "sentences", r"why\b"),
    ("qa/fairytaleqa.json.gz", "sentences", _WHY_HOW.pattern),
    (
        "qa/covidqa.json.gz",
        "sentences",
        r"(?:why|how (?:does|do|did)|what (?:is the (?:role|effect|function|reason)|causes?))\b",
    ),
    ("qa/policyqa.json.gz", "yes_no", r"(?:does|do|is|are|will|can|may)\b"),
    ("claims/yesno.jsonl.gz", "yes_no", ""),
]
"""(file, label, pattern of the questions with it) for public sets whose questions have a known
form.
"""

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Labelled:
    """A question and its form; `own` means labelled individually, not by its set."""

    question: str
    form: str
    own: bool = True


@dataclass(frozen=True, slots=True)
class Trained:
    """`accuracy` on own questions in 5-fold cross-validation; `by_form` is the share of correct
    ones per form.
    """

    questions: int
    own: int
    accuracy: float
    by_form: dict[str, float]


def read_labelled(path: Path) -> list[Labelled]:
    """JSON Lines of `question` and `form`. Raises InputError that names the line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path} cannot be read: {error}", "give JSON lines with question and form"
        ) from error
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            found.append(_labelled(f"{path}, line {number}", line))
    return found


def _labelled(where: str, line: str) -> Labelled:
    try:
        row = json.loads(line)
        question, form = str(row["question"]), str(row["form"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{where}: not an object with question and form", "correct that line"
        ) from error
    if form not in CLASSES:
        raise InputError(f"{where}: unknown form {form!r}", f"choose one of: {', '.join(CLASSES)}")
    return Labelled(question, form)


def public(folder: Path) -> list[Labelled]:
    """Questions of the public sets found under `folder`, with their set's label."""
    drawn = random.Random(0)
    found: list[Labelled] = []
    for name, form, pattern in _PUBLIC:
        path = folder / name
        if path.is_file():
            fitting = [q for q in _questions(path) if re.match(pattern, q.lower()) and len(q) < 200]
            found += [
                Labelled(q, form, own=False)
                for q in drawn.sample(sorted(set(fitting)), min(_OF_A_SET, len(set(fitting))))
            ]
    return found


def _questions(path: Path) -> Iterator[str]:
    if path.name.endswith(".jsonl.gz"):
        yield from (row["question"] for row in json_lines(path))
        return
    with open_text(path) as file:
        articles: list[dict[str, Any]] = json.load(file)["data"]
    yield from (
        qa["question"].strip()
        for article in articles
        for part in article["paragraphs"]
        for qa in part["qas"]
    )


def fit(seen: Rows, labels: NDArray[np.int64], weight: Rows) -> tuple[Rows, Rows]:
    """Weights (classes, columns) and bias (classes,) that maximise the likelihood of `labels`, by
    Adam on all rows at once.
    """
    wanted = np.eye(len(CLASSES), dtype=np.float32)[labels]
    share = (weight / weight.sum())[:, None]
    inner = np.hstack([seen, np.ones((len(seen), 1), dtype=np.float32)])
    theta = np.zeros((inner.shape[1], len(CLASSES)), dtype=np.float32)
    mean, square = np.zeros_like(theta), np.zeros_like(theta)
    for step in range(1, _STEPS + 1):
        logits = inner @ theta
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        slope = inner.T @ (share * (likely - wanted))
        slope[:-1] += _DECAY * theta[:-1]
        mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
        theta -= _RATE * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
    return theta[:-1].T.copy(), theta[-1].copy()


def train(
    labelled: Sequence[Labelled],
    embedder: Embeds,
    out: Path,
    progress: Callable[[str], object] = lambda _: None,
) -> Trained:
    """Train a classifier and write it to `out`, a safetensors file in half precision."""
    from safetensors.numpy import save_file

    progress(f"embedding {len(labelled):,} questions")
    texts = [one.question for one in labelled]
    seen = inputs(texts, embedder.embed_queries(texts))
    labels = np.array([CLASSES.index(one.form) for one in labelled])
    weight = _balanced(
        labels, np.array([2.0 if one.own else 0.5 for one in labelled], dtype=np.float32)
    )
    own = np.array([one.own for one in labelled])
    progress("fitting")
    right = _held_out(seen, labels, weight, own)
    weights, bias = fit(seen, labels, weight)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file({"weights": weights.astype(np.float16), "bias": bias.astype(np.float16)}, out)
    rows = {name: own & (labels == at) for at, name in enumerate(CLASSES)}
    by_form = {name: round(float(right[of].mean()), 3) for name, of in rows.items() if of.any()}
    return Trained(len(labelled), int(own.sum()), round(float(right[own].mean()), 3), by_form)


def _balanced(labels: NDArray[np.int64], weight: Rows) -> Rows:
    """Weights that give each class the square root of its share, so that facts do not drown rare
    forms.
    """
    totals = np.bincount(labels, weight, len(CLASSES))
    return (weight / np.sqrt(np.maximum(totals, 1e-6))[labels]).astype(np.float32)


def _held_out(
    seen: Rows, labels: NDArray[np.int64], weight: Rows, own: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Whether each own question is classified correctly by a fit on the other folds."""
    fold = np.random.default_rng(0).permutation(len(labels)) % _FOLDS
    right = np.zeros(len(labels), dtype=bool)
    for number in range(_FOLDS):
        kept = ~(own & (fold == number))
        weights, bias = fit(seen[kept], labels[kept], weight[kept])
        right[~kept] = (seen[~kept] @ weights.T + bias).argmax(axis=1) == labels[~kept]
    return right
