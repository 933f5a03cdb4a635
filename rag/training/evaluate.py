"""Evaluates a reader on gold passages: SQuAD scores, each question with its own passages."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rag.evaluation.squad import exact, f1
from rag.evaluation.statistics import auroc
from rag.protocols import Reader
from rag.training.data import QuestionSet
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


def measure(reader: Reader, questions: QuestionSet) -> Measured:
    """Ask `reader` every question with all passages of its paragraph."""
    rows = []

    hits = [Hit(passage, 1.0, 1.0, 1.0) for passage in questions.passages]
    for start in range(0, len(questions.questions), _BATCH):
        batch = questions.questions[start : start + _BATCH]
        outputs = reader.read_many([(q.text, [hits[i] for i in q.passages]) for q in batch])

        for question, output in zip(batch, outputs, strict=True):
            text, score = "", -1e9
            if output.spans:
                text, score = output.spans[0].text, output.spans[0].score

            answers = question.answers
            scores = (exact(text, answers), f1(text, answers)) if answers else (0.0, 0.0)
            rows.append((score, *scores, bool(answers)))

    score, em, overlap, answerable = np.array(rows, float).T
    has = answerable > 0

    order = np.argsort(-score, kind="stable")
    refused_right = (~has).sum() - np.cumsum(~has[order])
    highest = max((~has).sum(), (np.cumsum(overlap[order]) + refused_right).max()) / len(rows)

    area = auroc(score[has], score[~has])
    mean_em, mean_f1 = (float(100 * c[has].mean()) if has.any() else 0.0 for c in (em, overlap))

    return Measured(
        answerable=int(has.sum()),
        unanswerable=int((~has).sum()),
        em=mean_em,
        f1=mean_f1,
        best_f1=float(100 * highest),
        auroc=None if area is None else 100 * area,
    )
