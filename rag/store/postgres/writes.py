"""Adds and deletes documents, each in one transaction that is safe beside concurrent ones."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg.types.json import Jsonb

from rag.errors import InputError
from rag.meaning.identifiers import searched
from rag.meaning.stems import stem_words
from rag.packed_blocks import PackedBlocks
from rag.protocols import CellRow, Vectors
from rag.store.local.tantivy_index import length_class
from rag.store.postgres.filter_sql import tags, writable
from rag.store.postgres.schema import GRIDS, ORIGINALS, ensure, has
from rag.store.postgres.sparse_bm25 import encode
from rag.types import Document, Passage

Counts = list[Counter[str]]
HOLDS = "starts_with(record, '{')"
"""A cell's record is not the time at which its document was deleted."""
_TIME = (
    """to_json(to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))"""
)
_MAX_ID_BYTES = 2600
"""An entry of a B-tree takes at most 2,704 bytes."""


def put(
    connection: Connection[Any],
    document: Document,
    passages: Sequence[Passage],
    vectors: Vectors,
    instead_of: str | None,
) -> None:
    """Within a transaction: store the document, replacing the ones with its id and `instead_of`."""
    _check_id(document.id)
    words = [Counter(stem_words(searched(passage))) for passage in passages]
    removed = _take_out(connection, {document.id, instead_of or document.id})
    if instead_of and has(connection, "rag_cells"):
        sql = """UPDATE rag_cells SET documents = array_replace(documents, %(old)s, %(new)s),
            place = CASE place WHEN %(old)s THEN %(new)s ELSE place END
            WHERE documents @> ARRAY[%(old)s]"""
        connection.execute(sql, {"old": instead_of, "new": document.id})

    ids, row = _put_rows(connection, document, passages, vectors)
    _count(connection, removed, words)
    _put_words(connection, row, ids, words)


def delete(connection: Connection[Any], document_id: str) -> bool:
    """Within a transaction: delete a document. Returns False if the id is unknown."""
    removed = _take_out(connection, {document_id})
    if removed.documents:
        _count(connection, removed)
        if has(connection, "rag_cells"):
            sql = f"UPDATE rag_cells SET record = {_TIME} WHERE {HOLDS} AND documents @> ARRAY[%s]"
            connection.execute(sql, (document_id,))
    return removed.documents > 0


def put_grid(connection: Connection[Any], name: str, record: str) -> None:
    """Within a transaction: keep the definition of a grid, or replace it."""
    ensure(connection, "rag_cells", GRIDS)
    sql = """INSERT INTO rag_grids VALUES (%s, %s)
        ON CONFLICT (name) DO UPDATE SET record = excluded.record"""
    connection.execute(sql, (name, record))


def put_cells(connection: Connection[Any], grid: str, rows: Sequence[CellRow]) -> int:
    """Within a transaction: add versions of cells, unless their documents were deleted."""
    document_ids: set[str] = set()
    for cell in rows:
        document_ids.update(cell.documents)
    _lock(connection, document_ids)
    if not has(connection, "rag_cells"):
        return 0

    exist = """EXISTS (SELECT FROM rag_grids WHERE name = %(grid)s)
        AND NOT EXISTS (SELECT FROM unnest(%(documents)s::text[]) AS n (id) WHERE n.id NOT IN
        (SELECT id FROM rag_documents WHERE id = ANY(%(documents)s::text[])))"""
    insertion = f"""INSERT INTO rag_cells (grid, place, name, documents, record)
        SELECT %(grid)s, %(row)s, %(column)s, %(documents)s::text[], %(record)s WHERE {exist}"""
    newer = f"""UPDATE rag_cells SET documents = %(documents)s, record = %(record)s
        WHERE number = %(number)s AND grid = %(grid)s AND {HOLDS} AND {exist}"""
    written = 0
    for cell in rows:
        values = cell._asdict()
        values["row"] = writable(cell.row)
        values["column"] = writable(cell.column)
        values["grid"] = grid
        values["documents"] = list(cell.documents)
        sql = newer if cell.number else insertion
        written += connection.execute(sql, values).rowcount
    return written


