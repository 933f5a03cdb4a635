"""The database of a local store: documents, passages and vectors in one SQLite file (WAL). It is
the source of truth.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from rag.errors import AbsentError, BusyError, StoreError
from rag.protocols import Filter, Vectors
from rag.store.local import filter_sql, schema
from rag.types import Document, Passage, Section

_OUTSIDE = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
}
"""Errors caused by the disk or the folder; all others concern the file itself."""
_COLUMNS = "id, title, source, sha256, metadata, sections, pages, stamp"
_INSERT = f"INSERT INTO documents ({_COLUMNS}, text, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into StoreErrors that name the file and the next step."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a bug in our code, not a corrupt file
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF == sqlite3.SQLITE_BUSY:
            raise BusyError(
                f"{path} is locked by another program", "try again when it has finished"
            ) from error
        if (
            code & 0xFF in _OUTSIDE and code != sqlite3.SQLITE_IOERR_SHORT_READ
        ):  # except a truncated file
            hint = "free some space, make it writable, or choose another with --index"
            raise StoreError(f"index {path.parent} cannot be written: {error}", hint) from error
        hint = (
            "restore a snapshot: rag restore SNAPSHOT --replace, or move it away and run: rag "
            "ingest PATH"
        )
        raise StoreError(
            f"{path} is not a readable database ({error}); it was left as it is", hint
        ) from error
    except OSError as error:
        raise StoreError(
            f"index {path.parent} cannot be read: {error.strerror}", "choose another with --index"
        ) from error


def make_folder(folder: Path) -> None:
    """Create the index folder if needed. Raises StoreError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"index folder {folder} cannot be created: {error.strerror}",
            "choose another with --index",
        ) from error


def writable(path: Path) -> bool:
    """Whether this process may write the database: the file and, for its WAL, the folder."""
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def stamp(path: Path) -> tuple[bool, int, int]:
    """A value that changes when another process writes; a read-only connection may then have to be
    reopened.
    """
    status = path.stat()
    return _wal(path).exists(), status.st_mtime_ns, status.st_size


def inode(path: Path) -> int:
    """Inode of the database. Raises AbsentError if the file was deleted: an open connection would
    still accept changes that nobody could find.
    """
    try:
        return path.stat().st_ino
    except FileNotFoundError as error:
        raise _absent(path) from error


def connect(path: Path, create: Mapping[str, str] | None = None) -> sqlite3.Connection:
    """Open the database. `create` holds the initial meta values; with it, create the database if
    needed, while holding the write lock.

    Opens read-only if this process may not write. Raises StoreError, naming the file, if it is
    missing (AbsentError), broken or of another format; never overwrites anything.
    """
    with translated(path):
        if create is None and not path.exists():
            raise _absent(path)
        alone = not _wal(path).exists()
        connection = (
            _open(path, "rwc") if create is not None or writable(path) else _open_to_read(path)
        )
        try:
            if alone:
                check_end(connection, path)
            _prepare(connection, path, create)
        except BaseException:
            connection.close()
            raise
    return connection


