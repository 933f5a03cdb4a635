"""Threads of questions and answers, kept per key in a file of the collection.

An answer leaves its thread when a document that it quotes is deleted.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rag.errors import StoreError

NAME = "threads.sqlite"
MOST_THREADS = 500
MOST_CHARACTERS = 20_000_000
"""Threads of one key, and characters of their turns; the oldest go first."""
GONE = "A document that this answer quoted was deleted"
Turn = dict[str, Any]
_TABLE = """CREATE TABLE IF NOT EXISTS threads (
    key TEXT, id TEXT, title TEXT, updated REAL, words TEXT, turns TEXT, PRIMARY KEY (key, id)
)"""


@dataclass(frozen=True)
class WireThread:
    """A thread; `updated` is a Unix time in seconds, `questions` their number."""

    id: str
    title: str
    updated: float
    questions: int


@dataclass(frozen=True)
class WireTurns(WireThread):
    """A thread with its turns."""

    turns: list[Turn]


class ThreadStore:
    """Safe to share between threads and processes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / NAME

    def listed(self, key: str, search: str, limit: int) -> list[WireThread]:
        """The key's threads with all these words in title, questions or answers; latest first."""
        if not self._path.exists():
            return []
        words = search.casefold().split()
        where = " AND ".join(["key = ?", *("instr(words, ?)" for _ in words)])
        query = f"SELECT id, title, updated, json_array_length(turns) FROM threads WHERE {where}"
        with self._connected() as connection:
            rows = connection.execute(
                f"{query} ORDER BY updated DESC LIMIT ?", [key, *words, limit]
            ).fetchall()
        return [WireThread(*row) for row in rows]

    def get(self, key: str, thread_id: str) -> WireTurns | None:
        if not self._path.exists():
            return None
        query = "SELECT id, title, updated, turns FROM threads WHERE key = ? AND id = ?"
        with self._connected() as connection:
            row = connection.execute(query, (key, thread_id)).fetchone()
        return _thread(*row) if row else None

    def put(self, key: str, thread: WireTurns) -> None:
        """Add or replace a thread."""
        with self._connected() as connection:
            _write(connection, key, thread)
            connection.execute(
                "DELETE FROM threads WHERE key = ? AND id NOT IN (SELECT id FROM "
                "(SELECT id, row_number() OVER latest AS place, sum(length(turns)) OVER latest "
                "AS total FROM threads WHERE key = ? WINDOW latest AS (ORDER BY updated DESC)) "
                "WHERE place <= ? AND (total <= ? OR place = 1))",
                (key, key, MOST_THREADS, MOST_CHARACTERS),
            )

    def delete(self, key: str, thread_id: str) -> bool:
        with self._connected() as connection:
            query = "DELETE FROM threads WHERE key = ? AND id = ?"
            return connection.execute(query, (key, thread_id)).rowcount > 0

    def forget(self, document_id: str) -> int:
        """Remove the answers that name the document, of all keys. Returns their number."""
        if not self._path.exists():
            return 0
        removed = 0
        with self._connected() as connection:
            rows = connection.execute(
                "SELECT key, id, title, updated, turns FROM threads"
            ).fetchall()
            for key, *fields in rows:
                thread = _thread(*fields)
                if number := forget_answers(thread.turns, {document_id}.__contains__):
                    removed += number
                    _write(connection, key, thread)
        return removed

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
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


def _thread(thread_id: str, title: str, updated: float, turns: str) -> WireTurns:
    read = json.loads(turns)
    return WireTurns(thread_id, title, updated, len(read), read)


def _write(connection: sqlite3.Connection, key: str, thread: WireTurns) -> None:
    answers = [(turn.get("answer") or {}).get("answer") or "" for turn in thread.turns]
    questions = [str(turn.get("question", "")) for turn in thread.turns]
    words = "\n".join([thread.title, *questions, *answers]).casefold()
    turns = json.dumps(thread.turns, ensure_ascii=False)
    connection.execute(
        "REPLACE INTO threads VALUES (?, ?, ?, ?, ?, ?)",
        (key, thread.id, thread.title, thread.updated, words, turns),
    )


def forget_answers(turns: Sequence[Turn], is_gone: Callable[[str], bool]) -> int:
    """Remove the answers that name a document that is gone. Returns their number."""
    removed = 0
    for turn in turns:
        if any(map(is_gone, documents_of(turn.get("answer")))):
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
