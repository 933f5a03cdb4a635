"""Maintenance after changes: the vector index, vacuum, statistics."""

from __future__ import annotations

from typing import Any

from psycopg import Connection, sql

from rag.store.postgres import schema, search

_CHURN = 0.05
"""Tables are vacuumed and analysed after this share of them has changed: an HNSW index visits dead
rows and finds less, a GIN index keeps new entries in a list, and the planner relies on old counts.
"""


def tend(connection: Connection[Any], exact: int, dim: int) -> None:
    """Build the HNSW index if there are more than `exact` vectors, and vacuum; only one process
    does it.
    """
    row = connection.execute(
        "SELECT pg_try_advisory_lock(hashtextextended('rag tend' || current_schema(), 0))"
    ).fetchone()
    if not (row and row[0]):
        return
    row = connection.execute(
        "SELECT s.passages, s.churn, i.indisvalid FROM rag_statistics s LEFT JOIN pg_index i ON "
        f"i.indexrelid = {schema.OWN}",
        (search.INDEX,),
    ).fetchone()
    passages, churn, valid = row or (0, 0, None)
    if churn > _CHURN * passages + 100:
        connection.execute("VACUUM (ANALYZE) rag_documents, rag_vectors, rag_words, rag_terms")
        connection.execute("UPDATE rag_statistics SET churn = greatest(0, churn - %s)", (churn,))
    if passages > exact and not valid:
        for statement in building(schema.pgvector_version(connection), dim, broken=valid is False):
            connection.execute(sql.SQL(statement))


def building(version: tuple[int, ...], dim: int, broken: bool) -> list[str]:
    """Commands that build the index after the rows are loaded, which is many times faster than
    inserting rows into it.

    `broken`: the previous build was killed.
    """
    alone = (
        [] if schema.builds_in_parallel(version) else ["SET max_parallel_maintenance_workers = 0"]
    )
    return [
        *([f"DROP INDEX CONCURRENTLY IF EXISTS {search.INDEX}"] if broken else []),
        *alone,
        "SET maintenance_work_mem = '512MB'",
        f"CREATE INDEX CONCURRENTLY {search.INDEX} ON rag_vectors USING hnsw"
        f" ((embedding::halfvec({dim})) halfvec_ip_ops) WITH (m = 16, ef_construction = 128)",
    ]
