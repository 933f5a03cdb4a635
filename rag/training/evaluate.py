"""Evaluates a reader on gold passages: SQuAD scores, each question with its own passages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.evaluation.squad import exact, f1
from rag.evaluation.statistics import auroc
from rag.protocols import Reader
from rag.training.data import QuestionSet, TrainingQuestion
from rag.types import Hit

_BATCH = 16


@dataclass(frozen=True, slots=True)
class Measured:
    """In per cent: `em` and `f1` of the best span on answerable questions (SQuAD 1.1); `best_f1`
    over all questions at the best threshold on the span's score, and `auroc` of that score for
    answerability (SQuAD 2.0; None if all questions are of one type).
    """

    answerable: int
    unanswerable: int
    em: float
    f1: float
    best_f1: float
    auroc: float | None


def measure(
    reader: Reader, questions: QuestionSet, on_progress: Callable[[int], object] = lambda _: None
) -> Measured:
    """Ask `reader` every question with all passages of its paragraph; `on_progress` is called with
    the number of questions asked.
    """
    rows = []
    for start in range(0, len(questions.questions), _BATCH):
        batch = questions.questions[start : start + _BATCH]
        read = reader.read_many(
            [
                (q.text, [Hit(questions.passages[i], 1.0, 1.0, 1.0) for i in q.passages])
                for q in batch
            ]
        )
        rows += [
            _row(q, r.spans[0].text, r.spans[0].score) if r.spans else _row(q, "", -1e9)
            for q, r in zip(batch, read, strict=True)
        ]
        on_progress(len(batch))
    return _summed(np.array(rows))


def _row(question: TrainingQuestion, text: str, score: float) -> tuple[float, float, float, float]:
    """(score, EM, F1, answerable); EM and F1 are the span's, and 0 for unanswerable questions."""
    if not question.answers:
        return score, 0.0, 0.0, 0.0
    return score, exact(text, question.answers), f1(text, question.answers), 1.0


def _summed(rows: NDArray[np.float64]) -> Measured:
    score, em, overlap, answerable = rows.T
    has = answerable > 0
    order = np.argsort(-score, kind="stable")
    refused_right = (~has).sum() - np.cumsum(~has[order])
    best = max((~has).sum(), (np.cumsum(overlap[order]) + refused_right).max()) / len(rows)
    mean_em, mean_f1 = (
        float(100 * column[has].mean()) if has.any() else 0.0 for column in (em, overlap)
    )
    separated = auroc(score[has], score[~has])
    in_percent = None if separated is None else 100 * separated
    return Measured(
        int(has.sum()), int((~has).sum()), mean_em, mean_f1, float(100 * best), in_percent
    )
