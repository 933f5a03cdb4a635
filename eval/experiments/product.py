"""Asks the sets through the kept readings, and reports what people would see.

python -m eval.experiments.product --cache DIR [--reader NAME] [--out FILE] SET...

DIR is made by `python -m eval.experiments.kept`. The collections have a half for reporting; only
that is asked. An answer is "useful" if `usefulness.serves` says so.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from eval.experiments.fit_judge import in_half, judgement_counts
from eval.experiments.kept import NAMES
from eval.scripts import CACHE, OUT, READER, finished, script
from rag.evaluation.gold import PLAIN_SUFFIX, Question
from rag.evaluation.squad import f1
from rag.evaluation.statistics import adaptive_ece
from rag.evaluation.usefulness import serves, visible_part
from rag.query import Query
from rag.types import Answer


@dataclass(frozen=True, slots=True)
class JudgedAnswer:
    """A set's question, its answer and its usefulness; "wrong" if it has no right answer."""

    set: str
    question: Question
    answer: Answer
    judgement: str


def ask(
    name: str, cache: Path, reader: str = "accurate", everything: bool = False
) -> list[JudgedAnswer]:
    """The kept questions of a set; of a collection those for reporting, or `everything`."""
    engine, questions = in_half(name, cache, reader, True, everything)
    answers = [engine.ask_many([Query(question.text)])[0] for question in questions]
    engine.store.close()
    return [
        JudgedAnswer(name, question, answer, serves(question, visible_part(answer)))
        for question, answer in zip(questions, answers, strict=True)
    ]


def table(rows: Sequence[JudgedAnswer]) -> dict[str, int]:
    return judgement_counts([(bool(row.question.answers), row.judgement) for row in rows])


def useful_share(rows: Sequence[JudgedAnswer]) -> dict[str, Any]:
    """Number of answers, and the share of them that is useful."""
    share = sum(row.judgement == "useful" for row in rows) / max(1, len(rows))
    return {"shown": len(rows), "useful": round(share, 3)}


def by(
    rows: Sequence[JudgedAnswer],
    key: Callable[[JudgedAnswer], str],
    figures: Callable[[Sequence[JudgedAnswer]], Any],
) -> dict[str, Any]:
    """Figures of each group; rows with the key "" are left out."""
    names = sorted({*map(key, rows)} - {""})
    return {name: figures([row for row in rows if key(row) == name]) for name in names}


def long_answers(rows: Sequence[JudgedAnswer]) -> dict[str, Any]:
    """For questions that want sentences: the words that the given answer, or else the best
    candidate, shares with the evidence, as F1.
    """
    scores = [
        f1(_best_guess(row.answer), ["\n".join(proof.sentence for proof in row.question.evidence)])
        for row in rows
        if row.question.form == "sentences" and row.question.evidence
    ]
    return {"questions": len(scores), "word F1": round(float(np.mean(scores or [0])), 3)}


def _best_guess(answer: Answer) -> str:
    if answer.form == "span" and answer.citations:
        return answer.citations[0].sentence
    return answer.text or (answer.alternatives[0].text if answer.alternatives else "")


def _sure_answers(rows: Sequence[JudgedAnswer]) -> list[JudgedAnswer]:
    """Those answered at 70 % or more."""
    return [row for row in rows if row.answer.text is not None and row.answer.confidence >= 0.7]


def kept_useful(
    written: Sequence[JudgedAnswer], in_other_words: Sequence[JudgedAnswer]
) -> dict[str, Any]:
    """The share of questions that also have a useful answer in other words, among those in both
    wordings with a useful answer as written.
    """
    in_plain = {
        (row.set, row.question.id.removesuffix(PLAIN_SUFFIX)): row.judgement
        for row in in_other_words
    }
    plain_judgements = [
        in_plain[row.set, row.question.id]
        for row in written
        if row.judgement == "useful" and (row.set, row.question.id) in in_plain
    ]
    share = sum(judgement == "useful" for judgement in plain_judgements) / max(
        1, len(plain_judgements)
    )
    return {"questions": len(plain_judgements), "useful": round(share, 3)}


def report(rows: Sequence[JudgedAnswer]) -> dict[str, Any]:
    """By set, by form of the question, by kind, and reliability."""
    answered = [row for row in rows if row.answer.text is not None]
    confidence = np.array([row.answer.confidence for row in answered])
    is_useful = np.array([row.judgement == "useful" for row in answered])
    confident = _sure_answers(rows)
    compose = [row.answer.timings["compose"] for row in rows]
    written = [row for row in rows if not row.question.id.endswith(PLAIN_SUFFIX)]
    in_other_words = [row for row in rows if row.question.id.endswith(PLAIN_SUFFIX)]
    return {
        "as written": table(written),
        "in other words": table(in_other_words),
        "useful ones that stay useful": kept_useful(written, in_other_words),
        "at 70 % or more, as written": useful_share(_sure_answers(written)),
        "at 70 % or more, in other words": useful_share(_sure_answers(in_other_words)),
        "all": table(rows),
        "by set": by(rows, lambda row: row.set, table),
        "by form of the question": by(rows, lambda row: row.question.form, table),
        "by kind": by(rows, lambda row: row.question.kind, table),
        "at 70 % or more": {"all": useful_share(confident)}
        | by(confident, lambda row: row.answer.form, useful_share),
        "long answers": long_answers(rows),
        "calibration error": adaptive_ece(confidence, is_useful),
        "milliseconds of composing, p95": round(1000 * float(np.quantile(compose, 0.95)), 1),
    }


@script(__doc__)
@CACHE
@READER
@OUT
@click.option("--everything", is_flag=True, help="Ask also the half for fitting.")
@NAMES
def main(
    cache: Path, reader: str, out: Path | None, everything: bool, names: tuple[str, ...]
) -> None:
    finished(report([row for name in names for row in ask(name, cache, reader, everything)]), out)


if __name__ == "__main__":
    main()