def _absent(path: Path) -> AbsentError:
    return AbsentError(f"no index in {path.parent.absolute()}", "create one with: rag ingest PATH")


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _open(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30)


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Open read-only. SQLite reads a WAL database without writing only if a writer's WAL exists, or
    if `immutable` is set.

    `immutable` would ignore the WAL, and with it committed documents.
    """
    wal = _wal(path)
    return _open(path, "ro" if wal.exists() and wal.stat().st_size else "ro&immutable=1")


def check_end(connection: sqlite3.Connection, path: Path) -> None:
    """SQLite notices missing pages, but reads the missing part of a truncated last page as
    zeros.
    """
    if path.stat().st_size % connection.execute("PRAGMA page_size").fetchone()[0]:
        raise sqlite3.DatabaseError("it ends inside a page")


def _prepare(connection: sqlite3.Connection, path: Path, create: Mapping[str, str] | None) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    if _is_empty(connection):  # new, or its creator was killed halfway
        if path.with_name("derived.json").exists():
            hint = "restore it from a backup, or move the folder away and run: rag ingest PATH"
            raise StoreError(
                f"{path} is empty, though its search indexes are there; it was left as it is", hint
            )
        if create is None:
            raise _absent(path)
        connection.execute("PRAGMA journal_mode = WAL")
        schema.create(connection, create)
    _bring_up_to_date(connection, path)
    if writable(path):
        connection.execute(
            "PRAGMA journal_mode = WAL"
        )  # a copy made with SQLite's tools may use another mode
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(
            "PRAGMA secure_delete = ON"
        )  # deleted data must not remain in free pages


def _bring_up_to_date(connection: sqlite3.Connection, path: Path) -> None:
    found, known = schema.found_format(connection), schema.FORMAT
    if found == known:
        return
    if not 0 < found < known:
        said = read_meta(connection).get("format")
        hint = "install a newer version of rag, or create a new index: rag ingest PATH --index NEW"
        raise StoreError(f"{path} has index format {said}, this version reads {known}", hint)
    if not writable(path):
        hint = f"open it once with write access: rag info --index {path.parent}"
        raise StoreError(
            f"{path} has index format {found}, to be brought to {known}, and cannot be written",
            hint,
        )
    schema.migrate(connection)


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[str]:
    """A consistent view of the database for all reads inside; yields its generation."""
    connection.execute("BEGIN")
    try:
        yield generation(connection)
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def generation(connection: sqlite3.Connection) -> str:
    return read_meta(connection)["generation"]


def read_meta(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM meta"))


def put(
    connection: sqlite3.Connection,
    document: Document,
    passages: Sequence[Passage],
    vectors: Vectors,
    instead_of: str | None = None,
) -> None:
    """Replace the document, and delete the one called `instead_of`, in one durable transaction."""
    sections = json.dumps([[s.start, s.heading] for s in document.sections])
    metadata = json.dumps(dict(document.metadata), ensure_ascii=False)
    with change(connection):
        connection.execute("DELETE FROM documents WHERE id IN (?, ?)", (document.id, instead_of))
        names = (document.id, document.title, document.source, document.sha256, metadata, sections)
        values = (
            *names,
            json.dumps(document.pages),
            document.stamp,
            document.text,
            schema.text_digest(document.text),
        )
        row = connection.execute(_INSERT, values).lastrowid
        insert_passages(connection, "passages", row or 0, passages, vectors)


def insert_passages(
    connection: sqlite3.Connection,
    table: str,
    row: int,
    passages: Sequence[Passage],
    vectors: Vectors,
) -> None:
    """Insert passages into `table` for the document with this row number."""
    connection.executemany(
        f"INSERT INTO {table} (document, start, end, heading, text, vector) VALUES (?, ?, ?, ?, "
        f"?, ?)",
        (
            (row, p.start, p.end, p.heading, p.text, v.tobytes())
            for p, v in zip(passages, vectors, strict=True)
        ),
    )


def delete(connection: sqlite3.Connection, document_id: str) -> bool:
    if (
        connection.execute("SELECT 1 FROM documents WHERE id = ?", (document_id,)).fetchone()
        is None
    ):
        return False
    with change(connection):
        connection.execute("DELETE FROM documents WHERE id = ?", (document_id,))
    return True


@contextmanager
def change(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that starts a new generation."""
    with transaction(connection):
        yield
        connection.execute(
            "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'generation'"
        )


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that is committed or rolled back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if (
            connection.in_transaction
        ):  # not after a commit, nor if SQLite has already rolled back, as on a full disk
            connection.execute("ROLLBACK")


def document(connection: sqlite3.Connection, document_id: str) -> Document | None:
    row = connection.execute(
        f"SELECT {_COLUMNS}, text FROM documents WHERE id = ?", (document_id,)
    ).fetchone()
    return _document(row) if row else None


def documents(
    connection: sqlite3.Connection, after: str = "", most: int | None = None
) -> list[Document]:
    sql = f"SELECT {_COLUMNS} FROM documents WHERE id > ? ORDER BY id LIMIT ?"
    return [
        _document((*row, ""))
        for row in connection.execute(sql, (after, -1 if most is None else most))
    ]


def _document(row: Sequence[Any]) -> Document:
    document_id, title, source, sha256, metadata, sections, pages, stamp, text = row
    kept = tuple(Section(start, heading) for start, heading in json.loads(sections))
    return Document(
        document_id,
        text,
        title,
        source,
        sha256,
        json.loads(metadata),
        kept,
        tuple(json.loads(pages)),
        stamp,
    )


