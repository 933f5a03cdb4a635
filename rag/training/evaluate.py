"""Evaluates a reader on gold passages: SQuAD scores, each question with its own passages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.evaluation.squad import exact_match, f1
from rag.evaluation.statistics import auroc
from rag.protocols import Reader
from rag.training.data import QuestionSet
from rag.types import Hit, Passage

_BATCH = 16


@dataclass(frozen=True, slots=True)
class Measured:
    """In per cent: `em` and `f1` of the best span on answerable questions (SQuAD 1.1). `best_f1` is
    over all questions at the best threshold on the span's score, and `auroc` is of that score for
    answerability (SQuAD 2.0; None if all questions are of one type).
    """

    answerable: int
    unanswerable: int
    em: float
    f1: float
    best_f1: float
    auroc: float | None


def measure(reader: Reader, questions: QuestionSet) -> Measured:
    """Ask `reader` every question with all passages of its paragraph."""
    hits = [_as_hit(passage) for passage in questions.passages]
    rows = []

    for start in range(0, len(questions.questions), _BATCH):
        batch = questions.questions[start : start + _BATCH]
        requests = []
        for question in batch:
            own_hits = [hits[number] for number in question.passages]
            requests.append((question.text, own_hits))

        outputs = reader.read_many(requests)
        for question, output in zip(batch, outputs, strict=True):
            text = ""
            score = -1e9
            if output.spans:
                text = output.spans[0].text
                score = output.spans[0].score

            em = 0.0
            overlap = 0.0
            answers = question.answers
            if answers:
                em = exact_match(text, answers)
                overlap = f1(text, answers)
            rows.append((score, em, overlap, bool(answers)))

    return _measures(np.array(rows, float))


def _as_hit(passage: Passage) -> Hit:
    return Hit(passage, score=1.0, dense=1.0, lexical=1.0)


def _measures(rows: NDArray[np.float64]) -> Measured:
    """The measures from each question's (score, EM, F1, whether it has an answer)."""
    score, em, overlap, answerable = rows.T
    has = answerable > 0
    unanswerable = (~has).sum()

    # a threshold below the n-th highest score answers n questions and refuses the others
    order = np.argsort(-score, kind="stable")
    answered_right = np.cumsum(overlap[order])
    refused_right = unanswerable - np.cumsum(~has[order])
    most_right = max(unanswerable, (answered_right + refused_right).max())

    mean_em = 0.0
    mean_f1 = 0.0
    if has.any():
        mean_em = float(100 * em[has].mean())
        mean_f1 = float(100 * overlap[has].mean())

    area = auroc(score[has], score[~has])
    return Measured(
        answerable=int(has.sum()),
        unanswerable=int(unanswerable),
        em=mean_em,
        f1=mean_f1,
        best_f1=float(100 * (most_right / len(rows))),
        auroc=None if area is None else 100 * area,
    )
