"""Diagnoses one question: where its correct answer is, how it ranked, and which stage lost it."""

from __future__ import annotations

from collections.abc import Sequence

from rag.engine import Engine
from rag.errors import InputError, NotFoundError
from rag.evaluation.error_analysis import STAGES
from rag.evaluation.evaluator import Evaluator, answers_in, with_all_candidates
from rag.evaluation.gold import Evidence, Question
from rag.evaluation.records import Row
from rag.protocols import Store
from rag.settings import Settings


def gold_question(
    store: Store, text: str, answers: Sequence[str], document: str | None = None
) -> Question:
    """The question with its right answers. Its evidence are all sentences with an answer, of
    `document` if given. Raises InputError for an empty answer, NotFoundError for an unknown
    document, and for one that has no answer.
    """
    if not all(answer.strip() for answer in answers):
        raise InputError("the answer is empty", 'give the correct answer: --answer "14 July 2015"')
    evidence = () if document is None else _evidence(store, answers, document)
    return Question("why", text, tuple(answers), evidence, group="why")


def why(engine: Engine, question: Question) -> Row:
    """The question's row; its `stage` is None if the answer is right."""
    return Evaluator(with_all_candidates(engine)).examine(question)


def _evidence(store: Store, answers: Sequence[str], document: str) -> tuple[Evidence, ...]:
    stored = store.document(document)
    if stored is None:
        message = f"no document {document} in the index"
        raise NotFoundError(message, "list the documents with: rag list")
    places = tuple(answers_in(stored.id, stored.text, answers))
    if not places:
        message = f"{' or '.join(map(repr, answers))} does not occur in {document}"
        raise NotFoundError(message, f"check its text: rag show {document}")
    return places


def text(row: Row, settings: Settings) -> str:
    """The row as text for a terminal."""
    if row.text is not None:
        answer = f'"{row.text}"'
    elif row.guess:
        answer = f'refused (best guess: "{row.guess}")'
    else:
        answer = "refused"

    if row.document:
        evidence = f"{row.document}: {row.sentence}"
    elif row.stage is None:
        evidence = f"{row.citations} citations"
    else:
        evidence = "none of the accepted answers occurs in the index"

    retrievers = f"dense {row.dense_rank or 'none'}, lexical {row.lexical_rank or 'none'}"
    place = row.rank or f"not among the {settings.first_stage_k}"
    lines = [
        f"said      {answer}, confidence {row.confidence:.2f}",
        f"evidence  {evidence}",
        f"rank      {place} of the candidates ({retrievers}); {settings.top_k} are read",
    ]
    if row.stage is None:
        return "\n".join(["not lost: the answer is correct", *lines])

    stage = STAGES[row.stage]
    lines = [
        f"{stage.title}: {stage.meaning}",
        *lines,
        f"because   {row.detail}",
        f"try       {stage.remedy}",
    ]
    return "\n".join(lines)
