"""The truth of a local store: documents, passages and vectors in one SQLite file (WAL)."""

from __future__ import annotations

import json
import os
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rag.errors import StoreError
from rag.protocols import Filter, Vectors
from rag.types import Document, Passage, Section

FORMAT = "1"
_SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    source TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    metadata TEXT NOT NULL,
    sections TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX documents_source ON documents (source);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents (row) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    heading TEXT NOT NULL,
    text TEXT NOT NULL,
    vector BLOB NOT NULL
);
CREATE INDEX passages_document ON passages (document);
"""
_HAS = "EXISTS (SELECT 1 FROM json_each(d.metadata) WHERE key = ? AND value = ?)"
_COLUMNS = "id, title, source, sha256, metadata, sections"


def connect(path: Path, create: Mapping[str, str] | None = None) -> sqlite3.Connection:
    """Open the database; with `create` (its first meta values) make it if it is absent.

    A folder that cannot be written is opened for reading only. Raises StoreError, naming the file, if it is absent,
    broken or of another format; nothing is overwritten.
    """
    try:
        return _connect(path, create)
    except sqlite3.DatabaseError as error:
        if "readonly" in str(error) or "unable to open" in str(error):
            hint = "make it writable, or name another with --index"
            raise StoreError(f"index {path.parent} cannot be written: {error}", hint) from error
        hint = "restore it from a backup, or move it away and run: rag ingest PATH"
        raise StoreError(f"{path} is not a readable database ({error}); it was left as it is", hint) from error


def _connect(path: Path, create: Mapping[str, str] | None) -> sqlite3.Connection:
    new = not path.exists() or path.stat().st_size == 0
    if new and create is None:
        raise StoreError(f"no index in {path.parent}", "make one first: rag ingest PATH")
    writable = os.access(path.parent, os.W_OK) and (new or os.access(path, os.W_OK))
    uri = f"{path.resolve().as_uri()}?{'mode=rwc' if writable or new else 'mode=ro&immutable=1'}"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30)
    if writable or new:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    if new and create is not None:
        _create(connection, create)
    found = read_meta(connection).get("format")
    if found != FORMAT:
        hint = "make a new index: rag ingest PATH --index NEW"
        raise StoreError(f"{path} has index format {found}, this version reads {FORMAT}", hint)
    return connection


def _create(connection: sqlite3.Connection, values: Mapping[str, str]) -> None:
    meta = {"format": FORMAT, "store": uuid.uuid4().hex, "generation": "0", **values}
    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}")
    connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    connection.execute("COMMIT")


def read_meta(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM meta"))


def put(connection: sqlite3.Connection, document: Document, passages: Sequence[Passage], vectors: Vectors) -> None:
    """Replace the document in one durable transaction."""
    sections = json.dumps([[s.start, s.heading] for s in document.sections])
    metadata = json.dumps(dict(document.metadata), ensure_ascii=False)
    with _transaction(connection):
        connection.execute("DELETE FROM documents WHERE id = ?", (document.id,))
        values = (document.id, document.title, document.source, document.sha256, metadata, sections, document.text)
        row = connection.execute(f"INSERT INTO documents ({_COLUMNS}, text) VALUES (?, ?, ?, ?, ?, ?, ?)", values).lastrowid
        connection.executemany(
            "INSERT INTO passages (document, start, end, heading, text, vector) VALUES (?, ?, ?, ?, ?, ?)",
            ((row, p.start, p.end, p.heading, p.text, v.tobytes()) for p, v in zip(passages, vectors, strict=True)),
        )


def delete(connection: sqlite3.Connection, document_id: str) -> bool:
    if connection.execute("SELECT 1 FROM documents WHERE id = ?", (document_id,)).fetchone() is None:
        return False
    with _transaction(connection):
        connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))
    return True


class _transaction:
    """A change: committed with a new generation, or rolled back."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._connection.execute("ROLLBACK")
            return
        self._connection.execute("UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'generation'")
        self._connection.execute("COMMIT")


def document(connection: sqlite3.Connection, document_id: str) -> Document | None:
    row = connection.execute(f"SELECT {_COLUMNS}, text FROM documents WHERE id = ?", (document_id,)).fetchone()
    return _document(row) if row else None


def documents(connection: sqlite3.Connection) -> list[Document]:
    return [_document((*row, "")) for row in connection.execute(f"SELECT {_COLUMNS} FROM documents ORDER BY id")]


def _document(row: Sequence[Any]) -> Document:
    document_id, title, source, sha256, metadata, sections, text = row
    kept = tuple(Section(start, heading) for start, heading in json.loads(sections))
    return Document(document_id, text, title, source, sha256, json.loads(metadata), kept)


def passages(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Passage]:
    rows = connection.execute(
        "SELECT p.id, d.id, p.start, p.end, p.text, d.title, p.heading FROM passages p JOIN documents d ON d.row = p.document"
        " WHERE p.id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    )
    return {row[0]: Passage(*row[1:]) for row in rows}


def passage_ids(connection: sqlite3.Connection, filter: Filter | None = None) -> list[int]:
    """All passage ids, or those of the documents with the metadata in `filter`."""
    conditions, values = ["1"], list[str]()
    for key, value in (filter or {}).items():
        conditions.append("d.id = ?" if key == "document" else _HAS)
        values += [value] if key == "document" else [key, value]
    join = "JOIN documents d ON d.row = p.document" if filter else ""
    sql = f"SELECT p.id FROM passages p {join} WHERE {' AND '.join(conditions)}"
    return [row[0] for row in connection.execute(sql, values)]


def vectors(connection: sqlite3.Connection, ids: Sequence[int], dim: int) -> tuple[list[int], Vectors]:
    """Those of `ids` that are still there, and their vectors, (n, dim)."""
    sql = "SELECT id, vector FROM passages WHERE id IN (SELECT value FROM json_each(?))"
    rows = connection.execute(sql, (json.dumps(list(ids)),)).fetchall()
    joined = b"".join(vector for _, vector in rows)
    return [i for i, _ in rows], np.frombuffer(joined, dtype=np.float32).reshape(len(rows), dim)


def counts(connection: sqlite3.Connection) -> tuple[int, int]:
    """(documents, passages)."""
    sql = "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages)"
    row: tuple[int, int] = connection.execute(sql).fetchone()
    return row
