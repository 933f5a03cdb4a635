"""Users' feedback on answers, and gold questions for `rag eval` made from it.

Stored in the collection's `feedback.jsonl`, and only when somebody has clicked a thumb.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rag.server.owner_files import JournalFile
from rag.server.thread_store import ThreadStore
from rag.types import Document

NAME = "feedback.jsonl"
RIGHT, WRONG, NOT_THERE = "right", "wrong", "not_in_the_documents"
_MOST_BYTES = 100_000_000
_REPEATED = 5


def feedback_file(folder: Path) -> JournalFile:
    return JournalFile(folder / NAME, _MOST_BYTES)


def gold(lines: Iterator[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Gold questions from the latest feedback on each question that counts: a correct answer with
    its evidence, a correction, or unanswerable. A wrong answer without a correction yields none.
    """
    for question, line in _latest(lines).items():
        answers = [str(line[name]) for name in ("correction", "answer") if line.get(name)]
        if line.get("verdict") == NOT_THERE:
            near = _documents(line)
            yield {"question": question, **({"near": near[0]} if near else {})}
        elif line.get("verdict") == RIGHT and answers:
            yield {"question": question, "answers": answers[-1:], **_verbatim(line, answers[-1])}
        elif line.get("verdict") == WRONG and line.get("correction"):
            yield {"question": question, "answers": answers[:1]}


def _latest(lines: Iterator[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The latest rating of each question; a read-only key replaces only its own."""
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
    """Delete the ratings that cite the document or repeat its text, and the threads' answers that
    quote it. Returns the numbers.
    """
    words = functools.cache(lambda: f" {' '.join(_words(document.text))} ")

    def is_clean(line: Mapping[str, Any]) -> bool:
        return document.id not in _documents(line) and not _repeats(line, words())

    ratings = feedback_file(folder).keep(is_clean)
    return {"ratings": ratings, "threads": ThreadStore(folder).forget(document.id)}


def _repeats(line: Mapping[str, Any], words: str) -> bool:
    """Whether the rating has `_REPEATED` consecutive words of a document; a shorter answer counts
    if the rating names no other document as its evidence."""
    evidence = _evidence(line)
    names = ("question", "answer", "correction", "comment")
    texts = [line.get(name) for name in names] + [source.get("sentence") for source in evidence]
    runs = []
    for own in (_words(str(text or "")) for text in texts):
        starts = range(len(own) - _REPEATED + 1)
        runs += [" ".join(own[start : start + _REPEATED]) for start in starts]
    if not evidence:
        runs += [" ".join(_words(str(line.get(name) or ""))) for name in ("answer", "correction")]
    return any(run and f" {run} " in words for run in runs)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def _evidence(line: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [source for source in line.get("evidence", []) if isinstance(source, dict)]


def _documents(line: Mapping[str, Any]) -> list[str]:
    return [str(source.get("document", "")) for source in _evidence(line)]


def _verbatim(line: Mapping[str, Any], answer: str) -> dict[str, Any]:
    """The citations that contain the answer's words; if none does, every place counts."""
    sources = [source for source in _evidence(line) if source.get("sentence")]
    return {"evidence": sources} if any(answer in source["sentence"] for source in sources) else {}
