"""The database of a local store: documents, passages and vectors in one SQLite file (WAL). It is
the source of truth.

It also records which passages were added and removed since a generation, so that the search indexes
can follow without a full comparison. A trigger (`schema.JOURNAL`) records removed ids in a table
until every saved index reflects them. Added ids are those above the last one seen.

Filters are translated to SQL here; `rag.filters.matches` defines their meaning.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.filters import Clause, Condition, Filter, in_sql, is_date, is_number, of_documents, pages
from rag.packed_blocks import PackedBlocks
from rag.protocols import Vectors
from rag.store.local.sqlite_file import read_meta
from rag.types import Document, Passage

COLUMNS = "id, title, source, sha256, metadata, pages, stamp, text, blocks"
PASSAGE = "d.id, p.start, p.end, p.text, d.title, p.headings"
"""The fields of a `Passage`, which `passage_of` makes of them."""
JOINED = "FROM passages p JOIN documents d ON d.row = p.document"
_BATCH = 4096
_COLUMN_OF = {"document": "d.id", "title": "d.title", "source": "d.source"}
_HAS_METADATA = "EXISTS (SELECT 1 FROM json_each(d.metadata) WHERE key = ? AND {})"
_IS_NUMBER = "CASE WHEN json_valid({0}) THEN json_type({0}) IN ('integer', 'real') END"
_IS_DATE = "({0} GLOB '[0-9][0-9][0-9][0-9]' OR {0} GLOB '[0-9][0-9][0-9][0-9]-*')"


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


def insert_passages(
    connection: sqlite3.Connection,
    table: str,
    row: int,
    passages: Sequence[Passage],
    vectors: Vectors,
) -> None:
    """Insert passages into `table` for the document with this row number."""
    columns = "document, start, end, headings, text, vector"
    values = (
        (
            row,
            passage.start,
            passage.end,
            json.dumps(passage.headings),
            passage.text,
            vector.tobytes(),
        )
        for passage, vector in zip(passages, vectors, strict=True)
    )
    connection.executemany(f"INSERT INTO {table} ({columns}) VALUES (?, ?, ?, ?, ?, ?)", values)


@contextmanager
def change(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that starts a new generation."""
    sql = "UPDATE meta SET value = CAST(value AS INTEGER) + 1 WHERE key = 'generation'"
    with transaction(connection):
        yield
        connection.execute(sql)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A transaction that is committed or rolled back."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        # not after a commit, nor if SQLite has already rolled back, as on a full disk
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def document(connection: sqlite3.Connection, document_id: str) -> Document | None:
    sql = f"SELECT {COLUMNS} FROM documents WHERE id = ?"
    row = connection.execute(sql, (document_id,)).fetchone()
    return _document(*row) if row else None


def documents(
    connection: sqlite3.Connection, after: str = "", limit: int | None = None
) -> list[Document]:
    """Documents without texts and blocks, by id."""
    columns = COLUMNS.removesuffix(", text, blocks")
    sql = f"SELECT {columns}, '', x'' FROM documents WHERE id > ? ORDER BY id LIMIT ?"
    most_rows = -1 if limit is None else limit
    rows = connection.execute(sql, (after, most_rows))
    return [_document(*row) for row in rows]


def _document(
    document_id: str, title: str, source: str, sha256: str, metadata: str, *columns: Any
) -> Document:
    """The document of a row with `COLUMNS`."""
    pages, stamp, text, blocks = columns
    return Document(
        document_id,
        text,
        title,
        source,
        sha256,
        metadata=json.loads(metadata),
        blocks=PackedBlocks(blocks) if blocks else (),
        pages=tuple(json.loads(pages)),
        container_sha256=stamp,
    )


def passages(connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, Passage]:
    """Those of the passages with these ids that still exist, by id."""
    sql = f"SELECT p.id, {PASSAGE} {JOINED} WHERE p.id IN (SELECT value FROM json_each(?))"
    rows = connection.execute(sql, (json.dumps(list(ids)),))
    return {passage_id: passage_of(*fields) for passage_id, *fields in rows}


def passage_of(
    document_id: str, start: int, end: int, text: str, title: str, headings: str
) -> Passage:
    return Passage(document_id, start, end, text, title, tuple(json.loads(headings)))


def passage_ids(connection: sqlite3.Connection, filter: Filter | None = None) -> list[int]:
    """All passage ids, or those that match `filter`."""
    sql, values = matching(filter or ())
    return [passage_id for (passage_id,) in connection.execute(sql, values)]


def vectors(
    connection: sqlite3.Connection, ids: Sequence[int], dim: int
) -> tuple[list[int], Vectors]:
    """Those of `ids` that still exist, and their vectors, shape (n, dim)."""
    sql = "SELECT id, vector FROM passages WHERE id IN (SELECT value FROM json_each(?))"
    rows = connection.execute(sql, (json.dumps(list(ids)),)).fetchall()
    present_ids = [passage_id for passage_id, _ in rows]
    joined = b"".join(vector for _, vector in rows)
    numbers = np.frombuffer(joined, dtype=np.float32)
    return present_ids, numbers.reshape(len(rows), dim)


