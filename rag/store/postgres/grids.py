"""Grids and their cells in PostgreSQL. The tables exist once a grid does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from rag.protocols import CellRow
from rag.store.postgres.filter_sql import writable
from rag.store.postgres.schema import GRIDS, has

_HOLDS = "starts_with(record, '{')"
"""It is not the time at which its document was deleted."""


def exist(connection: Connection[Any]) -> bool:
    return has(connection, "rag_cells")


def grids(connection: Connection[Any]) -> dict[str, str]:
    if not exist(connection):
        return {}
    asked = "SELECT name, record FROM rag_grids ORDER BY name"
    return dict(connection.execute(asked).fetchall())


def put_grid(connection: Connection[Any], name: str, record: str) -> None:
    """Within a transaction."""
    if not exist(connection):
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('rag schema', 0))")
        connection.execute(GRIDS)
    connection.execute(
        "INSERT INTO rag_grids VALUES (%s, %s) ON CONFLICT (name) DO UPDATE SET record = "
        "excluded.record",
        (name, record),
    )


def delete_grid(connection: Connection[Any], name: str) -> bool:
    """Within a transaction."""
    if not exist(connection):
        return False
    return connection.execute("DELETE FROM rag_grids WHERE name = %s", (name,)).rowcount > 0


def cells(connection: Connection[Any], grid: str) -> list[CellRow]:
    if not exist(connection):
        return []
    asked = (
        "SELECT place, name, documents, record, number FROM rag_cells WHERE grid = %s "
        "ORDER BY number"
    )
    return [
        CellRow(place, name, tuple(documents), record, number)
        for place, name, documents, record, number in connection.execute(asked, (grid,)).fetchall()
    ]


def put_cells(connection: Connection[Any], grid: str, rows: Sequence[CellRow]) -> int:
    """Within a transaction that holds the documents of the cells."""
    if not exist(connection):
        return 0
    known = (
        "EXISTS (SELECT FROM rag_grids WHERE name = %(grid)s) AND NOT EXISTS (SELECT FROM "
        "unnest(%(documents)s::text[]) AS n (id) WHERE n.id NOT IN (SELECT id FROM rag_documents "
        "WHERE id = ANY(%(documents)s::text[])))"
    )
    added = (
        "INSERT INTO rag_cells (grid, place, name, documents, record) SELECT %(grid)s, %(row)s, "
        f"%(column)s, %(documents)s::text[], %(record)s WHERE {known}"
    )
    changed = (
        "UPDATE rag_cells SET documents = %(documents)s, record = %(record)s WHERE number = "
        f"%(number)s AND grid = %(grid)s AND {_HOLDS} AND {known}"
    )
    return sum(
        connection.execute(
            changed if cell.number else added,
            {
                **cell._asdict(),
                "row": writable(cell.row),
                "column": writable(cell.column),
                "grid": grid,
                "documents": list(cell.documents),
            },
        ).rowcount
        for cell in rows
    )


def forget(connection: Connection[Any], document_id: str) -> None:
    """Within a transaction: empty the cells that quote a deleted document."""
    if exist(connection):
        connection.execute(
            "UPDATE rag_cells SET record = to_json(to_char(clock_timestamp() AT TIME ZONE 'UTC', "
            """'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')) """
            f"WHERE {_HOLDS} AND documents @> ARRAY[%s]",
            (document_id,),
        )


def rename(connection: Connection[Any], old: str, new: str) -> None:
    """Within a transaction: a document has another id."""
    if exist(connection):
        connection.execute(
            "UPDATE rag_cells SET documents = array_replace(documents, %(old)s, %(new)s), place = "
            "CASE place WHEN %(old)s THEN %(new)s ELSE place END WHERE documents @> ARRAY[%(old)s]",
            {"old": old, "new": new},
        )


def count(connection: Connection[Any], document_id: str) -> int:
    """How many versions of cells hold words of the document."""
    if not exist(connection):
        return 0
    asked = f"SELECT count(*) FROM rag_cells WHERE {_HOLDS} AND documents @> ARRAY[%s]"
    row = connection.execute(asked, (document_id,)).fetchone()
    return int(row[0]) if row else 0
