"""Asks an engine the questions of a gold set, and saves each row as it is made."""

from __future__ import annotations

import datetime
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rag.answering.searcher import Searcher, check_question
from rag.engine import Engine
from rag.errors import InputError
from rag.evaluation import environment
from rag.evaluation.evaluator import Evaluator, with_all_candidates
from rag.evaluation.gold import Gold, Question, sample
from rag.evaluation.records import Partial, Row
from rag.evaluation.result import Result


def run(gold: Gold, searcher: Searcher, out: Path, limit: int | None = None) -> Result:
    """Ask at most `limit` questions of the set. Resumes from the rows of an interrupted run in
    `out`.

    Raises as `Engine.ask` does, and InputError if `out` cannot be written.
    """
    questions = sample(gold.questions, limit)
    _check(questions, searcher.settings.max_question)
    commit = environment.commit()
    facts = {
        "gold": environment.of_questions(questions),
        "commit": commit,
        **environment.of_searcher(searcher),
    }
    partial = Partial(out / f"{gold.name}-{commit}.partial.jsonl", _fingerprint(facts))
    rows = ask(
        questions,
        Evaluator(with_all_candidates(searcher) if isinstance(searcher, Engine) else searcher),
        partial,
    )
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    result = Result.of(
        {
            "name": gold.name,
            "made": now,
            "limit": limit,
            **facts,
            "machine": environment.of_machine(),
        },
        rows,
    )
    partial.remove()
    return result


def ask(questions: Sequence[Question], examiner: Evaluator, partial: Partial) -> list[Row]:
    """One row per question, in order."""
    finished = partial.read()
    rows = {question.id: finished[question.id] for question in questions if question.id in finished}
    with (
        partial.writing(list(rows.values())) as file,
        tqdm(
            total=len(questions), initial=len(rows), unit="question", disable=None, file=sys.stderr
        ) as progress,
    ):
        for question in questions:
            if question.id not in rows:
                rows[question.id] = examiner.examine(question)
                file.add(rows[question.id])
                progress.update()
    return [rows[question.id] for question in questions]


def _check(questions: Sequence[Question], longest: int) -> None:
    """Report invalid questions before the first is asked."""
    for question in questions:
        try:
            check_question(question.text, longest)
        except InputError as error:
            raise InputError(f"gold question {question.id}: {error.message}", error.hint) from error


def _fingerprint(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