def keep_original(connection: Connection[Any], document_id: str, content: bytes) -> None:
    """Within a transaction: keep the file of a document, if the document still exists."""
    ensure(connection, "rag_originals", ORIGINALS)
    _lock(connection, {document_id})
    sql = """INSERT INTO rag_originals SELECT id, %s FROM rag_documents WHERE id = %s
        ON CONFLICT (id) DO UPDATE SET content = excluded.content"""
    connection.execute(sql, (content, document_id))


def _check_id(document_id: str) -> None:
    """Raises InputError for an id that PostgreSQL cannot hold in text or in an index."""
    if "\0" in document_id:
        raise InputError(f"{document_id!r} contains a NUL character", "remove it from the name")
    size = len(document_id.encode())
    if size > _MAX_ID_BYTES:
        limits = f"has a name of {size:,} bytes, at most {_MAX_ID_BYTES:,} fit"
        raise InputError(f"{document_id[:60]}… {limits}", "shorten the name")


def _lock(connection: Connection[Any], ids: Iterable[str]) -> None:
    """Changes of the same document take turns until the end of the transaction."""
    locked = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || ' ' || %s, 0))"
    for document_id in sorted(ids):
        connection.execute(locked, (document_id,))


class _Removed(NamedTuple):
    """The part of deleted documents in the statistics; `doc_freq` counts passages by word."""

    documents: int
    passages: int
    words: int
    doc_freq: Counter[str]


def _take_out(connection: Connection[Any], ids: set[str]) -> _Removed:
    """Delete the documents, and lock their ids until the commit. Returns their statistics."""
    _lock(connection, ids)
    sql = 'SELECT "row" FROM rag_documents WHERE id = ANY(%s)'
    rows = [row for (row,) in connection.execute(sql, (list(ids),)).fetchall()]
    if not rows:
        return _Removed(0, 0, 0, Counter())
    sql = "SELECT length FROM rag_words WHERE document = ANY(%s)"
    lengths = [length for (length,) in connection.execute(sql, (rows,)).fetchall()]
    sql = """SELECT t.term, n.count FROM (SELECT unnest(terms) AS number, count(*) FROM rag_words
        WHERE document = ANY(%s) GROUP BY 1) n JOIN rag_terms t USING (number)"""
    doc_freq = Counter[str](dict(connection.execute(sql, (rows,)).fetchall()))
    connection.execute('DELETE FROM rag_documents WHERE "row" = ANY(%s)', (rows,))
    return _Removed(len(rows), len(lengths), sum(lengths), doc_freq)


def _put_rows(
    connection: Connection[Any], document: Document, passages: Sequence[Passage], vectors: Vectors
) -> tuple[list[int], int]:
    """Insert everything except the words. Returns the passage ids and the document's row."""
    row = _put_document(connection, document, len(passages))
    sql = "SELECT nextval('rag_passage_ids') FROM generate_series(1, %s)"
    ids = [number for (number,) in connection.execute(sql, (len(passages),)).fetchall()]

    texts = (
        (
            number,
            row,
            passage.start,
            passage.end,
            json.dumps(passage.headings),
            passage.text.encode(),
        )
        for number, passage in zip(ids, passages, strict=True)
    )
    columns = "rag_passages (id, document, start, stop, headings, text)"
    _load(connection, columns, ["int8", "int8", "int4", "int4", "text", "bytea"], texts)

    embeddings = ((number, row, vector) for number, vector in zip(ids, vectors, strict=True))
    columns = "rag_vectors (id, document, embedding)"
    _load(connection, columns, ["int8", "int8", "vector"], embeddings)
    return ids, row


