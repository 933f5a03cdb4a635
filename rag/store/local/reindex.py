"""Rebuilds an index from its own text: with another embedder, another passage size, or a better
splitter.

The source files are not needed. A second set of passages is filled document by document beside the
active one, in the same SQLite file. It survives a kill; a document that is changed or deleted
meanwhile takes its new passages with it; and open processes use the old set until the new one
replaces it, in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rag.ingestion.pipeline import batches
from rag.protocols import Embedder, Vectors
from rag.store.local import database, schema, sqlite_file
from rag.store.local.sqlite_file import WriteLock
from rag.types import Document, Passage

_MARK = "rebuild"
_TABLES = f"""{schema.PASSAGES.format(passages="next_passages")}
CREATE TABLE next_documents (
    document INTEGER PRIMARY KEY REFERENCES documents (row) ON DELETE CASCADE
);
"""
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
    """Target of an unfinished rebuild; None if there is none."""
    mark = sqlite_file.read_meta(connection).get(_MARK)
    return dict(json.loads(mark)) if mark else None


def begin(connection: sqlite3.Connection, target: Mapping[str, str]) -> int:
    """Start a rebuild, or resume one with the same `target` (embedder, dim, passage_tokens).
    Returns the number of finished documents.
    """
    if unfinished(connection) != target:
        with database.transaction(connection):
            schema.run(connection, _DROP + _TABLES)
            connection.execute(
                "INSERT OR REPLACE INTO meta VALUES (?, ?)", (_MARK, json.dumps(dict(target)))
            )
    finished: int = connection.execute("SELECT count(*) FROM next_documents").fetchone()[0]
    return finished


def discard(connection: sqlite3.Connection) -> bool:
    """Discard an unfinished rebuild. Returns whether there was one."""
    with database.transaction(connection):
        schema.run(connection, _DROP)
        return connection.execute("DELETE FROM meta WHERE key = ?", (_MARK,)).rowcount > 0


def pending(connection: sqlite3.Connection) -> int:
    count: int = connection.execute(f"SELECT count(*) {_PENDING}").fetchone()[0]
    return count


def last_row(connection: sqlite3.Connection) -> int:
    """Row number of the newest document."""
    last: int = connection.execute("SELECT coalesce(max(row), 0) FROM documents").fetchone()[0]
    return last


def pending_documents(
    connection: sqlite3.Connection, last: int
) -> Iterator[tuple[int, list[Document]]]:
    """The documents without new passages, up to row `last`. The row number later tells whether a
    document has changed.
    """
    sql = f"SELECT d.row, d.id {_PENDING} AND d.row > ? AND d.row <= ? ORDER BY d.row LIMIT 1"
    row = 0
    while record := connection.execute(sql, (row, last)).fetchone():
        row, document_id = record
        if document := database.document(connection, document_id):
            yield row, [document]


def add(
    connection: sqlite3.Connection, row: int, passages: Sequence[Passage], vectors: Vectors
) -> bool:
    """Add a document's new passages in one transaction. Returns False if it was changed or deleted
    meanwhile, or another process was faster.
    """
    with database.transaction(connection):
        is_present = connection.execute("SELECT 1 FROM documents WHERE row = ?", (row,)).fetchone()
        if (
            not is_present
            or connection.execute(
                "INSERT OR IGNORE INTO next_documents VALUES (?)", (row,)
            ).rowcount
            == 0
        ):
            return False
        database.insert_passages(connection, "next_passages", row, passages, vectors)
    return True


def swap(connection: sqlite3.Connection, target: Mapping[str, str]) -> None:
    """Make the new passages the active ones. Needs the write lock and no pending documents.

    The index becomes another store, since its passages have new ids; open processes notice that.
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


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Result of a rebuild; `resumed` documents were done by an earlier run."""

    documents: int
    passages: int
    resumed: int
    embedder: str
    passage_tokens: int


class Rebuild:
    """One rebuild of the index in `folder`."""

    def __init__(
        self, folder: Path, embedder: Embedder, name: str, passage_tokens: int, wait: float = 60.0
    ) -> None:
        """`name` is the embedder's name in the settings. Waits up to `wait` seconds for another
        writer.
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

    def run(
        self, on_start: Callable[[int, int], object], on_progress: Callable[[int], object]
    ) -> Rebuilt:
        """Run the rebuild. `on_start` receives (documents, already done), `on_progress` the number
        of further documents done. Raises StoreError, BusyError.
        """
        with (
            closing(sqlite_file.connect(self._path)) as connection,
            sqlite_file.translated(self._path),
        ):
            with self._lock.hold(self._wait):
                resumed = begin(connection, self._target)
            on_start(resumed + pending(connection), resumed)
            self._fill(connection, on_progress)
            with self._lock.hold(self._wait):
                self._fill(connection, on_progress)  # documents added meanwhile
                swap(connection, self._target)
                documents, passages = database.counts(connection)
        return Rebuilt(documents, passages, resumed, self._target["embedder"], self._passage_tokens)

    def _fill(self, connection: sqlite3.Connection, on_progress: Callable[[int], object]) -> None:
        """Process documents up to the newest one at the start, so that it ends even if documents
        are added faster.
        """
        waiting = pending_documents(connection, last_row(connection))
        for rows, batch in batches(waiting, self._embedder, self._passage_tokens):
            pairs = zip(rows, batch, strict=True)
            on_progress(
                sum(
                    add(connection, row, document.passages, document.vectors)
                    for row, document in pairs
                )
            )


def abandon(folder: Path, wait: float = 5.0) -> bool:
    """Discard an unfinished rebuild. Returns whether there was one."""
    path = folder / "rag.sqlite"
    with (
        closing(sqlite_file.connect(path)) as connection,
        sqlite_file.translated(path),
        WriteLock(folder).hold(wait),
    ):
        return discard(connection)
