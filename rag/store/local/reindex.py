"""A second set of passages beside the one that answers, filled document by document, that takes its
place in one transaction.

It stands in the same SQLite file: what was made before a kill is still there after it, a document
that is changed or deleted meanwhile takes its new passages with it, and processes that have the
index open see the old set until they see the new one.
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Mapping, Sequence

from rag.protocols import Vectors
from rag.store.local import database, schema
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


def abandon(connection: sqlite3.Connection) -> bool:
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
