"""Calibrates the confidence of an engine on a user's own questions."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from rag.answering.judge import Judge
from rag.answering.reading import logit
from rag.engine import Engine
from rag.errors import InputError
from rag.evaluation import calibration_fit as fitting
from rag.evaluation.calibration_fit import Certificate, JudgedQuestions
from rag.evaluation.gold import Question
from rag.evaluation.statistics import RowValues
from rag.evaluation.usefulness import serves, visible_part
from rag.filters import Condition
from rag.query import Query
from rag.types import Answer

LEAST_QUESTIONS = 20
"""Minimum number of questions to estimate a risk."""
FOLDS = 5
_BATCH = 16
_FEW_ABSENT = 0.2


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The calibration file's content, and the improvement in words."""

    fitted: dict[str, Any]
    says: tuple[str, ...]


def check_enough(gold: Sequence[Question]) -> None:
    """Raises InputError for fewer questions than a fit needs."""
    if len(gold) < LEAST_QUESTIONS:
        message = f"too few gold questions to estimate a risk: {len(gold)}"
        raise InputError(message, f"give at least {LEAST_QUESTIONS}, preferably 200")


def calibrate(
    engine: Engine, gold: Sequence[Question], risk: float | None = None, certainty: float = 0.95
) -> Calibrated:
    """Fit the probability on the gold questions, starting from the current calibration; the
    improvement is measured on questions left out of the fit.

    With a `risk`, the threshold is the lowest above which at most that share of the answers is
    wrong, certified with this certainty (`certified_risk`); both are in (0, 1). Without one, as
    many questions are refused as are unanswerable. If less than a fifth of the questions are
    unanswerable, some are asked a second time without their documents: these teach the fit what to
    refuse, and no other figure counts them. Raises InputError for too
    few questions, or if all or none of the answers are useful.
    """
    check_enough(gold)
    judge = engine.judge
    if not isinstance(judge, Judge):
        raise InputError("this engine has no fitted judge", "build it with rag.build.engine")

    data = _ask(engine, gold)
    _check_variety(data)
    once_each = data.head(len(gold))  # each question once
    confidence = fitting.held_back(data, FOLDS)
    confidence_once_each = confidence[: len(gold)]

    report: dict[str, Any] = {"rule": "refuses as many as have no answer"}
    certified: list[str] = []
    if risk is None:
        threshold = fitting.choose_threshold(confidence, data.answerable)
    else:
        certificate = _certificate(confidence_once_each, once_each, risk, certainty)
        threshold = certificate.threshold
        report["rule"] = f"at most {risk:.1%} of the answers wrong, certified at {certainty:.1%}"
        report["certificate"] = asdict(certificate)
        certified.append(_certificate_in_words(certificate, len(gold), risk, certainty))

    unchanged = fitting.predict(1.0, 0.0, once_each.log_odds)
    uncalibrated = fitting.bought(unchanged, once_each, engine.threshold)
    calibrated = fitting.bought(confidence_once_each, once_each, threshold)
    over_all = fitting.bought(confidence, data, threshold)
    report["before"] = uncalibrated
    report["after, on questions left out of the fit"] = calibrated
    if len(data.are_right) > len(gold):
        report["with questions asked again without their documents"] = over_all
    report["risk by coverage"] = fitting.risk_at_coverage(confidence_once_each, once_each)

    slope, offset = fitting.fit(data, np.ones_like(data.are_right))
    content = judge.calibration(
        slope=slope * judge.slope,
        offset=slope * judge.offset + offset,
        threshold=threshold,
        risk=calibrated["wrong, of answered"],
        report=report,
    )
    says = _lines_on_improvement(uncalibrated, calibrated, over_all, once_each, threshold)
    return Calibrated(content, (*says, *certified))


def _check_variety(data: JudgedQuestions) -> None:
    """Raises InputError if all answers are useful, or none is."""
    are_all_useful = data.are_right.all()
    if data.are_right.any() and not are_all_useful:
        return
    share = "useful" if are_all_useful else "wrong"
    message = f"every answer is {share}, so there is nothing to learn from"
    raise InputError(message, "check the gold answers, or add more")


