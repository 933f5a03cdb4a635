"""Adds and deletes documents, each in one transaction that is safe beside concurrent ones."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import Connection
from psycopg.types.json import Jsonb

from rag.errors import InputError
from rag.meaning.identifiers import searched
from rag.packed_blocks import PackedBlocks
from rag.protocols import CellRow, Vectors
from rag.store.local.tantivy_index import analyze
from rag.store.postgres import grids
from rag.store.postgres.filter_sql import tags, writable
from rag.store.postgres.schema import ORIGINALS, has
from rag.store.postgres.sparse_bm25 import LENGTHS, encode, length_class
from rag.types import Document, Passage

Counts = list[Counter[str]]
_MAX_ID_BYTES = 2600
"""An entry of a B-tree takes at most 2,704 bytes."""


def put(
    connection: Connection[Any],
    document: Document,
    passages: Sequence[Passage],
    vectors: Vectors,
    instead_of: str | None,
) -> None:
    """Within a transaction: store the document with its passages, replacing the one with its id and
    `instead_of`.
    """
    _check_id(document.id)
    words = [Counter(analyze(searched(p))) for p in passages]
    _lock(connection, {document.id, instead_of or document.id})
    rows = connection.execute(
        'SELECT "row" FROM rag_documents WHERE id = ANY(%s)', ([document.id, instead_of],)
    ).fetchall()
    removed = _take_out(connection, [row for (row,) in rows])
    if instead_of:
        grids.rename(connection, instead_of, document.id)
    ids, row = _put_rows(connection, document, passages, vectors)
    _count(connection, removed, _Change.of(words))
    _put_words(connection, row, ids, words)


def delete(connection: Connection[Any], document_id: str) -> bool:
    """Within a transaction: delete a document. Returns False if the id is unknown."""
    _lock(connection, {document_id})
    rows = connection.execute(
        'SELECT "row" FROM rag_documents WHERE id = %s', (document_id,)
    ).fetchall()
    if rows:
        _count(connection, _take_out(connection, [row for (row,) in rows]), _Change())
        grids.forget(connection, document_id)
    return bool(rows)


def put_cells(connection: Connection[Any], grid: str, rows: Sequence[CellRow]) -> int:
    """Within a transaction: add versions of cells, unless their documents were deleted."""
    _lock(connection, {document_id for cell in rows for document_id in cell.documents})
    return grids.put_cells(connection, grid, rows)


def update_digests(connection: Connection[Any], stamps: Mapping[str, str]) -> None:
    """Within a transaction: set container digests of documents, by id."""
    connection.execute(
        "UPDATE rag_documents d SET stamp = n.stamp FROM unnest(%s::text[], %s::text[]) AS n (id, "
        "stamp) WHERE d.id = n.id",
        (list(stamps), list(stamps.values())),
    )


def keep_original(connection: Connection[Any], document_id: str, content: bytes) -> None:
    """Within a transaction: keep the file of a document, if the document still exists."""
    if not has(connection, "rag_originals"):
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('rag schema', 0))")
        connection.execute(ORIGINALS)
    _lock(connection, {document_id})
    connection.execute(
        "INSERT INTO rag_originals SELECT id, %s FROM rag_documents WHERE id = %s "
        "ON CONFLICT (id) DO UPDATE SET content = excluded.content",
        (content, document_id),
    )


def _check_id(document_id: str) -> None:
    """Raises InputError for an id that PostgreSQL cannot hold in text or in an index."""
    if "\0" in document_id:
        raise InputError(f"{document_id!r} contains a NUL character", "remove it from the name")
    size = len(document_id.encode())
    if size > _MAX_ID_BYTES:
        raise InputError(
            f"{document_id[:60]}… has a name of {size:,} bytes, at most {_MAX_ID_BYTES:,} fit",
            "shorten the name",
        )


def _lock(connection: Connection[Any], ids: Iterable[str]) -> None:
    """Changes of the same document take turns until the end of the transaction."""
    locked = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || %s, 0))"
    for document_id in sorted(ids):
        connection.execute(locked, (document_id,))


@dataclasses.dataclass(frozen=True, slots=True)
class _Change:
    """What a document adds to or takes from the statistics: for words, the number of passages and
    the maximum count in one.
    """

    documents: int = 0
    passages: int = 0
    words: int = 0
    classes: int = 0
    doc_freq: Counter[str] = dataclasses.field(default_factory=Counter)
    most: dict[str, int] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, counts: Counts) -> _Change:
        doc_freq = Counter(word for counter in counts for word in counter)
        highest: Counter[str] = Counter()
        for counter in counts:
            highest |= counter  # the larger count of each
        lengths = [counter.total() for counter in counts]
        classes = 1 + max(map(length_class, lengths), default=-1)
        return cls(1, len(counts), sum(lengths), classes, doc_freq, highest)


def _take_out(connection: Connection[Any], rows: list[int]) -> _Change:
    """Delete the documents. Returns what this takes from the statistics."""
    if not rows:
        return _Change()
    lengths = connection.execute(
        "SELECT length FROM rag_words WHERE document = ANY(%s)", (rows,)
    ).fetchall()
    counted = connection.execute(
        "SELECT t.term, n.count FROM (SELECT unnest(terms) AS number, count(*) FROM rag_words"
        " WHERE document = ANY(%s) GROUP BY 1) n JOIN rag_terms t USING (number)",
        (rows,),
    ).fetchall()
    connection.execute('DELETE FROM rag_documents WHERE "row" = ANY(%s)', (rows,))
    return _Change(
        len(rows),
        len(lengths),
        sum(length for (length,) in lengths),
        doc_freq=Counter(dict(counted)),
    )


def _put_rows(
    connection: Connection[Any], document: Document, passages: Sequence[Passage], vectors: Vectors
) -> tuple[list[int], int]:
    """Insert everything except the words. Returns the passage ids and the document's row."""
    metadata = {writable(key): writable(value) for key, value in document.metadata.items()}
    names = (
        document.id,
        document.title.encode(),
        writable(document.title),
        writable(document.source),
    )
    values = (
        *names,
        Jsonb(metadata),
        tags(metadata),
        document.container_sha256,
        len(passages),
        _record(document),
        document.text.encode(),
        PackedBlocks.of(document.blocks).data,
    )
    inserted = connection.execute(
        "INSERT INTO rag_documents (id, title, named, source, metadata, tags, stamp, passages, "
        "record, text, blocks)"
        ' VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING "row"',
        values,
    ).fetchone()
    row: int = inserted[0] if inserted else 0
    sql = "SELECT nextval('rag_passage_ids') FROM generate_series(1, %s)"
    ids = [number for (number,) in connection.execute(sql, (len(passages),)).fetchall()]
    with connection.cursor() as cursor:
        with cursor.copy(
            "COPY rag_passages (id, document, start, stop, heading, text) FROM STDIN (FORMAT "
            "binary)"
        ) as copy:
            copy.set_types(["int8", "int8", "int4", "int4", "bytea", "bytea"])
            for number, p in zip(ids, passages, strict=True):
                copy.write_row((number, row, p.start, p.end, p.heading.encode(), p.text.encode()))
        with cursor.copy(
            "COPY rag_vectors (id, document, embedding) FROM STDIN (FORMAT binary)"
        ) as copy:
            copy.set_types(["int8", "int8", "vector"])
            for number, vector in zip(ids, vectors, strict=True):
                copy.write_row((number, row, vector))
    return ids, row


