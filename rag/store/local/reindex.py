"""An index made anew from the text that it holds: with another embedder, another size of passages,
or a better splitter.

The sources are not needed. A second set of passages is filled document by document beside the one
that answers, in the same SQLite file: what was made before a kill is still there after it, a
document that is changed or deleted meanwhile takes its new passages with it, and processes that
have the index open see the old set until the new one takes its place, in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rag.ingestion.chunking import split
from rag.protocols import Embedder, Vectors
from rag.store.local import database, schema
from rag.store.local.lock import WriteLock
from rag.types import Document, Passage

_MARK = "rebuild"
_TABLES = f"""{schema.PASSAGES.format(passages="next_passages")}
CREATE TABLE next_documents (document INTEGER PRIMARY KEY REFERENCES documents (row) ON DELETE CASCADE);
"""  # noqa: E501
_DROP = """
DROP TABLE IF EXISTS next_passages;
DROP TABLE IF EXISTS next_documents;
"""
_SWAP = f"""
DROP TABLE passages;
ALTER TABLE next_passages RENAME TO passages;
DROP INDEX next_passages_document;
CREATE INDEX passages_document ON passages (document);
{schema.JOURNAL}
DELETE FROM removed;
DROP TABLE next_documents;
"""
_PENDING = (
    "FROM documents d WHERE NOT EXISTS (SELECT 1 FROM next_documents n WHERE n.document = d.row)"
)


def unfinished(connection: sqlite3.Connection) -> dict[str, str] | None:
    """How the index is being made anew, if that was begun and not ended."""
    mark = database.read_meta(connection).get(_MARK)
    return dict(json.loads(mark)) if mark else None


def begin(connection: sqlite3.Connection, target: Mapping[str, str]) -> int:
    """Begin, or go on where an earlier run with the same `target` (embedder, dim, passage_tokens)
    ended: documents done.
    """
    if unfinished(connection) != target:
        with database.transaction(connection):
            schema.run(connection, _DROP + _TABLES)
            connection.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", (_MARK, json.dumps(dict(target)))
            )
    done: int = connection.execute("SELECT count(*) FROM next_documents").fetchone()[0]
    return done


def discard(connection: sqlite3.Connection) -> bool:
    """Drop what an unended run made; whether there was any."""
    with database.transaction(connection):
        schema.run(connection, _DROP)
        return connection.execute("DELETE FROM meta WHERE key = ?", (_MARK,)).rowcount > 0


def pending(connection: sqlite3.Connection) -> int:
    count: int = connection.execute(f"SELECT count(*) {_PENDING}").fetchone()[0]
    return count


def last_row(connection: sqlite3.Connection) -> int:
    """Of the newest document."""
    last: int = connection.execute("SELECT coalesce(max(row), 0) FROM documents").fetchone()[0]
    return last


def next_documents(
    connection: sqlite3.Connection, last: int, most: int
) -> list[tuple[int, Document]]:
    """The next ones without new passages, up to row `last`; their row says later whether they are
    still what they were.
    """
    sql = f"SELECT d.row, d.id {_PENDING} AND d.row <= ? ORDER BY d.row LIMIT ?"
    rows = connection.execute(sql, (last, most)).fetchall()
    found = [(row, database.document(connection, document_id)) for row, document_id in rows]
    return [(row, document) for row, document in found if document]


def add(
    connection: sqlite3.Connection, row: int, passages: Sequence[Passage], vectors: Vectors
) -> bool:
    """The document's new passages, in one transaction; False if it was changed or deleted
    meanwhile, or someone was quicker.
    """
    with database.transaction(connection):
        there = connection.execute("SELECT 1 FROM documents WHERE row = ?", (row,)).fetchone()
        if (
            not there
            or connection.execute(
                "INSERT OR IGNORE INTO next_documents VALUES (?)", (row,)
            ).rowcount
            == 0
        ):
            return False
        database.insert_passages(connection, "next_passages", row, passages, vectors)
    return True


def swap(connection: sqlite3.Connection, target: Mapping[str, str]) -> None:
    """Make the new passages those that answer. Hold the write lock, with nothing pending.

    The index is another store from here on: its passages have other numbers, and who has it open
    makes sure of it.
    """
    with database.transaction(connection):
        if pending(connection) or unfinished(connection) != target:
            raise sqlite3.ProgrammingError("documents are pending")
        schema.run(connection, _SWAP)
        generation = str(int(database.generation(connection)) + 1)
        values = {
            **target,
            "store": uuid.uuid4().hex,
            "generation": generation,
            "journal": generation,
        }
        connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())
        connection.execute("DELETE FROM meta WHERE key = ?", (_MARK,))


_DOCUMENTS = 32
"""Embedded together; short ones fill a batch."""
_PASSAGES = 256


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was made; `resumed` documents were there from an earlier run."""

    documents: int
    passages: int
    resumed: int
    embedder: str
    passage_tokens: int


class Rebuild:
    """One run over the index in `folder`."""

    def __init__(
        self, folder: Path, embedder: Embedder, name: str, passage_tokens: int, wait: float = 60.0
    ) -> None:
        """`name` is the embedder's in the settings. A writer elsewhere is waited for `wait`
        seconds.
        """
        self._path = folder / "rag.sqlite"
        self._lock = WriteLock(folder)
        self._embedder = embedder
        self._passage_tokens = passage_tokens
        self._wait = wait
        self._target = {
            "embedder": name,
            "dim": str(embedder.dim),
            "passage_tokens": str(passage_tokens),
        }

    def run(self, begun: Callable[[int, int], object], seen: Callable[[int], object]) -> Rebuilt:
        """`begun` is told (documents, already done), `seen` how many more are done. Raises
        StoreError, BusyError.
        """
        with closing(database.connect(self._path)) as connection, database.translated(self._path):
            with self._lock.hold(self._wait):
                resumed = begin(connection, self._target)
            begun(resumed + pending(connection), resumed)
            self._fill(connection, seen)
            with self._lock.hold(self._wait):
                self._fill(connection, seen)  # what came meanwhile
                swap(connection, self._target)
                documents, passages = database.counts(connection)
        return Rebuilt(documents, passages, resumed, self._target["embedder"], self._passage_tokens)

    def _fill(self, connection: sqlite3.Connection, seen: Callable[[int], object]) -> None:
        """Up to the document that is the newest now: where they come faster than this, it ends all
        the same.
        """
        last = last_row(connection)
        while batch := next_documents(connection, last, _DOCUMENTS):
            whole: list[tuple[int, list[Passage]]] = []
            for row, document in batch:
                whole.append((row, self._split(document)))
                if sum(len(passages) for _, passages in whole) >= _PASSAGES:
                    seen(self._add(connection, whole))
                    whole = []
            seen(self._add(connection, whole))

    def _split(self, document: Document) -> list[Passage]:
        return split(document, self._embedder.count_tokens, self._passage_tokens)

    def _add(
        self, connection: sqlite3.Connection, whole: Sequence[tuple[int, list[Passage]]]
    ) -> int:
        texts = [p.in_context for _, passages in whole for p in passages]
        vectors = self._embedder.embed_passages(texts)
        at, added = 0, 0
        for row, passages in whole:
            added += add(connection, row, passages, vectors[at : at + len(passages)])
            at += len(passages)
        return added


def abandon(folder: Path, wait: float = 5.0) -> bool:
    """Drop what an unended run made; whether there was any."""
    path = folder / "rag.sqlite"
    with (
        closing(database.connect(path)) as connection,
        database.translated(path),
        WriteLock(folder).hold(wait),
    ):
        return discard(connection)