def _certificate_in_words(
    certificate: Certificate, questions: int, risk: float, certainty: float
) -> str:
    """The certificate in words."""
    return (
        f"certified: at most {risk:.1%} of the answers to questions like these are wrong, with "
        f"{certainty:.1%} confidence. The bound is over the {questions} given questions, each "
        f"counted once and left out of its fit: {certificate.answered} are answered at this "
        f"threshold, {certificate.wrong} of these wrong, upper bound {certificate.bound:.1%}; "
        f"{certificate.tested} thresholds tested in a fixed order"
    )


def _certificate(
    confidence: RowValues, data: JudgedQuestions, risk: float, certainty: float
) -> Certificate:
    """Raises InputError that names the number of questions needed if none is found."""
    certificate = fitting.certify(confidence, data.are_right, risk, certainty)
    if certificate:
        return certificate

    needed = fitting.questions_needed(confidence, data.are_right, risk, certainty)
    hint = "give more questions, or a higher --risk"
    if needed is None:
        hint = "too many answers are wrong for any number of questions: give a higher --risk, or "
        hint += "look at the misses with: rag eval run GOLD"
    elif needed > len(confidence):
        hint = f"give about {needed:,} questions, or a higher --risk"
    message = (
        f"{len(confidence)} questions cannot certify that at most {risk:.1%} of the answers are "
        f"wrong, with {certainty:.1%} confidence"
    )
    raise InputError(message, hint)


def _ask(engine: Engine, gold: Sequence[Question]) -> JudgedQuestions:
    """The likeliest answer to each question, and to some without their documents."""
    questions = [*gold, *_without_documents(gold)]
    unlimited = copy.copy(engine)
    unlimited.settings = replace(engine.settings, threshold=0.0)

    answers: list[Answer] = []
    for start in range(0, len(questions), _BATCH):
        batch = questions[start : start + _BATCH]
        queries = [Query(question.text, None, question.filter or None) for question in batch]
        answers += unlimited.ask_many(queries)

    log_odds = []
    are_right = []
    answerable = []
    groups = []
    numbers: dict[str, int] = {}  # of each text: a question that is asked twice is in one group
    for question, answer in zip(questions, answers, strict=True):
        log_odds.append(logit(answer.confidence))
        are_right.append(serves(question, visible_part(answer)) == "useful")
        answerable.append(bool(question.answers))
        groups.append(numbers.setdefault(question.text, len(numbers)))
    return JudgedQuestions(
        log_odds=np.array(log_odds),
        are_right=np.array(are_right),
        answerable=np.array(answerable),
        groups=np.array(groups),
    )


def _without_documents(gold: Sequence[Question]) -> list[Question]:
    """If few questions are unanswerable, some of the others, to ask without their documents."""
    unanswerable = sum(not question.answers for question in gold)
    if unanswerable >= _FEW_ABSENT * len(gold):
        return []

    absent = []
    answerable = [question for question in gold if question.answers and question.relevant]
    for question in answerable[: len(gold) // 3]:
        conditions = [Condition("document", "!=", name) for name in question.relevant]
        absent.append(replace(question, answers=(), filter=(*question.filter, *conditions)))
    return absent


def _lines_on_improvement(
    uncalibrated: dict[str, Any],
    calibrated: dict[str, Any],
    over_all: dict[str, Any],
    once_each: JudgedQuestions,
    threshold: float,
) -> list[str]:
    """The improvement over the given questions, each once; refusals over all questions asked."""
    lower_bound, upper_bound = calibrated["wrong, of answered, interval"]
    repeats = over_all["questions"] - calibrated["questions"]
    asked_again = f"; {repeats} were asked again without their documents" if repeats else ""
    counted = f" (these and the {repeats} asked again)" if repeats else ""
    unanswerable = int((~once_each.answerable).sum())
    return [
        f"{len(once_each.are_right)} questions, {unanswerable} of them unanswerable{asked_again}",
        f"before: {uncalibrated['answered']:.0%} of the questions are answered, "
        f"{uncalibrated['wrong, of answered']:.0%} of the answers are wrong",
        f"calibrated: {calibrated['answered']:.0%} of the questions are answered, "
        f"{calibrated['wrong, of answered']:.0%} of the answers are wrong "
        f"(95 % interval {lower_bound:.0%} to {upper_bound:.0%}), "
        f"with a threshold of {threshold:.2f}",
        f"refusals{counted}: {over_all['refusal precision']:.0%} are right, since the question "
        f"has no answer; {over_all['refusal recall']:.0%} of the unanswerable are refused; "
        f"calibration error {calibrated['ece']:.2f} (was {uncalibrated['ece']:.2f})",
    ]
