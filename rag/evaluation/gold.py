"""Gold questions: what is asked, what is accepted, and where it stands. One JSON object a line;
eval/README.md shows how.

    {"id": "lease-1", "question": "When does the lease end?", "answers": ["31 May 2027", "May 2027"],
     "evidence": [{"document": "notes/lease.md", "sentence": "The lease ends on 31 May 2027."}]}

`question` is all that must be there. Without `answers`, `verdict`, `items` and `evidence` the
documents do not answer it, and `near` may name the document that nearly does. `evidence` may be
left out; then every place where an accepted answer occurs counts. Questions that want more than a
few words name their `form`:

    {"question": "May I keep a dog?", "form": "yes_no", "verdict": "yes", "evidence": [...]}
    {"question": "How do I claim expenses?", "form": "steps", "items": [["receipts"], ["send the claim", "submit it"]]}
"""  # noqa: E501

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag.errors import InputError
from rag.types import Document

FORMS = ("span", "yes_no", "sentences", "steps", "list", "comparison", "overview", "catalogue")
"""What a question can want; see "Answer forms" in eval/README.md."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence, word for word, of a document, by its id. `start` is its offset if it is known,
    else -1.
    """

    document: str
    sentence: str
    start: int = -1


@dataclass(frozen=True, slots=True)
class Question:
    """`answers` is empty if the documents do not answer; `relevant` has the grade of each document
    that matters.

    `group` names what varies together: intervals are of groups drawn anew, by default documents.
    Questions whose row gives a verdict, items or evidence only have these in `answers` too, so that
    every metric knows that they can be answered. `need` is how many of the items (or evidence
    sentences, where there are no items) an answer must hold to be useful.
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
    """A set of questions. With `documents` it brings its own corpus; `retrieval_only`: it does not
    say what the answers are.
    """

    name: str
    questions: tuple[Question, ...]
    documents: tuple[Document, ...] = ()
    retrieval_only: bool = False


def read_jsonl(path: Path) -> list[Question]:
    """The questions of a file in our own shape. Raises InputError that names the line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"gold set {path} cannot be read: {error}", "give it as a UTF-8 text file"
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
            f"gold set {path} holds no question", "write one JSON object a line; see eval/README.md"
        )
    return list(questions.values())


def _question(where: str, line: str, number: int) -> Question:
    from rag.evaluation.gold_schema import problem  # with pydantic, which few commands need

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
        raise _wrong(where, "is unanswerable and has an answer; take one of them away")
    if form == "span" and evidence and not wordings:
        raise _wrong(
            where,
            "has evidence but no answers; give the accepted answers, or take the evidence away",
        )
    if (
        form == "span"
        and wordings
        and evidence
        and not any(a in e.sentence for a in wordings for e in evidence)
    ):
        raise _wrong(where, "has no answer that stands word for word in a sentence of its evidence")
    if form == "yes_no" and evidence and "verdict" not in found:
        raise _wrong(where, 'has no verdict; say "yes" or "no"')


def _accepted(
    evidence: Sequence[Evidence], verdict: str | None, items: Sequence[Sequence[str]]
) -> tuple[str, ...]:
    """What stands for the answers of a row that gives none."""
    sentences = [each.sentence for each in evidence]
    together = [" ".join(sentences)] if len(sentences) > 1 else []
    return (
        *together,
        *sentences,
        *([verdict] if verdict else []),
        *(item[0] for item in items if item and not sentences),
    )


def _wrong(where: str, what: str) -> InputError:
    return InputError(f"{where}: {what}", "correct that line; the shape is in eval/README.md")


def sample(questions: Sequence[Question], limit: int | None) -> tuple[Question, ...]:
    """At most `limit` questions, drawn without regard to order but always the same, in their
    order.
    """
    if limit is None or limit >= len(questions):
        return tuple(questions)
    import random

    kept = set(random.Random(0).sample(range(len(questions)), limit))
    return tuple(question for place, question in enumerate(questions) if place in kept)
