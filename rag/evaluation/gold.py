"""Gold questions: what is asked, what is accepted, and where it stands. One JSON object a line; eval/README.md shows how.

    {"id": "lease-1", "question": "When does the lease end?", "answers": ["31 May 2027", "May 2027"],
     "evidence": [{"document": "notes/lease.md", "sentence": "The lease ends on 31 May 2027."}]}

`question` is all that must be there. No `answers`: the documents do not answer it, and `near` may name the document that
nearly does. `evidence` may be left out; then every place where an accepted answer stands counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rag.errors import InputError
from rag.types import Document

SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A gold question",
    "type": "object",
    "required": ["question"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string", "minLength": 1, "description": "unique in the file; by default the line's number"},
        "question": {"type": "string", "minLength": 1},
        "answers": {"type": "array", "items": {"type": "string", "minLength": 1}, "description": "every accepted wording"},
        "evidence": {
            "type": "array",
            "description": "the sentences that answer, word for word as `rag show DOCUMENT` prints them",
            "items": {
                "type": "object",
                "required": ["document", "sentence"],
                "additionalProperties": False,
                "properties": {
                    "document": {"type": "string", "minLength": 1, "description": "its id, as `rag list` prints it"},
                    "sentence": {"type": "string", "minLength": 1},
                },
            },
        },
        "near": {"type": ["string", "null"], "description": "the document that an unanswerable question nearly fits"},
        "group": {"type": "string", "minLength": 1, "description": "what varies together; by default its first document"},
    },
}

_KINDS: dict[str, type] = {"object": dict, "array": list, "string": str, "null": type(None)}


@dataclass(frozen=True, slots=True)
class Evidence:
    """A sentence, word for word, of a document, by its id. `start` is its offset if it is known, else -1."""

    document: str
    sentence: str
    start: int = -1


@dataclass(frozen=True, slots=True)
class Question:
    """`answers` is empty if the documents do not answer; `relevant` has the grade of each document that matters.

    `group` names what varies together: intervals are of groups drawn anew, by default documents.
    """

    id: str
    text: str
    answers: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    relevant: Mapping[str, int] = field(default_factory=dict)
    group: str = ""


@dataclass(frozen=True, slots=True)
class Gold:
    """A set of questions. With `documents` it brings its own corpus; `retrieval_only`: it does not say what the answers are."""

    name: str
    questions: tuple[Question, ...]
    documents: tuple[Document, ...] = ()
    retrieval_only: bool = False


def read_jsonl(path: Path) -> list[Question]:
    """The questions of a file in our own shape. Raises InputError that names the line."""
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"gold set {path} cannot be read: {error}", "give it as a UTF-8 text file") from error
    questions: dict[str, Question] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            question = _question(f"{path}, line {number}", line, number)
            if question.id in questions:
                raise _wrong(f"{path}, line {number}", f"the id {question.id!r} was used before")
            questions[question.id] = question
    if not questions:
        raise InputError(f"gold set {path} holds no question", "write one JSON object a line; see eval/README.md")
    return list(questions.values())


def _question(where: str, line: str, number: int) -> Question:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _wrong(where, f"is not JSON ({error})") from error
    for problem in problems(found, SCHEMA, "it"):
        raise _wrong(where, problem)
    evidence = tuple(Evidence(e["document"], e["sentence"]) for e in found.get("evidence", ()))
    answers = tuple(found.get("answers", ()))
    if evidence and not answers:
        raise _wrong(where, "has evidence but no answers; give the accepted answers, or take the evidence away")
    if answers and evidence and not any(a in e.sentence for a in answers for e in evidence):
        raise _wrong(where, "has no answer that stands word for word in a sentence of its evidence")
    relevant = dict.fromkeys((e.document for e in evidence), 1)
    name = str(found.get("id", number))
    group = found.get("group") or next(iter(relevant), None) or found.get("near") or name
    return Question(name, found["question"].strip(), answers, evidence, relevant, group)


def problems(value: Any, schema: Mapping[str, Any], name: str) -> Iterator[str]:
    """What in a JSON value breaks the part of JSON Schema that `SCHEMA` uses."""
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if not any(_is(value, kind) for kind in kinds):
        yield f"{name} is not of type {' or '.join(kinds)}"
    elif isinstance(value, dict):
        yield from _problems_of_object(value, schema, name)
    elif isinstance(value, list):
        for place, item in enumerate(value, 1):
            yield from problems(item, schema["items"], f"item {place} of {name}")
    elif isinstance(value, str) and schema.get("minLength") and not value.strip():
        yield f"{name} is empty"


def _problems_of_object(value: Mapping[str, Any], schema: Mapping[str, Any], name: str) -> Iterator[str]:
    known: Mapping[str, Any] = schema["properties"]
    yield from (f"{name} has no {key!r}" for key in schema["required"] if key not in value)
    yield from (f"{name} has an unknown field {key!r} (known: {', '.join(known)})" for key in value if key not in known)
    for key in value:
        if key in known:
            yield from problems(value[key], known[key], repr(key))


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _KINDS[kind])


def _wrong(where: str, what: str) -> InputError:
    return InputError(f"{where}: {what}", "correct that line; the shape is in eval/README.md")


def sample(questions: Sequence[Question], limit: int | None) -> tuple[Question, ...]:
    """At most `limit` questions, drawn without regard to order but always the same, in their order."""
    if limit is None or limit >= len(questions):
        return tuple(questions)
    import random

    kept = set(random.Random(0).sample(range(len(questions)), limit))
    return tuple(question for place, question in enumerate(questions) if place in kept)