def batches(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """The ids in batches that fit in memory with their texts and vectors."""
    return (ids[start : start + _BATCH] for start in range(0, len(ids), _BATCH))


def counts(connection: sqlite3.Connection) -> tuple[int, int]:
    """(documents, passages)."""
    sql = "SELECT (SELECT count(*) FROM documents), (SELECT count(*) FROM passages)"
    row: tuple[int, int] = connection.execute(sql).fetchone()
    return row


def metadata_keys(connection: sqlite3.Connection) -> frozenset[str]:
    sql = "SELECT DISTINCT key FROM documents, json_each(documents.metadata)"
    return frozenset(key for (key,) in connection.execute(sql))


def changed(
    connection: sqlite3.Connection, since: int, last_id: int, limit: int = -1
) -> tuple[list[int], list[int]] | None:
    """(removed, added) ids, ascending, up to `limit` of each, since a generation whose highest id
    was `last_id`; None if the changelog does not reach back that far.
    """
    meta = read_meta(connection)
    oldest = int(meta.get("journal", since + 1))
    if not oldest <= since <= int(meta["generation"]):
        return None

    sql = "SELECT id FROM removed WHERE generation > ? AND id <= ? ORDER BY id LIMIT ?"
    removed = connection.execute(sql, (since, last_id, limit)).fetchall()
    sql = "SELECT id FROM passages WHERE id > ? ORDER BY id LIMIT ?"
    added = connection.execute(sql, (last_id, limit)).fetchall()
    return [number for (number,) in removed], [number for (number,) in added]


def outdated(
    connection: sqlite3.Connection, since: str, last_id: int, ids: Callable[[], NDArray[np.int64]]
) -> tuple[list[int], list[int], int]:
    """(surplus ids, missing ids, highest id afterwards) of an index that holds `ids`, shows the
    generation `since` and no id above `last_id`.
    """
    changes = changed(connection, int(since), last_id) if since else None
    if changes:
        removed, added = changes
        return removed, added, max([last_id, *added[-1:]])

    stored_ids = passage_ids(connection)
    surplus, missing = difference(ids(), stored_ids)
    return surplus, missing, max(stored_ids, default=0)


def difference(
    indexed: NDArray[np.int64], stored_ids: Sequence[int]
) -> tuple[list[int], list[int]]:
    """(surplus, missing) ids of an index that has `indexed` and should have `stored_ids`."""
    wanted_ids = np.asarray(stored_ids, dtype=np.int64)
    surplus: list[int] = np.setdiff1d(indexed, wanted_ids).tolist()
    missing: list[int] = np.setdiff1d(wanted_ids, indexed).tolist()
    return surplus, missing


def have_changed(connection: sqlite3.Connection, count: int, since: int, last_id: int) -> bool:
    """Whether `changed` has at least `count` ids, or the changelog does not reach back that far."""
    changes = changed(connection, since, last_id, count)
    if changes is None:
        return True
    removed, added = changes
    return len(removed) + len(added) >= count


def prune(connection: sqlite3.Connection, until: int) -> None:
    """Forget the ids removed up to this generation. From then on, the changelog is complete."""
    sql = "SELECT 1 FROM removed WHERE generation <= ? LIMIT 1"
    if connection.execute(sql, (until,)).fetchone() is None:
        return
    with transaction(connection):
        connection.execute("DELETE FROM removed WHERE generation <= ?", (until,))
        values = [("journal", str(until)), ("pruned", str(until))]
        connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values)


def matching(filter: Filter) -> Clause:
    """A query for the ids of matching passages, and its parameters."""
    if not filter:
        return "SELECT id FROM passages", []

    condition, values = _where(of_documents(filter))
    page_range = pages(filter)
    if page_range is None:
        rows = f"SELECT row FROM documents d WHERE {condition}"
        return f"SELECT id FROM passages WHERE document IN ({rows})", values
    if page_range.last < page_range.first:
        return "SELECT id FROM passages WHERE 0", []

    # The first page starts with the text; the end of the last page is NULL.
    begin = f"json_extract(d.pages, '$[{page_range.first - 1}]')"
    if page_range.first == 1:
        begin = "iif(json_array_length(d.pages), 0, NULL)"
    next_page = f"json_extract(d.pages, '$[{page_range.last}]')"
    sql = f"""WITH spans AS MATERIALIZED
        (SELECT row, {begin} AS first, {next_page} AS beyond FROM documents d WHERE {condition})
        SELECT p.id FROM spans s JOIN passages p ON p.document = s.row
        WHERE p.end > s.first AND (s.beyond IS NULL OR p.start < s.beyond)"""
    return sql, values


def _where(filter: Filter) -> Clause:
    """An expression over `documents d`, and its parameters. Ignores page conditions."""
    return in_sql(filter, _clause, "1")


def _clause(condition: Condition) -> Clause:
    """A condition as SQL, and its parameters."""
    key, op, value = condition.key, condition.op, condition.value
    is_equality = op == "="
    if key == "source" and is_equality:
        folder = value.rstrip("/") + "/"
        is_inside = "(instr(d.id || '/', ?) = 1 OR instr(d.source || '/', ?) = 1)"
        return is_inside, [folder, folder]

    column = _COLUMN_OF.get(key)
    if column and is_equality:
        return f"({column} = ?)", [value]
    if column:
        return _compares(column, op, value)
    if is_equality:
        has_value = "instr(', ' || value || ', ', ', ' || ? || ', ')"
        return _HAS_METADATA.format(has_value), [key, value]
    compares, values = _compares("value", op, value)
    return _HAS_METADATA.format(compares), [key, *values]


def _compares(column: str, op: str, value: str) -> Clause:
    """The comparison as numbers where both are numbers, as dates where both are dates."""
    cases: list[str] = []
    values: list[str] = []
    if is_number(value):
        comparison = f"CAST({column} AS REAL) {op} CAST(? AS REAL)"
        cases.append(f"WHEN {_IS_NUMBER.format(column)} THEN {comparison}")
        values.append(value)
    if is_date(value):
        comparison = f"substr({column}, 1, length(?)) {op} substr(?, 1, length({column}))"
        cases.append(f"WHEN {_IS_DATE.format(column)} THEN {comparison}")
        values += [value, value]
    if not cases:
        return "(0)", []
    return f"(CASE {' '.join(cases)} ELSE 0 END)", values
