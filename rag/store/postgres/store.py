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

from rag.packed_blocks import PackedBlocks
from rag.protocols import CellRow, Filter, Footprint, ScoredIds, Stats, Vectors
from rag.store import check, check_settings
from rag.store.duplicates import Duplicates, duplicates
from rag.store.postgres import schema, search, writes
from rag.store.postgres.connection_pool import Database
from rag.store.postgres.filter_sql import writable
from rag.store.postgres.writes import HOLDS
from rag.types import Document, Passage

_log = logging.getLogger(__name__)
_PASSAGE = "d.id, p.start, p.stop, p.text, d.title, p.headings"
"""The fields of a `Passage`."""
_JOINED = 'FROM rag_passages p JOIN rag_documents d ON d."row" = p.document'
_MOST_EXACT = 20_000
"""Maximum passages for an exhaustive search (15 ms at 384 dimensions); above it, HNSW."""


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
        most_exact: int = _MOST_EXACT,
        size: int = 10,
    ) -> None:
        """Open the index at `dsn`; with `create`, create it if it is missing.

        `expect` as for the local store. Raises InputError for an invalid DSN, StoreError without a
        server, pgvector or an index, or if the index does not match. `wait` is how many seconds to
        search for a lost server, `most_exact` the maximum number of passages for an exhaustive
        search, and `size` the maximum number of connections.
        """
        self._database = Database(dsn, wait, size)
        self._exact = most_exact
        self._depth = threading.local()
        place = self._database.place
        meta = self._database.open(
            lambda connection: self._prepare(connection, expect if create else None), create
        )
        try:
            check_settings(place, meta, expect, "create a new index in another database")
        except BaseException:
            self.close()
            raise
        self._embedder, self._dim = meta["embedder"], int(meta["dim"])
        self._passage_tokens = int(meta["passage_tokens"])

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
        depth = getattr(self._depth, "value", 0)
        self._depth.value = depth + 1
        try:
            yield
        finally:
            self._depth.value = depth
            is_outermost = depth == 0
            if is_outermost:
                self._database.run_alone(lambda c: search.tend(c, self._exact, self._dim))

    def put(
        self,
        document: Document,
        passages: Sequence[Passage],
        vectors: Vectors,
        instead_of: str | None = None,
    ) -> None:
        check(document, passages)
        rows = np.ascontiguousarray(vectors, dtype=np.float32).reshape(len(passages), self._dim)
        self._database.change(lambda c: writes.put(c, document, passages, rows, instead_of))

    def delete(self, document_id: str) -> bool:
        return self._database.change(lambda c: writes.delete(c, document_id))

    def update_digests(self, stamps: Mapping[str, str]) -> None:
        sql = """UPDATE rag_documents d SET stamp = n.stamp
            FROM unnest(%s::text[], %s::text[]) AS n (id, stamp) WHERE d.id = n.id"""
        values = (list(stamps), list(stamps.values()))
        self._database.change(lambda c: c.execute(sql, values))

    def keep_original(self, document_id: str, content: bytes) -> None:
        self._database.change(lambda c: writes.keep_original(c, document_id, content))

    # Queries

    def original(self, document_id: str) -> bytes | None:
        sql = "SELECT content FROM rag_originals WHERE id = %s"
        rows = self._rows_if("rag_originals", sql, document_id)
        return rows[0][0] if rows else None

    def _rows_if(self, table: str, sql: str, *values: object) -> list[Any]:
        """The rows of a query; [] as long as its table does not exist."""

        def rows(connection: Connection[Any]) -> list[Any]:
            if not schema.has(connection, table):
                return []
            return connection.execute(sql, values).fetchall()

        return self._database.read(rows)

    def dense(self, vector: Vectors, k: int, filter: Filter | None = None) -> ScoredIds:
        query = np.ascontiguousarray(vector, dtype=np.float32)

        def ranking(connection: Connection[Any]) -> ScoredIds:
            search_scope = search.scope(connection, filter, self._exact)
            return search.dense(connection, query, k, search_scope, self._exact)

        return self._database.read(ranking)

    def lexical(self, question: str, k: int, filter: Filter | None = None) -> ScoredIds:
        def ranking(connection: Connection[Any]) -> ScoredIds:
            search_scope = search.scope(connection, filter, self._exact)
            return search.lexical(connection, question, k, search_scope)

        return self._database.read(ranking)

    def word_counts(self, words: Sequence[str]) -> dict[str, int]:
        sql = "SELECT term, passages FROM rag_terms WHERE term = ANY(%s) AND passages > 0"
        return dict(self._database.rows(sql, list(words)))

    def cosines(self, vector: Vectors, ids: Sequence[int]) -> dict[int, float]:
        sql = "SELECT id, -(embedding <#> %b) FROM rag_vectors WHERE id = ANY(%s)"
        query = np.ascontiguousarray(vector, dtype=np.float32)
        return dict(self._database.rows(sql, query, list(ids)))

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        sql = f"SELECT {_PASSAGE}, p.id {_JOINED} WHERE p.id = ANY(%s)"
        passages = {}
        for *fields, passage_id in self._database.rows(sql, list(ids)):
            passages[passage_id] = _passage(*fields)
        return passages

    def embedded(self, document_id: str) -> tuple[list[Passage], Vectors]:
        joined = f"{_JOINED} JOIN rag_vectors v ON v.id = p.id WHERE d.id = %s ORDER BY p.id"
        sql = f"SELECT {_PASSAGE}, v.embedding {joined}"
        rows = self._database.rows(sql, document_id)
        passages = []
        embeddings = []
        for *fields, embedding in rows:
            passages.append(_passage(*fields))
            embeddings.append(embedding.to_numpy())
        numbers = np.array(embeddings, dtype=np.float32)
        return passages, numbers.reshape(len(rows), self._dim)

    def document(self, document_id: str) -> Document | None:
        sql = "SELECT record, stamp, text, blocks FROM rag_documents WHERE id = %s"
        rows = self._database.rows(sql, document_id)
        return _document(*rows[0]) if rows else None

    def documents(self, after: str = "", limit: int | None = None) -> list[Document]:
        sql = "SELECT record, stamp FROM rag_documents WHERE id > %s ORDER BY id LIMIT %s"
        return [_document(*row) for row in self._database.rows(sql, writable(after), limit)]

    def metadata_keys(self) -> frozenset[str]:
        sql = "SELECT DISTINCT jsonb_object_keys(metadata) FROM rag_documents"
        return frozenset(key for (key,) in self._database.rows(sql))

    def duplicates(self) -> Duplicates:
        """Copies and editions among the documents; reads every passage once."""
        documents = 'SELECT "row", id, md5(text) FROM rag_documents ORDER BY id'
        digest = "('x' || left(md5(text), 16))::bit(64)::bigint"
        passages = f"SELECT document, {digest} FROM rag_passages ORDER BY id"
        return duplicates(self._database.rows(documents), self._database.rows(passages))

    def stats(self) -> Stats:
        sql = "SELECT documents, passages, generation FROM rag_statistics"
        documents, passages, generation = self._database.rows(sql)[0]
        return Stats(
            documents=documents,
            passages=passages,
            generation=generation,
            embedder=self._embedder,
            dim=self._dim,
            passage_tokens=self._passage_tokens,
        )

    def trace(self, document_id: str, numbers: Sequence[int] = ()) -> Footprint:
        counted = "SELECT count(*) FROM {} WHERE id IN (SELECT id FROM n)"
        parts = [counted.format(f"rag_{name}") for name in ("passages", "vectors", "words")]
        sql = f"""WITH d AS (SELECT "row" FROM rag_documents WHERE id = %s), n AS (SELECT id FROM
            rag_passages WHERE document IN (SELECT * FROM d) UNION SELECT unnest(%s::bigint[]))
            SELECT (SELECT count(*) FROM d), ({"), (".join(parts)}),
            (SELECT array_agg(id ORDER BY id) FROM n)"""
        (counts,) = self._database.rows(sql, document_id, list(numbers))
        documents, passages, vectors, words, ids = counts
        files = "SELECT FROM rag_originals WHERE id = %s"
        cells = f"SELECT FROM rag_cells WHERE {HOLDS} AND documents @> ARRAY[%s]"
        return Footprint(
            documents=documents,
            passages=passages,
            vectors=vectors,
            words=words,
            numbers=tuple(ids or ()),
            originals=len(self._rows_if("rag_originals", files, document_id)),
            cells=len(self._rows_if("rag_cells", cells, document_id)),
        )

    def erasing(self) -> AbstractContextManager[None]:
        return nullcontext()

    def vacuum(self) -> None:
        """Vacuum dead rows; PostgreSQL's own log is the administrator's responsibility."""
        self._database.run_alone(_vacuum)

    # Grids

    def grids(self) -> dict[str, str]:
        sql = "SELECT name, record FROM rag_grids ORDER BY name"
        return dict(self._rows_if("rag_grids", sql))

    def put_grid(self, name: str, record: str) -> None:
        self._database.change(lambda c: writes.put_grid(c, name, record))

    def delete_grid(self, name: str) -> bool:
        def delete(connection: Connection[Any]) -> bool:
            if not schema.has(connection, "rag_grids"):
                return False
            deleted = connection.execute("DELETE FROM rag_grids WHERE name = %s", (name,))
            return deleted.rowcount > 0

        return self._database.change(delete)

    def cells(self, grid: str) -> list[CellRow]:
        columns = "place, name, documents, record, number"
        sql = f"SELECT {columns} FROM rag_cells WHERE grid = %s ORDER BY number"
        cells = []
        for place, name, documents, record, number in self._rows_if("rag_cells", sql, grid):
            cells.append(CellRow(place, name, tuple(documents), record, number))
        return cells

    def cell_states(self, grid: str) -> list[tuple[str, str, str, str]]:
        sql = f"""SELECT place, name, CASE WHEN {HOLDS} THEN
            coalesce(record::json #>> '{{rating,verdict}}', record::json ->> 'state') ELSE '' END,
            CASE WHEN {HOLDS} THEN record::json ->> 'at' ELSE record::json #>> '{{}}' END
            FROM rag_cells WHERE grid = %s ORDER BY number"""
        return self._rows_if("rag_cells", sql, grid)

    def put_cells(self, grid: str, rows: Sequence[CellRow]) -> int:
        return self._database.change(lambda c: writes.put_cells(c, grid, rows))

    def close(self) -> None:
        self._database.close()


@functools.cache
def _warn(server: str, warning: str) -> None:
    """Once per process: a worker opens collections of a server again and again."""
    _log.warning("%s: %s", server, warning)


def _vacuum(connection: Connection[Any]) -> None:
    names = ("documents", "passages", "vectors", "words", "originals", "grids", "cells")
    tables = [f"rag_{name}" for name in names if schema.has(connection, f"rag_{name}")]
    connection.execute(f"VACUUM {', '.join(tables)}")


def _passage(
    document_id: str, start: int, end: int, text: bytes, title: bytes, headings: str
) -> Passage:
    names = tuple(json.loads(headings))
    return Passage(document_id, start, end, text.decode(), title.decode(), names)


def _document(record: str, stamp: str, text: bytes = b"", blocks: bytes = b"") -> Document:
    """The document of a stored record, whose text and blocks have their own columns."""
    fields = json.loads(record)
    fields["pages"] = tuple(fields["pages"])
    return Document(
        **fields,
        container_sha256=stamp,
        text=text.decode(),
        blocks=PackedBlocks(blocks) if blocks else (),
    )
