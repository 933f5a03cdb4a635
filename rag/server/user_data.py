"""What users leave in a collection: ratings of answers, stored if somebody clicks a thumb, and gold
questions for `rag eval` made from them; and threads of questions and answers, kept per key.

Ratings and answers that quote a document are deleted with it.
"""

from __future__ import annotations

import functools
import json
import os
import re
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rag.errors import StoreError
from rag.server.owner_files import JournalFile
from rag.types import Document

RIGHT, WRONG, NOT_THERE = "right", "wrong", "not_in_the_documents"
_MOST_BYTES = 100_000_000
_REPEATED = 5
_MULTIPLIER = 1_000_003
_NOT_QUOTED = ("question", "asked", "note", "explain", "suggestions", "receipt")
"""Fields of an answer that are not the documents' words."""
MOST_THREADS = 500
MOST_CHARACTERS = 20_000_000
"""Threads of one key, and characters of their turns; the oldest go first."""
GONE = "A document that this answer quoted was deleted"
SavedTurn = dict[str, Any]
_TABLE = """CREATE TABLE IF NOT EXISTS threads (
    key TEXT, id TEXT, title TEXT, updated REAL, words TEXT, turns TEXT, PRIMARY KEY (key, id)
)"""


def feedback_file(folder: Path) -> JournalFile:
    return JournalFile(folder / "feedback.jsonl", _MOST_BYTES)


def gold(lines: Iterator[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Gold questions from the latest feedback on each question that counts: a correct answer with
    its evidence, a correction, or unanswerable. A wrong answer without a correction yields none.
    """
    for question, line in _latest_ratings(lines).items():
        answers = [str(line[name]) for name in ("correction", "answer") if line.get(name)]
        if line.get("verdict") == NOT_THERE:
            documents = _documents(line)
            yield {"question": question, **({"near": documents[0]} if documents else {})}
        elif line.get("verdict") == RIGHT and answers:
            yield {"question": question, "answers": answers[-1:], **_verbatim(line, answers[-1])}
        elif line.get("verdict") == WRONG and line.get("correction"):
            yield {"question": question, "answers": answers[:1]}


def _latest_ratings(lines: Iterator[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """The latest rating of each question; a read-only key replaces only its own."""
    line_by_question: dict[str, Mapping[str, Any]] = {}
    for line in lines:
        earlier_line = line_by_question.get(str(line.get("question")))
        is_of_key = earlier_line is None or earlier_line.get("key") == line.get("key")
        if "question" in line and (is_of_key or line.get("may_write", True)):
            line_by_question[str(line["question"])] = line
    return line_by_question


def forget_quotes(folder: Path, document: Document) -> dict[str, int]:
    """Delete the ratings and the threads' answers that cite the document or repeat its text.
    Returns the numbers.
    """
    words = functools.cache(lambda: f" {' '.join(_words(document.text))} ")

    def is_clean(line: Mapping[str, Any]) -> bool:
        return document.id not in _documents(line) and not _repeats(line, words())

    @functools.cache
    def runs() -> npt.NDArray[np.int64]:
        return np.unique(_runs(document.text))

    def quotes(answer: object) -> bool:
        return any(np.isin(_runs(text), runs()).any() for text in _texts(answer))

    ratings = feedback_file(folder).keep(is_clean)
    return {"ratings": ratings, "threads": ThreadStore(folder).forget(document.id, quotes)}


def _runs(text: str) -> npt.NDArray[np.int64]:
    """Hashes of the runs of `_REPEATED` consecutive words of a text; a document has millions."""
    words = (hash(match[0]) for match in re.finditer(r"\w+", text.casefold()))
    hashes = np.fromiter(words, np.int64)
    count = max(0, len(hashes) - _REPEATED + 1)
    runs = np.zeros(count, np.int64)
    for start in range(_REPEATED):
        runs = runs * _MULTIPLIER + hashes[start : start + count]
    return runs


def _texts(answer: object) -> Iterator[str]:
    """The texts anywhere in an answer's JSON that are more than names."""
    values = [answer]
    while values:
        value = values.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            values += (part for name, part in value.items() if name not in _NOT_QUOTED)
        elif isinstance(value, list):
            values += value


def _repeats(line: Mapping[str, Any], words: str) -> bool:
    """Whether the rating has `_REPEATED` consecutive words of a document; a shorter answer counts
    if the rating names no other document as its evidence.
    """
    evidence = _evidence(line)
    names = ("question", "answer", "correction", "comment")
    texts = [line.get(name) for name in names] + [source.get("sentence") for source in evidence]
    runs = []
    for text_words in (_words(str(text or "")) for text in texts):
        starts = range(len(text_words) - _REPEATED + 1)
        runs += [" ".join(text_words[start : start + _REPEATED]) for start in starts]
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


@dataclass(frozen=True)
class Thread:
    """A thread; `updated` is a Unix time in seconds, `questions` their number."""

    id: str
    title: str
    updated: float
    questions: int


@dataclass(frozen=True)
class ThreadWithTurns(Thread):
    """A thread with its turns."""

    turns: list[SavedTurn]


class ThreadStore:
    """Safe to share between threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "threads.sqlite"

    def listed(self, key: str, search: str, limit: int) -> list[Thread]:
        """The key's threads with all these words in title, questions or answers; latest first."""
        if not self._path.exists():
            return []
        words = search.casefold().split()
        where = " AND ".join(["key = ?", *("instr(words, ?)" for _ in words)])
        query = f"SELECT id, title, updated, json_array_length(turns) FROM threads WHERE {where}"
        with self._transaction() as connection:
            rows = connection.execute(
                f"{query} ORDER BY updated DESC LIMIT ?", [key, *words, limit]
            ).fetchall()
        return [Thread(*row) for row in rows]

    def get(self, key: str, thread_id: str) -> ThreadWithTurns | None:
        if not self._path.exists():
            return None
        query = "SELECT id, title, updated, turns FROM threads WHERE key = ? AND id = ?"
        with self._transaction() as connection:
            row = connection.execute(query, (key, thread_id)).fetchone()
        return _thread(*row) if row else None

    def put(self, key: str, thread: ThreadWithTurns) -> None:
        with self._transaction() as connection:
            _write(connection, key, thread)
            connection.execute(
                "DELETE FROM threads WHERE key = ? AND id NOT IN (SELECT id FROM "
                "(SELECT id, row_number() OVER latest AS place, sum(length(turns)) OVER latest "
                "AS total FROM threads WHERE key = ? WINDOW latest AS (ORDER BY updated DESC)) "
                "WHERE place <= ? AND (total <= ? OR place = 1))",
                (key, key, MOST_THREADS, MOST_CHARACTERS),
            )

    def delete(self, key: str, thread_id: str) -> bool:
        with self._transaction() as connection:
            query = "DELETE FROM threads WHERE key = ? AND id = ?"
            return connection.execute(query, (key, thread_id)).rowcount > 0

    def forget(
        self, document_id: str, quotes: Callable[[object], bool] = lambda answer: False
    ) -> int:
        """Remove the answers of all keys that name the document, or that quote it, whatever they
        name. Returns their number.
        """
        if not self._path.exists():
            return 0
        removed = 0
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT key, id, title, updated, turns FROM threads"
            ).fetchall()
            for key, *fields in rows:
                thread = _thread(*fields)
                if number := forget_answers(thread.turns, {document_id}.__contains__, quotes):
                    removed += number
                    _write(connection, key, thread)
        return removed

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """A transaction. Raises StoreError."""
        try:
            if not self._path.exists():  # readable by its owner only
                os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o600))
            with closing(sqlite3.connect(self._path, timeout=5)) as connection:
                connection.execute("PRAGMA secure_delete = ON")
                with connection:
                    connection.execute(_TABLE)
                    yield connection
        except (OSError, sqlite3.Error) as error:
            message = f"the threads in {self._path} cannot be used: {error}"
            raise StoreError(message, "make the index folder writable, or free space") from error