def _put_document(connection: Connection[Any], document: Document, passages: int) -> int:
    """Insert the row of a document with so many passages. Returns its number."""
    metadata = {writable(key): writable(value) for key, value in document.metadata.items()}
    values = {
        "id": document.id,
        "title": document.title.encode(),
        "named": writable(document.title),
        "source": writable(document.source),
        "metadata": Jsonb(metadata),
        "tags": tags(metadata),
        "stamp": document.container_sha256,
        "passages": passages,
        "record": _record(document),
        "text": document.text.encode(),
        "blocks": PackedBlocks.of(document.blocks).data,
    }
    columns = ", ".join(values)
    slots = ", ".join(f"%({name})s" for name in values)
    sql = f'INSERT INTO rag_documents ({columns}) VALUES ({slots}) RETURNING "row"'
    ((row,),) = connection.execute(sql, values).fetchall()
    return int(row)


def _load(
    connection: Connection[Any], table: str, types: list[str], rows: Iterable[tuple[Any, ...]]
) -> None:
    """Insert rows with columns of these types; `table` names the columns."""
    sql = f"COPY {table} FROM STDIN (FORMAT binary)"
    with connection.cursor() as cursor, cursor.copy(sql) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _record(document: Document) -> str:
    """The document without text, blocks and stamp, as JSON with escaped NULs."""
    record = {}
    for field in dataclasses.fields(document):
        if field.name not in ("text", "blocks", "container_sha256"):
            record[field.name] = getattr(document, field.name)
    record["metadata"] = dict(document.metadata)
    return json.dumps(record)


def _count(connection: Connection[Any], removed: _Removed, added: Counts | None = None) -> None:
    """Update the statistics, whose row stays locked until the commit: changes take turns. `added`
    are the counts of words in a new document's passages.
    """
    counts = added or []
    lengths = [counter.total() for counter in counts]
    documents = (added is not None) - removed.documents
    passages = len(lengths) - removed.passages
    words = sum(lengths) - removed.words
    classes = 1 + max(map(length_class, lengths), default=-1)
    churn = len(lengths) + removed.passages
    sql = """UPDATE rag_statistics SET generation = generation + 1, documents = documents + %s,
        passages = passages + %s, words = words + %s, classes = greatest(classes, %s),
        churn = churn + %s"""
    connection.execute(sql, (documents, passages, words, classes, churn))
    _count_terms(connection, removed, counts)


def _count_terms(connection: Connection[Any], removed: _Removed, counts: Counts) -> None:
    """Update how many passages have each word, and how often one has it at most."""
    highest_counts = Counter[str]()
    changed = Counter[str]()
    for counter in counts:
        highest_counts |= counter  # the larger count of each
        changed.update(counter.keys())
    changed.subtract(removed.doc_freq)

    terms = sorted(changed)
    values = (terms, [changed[term] for term in terms], [highest_counts[term] for term in terms])
    counted = "unnest(%s::text[], %s::integer[], %s::integer[]) AS n (term, passages, most)"
    sql = """UPDATE rag_terms t SET passages = t.passages + n.passages,
        most = greatest(t.most, n.most)"""
    connection.execute(f"{sql} FROM {counted} WHERE t.term = n.term", values)
    sql = f"INSERT INTO rag_terms (term, passages, most) SELECT n.* FROM {counted}"
    absent = "NOT EXISTS (SELECT FROM rag_terms t WHERE t.term = n.term)"
    connection.execute(f"{sql} WHERE {absent}", values)


def _put_words(connection: Connection[Any], row: int, ids: Sequence[int], counts: Counts) -> None:
    """Insert the words of passages, whose counts are given in the order of their ids."""
    terms = list(set[str]().union(*counts))
    sql = "SELECT term, number FROM rag_terms WHERE term = ANY(%s)"
    numbers = dict(connection.execute(sql, (terms,)).fetchall())

    def rows() -> Iterator[tuple[Any, ...]]:
        for number, counter in zip(ids, counts, strict=True):
            by_number = {numbers[term]: count for term, count in counter.items()}
            length = counter.total()
            terms_of_row = sorted(by_number)
            yield number, row, length, length_class(length), terms_of_row, encode(by_number)

    columns = "rag_words (id, document, length, class, terms, counts)"
    _load(connection, columns, ["int8", "int8", "int4", "int2", "int4[]", "sparsevec"], rows())
