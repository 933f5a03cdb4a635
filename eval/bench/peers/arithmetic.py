"""Figures from measurements: percentiles, paired ratios with intervals, and scores of answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rag.evaluation.gold import Question
from rag.evaluation.squad import exact, f1

Row = Mapping[str, Any]
_DRAWS = 2000


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Milliseconds at the median and the 95th percentile."""
    return {
        name: round(1000 * float(np.percentile(seconds, at)), 1)
        for name, at in (("p50", 50), ("p95", 95))
    }


def paired(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Ours divided by theirs, block by block: the median, and its 95 % interval by bootstrap over
    blocks (Efron 1979)."""
    ratios = np.asarray(ours) / np.asarray(theirs)
    drawn = np.random.default_rng(0).choice(ratios, (_DRAWS, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return {
        "ratio": round(float(np.median(ratios)), 3),
        "low": round(float(low), 3),
        "high": round(float(high), 3),
    }


def quality(questions: Sequence[Question], rows: Sequence[Row]) -> dict[str, float]:
    """In per cent. `em`, `f1`: over questions with an answer, where a refusal scores 0.
    `forced_f1`: the F1 of the best guesses. `refused`: the share of questions without an answer;
    `wrongly_refused`: of the others. `all_f1`: as in SQuAD 2.0, over both."""
    pairs = list(zip(questions, rows, strict=True))
    known = [(question.answers, row) for question, row in pairs if question.answers]
    unknown = [row for question, row in pairs if not question.answers]
    return {
        "em": _percent([exact(row["text"], answers) for answers, row in known]),
        "f1": _percent([f1(row["text"], answers) for answers, row in known]),
        "forced_f1": _percent([f1(row["guess"], answers) for answers, row in known]),
        "wrongly_refused": _percent([float(row["text"] is None) for _, row in known]),
        "refused": _percent([float(row["text"] is None) for row in unknown]),
        "all_f1": _percent([f1(row["text"], question.answers) for question, row in pairs]),
    }


def evidence(
    questions: Sequence[Question], rows: Sequence[Row], passages: Mapping[str, tuple[str, str]]
) -> float:
    """Per cent of the questions with evidence for which a retrieved passage contains a whole
    sentence of it. `passages`: (document, text) by id."""
    held = [
        float(
            any(
                one.document == passages[i][0] and one.sentence in passages[i][1]
                for one in q.evidence
                for i in row["found"]
            )
        )
        for q, row in zip(questions, rows, strict=True)
        if q.evidence
    ]
    return _percent(held)


def _percent(values: Sequence[float]) -> float:
    return round(100 * float(np.mean(values)), 1) if values else 0.0
