"""Gold questions with accepted answers and evidence, one JSON object per line (see eval/README.md).

    {"id": "lease-1", "question": "When does the lease end?",
     "answers": ["31 May 2027", "May 2027"],
     "evidence": [{"document": "notes/lease.md", "sentence": "The lease ends on 31 May 2027."}]}

Only `question` is required. A question without `answers`, `verdict`, `items` and `evidence` is
unanswerable, and `near` may name the document that nearly answers it. Without `evidence`, every
occurrence of an accepted answer counts. Questions that need more than a few words give a `form`:

    {"question": "May I keep a dog?", "form": "yes_no", "verdict": "yes", "evidence": [...]}
    {"question": "How do I claim expenses?", "form": "steps",
     "items": [["receipts"], ["send the claim", "submit it"]]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag.errors import InputError
from rag.types import Document

FORMS = ("span", "yes_no", "sentences", "steps", "list", "comparison", "overview", "catalogue")
"""Forms of answers; see "Answer forms" in eval/README.md."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A verbatim sentence of the document with this id. `start` is its offset, or -1 if unknown."""

    document: str
    sentence: str
    start: int = -1


@dataclass(frozen=True, slots=True)
class Question:
    """A gold question. `answers` is empty if it is unanswerable; `relevant` maps relevant documents
    to grades.

    Intervals resample by `group`, by default the document. If the row gives only a verdict, items
    or evidence, `answers` is made from these, so that every metric treats the question as
    answerable. `need` is the number of items (or evidence sentences, if there are no items) in a
    useful answer.
    """

    id: str
    text: str
    answers: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    relevant: Mapping[str, int] = field(default_factory=dict)
    group: str = ""
    form: str = "span"
    kind: str = ""
    verdict: str | None = None
    items: tuple[tuple[str, ...], ...] = ()
    need: int = 0
    wordings: tuple[str, ...] = ()
    """The accepted wordings as the row gives them: `answers` without what was made of evidence,
    verdict and items.
    """


@dataclass(frozen=True, slots=True)
class Gold:
    """A set of questions. `documents` are its own corpus, if any; with `retrieval_only`, the
    answers are unknown.
    """

    name: str
    questions: tuple[Question, ...]
    documents: tuple[Document, ...] = ()
    retrieval_only: bool = False


def read_jsonl(path: Path) -> list[Question]:
    """Read a JSON Lines file of questions. Raises InputError that names the line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"gold set {path} cannot be read: {error}", "save it as UTF-8 text"
        ) from error
    questions: dict[str, Question] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            question = _question(f"{path}, line {number}", line, number)
            if question.id in questions:
                raise _wrong(f"{path}, line {number}", f"the id {question.id!r} was used before")
            questions[question.id] = question
    if not questions:
        raise InputError(
            f"gold set {path} contains no questions",
            "write one JSON object per line; see eval/README.md",
        )
    return list(questions.values())


def _question(where: str, line: str, number: int) -> Question:
    from rag.evaluation.gold_schema import problem  # imports pydantic, which few commands need

    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _wrong(where, f"is not JSON ({error})") from error
    if wrong := problem(found):
        raise _wrong(where, wrong)
    evidence = tuple(Evidence(e["document"], e["sentence"]) for e in found.get("evidence", ()))
    wordings = tuple(found.get("answers", ()))
    items = tuple(map(tuple, found.get("items", ())))
    form = found.get("form", "span")
    _check(where, found, evidence, wordings)
    verdict = found.get("verdict")
    answers = wordings or _accepted(evidence, verdict, items)
    relevant = dict.fromkeys((e.document for e in evidence), 1)
    if "document" in found:
        relevant.setdefault(found["document"], 1)
    name = str(found.get("id", number))
    group = found.get("group") or next(iter(relevant), None) or found.get("near") or name
    need = found.get("need") or (len(items or evidence) + 1) // 2
    kind = found.get("kind", "")
    text = found["question"].strip()
    return Question(
        name, text, answers, evidence, relevant, group, form, kind, verdict, items, need, wordings
    )


def _check(
    where: str, found: Mapping[str, Any], evidence: Sequence[Evidence], wordings: Sequence[str]
) -> None:
    """Raises InputError for a row that contradicts itself."""
    form = found.get("form", "span")
    if found.get("unanswerable") and (
        wordings or evidence or "verdict" in found or found.get("items")
    ):
        raise _wrong(where, "is marked unanswerable but has an answer; remove one of them")
    if form == "span" and evidence and not wordings:
        raise _wrong(
            where,
            "has evidence but no answers; add the accepted answers, or remove the evidence",
        )
    if (
        form == "span"
        and wordings
        and evidence
        and not any(
            _on_one_line(answer) in _on_one_line(one.sentence)
            for answer in wordings
            for one in evidence
        )
    ):
        raise _wrong(where, "has no answer that occurs verbatim in its evidence")
    if form == "yes_no" and evidence and "verdict" not in found:
        raise _wrong(where, 'has no verdict; give "yes" or "no"')


def _on_one_line(text: str) -> str:
    """The text with line breaks and runs of spaces as one space."""
    return " ".join(text.split())


def _accepted(
    evidence: Sequence[Evidence], verdict: str | None, items: Sequence[Sequence[str]]
) -> tuple[str, ...]:
    """Substitutes for the answers of a row without any."""
    sentences = [each.sentence for each in evidence]
    together = [" ".join(sentences)] if len(sentences) > 1 else []
    return (
        *together,
        *sentences,
        *([verdict] if verdict else []),
        *(item[0] for item in items if item and not sentences),
    )


def _wrong(where: str, what: str) -> InputError:
    return InputError(f"{where}: {what}", "correct the line; eval/README.md has the format")


def sample(questions: Sequence[Question], limit: int | None) -> tuple[Question, ...]:
    """At most `limit` questions: a fixed random sample, in the original order."""
    if limit is None or limit >= len(questions):
        return tuple(questions)
    import random

    kept = set(random.Random(0).sample(range(len(questions)), limit))
    return tuple(question for place, question in enumerate(questions) if place in kept)