def _record(document: Document) -> str:
    """The document without text, blocks and stamp, as JSON with escaped NULs."""
    left_out = ("text", "blocks", "container_sha256")
    names = [f.name for f in dataclasses.fields(document) if f.name not in left_out]
    fields = {name: getattr(document, name) for name in names}
    return json.dumps(fields | {"metadata": dict(document.metadata)})


def _count(connection: Connection[Any], removed: _Change, added: _Change) -> None:
    """Update the statistics. Their row is locked until the commit, so changes are counted one after
    another.
    """
    connection.execute(
        "UPDATE rag_statistics SET generation = generation + 1, documents = documents + %s, "
        "passages = passages + %s,"
        " words = words + %s, classes = greatest(classes, %s), churn = churn + %s",
        (
            added.documents - removed.documents,
            added.passages - removed.passages,
            added.words - removed.words,
            added.classes,
            added.passages + removed.passages,
        ),
    )
    changed = added.doc_freq.copy()
    changed.subtract(removed.doc_freq)
    terms = sorted(changed)
    values = (terms, [changed[term] for term in terms], [added.most.get(term, 0) for term in terms])
    new = "unnest(%s::text[], %s::integer[], %s::integer[]) AS n (term, passages, most)"
    connection.execute(
        "UPDATE rag_terms t SET passages = t.passages + n.passages, most = greatest(t.most, n.most)"
        f" FROM {new} WHERE t.term = n.term",
        values,
    )
    connection.execute(
        f"INSERT INTO rag_terms (term, passages, most) SELECT n.* FROM {new}"
        " WHERE NOT EXISTS (SELECT FROM rag_terms t WHERE t.term = n.term)",
        values,
    )


def _put_words(connection: Connection[Any], row: int, ids: Sequence[int], counts: Counts) -> None:
    terms = list({term for counter in counts for term in counter})
    numbers = dict(
        connection.execute(
            "SELECT term, number FROM rag_terms WHERE term = ANY(%s)", (terms,)
        ).fetchall()
    )
    copying = (
        "COPY rag_words (id, document, length, class, terms, counts) FROM STDIN (FORMAT binary)"
    )
    with connection.cursor() as cursor, cursor.copy(copying) as copy:
        copy.set_types(["int8", "int8", "int4", "int2", "int4[]", "sparsevec"])
        for number, counter in zip(ids, counts, strict=True):
            by_number = {numbers[term]: count for term, count in counter.items()}
            length = counter.total()
            values = (
                number,
                row,
                length,
                min(length_class(length), len(LENGTHS) - 1),
                sorted(by_number),
                encode(by_number),
            )
            copy.write_row(values)
