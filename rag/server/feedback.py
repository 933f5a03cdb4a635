"""Users' feedback on answers, and gold questions for `rag eval` made from it.

Stored in the collection's `feedback.jsonl`, and only when somebody has clicked a thumb.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rag.server.journal_file import JournalFile
from rag.server.thread_store import ThreadStore
from rag.types import Document

NAME = "feedback.jsonl"
_MOST_BYTES = 100_000_000
RIGHT, WRONG, NOT_THERE = "right", "wrong", "not_in_the_documents"
_REPEATED = 5
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


def forget_quotes(folder: Path, document: Document) -> dict[str, int]:
    """Delete the ratings, and the answers in threads, that quote a document. Returns their
    numbers."""
    return {"ratings": forget(folder, document), "threads": ThreadStore(folder).forget(document.id)}


def forget(folder: Path, document: Document) -> int:
    """Remove the ratings that name this document as evidence, or that repeat its text. Returns
    their number."""
    if not (folder / NAME).exists():
        return 0
    document_id, words = document.id, f" {' '.join(_words(document.text))} "

    def is_clean(line: Mapping[str, Any]) -> bool:
        return document_id not in _documents(line) and not _repeats(line, words)

    return feedback_file(folder).keep(is_clean)


def _repeats(line: Mapping[str, Any], words: str) -> bool:
    """Whether the rating has `_REPEATED` consecutive words of a document; a shorter answer counts
    if the rating names no other document as its evidence."""
    evidence = [source for source in line.get("evidence", []) if isinstance(source, dict)]
    short = [line.get("answer"), line.get("correction")] if not evidence else []
    texts = [line.get(name) for name in ("question", "answer", "correction", "comment")]
    texts += [source.get("sentence") for source in evidence]
    runs = [" ".join(_words(str(text))) for text in short if text]
    for text in texts:
        own = _words(str(text or ""))
        runs += [
            " ".join(own[start : start + _REPEATED]) for start in range(len(own) - _REPEATED + 1)
        ]
    return any(run and f" {run} " in words for run in runs)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


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
