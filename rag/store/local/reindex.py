"""Rebuilds an index from its own text: with another embedder, passage size, or a better splitter.

The source files are not needed. A second set of passages is filled document by document beside the
active one, in the same SQLite file. It survives a kill; a document that is changed or deleted
meanwhile takes its new passages with it; and open processes use the old set until the new one
replaces it, in one transaction.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rag.ingestion.pipeline import Embedded, batches
from rag.protocols import Embedder
from rag.store.local import database, schema, sqlite_file
from rag.store.local.sqlite_file import WriteLock
from rag.types import Document

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


def unfinished_target(connection: sqlite3.Connection) -> dict[str, str] | None:
    """Target of an unfinished rebuild; None if there is none."""
    mark = sqlite_file.read_meta(connection).get(_MARK)
    return dict(json.loads(mark)) if mark else None


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """Result of a rebuild; `resumed` documents were done by an earlier run."""

    documents: int
    passages: int
    resumed: int
    embedder: str
    passage_tokens: int


def rebuild(
    folder: Path,
    embedder: Embedder,
    name: str,
    passage_tokens: int,
    on_start: Callable[[int, int], object] = lambda *_: None,
    on_progress: Callable[[int], object] = lambda _: None,
    wait: float = 60.0,
) -> Rebuilt:
    """Rebuild the index in `folder`; `name` is the embedder's in the settings. `on_start` receives
    (documents, already done), `on_progress` the number of further documents done. Waits up to
    `wait` seconds for another writer. Raises StoreError, BusyError.
    """
    target = {"embedder": name, "dim": str(embedder.dim), "passage_tokens": str(passage_tokens)}
    lock = WriteLock(folder)
    with sqlite_file.opened(folder / "rag.sqlite") as connection:

        def fill() -> None:
            # only those present at its start, so that it ends even if many are added
            for rows, batch in batches(_pending(connection), embedder, passage_tokens):
                on_progress(sum(_add(connection, *pair) for pair in zip(rows, batch, strict=True)))

        with lock.hold(wait):
            resumed = _start_or_resume(connection, target)
        on_start(resumed + _count(connection, _PENDING), resumed)
        fill()
        with lock.hold(wait):
            fill()  # documents added meanwhile
            _swap(connection, target)
            documents, passages = database.counts(connection)
    return Rebuilt(documents, passages, resumed, name, passage_tokens)


def _start_or_resume(connection: sqlite3.Connection, target: Mapping[str, str]) -> int:
    """Start, or resume a run with the same target. Returns the number of finished documents."""
    if unfinished_target(connection) != target:
        with database.transaction(connection):
            schema.run(connection, _DROP + _TABLES)
            sql = "INSERT OR REPLACE INTO meta VALUES (?, ?)"
            connection.execute(sql, (_MARK, json.dumps(target)))
    return _count(connection, "FROM next_documents")


def _swap(connection: sqlite3.Connection, target: Mapping[str, str]) -> None:
    """Make the new passages the active ones. Needs the write lock and no pending documents.

    The index becomes another store, since its passages have new ids; open processes notice that.
    """
    with database.transaction(connection):
        if _count(connection, _PENDING) or unfinished_target(connection) != target:
            raise sqlite3.ProgrammingError("documents are pending")
        schema.run(connection, _SWAP)
        generation = str(int(database.generation(connection)) + 1)
        values = {**target, "generation": generation, "journal": generation}
        values["store"] = uuid.uuid4().hex
        connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())
        connection.execute("DELETE FROM meta WHERE key = ?", (_MARK,))


def abandon(folder: Path, wait: float = 5.0) -> bool:
    """Discard an unfinished rebuild. Returns whether there was one."""
    with (
        sqlite_file.opened(folder / "rag.sqlite") as connection,
        WriteLock(folder).hold(wait),
        database.transaction(connection),
    ):
        schema.run(connection, _DROP)
        return connection.execute("DELETE FROM meta WHERE key = ?", (_MARK,)).rowcount > 0


def _count(connection: sqlite3.Connection, rows: str) -> int:
    count: int = connection.execute(f"SELECT count(*) {rows}").fetchone()[0]
    return count


def _pending(connection: sqlite3.Connection) -> Iterator[tuple[int, list[Document]]]:
    """Documents without new passages. The row number later tells whether one has changed."""
    last_row: int = connection.execute("SELECT coalesce(max(row), 0) FROM documents").fetchone()[0]
    sql = f"SELECT d.row, d.id {_PENDING} AND d.row > ? AND d.row <= ? ORDER BY d.row LIMIT 1"
    row = 0
    while record := connection.execute(sql, (row, last_row)).fetchone():
        row, document_id = record
        if document := database.document(connection, document_id):
            yield row, [document]


def _add(connection: sqlite3.Connection, row: int, embedded: Embedded) -> bool:
    """Add a document's new passages. Returns False if it changed or was done by another process."""
    sql = "INSERT OR IGNORE INTO next_documents SELECT row FROM documents WHERE row = ?"
    with database.transaction(connection):
        is_new = connection.execute(sql, (row,)).rowcount > 0
        if is_new:
            table = "next_passages"
            database.insert_passages(connection, table, row, embedded.passages, embedded.vectors)
    return is_new
