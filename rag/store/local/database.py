"""The database of a local store: documents, passages and vectors in one SQLite file (WAL). It is
the source of truth.

It also records which passages were added and removed since a generation, so that the search indexes
can follow without a full comparison. A trigger (`schema.JOURNAL`) records removed ids in a table
until every saved index reflects them. Added ids are those above the last one seen.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from rag.packed_blocks import PackedBlocks
from rag.protocols import Filter, Vectors
from rag.store.local import filter_sql, grids, schema, sqlite_file
from rag.store.local.sqlite_file import read_meta
from rag.types import Document, Passage

_COLUMNS = "id, title, source, sha256, metadata, pages, stamp"
_INSERT = (
    f"INSERT INTO documents ({_COLUMNS}, text, blocks, digest) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_BATCH = 4096


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


def put(
    connection: sqlite3.Connection,
    document: Document,
    passages: Sequence[Passage],
    vectors: Vectors,
    instead_of: str | None = None,
) -> None:
    """Replace the document, and delete the one called `instead_of`, in one durable transaction."""
    metadata = json.dumps(dict(document.metadata), ensure_ascii=False)
    with change(connection):
        connection.execute("DELETE FROM documents WHERE id IN (?, ?)", (document.id, instead_of))
        if instead_of:
            grids.rename(connection, instead_of, document.id)
        values = (
            document.id,
            document.title,
            document.source,
            document.sha256,
            metadata,
            json.dumps(document.pages),
            document.container_sha256,
            document.text,
            PackedBlocks.of(document.blocks).data,
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
        grids.forget(connection, document_id)
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
        f"SELECT {_COLUMNS}, text, blocks FROM documents WHERE id = ?", (document_id,)
    ).fetchone()
    return _document(*row) if row else None


def documents(
    connection: sqlite3.Connection, after: str = "", limit: int | None = None
) -> list[Document]:
    """Documents without texts and blocks, by id."""
    sql = f"SELECT {_COLUMNS} FROM documents WHERE id > ? ORDER BY id LIMIT ?"
    rows = connection.execute(sql, (after, -1 if limit is None else limit))
    return [_document(*row) for row in rows]


def _document(
    document_id: str,
    title: str,
    source: str,
    sha256: str,
    metadata: str,
    pages: str,
    stamp: str,
    text: str = "",
    blocks: bytes = b"",
) -> Document:
    return Document(
        document_id,
        text,
        title,
        source,
        sha256,
        json.loads(metadata),
        PackedBlocks(blocks) if blocks else (),
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


def batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """The ids in batches that fit in memory with their texts and vectors."""
    return (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))


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


def counts(connection: sqlite3.Connection) -> tuple[int, int]:
    """(documents, passages)."""
    sql = "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages)"
    row: tuple[int, int] = connection.execute(sql).fetchone()
    return row


def changed(
    connection: sqlite3.Connection, since: int, last: int
) -> tuple[list[int], list[int]] | None:
    """(removed, added) ids, ascending, since a generation whose highest id was `last`; None if the
    changelog does not reach back that far.
    """
    if not _reaches(connection, since):
        return None
    removed = connection.execute(
        "SELECT id FROM removed WHERE generation > ? AND id <= ? ORDER BY id", (since, last)
    )
    added = connection.execute("SELECT id FROM passages WHERE id > ? ORDER BY id", (last,))
    return [row[0] for row in removed], [row[0] for row in added]


def outdated(
    connection: sqlite3.Connection, since: str, last: int, ids: Callable[[], NDArray[np.int64]]
) -> tuple[list[int], list[int], int]:
    """(surplus ids, missing ids, highest id afterwards) of an index that holds `ids`, shows the
    generation `since` and no id above `last`.
    """
    if since and (changes_since := changed(connection, int(since), last)):
        return *changes_since, max([last, *changes_since[1][-1:]])
    present = passage_ids(connection)
    return *difference(ids(), present), max(present, default=0)


def difference(indexed: NDArray[np.int64], present: Sequence[int]) -> tuple[list[int], list[int]]:
    """(surplus, missing) ids of an index that contains `indexed` and should contain `present`."""
    right = np.asarray(present, dtype=np.int64)
    surplus: list[int] = np.setdiff1d(indexed, right).tolist()
    missing: list[int] = np.setdiff1d(right, indexed).tolist()
    return surplus, missing


def changes(connection: sqlite3.Connection, since: int, last: int, limit: int) -> int:
    """Number of ids that `changed` would return, counted up to `limit`; `limit` if the changelog
    does not reach back that far.
    """
    if not _reaches(connection, since):
        return limit
    counted = "SELECT count(*) FROM (SELECT 1 FROM {} LIMIT ?)"
    removed = connection.execute(
        counted.format("removed WHERE generation > ? AND id <= ?"), (since, last, limit)
    )
    added = connection.execute(counted.format("passages WHERE id > ?"), (last, limit))
    return min(limit, int(removed.fetchone()[0]) + int(added.fetchone()[0]))


def prune(connection: sqlite3.Connection, until: int) -> None:
    """Forget the ids removed up to this generation. From then on, the changelog is complete."""
    if (
        connection.execute(
            "SELECT 1 FROM removed WHERE generation <= ? LIMIT 1", (until,)
        ).fetchone()
        is None
    ):
        return
    with transaction(connection):
        connection.execute("DELETE FROM removed WHERE generation <= ?", (until,))
        values = [("journal", str(until)), ("pruned", str(until))]
        connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values)


def renewed(meta: Mapping[str, str]) -> str:
    """Generation at which the index was created, restored or rebuilt, unless the changelog was
    pruned since.
    """
    since = meta.get("journal", "0")
    return "" if since == meta.get("pruned") else since


def _reaches(connection: sqlite3.Connection, since: int) -> bool:
    meta = sqlite_file.read_meta(connection)
    return int(meta.get("journal", since + 1)) <= since <= int(meta["generation"])
