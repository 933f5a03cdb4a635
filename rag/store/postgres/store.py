"""The store for several servers and workers: PostgreSQL with pgvector."""

from __future__ import annotations

import functools
import json
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
from psycopg import Connection

from rag.errors import StoreError
from rag.packed_blocks import PackedBlocks
from rag.protocols import CellRow, Filter, Footprint, Stats, Vectors
from rag.store.duplicates import Duplicates, duplicates
from rag.store.postgres import grids, schema, search, writes
from rag.store.postgres.connection_pool import Database
from rag.store.postgres.filter_sql import writable
from rag.store.validation import check
from rag.types import Document, Passage

_log = logging.getLogger(__name__)
_EXACT = 20_000
"""Maximum number of passages for an exhaustive search (15 ms at 384 dimensions); above it, an HNSW
index is used.
"""


class PostgresStore:
    """An index in a PostgreSQL database. Safe to share between threads and processes.

    Every put and delete is one transaction, visible to the next search of any process. `writing`
    excludes nobody: workers write concurrently, and changes of the same document take turns.
    """

    def __init__(
        self,
        dsn: str,
        expect: Mapping[str, str],
        create: bool = False,
        wait: float = 30.0,
        exact: int = _EXACT,
        size: int = 10,
    ) -> None:
        """Open the index at `dsn`; with `create`, create it if it is missing.

        `expect` as for the local store. Raises InputError for an invalid DSN, StoreError without a
        server, pgvector or an index, or if the index does not match. `wait` is how many seconds to
        search for a lost server, `exact` the maximum number of passages for an exhaustive search,
        and `size` the maximum number of connections.
        """
        self._database = Database(dsn, wait, size)
        self._exact = exact
        self._depth = threading.local()
        place = self._database.place
        meta = self._database.open(
            lambda connection: self._prepare(connection, expect if create else None), create
        )
        try:
            _check(meta, expect, place)
        except BaseException:
            self.close()
            raise
        self._embedder, self._dim, self._passage_tokens = (
            meta["embedder"],
            int(meta["dim"]),
            int(meta["passage_tokens"]),
        )

    def _prepare(
        self, connection: Connection[Any], create: Mapping[str, str] | None
    ) -> dict[str, str]:
        meta = schema.prepare(connection, create, self._database.place)
        if warning := schema.advice(schema.pgvector_version(connection)):
            server = self._database.place.partition("?")[0]
            _log.info("%s: %s", server, warning) if create is None else _warn(server, warning)
        return meta

    # Changes

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Build the vector index at the end of the outermost block, if it is due."""
        self._depth.value = depth = getattr(self._depth, "value", 0) + 1
        try:
            yield
        finally:
            self._depth.value = depth - 1
            if depth == 1:
                self._database.alone(
                    lambda connection: search.tend(connection, self._exact, self._dim)
                )

    def put(
        self,
        document: Document,
        passages: Sequence[Passage],
        vectors: Vectors,
        instead_of: str | None = None,
    ) -> None:
        check(document, passages)
        rows = np.ascontiguousarray(vectors, dtype=np.float32).reshape(len(passages), self._dim)
        self._database.change(
            lambda connection: writes.put(connection, document, passages, rows, instead_of)
        )

    def delete(self, document_id: str) -> bool:
        return self._database.change(lambda connection: writes.delete(connection, document_id))

    def update_digests(self, stamps: Mapping[str, str]) -> None:
        self._database.change(lambda connection: writes.update_digests(connection, stamps))

    def keep_original(self, document_id: str, content: bytes) -> None:
        self._database.change(
            lambda connection: writes.keep_original(connection, document_id, content)
        )

    # Queries

    def original(self, document_id: str) -> bytes | None:
        sql = "SELECT content FROM rag_originals WHERE id = %s"
        row = self._database.read(lambda c: _of_originals(c, sql, document_id))
        return row[0] if row else None

    def dense(
        self, vector: Vectors, k: int, filter: Filter | None = None
    ) -> list[tuple[int, float]]:
        query = np.ascontiguousarray(vector, dtype=np.float32)
        return self._database.read(
            lambda c: search.dense(c, query, k, search.scope(c, filter, self._exact), self._exact)
        )

    def lexical(
        self, question: str, k: int, filter: Filter | None = None
    ) -> list[tuple[int, float]]:
        return self._database.read(
            lambda c: search.lexical(c, question, k, search.scope(c, filter, self._exact))
        )

    def word_counts(self, words: Sequence[str]) -> dict[str, int]:
        sql = "SELECT term, passages FROM rag_terms WHERE term = ANY(%s) AND passages > 0"
        return dict(self._database.read(lambda c: c.execute(sql, (list(words),)).fetchall()))

    def cosines(self, vector: Vectors, ids: Sequence[int]) -> dict[int, float]:
        sql = "SELECT id, -(embedding <#> %b) FROM rag_vectors WHERE id = ANY(%s)"
        values = (np.ascontiguousarray(vector, dtype=np.float32), list(ids))
        return dict(self._database.read(lambda c: c.execute(sql, values).fetchall()))

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        sql = (
            "SELECT p.id, d.id, p.start, p.stop, p.text, d.title, p.heading FROM rag_passages p"
            ' JOIN rag_documents d ON d."row" = p.document WHERE p.id = ANY(%s)'
        )
        rows = self._database.read(lambda c: c.execute(sql, (list(ids),)).fetchall())
        return {row[0]: _passage(*row[1:]) for row in rows}

    def embedded(self, document_id: str) -> tuple[list[Passage], Vectors]:
        sql = (
            "SELECT d.id, p.start, p.stop, p.text, d.title, p.heading, v.embedding FROM "
            "rag_documents d"
            ' JOIN rag_passages p ON p.document = d."row" JOIN rag_vectors v ON v.id = p.id WHERE '
            "d.id = %s ORDER BY p.id"
        )
        rows = self._database.read(lambda c: c.execute(sql, (document_id,)).fetchall())
        vectors = np.array([row[-1].to_numpy() for row in rows], dtype=np.float32)
        return [_passage(*row[:-1]) for row in rows], vectors.reshape(len(rows), self._dim)

    def document(self, document_id: str) -> Document | None:
        sql = "SELECT record, stamp, text, blocks FROM rag_documents WHERE id = %s"
        row = self._database.read(lambda c: c.execute(sql, (document_id,)).fetchone())
        return _document(row[0], row[1], row[2].decode(), row[3]) if row else None

    def documents(self, after: str = "", limit: int | None = None) -> list[Document]:
        sql = "SELECT record, stamp FROM rag_documents WHERE id > %s ORDER BY id LIMIT %s"
        rows = self._database.read(lambda c: c.execute(sql, (writable(after), limit)).fetchall())
        return [_document(record, stamp) for record, stamp in rows]

    def duplicates(self) -> Duplicates:
        """Copies and editions among the documents; reads every passage once."""
        documents = 'SELECT "row", id, md5(text) FROM rag_documents ORDER BY id'
        passages = (
            "SELECT document, ('x' || left(md5(text), 16))::bit(64)::bigint FROM rag_passages "
            "ORDER BY id"
        )
        return duplicates(
            self._database.read(lambda c: c.execute(documents).fetchall()),
            self._database.read(lambda c: c.execute(passages).fetchall()),
        )

    def grids(self) -> dict[str, str]:
        return self._database.read(grids.grids)

    def put_grid(self, name: str, record: str) -> None:
        self._database.change(lambda connection: grids.put_grid(connection, name, record))

    def delete_grid(self, name: str) -> bool:
        return self._database.change(lambda connection: grids.delete_grid(connection, name))

    def cells(self, grid: str) -> list[CellRow]:
        return self._database.read(lambda connection: grids.cells(connection, grid))

    def put_cells(self, grid: str, rows: Sequence[CellRow]) -> int:
        return self._database.change(lambda connection: writes.put_cells(connection, grid, rows))

    def stats(self) -> Stats:
        sql = "SELECT documents, passages, generation FROM rag_statistics"
        row = self._database.read(lambda c: c.execute(sql).fetchone())
        documents, passages, generation = row or (0, 0, 0)
        return Stats(
            documents, passages, generation, self._embedder, self._dim, self._passage_tokens
        )

    def trace(self, document_id: str, numbers: Sequence[int] = ()) -> Footprint:
        sql = (
            'WITH d AS (SELECT "row" FROM rag_documents WHERE id = %s),'
            " n AS (SELECT id FROM rag_passages WHERE document IN (SELECT * FROM d) UNION SELECT "
            "unnest(%s::bigint[]))"
            " SELECT (SELECT count(*) FROM d), (SELECT count(*) FROM rag_passages WHERE id IN "
            "(SELECT * FROM n)),"
            " (SELECT count(*) FROM rag_vectors WHERE id IN (SELECT * FROM n)),"
            " (SELECT count(*) FROM rag_words WHERE id IN (SELECT * FROM n)), (SELECT "
            "array_agg(id ORDER BY id) FROM n)"
        )
        row = self._database.read(lambda c: c.execute(sql, (document_id, list(numbers))).fetchone())
        documents, passages, vectors, words, number = row or (0, 0, 0, 0, None)
        counted = "SELECT count(*) FROM rag_originals WHERE id = %s"
        originals = self._database.read(lambda c: _of_originals(c, counted, document_id)) or (0,)
        cells = self._database.read(lambda c: grids.count(c, document_id))
        return Footprint(
            *(documents, passages, vectors, words),
            numbers=tuple(number or ()),
            originals=originals[0],
            cells=cells,
        )

    def erasing(self) -> AbstractContextManager[None]:
        return nullcontext()

    def vacuum(self) -> None:
        """Vacuum dead rows; PostgreSQL's own log is the administrator's responsibility."""
        self._database.alone(_vacuum)

    def close(self) -> None:
        self._database.close()


@functools.cache
def _warn(server: str, warning: str) -> None:
    """Once per process: a worker opens collections of a server again and again."""
    _log.warning("%s: %s", server, warning)


def _check(meta: Mapping[str, str], expect: Mapping[str, str], place: str) -> None:
    for name, value in expect.items():
        stored = meta.get(name)
        if stored != value:
            hint = f"set RAG_{name.upper()}={stored}, or create a new index in another database"
            raise StoreError(
                f"{place} was made with {name} = {stored}, the settings say {value}", hint
            )


def _of_originals(connection: Connection[Any], sql: str, document_id: str) -> Any:
    """The row that `sql` finds; None if no file was ever kept."""
    if not schema.has(connection, "rag_originals"):
        return None
    return connection.execute(sql, (document_id,)).fetchone()


def _vacuum(connection: Connection[Any]) -> None:
    originals = ", rag_originals" if schema.has(connection, "rag_originals") else ""
    cells = ", rag_grids, rag_cells" if grids.exist(connection) else ""
    tables = f"rag_documents, rag_passages, rag_vectors, rag_words{originals}{cells}"
    connection.execute(f"VACUUM {tables}")


def _passage(
    document_id: str, start: int, end: int, text: bytes, title: bytes, heading: bytes
) -> Passage:
    return Passage(document_id, start, end, text.decode(), title.decode(), heading.decode())


def _document(record: str, stamp: str, text: str = "", blocks: bytes = b"") -> Document:
    fields = json.loads(record)
    return Document(
        **{**fields, "pages": tuple(fields["pages"])},
        container_sha256=stamp,
        text=text,
        blocks=PackedBlocks(blocks) if blocks else (),
    )
