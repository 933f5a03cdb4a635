"""Asks the sets through the kept readings, and reports what people would see.

python -m eval.experiments.product --cache DIR [--reader NAME] [--out FILE] SET...

DIR is made by `python -m eval.experiments.kept`. Of the collections only the half for reporting is
asked. An answer is "useful" if `usefulness.serves` says so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from eval.experiments.fit_judge import is_for_fitting
from eval.experiments.kept import HALVED, SETS, done, opened
from rag.answering.searcher import Query
from rag.evaluation.gold import Question
from rag.evaluation.squad import f1
from rag.evaluation.statistics import adaptive_ece
from rag.evaluation.usefulness import serves, shown
from rag.types import Answer


@dataclass(frozen=True, slots=True)
class Asked:
    """A question of a set, its answer, and how useful it is: "wrong" if it was given to a question
    without an answer.
    """

    set: str
    question: Question
    answer: Answer
    judgement: str


def ask(name: str, cache: Path, reader: str = "accurate", everything: bool = False) -> list[Asked]:
    """The kept questions of a set; of a collection those for reporting, or `everything`."""
    engine, questions = opened(name, cache, reader=reader)
    reported = [
        question
        for question in done(name, cache, questions, reader)
        if everything or name not in HALVED or not is_for_fitting(name, question)
    ]
    answers = [engine.ask_many([Query(question.text)])[0] for question in reported]
    engine.store.close()
    return [
        Asked(name, question, answer, serves(question, shown(answer)))
        for question, answer in zip(reported, answers, strict=True)
    ]


def table(asked: Sequence[Asked]) -> dict[str, Any]:
    """Counts of the answerable questions by judgement, and of the unanswerable ones refused."""
    answerable = [one for one in asked if one.question.answers]
    unanswerable = [one for one in asked if not one.question.answers]
    counts = Counter(one.judgement for one in answerable)
    kinds = ("useful", "partial", "wrong", "refused")
    return {
        "answerable": len(answerable),
        **{kind: counts[kind] for kind in kinds},
        "unanswerable": len(unanswerable),
        "unanswerable refused": sum(one.judgement == "refused" for one in unanswerable),
    }


def sure(asked: Sequence[Asked]) -> dict[str, Any]:
    """Answers shown at 70 % or more, and the share of them that is useful, by form."""
    given = [one for one in asked if one.answer.text is not None and one.answer.confidence >= 0.7]
    forms = sorted({one.answer.form for one in given})
    by_form = {form: [one for one in given if one.answer.form == form] for form in forms}
    return {
        name: {
            "shown": len(part),
            "useful": round(sum(one.judgement == "useful" for one in part) / len(part), 3),
        }
        for name, part in {"all": given, **by_form}.items()
        if part
    }


def long_answers(asked: Sequence[Asked]) -> dict[str, Any]:
    """Of questions for sentences: the words that the given answer, or else the best candidate,
    shares with the evidence, as F1.
    """
    scores = []
    for one in asked:
        if one.question.form != "sentences" or not one.question.evidence:
            continue
        wanted = "\n".join(evidence.sentence for evidence in one.question.evidence)
        scores.append(f1(_best_guess(one.answer), [wanted]))
    return {"questions": len(scores), "word F1": round(float(np.mean(scores or [0])), 3)}


def _best_guess(answer: Answer) -> str:
    if answer.form == "span" and answer.citations:
        return answer.citations[0].sentence
    return answer.text or (answer.alternatives[0].text if answer.alternatives else "")


def calibration_error(asked: Sequence[Asked]) -> float:
    """Of the given answers: confidence against usefulness, in bins of equal count."""
    given = [one for one in asked if one.answer.text is not None]
    confidence = np.array([one.answer.confidence for one in given])
    useful = np.array([one.judgement == "useful" for one in given])
    return adaptive_ece(confidence, useful, np.ones(len(given)))


def report(asked: Sequence[Asked]) -> dict[str, Any]:
    """By set, by form of the question, by kind, and reliability."""
    names = sorted({one.set for one in asked})
    forms = sorted({one.question.form for one in asked})
    kinds = sorted({one.question.kind for one in asked if one.question.kind})
    return {
        "all": table(asked),
        "by set": {name: table([one for one in asked if one.set == name]) for name in names},
        "by form of the question": {
            form: table([one for one in asked if one.question.form == form]) for form in forms
        },
        "by kind": {
            kind: table([one for one in asked if one.question.kind == kind]) for kind in kinds
        },
        "at 70 % or more": sure(asked),
        "long answers": long_answers(asked),
        "calibration error": calibration_error(asked),
        "milliseconds of composing, p95": round(
            1000 * float(np.quantile([one.answer.timings["compose"] for one in asked], 0.95)), 1
        ),
    }


@click.command()
@click.option("--cache", type=click.Path(path_type=Path), required=True)
@click.option("--reader", default="accurate")
@click.option("--out", type=click.Path(path_type=Path))
@click.option("--everything", is_flag=True, help="also the half for fitting")
@click.argument("names", nargs=-1, type=click.Choice(list(SETS)), required=True)
def main(
    cache: Path, reader: str, out: Path | None, everything: bool, names: tuple[str, ...]
) -> None:
    """Ask, and report."""
    asked = [one for name in names for one in ask(name, cache, reader, everything)]
    text = json.dumps(report(asked), indent=2)
    print(text)
    if out:
        out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
