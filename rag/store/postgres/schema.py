"""Tables of an index in PostgreSQL.

Texts and titles are UTF-8 in `bytea`, since PostgreSQL's `text` has no NUL; `named`, `source`,
`metadata` and `tags` are for filters, which take one for U+FFFD. `record` is the document without
its text, blocks and stamp, as JSON. `rag_vectors` and `rag_words` are narrow tables of their own:
searches read nothing else. Names are not qualified: the search_path says where an index lives.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from psycopg import Connection, sql

from rag.errors import AbsentError, StoreError

_SCHEMA = """
CREATE TABLE rag_meta (key text PRIMARY KEY, value text NOT NULL);
CREATE TABLE rag_statistics (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    generation bigint NOT NULL DEFAULT 0,
    documents bigint NOT NULL DEFAULT 0,
    passages bigint NOT NULL DEFAULT 0,
    words bigint NOT NULL DEFAULT 0,
    classes integer NOT NULL DEFAULT 0,
    churn bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
INSERT INTO rag_statistics DEFAULT VALUES;
CREATE TABLE rag_documents (
    "row" bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    title bytea NOT NULL,
    named text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    metadata jsonb NOT NULL,
    tags text[] NOT NULL,
    stamp text NOT NULL,
    passages integer NOT NULL,
    record text NOT NULL,
    text bytea NOT NULL,
    blocks bytea NOT NULL
);
CREATE INDEX rag_documents_tags ON rag_documents USING gin (tags);
CREATE SEQUENCE rag_passage_ids;
CREATE TABLE rag_passages (
    id bigint PRIMARY KEY,
    document bigint NOT NULL REFERENCES rag_documents ("row") ON DELETE CASCADE,
    start integer NOT NULL,
    stop integer NOT NULL,
    headings text NOT NULL,
    text bytea NOT NULL
);
CREATE INDEX rag_passages_document ON rag_passages (document);
CREATE TABLE rag_vectors (
    id bigint PRIMARY KEY,
    document bigint NOT NULL REFERENCES rag_documents ("row") ON DELETE CASCADE,
    embedding vector({dim}) NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE rag_vectors ALTER COLUMN embedding SET STORAGE {storage};
CREATE INDEX rag_vectors_document ON rag_vectors (document);
CREATE TABLE rag_terms (
    term text COLLATE "C" PRIMARY KEY,
    number integer GENERATED ALWAYS AS IDENTITY,
    passages integer NOT NULL,
    most integer NOT NULL
) WITH (fillfactor = 70);
CREATE TABLE rag_words (
    id bigint PRIMARY KEY,
    document bigint NOT NULL REFERENCES rag_documents ("row") ON DELETE CASCADE,
    length integer NOT NULL,
    class smallint NOT NULL,
    terms integer[] NOT NULL,
    counts sparsevec NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX rag_words_document ON rag_words (document);
CREATE INDEX rag_words_terms ON rag_words USING gin (terms);
"""
ORIGINALS = """
CREATE TABLE IF NOT EXISTS rag_originals (
    id text COLLATE "C" PRIMARY KEY REFERENCES rag_documents (id) ON DELETE CASCADE,
    content bytea NOT NULL
)
"""
GRIDS = """
CREATE TABLE IF NOT EXISTS rag_grids (name text COLLATE "C" PRIMARY KEY, record text NOT NULL);
CREATE TABLE IF NOT EXISTS rag_cells (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    grid text COLLATE "C" NOT NULL REFERENCES rag_grids (name) ON DELETE CASCADE,
    place text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    documents text[] COLLATE "C" NOT NULL,
    record text NOT NULL
);
CREATE INDEX IF NOT EXISTS rag_cells_grid ON rag_cells (grid);
CREATE INDEX IF NOT EXISTS rag_cells_documents ON rag_cells USING gin (documents);
"""
VERSION = 4
OWN_TABLE = "to_regclass(quote_ident(current_schema()) || '.' || %s)"
"""A table or index in the index's own schema, by name; NULL if it does not exist."""
_INLINE = 1900
"""Up to this many dimensions, a row fits a page of 8 KiB; longer vectors are stored apart."""
_SERVER = 160_000
_LEAST_VERSION, SAFE_VERSION, _GOOD_VERSION = (0, 8, 0), (0, 8, 2), (0, 8, 4)
"""pgvector versions: the first with iterative scans, which filtered searches need; without
CVE-2026-3172 (parallel HNSW builds write past a buffer); without known faults.
"""


def prepare(
    connection: Connection[Any], create: Mapping[str, str] | None, place: str
) -> dict[str, str]:
    """The index's metadata. With `create`, create it if it is missing, one process at a time.

    Raises StoreError if it is missing or of another version, or without a usable pgvector.
    """
    with connection.transaction():
        if create is not None:
            connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('rag schema', 0))")
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
        if not has(connection, "rag_meta"):
            if create is None:
                raise AbsentError(f"no index in {place}", "create one with: rag ingest PATH")
            _create(connection, create)
        values = dict(connection.execute("SELECT key, value FROM rag_meta").fetchall())
        if (version := int(values.get("version", 0))) != VERSION:
            remedy = (
                "make a new index from your files in another database: rag ingest PATH --index DSN"
            )
            hint = "install a newer version of rag" if version > VERSION else remedy
            message = f"{place} has schema {version}, this version reads {VERSION}"
            raise StoreError(message, hint)
        if (server := connection.info.server_version) < _SERVER:
            message = f"{place} runs PostgreSQL {server // 10_000}, at least 16 is needed"
            raise StoreError(message, "upgrade")
        if (pgvector := pgvector_version(connection)) < _LEAST_VERSION:
            installed = ".".join(map(str, pgvector)) or "no pgvector"
            message = f"{place} has {installed}; version 0.8.0 or later is required"
            raise StoreError(message, "install it and run: ALTER EXTENSION vector UPDATE")
        return values


def has(connection: Connection[Any], table: str) -> bool:
    """Whether the index's own schema has the table; one later in the search path is another's."""
    row = connection.execute(f"SELECT {OWN_TABLE}", (table,)).fetchone()
    return row is not None and row[0] is not None


def ensure(connection: Connection[Any], table: str, script: str) -> None:
    """Within a transaction: create a table with `script` if it is missing."""
    if not has(connection, table):
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('rag schema', 0))")
        connection.execute(script)


def _create(connection: Connection[Any], values: Mapping[str, str]) -> None:
    dim = int(values["dim"])
    storage = "PLAIN" if dim <= _INLINE else "EXTERNAL"
    script = _SCHEMA.replace("{dim}", str(dim)).replace("{storage}", storage)
    connection.execute(sql.SQL(script))
    meta = {**values, "store": uuid.uuid4().hex, "version": str(VERSION)}
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO rag_meta VALUES (%s, %s)", list(meta.items()))


def pgvector_version(connection: Connection[Any]) -> tuple[int, ...]:
    """() if the database has no pgvector."""
    sql = "SELECT extversion FROM pg_extension WHERE extname = 'vector'"
    row = connection.execute(sql).fetchone()
    return tuple(int(part) for part in str(row[0]).split(".")) if row else ()


def advice(version: tuple[int, ...]) -> str:
    """A warning about a version with known faults, or ""."""
    if version >= _GOOD_VERSION:
        return ""
    faults = "has known faults (indexes are built by one process below 0.8.2)"
    return f"pgvector {'.'.join(map(str, version))} {faults}; install 0.8.4 or newer"