def passages(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Passage]:
    rows = connection.execute(
        "SELECT p.id, d.id, p.start, p.end, p.text, d.title, p.heading FROM passages p JOIN "
        "documents d ON d.row = p.document"
        " WHERE p.id IN (SELECT value FROM json_each(?))",
        (json.dumps(list(ids)),),
    )
    return {row[0]: Passage(*row[1:]) for row in rows}


def passage_ids(connection: sqlite3.Connection, filter: Filter | None = None) -> list[int]:
    """All passage ids, or those that match `filter`."""
    return [row[0] for row in connection.execute(*filter_sql.passages(filter or ()))]


def embedded(
    connection: sqlite3.Connection, document_id: str, dim: int
) -> tuple[list[Passage], Vectors]:
    """The document's passages in order, and their vectors, shape (n, dim)."""
    rows = connection.execute(
        "SELECT d.id, p.start, p.end, p.text, d.title, p.heading, p.vector FROM passages p JOIN "
        "documents d ON d.row = p.document"
        " WHERE d.id = ? ORDER BY p.id",
        (document_id,),
    ).fetchall()
    joined = np.frombuffer(b"".join(row[-1] for row in rows), dtype=np.float32)
    return [Passage(*row[:-1]) for row in rows], joined.reshape(len(rows), dim)


def vectors(
    connection: sqlite3.Connection, ids: Sequence[int], dim: int
) -> tuple[list[int], Vectors]:
    """Those of `ids` that still exist, and their vectors, shape (n, dim)."""
    sql = "SELECT id, vector FROM passages WHERE id IN (SELECT value FROM json_each(?))"
    rows = connection.execute(sql, (json.dumps(list(ids)),)).fetchall()
    joined = b"".join(vector for _, vector in rows)
    return [i for i, _ in rows], np.frombuffer(joined, dtype=np.float32).reshape(len(rows), dim)


def restamp(connection: sqlite3.Connection, stamps: Mapping[str, str]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(
        "UPDATE documents SET stamp = ? WHERE id = ?", ((stamp, id) for id, stamp in stamps.items())
    )
    connection.execute("COMMIT")


def keep_original(connection: sqlite3.Connection, document_id: str, content: bytes) -> None:
    with transaction(connection):
        connection.execute(schema.ORIGINALS)
        sql = "INSERT OR REPLACE INTO originals SELECT id, ? FROM documents WHERE id = ?"
        connection.execute(sql, (content, document_id))


def original(connection: sqlite3.Connection, document_id: str) -> bytes | None:
    if not _has_originals(connection):
        return None
    sql = "SELECT content FROM originals WHERE id = ?"
    row = connection.execute(sql, (document_id,)).fetchone()
    return row[0] if row else None


def originals(connection: sqlite3.Connection, document_id: str) -> int:
    """How many files are kept of the document."""
    if not _has_originals(connection):
        return 0
    sql = "SELECT count(*) FROM originals WHERE id = ?"
    count: int = connection.execute(sql, (document_id,)).fetchone()[0]
    return count


def _has_originals(connection: sqlite3.Connection) -> bool:
    sql = "SELECT 1 FROM sqlite_master WHERE name = 'originals'"
    return connection.execute(sql).fetchone() is not None


def numbers(connection: sqlite3.Connection, document_id: str) -> list[int]:
    """Ids of the document's passages."""
    sql = (
        "SELECT p.id FROM passages p JOIN documents d ON d.row = p.document WHERE d.id = ? "
        "ORDER BY p.id"
    )
    return [row[0] for row in connection.execute(sql, (document_id,))]


def checkpoint(connection: sqlite3.Connection, path: Path, wait_ms: int) -> int:
    """Truncate the write-ahead log if readers allow it within `wait_ms`. Returns the bytes left in
    it.
    """
    before = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute(f"PRAGMA busy_timeout = {wait_ms}")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {before}")
    return log_bytes(path)


def log_bytes(path: Path) -> int:
    return _wal(path).stat().st_size if _wal(path).exists() else 0


def counts(connection: sqlite3.Connection) -> tuple[int, int]:
    """(documents, passages)."""
    sql = "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages)"
    row: tuple[int, int] = connection.execute(sql).fetchone()
    return row
