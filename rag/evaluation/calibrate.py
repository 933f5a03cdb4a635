"""Calibrates the confidence of an engine on a user's own questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from rag.answering.searcher import Query
from rag.engine import Engine
from rag.errors import InputError
from rag.evaluation.calibration_fit import (
    CalibrationTable,
    Example,
    bought,
    fit,
    held_back,
    predict,
    risk_at_coverage,
    table,
    threshold,
)
from rag.evaluation.certified_risk import Certificate, certify, questions_needed
from rag.evaluation.gold import Question
from rag.evaluation.statistics import Rows
from rag.filters import Condition, Filter

LEAST = 20
"""Minimum number of questions to estimate a risk."""
FOLDS = 5
_BATCH = 16
_FEW_ABSENT = 0.2


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The calibration file's content, and the improvement in words."""

    fitted: dict[str, Any]
    says: tuple[str, ...]


def calibrate(
    engine: Engine, gold: Sequence[Question], risk: float | None = None, certainty: float = 0.95
) -> Calibrated:
    """Fit the confidence on the gold questions, starting from the current calibration; the
    improvement is measured on questions left out of the fit.

    With a `risk`, the threshold is the lowest above which at most that share of the answers is
    wrong, certified with this certainty (`certified_risk`); both are in (0, 1). Without one, as
    many questions are refused as are unanswerable. If less than a fifth of the questions are
    unanswerable, some are asked a second time without their documents. Raises InputError for too
    few questions, or if all or none of the best candidates are right.
    """
    if len(gold) < LEAST:
        raise InputError(
            f"{len(gold)} gold questions are too few to estimate a risk",
            f"give at least {LEAST}, preferably 200",
        )
    model = engine.confidence
    data = table(_ask(engine, gold), model)
    if not data.right.any() or data.right.all():
        judgement = "right" if data.right.all() else "wrong"
        raise InputError(
            f"every first candidate is {judgement}, so there is nothing to learn from",
            "check the gold answers, or add more",
        )
    confidence = held_back(data, model, FOLDS)
    certificate = None if risk is None else _certificate(confidence, data, risk, certainty)
    lowest = certificate.threshold if certificate else threshold(confidence, data, None)
    fitted = fit(data, model)
    before, after = (
        bought(predict(model, data.rows), data, engine.threshold),
        bought(confidence, data, lowest),
    )
    content = {
        "weights": fitted.weights,
        "bias": fitted.bias,
        "threshold": lowest,
        "retrieval": fitted.retrieval,
        "type": fitted.type,
        "risk": after["wrong, of answered"],
        "report": {
            "rule": "refuses as many as have no answer"
            if risk is None
            else f"at most {risk:.1%} of the answers wrong, certified at {certainty:.1%}",
            "before": before,
            "after, on questions left out of the fit": after,
            "risk by coverage": risk_at_coverage(confidence, data),
        },
    }
    says = _says(before, after, data, lowest)
    if risk is not None and certificate:
        content["report"]["certificate"] = asdict(certificate)
        says.append(
            f"certified: at most {risk:.1%} of the answers to questions like these are wrong, with "
            f"{certainty:.1%} confidence (upper bound {certificate.bound:.1%}: "
            f"{certificate.wrong} of {certificate.answered} answers to questions left out of the "
            f"fit were wrong; {certificate.tested} thresholds tested in a fixed order)"
        )
    return Calibrated(content, tuple(says))


def _certificate(
    confidence: Rows, data: CalibrationTable, risk: float, certainty: float
) -> Certificate:
    """Raises InputError that names the number of questions needed if none is found."""
    if certificate := certify(confidence, data.right, risk, certainty):
        return certificate
    needed = questions_needed(confidence, data.right, risk, certainty)
    raise InputError(
        f"{len(confidence)} questions cannot certify that at most {risk:.1%} of the answers are "
        f"wrong, with {certainty:.1%} confidence",
        f"give about {needed:,} questions, or a higher --risk"
        if needed and needed > len(confidence)
        else "too many answers are wrong for any number of questions: give a higher --risk, or "
        "look at the misses with: rag eval run GOLD"
        if needed is None
        else "give more questions, or a higher --risk",
    )


def _ask(engine: Engine, gold: Sequence[Question]) -> list[Example]:
    questions: list[tuple[Question, Filter]] = [(question, ()) for question in gold]
    absent = [question for question in gold if question.answers and question.relevant]
    if sum(not question.answers for question in gold) < _FEW_ABSENT * len(gold):
        count = int(len(gold) / 3)
        questions += [
            (
                replace(question, answers=()),
                tuple(Condition("document", "!=", d) for d in question.relevant),
            )
            for question in absent[:count]
        ]
    examples: list[Example] = []
    for start in range(0, len(questions), _BATCH):
        batch = questions[start : start + _BATCH]
        passages = engine.find_many(
            [Query(question.text, None, left_out or None) for question, left_out in batch]
        )
        readings = [
            (question.text, hits.hits) for (question, _), hits in zip(batch, passages, strict=True)
        ]
        read = engine.reader.read_many(readings)
        examples += [
            Example(question.text, question.answers, tuple(r.spans), question.text)
            for (question, _), r in zip(batch, read, strict=True)
        ]
    return examples


def _says(
    before: dict[str, Any],
    after: dict[str, Any],
    data: CalibrationTable,
    threshold: float,
) -> list[str]:
    low, high = after["wrong, of answered, interval"]
    return [
        f"{len(data.right)} questions, {int((~data.answerable).sum())} of them unanswerable",
        f"before: {before['answered']:.0%} of the questions are answered, "
        f"{before['wrong, of answered']:.0%} of the answers are wrong",
        f"calibrated: {after['answered']:.0%} of the questions are answered, "
        f"{after['wrong, of answered']:.0%} of the answers are wrong "
        f"(95 % interval {low:.0%} to {high:.0%}), with a threshold of {threshold:.2f}",
        f"refusals: {after['refusal precision']:.0%} are right, since the question has no answer; "
        f"{after['refusal recall']:.0%} of the unanswerable are refused; calibration error "
        f"{after['ece']:.2f} (was {before['ece']:.2f})",
    ]
