"""Users' feedback on answers, and gold questions for `rag eval` made from it.

Stored in the collection's `feedback.jsonl`, and only when somebody has clicked a thumb.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rag.server.journal_file import JournalFile

NAME = "feedback.jsonl"
_MOST_BYTES = 100_000_000
RIGHT, WRONG, NOT_THERE = "right", "wrong", "not_in_the_documents"
VERDICTS = (RIGHT, WRONG, NOT_THERE)


def feedback_file(folder: Path) -> JournalFile:
    return JournalFile(folder / NAME, _MOST_BYTES)


def gold(lines: Iterator[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Gold questions from the latest feedback on each question that counts: a correct answer with
    its evidence, a correction, or unanswerable. A wrong answer without a correction yields none.
    """
    for question, line in _latest(lines).items():
        answers = [str(line[name]) for name in ("correction", "answer") if line.get(name)]
        if line.get("verdict") == NOT_THERE:
            yield {"question": question, **_near(line)}
        elif line.get("verdict") == RIGHT and answers:
            yield {"question": question, "answers": answers[-1:], **_evidence(line, answers[-1])}
        elif line.get("verdict") == WRONG and line.get("correction"):
            yield {"question": question, "answers": answers[:1]}


def _latest(lines: Iterator[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The rating of each question that counts: the latest, but a read-only key replaces only its
    own.
    """
    latest: dict[str, Mapping[str, Any]] = {}
    for line in lines:
        before = latest.get(str(line.get("question")))
        own = before is None or before.get("key") == line.get("key")
        if "question" in line and (own or line.get("may_write", True)):
            latest[str(line["question"])] = line
    return latest


def gold_text(lines: Iterator[Mapping[str, Any]]) -> str:
    """JSON Lines for `rag eval run FILE`."""
    return "".join(json.dumps(question, ensure_ascii=False) + "\n" for question in gold(lines))


def forget(folder: Path, documents: Sequence[str]) -> int:
    """Remove feedback that quotes these deleted documents. Returns the number of lines removed."""
    deleted = set(documents)
    return feedback_file(folder).keep(lambda line: not deleted.intersection(_documents(line)))


def _documents(line: Mapping[str, Any]) -> list[str]:
    return [
        str(source.get("document", ""))
        for source in line.get("evidence", [])
        if isinstance(source, dict)
    ]


def _evidence(line: Mapping[str, Any], answer: str) -> dict[str, Any]:
    """The citations that contain the answer verbatim; if none do, all occurrences count as
    evidence.
    """
    sources = [source for source in line.get("evidence", []) if source.get("sentence")]
    return {"evidence": sources} if any(answer in source["sentence"] for source in sources) else {}


def _near(line: Mapping[str, Any]) -> dict[str, Any]:
    documents = _documents(line)
    return {"near": documents[0]} if documents else {}