def _thread(thread_id: str, title: str, updated: float, turns: str) -> ThreadWithTurns:
    read = json.loads(turns)
    return ThreadWithTurns(thread_id, title, updated, len(read), read)


def _write(connection: sqlite3.Connection, key: str, thread: ThreadWithTurns) -> None:
    answers = [(turn.get("answer") or {}).get("answer") or "" for turn in thread.turns]
    questions = [str(turn.get("question", "")) for turn in thread.turns]
    words = "\n".join([thread.title, *questions, *answers]).casefold()
    turns = json.dumps(thread.turns, ensure_ascii=False)
    connection.execute(
        "REPLACE INTO threads VALUES (?, ?, ?, ?, ?, ?)",
        (key, thread.id, thread.title, thread.updated, words, turns),
    )


def forget_answers(
    turns: Sequence[SavedTurn],
    is_gone: Callable[[str], bool],
    quotes: Callable[[object], bool] = lambda answer: False,
) -> int:
    """Remove the answers that name a document that is gone, or quote one. Returns their number."""
    removed = 0
    for turn in turns:
        answer = turn.get("answer")
        if answer and (any(map(is_gone, documents_of(answer))) or quotes(answer)):
            turn.update(answer=None, problem=GONE)
            removed += 1
    return removed


def documents_of(answer: object) -> Collection[str]:
    """The ids of documents anywhere in an answer's JSON."""
    ids, values = set[str](), [answer]
    while values:
        value = values.pop()
        if isinstance(value, dict):
            if isinstance(value.get("document_id"), str):
                ids.add(value["document_id"])
            values += value.values()
        elif isinstance(value, list):
            values += value
    return ids
