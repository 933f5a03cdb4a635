"""Grids and their cells in the SQLite file. The tables exist once a grid does.

`cells.documents` is a JSON array of ids.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from rag.protocols import CellRow
from rag.store.local import schema

_OF_DOCUMENT = "EXISTS (SELECT 1 FROM json_each(documents) WHERE value = ?)"
_HOLDS = "record LIKE '{%'"
"""It is not the time at which its document was deleted."""
_KNOWN = (
    "NOT EXISTS (SELECT 1 FROM json_each(?) WHERE value NOT IN (SELECT id FROM documents)) "
    "AND EXISTS (SELECT 1 FROM grids WHERE name = ?)"
)


def exist(connection: sqlite3.Connection) -> bool:
    sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'cells'"
    return connection.execute(sql).fetchone() is not None


def grids(connection: sqlite3.Connection) -> dict[str, str]:
    if not exist(connection):
        return {}
    return dict(connection.execute("SELECT name, record FROM grids ORDER BY name").fetchall())


def put_grid(connection: sqlite3.Connection, name: str, record: str) -> None:
    """Within a transaction."""
    schema.run(connection, schema.GRIDS)
    sql = (
        "INSERT INTO grids VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET record = excluded.record"
    )
    connection.execute(sql, (name, record))


def delete_grid(connection: sqlite3.Connection, name: str) -> bool:
    """Within a transaction."""
    if not exist(connection):
        return False
    connection.execute("DELETE FROM cells WHERE grid = ?", (name,))
    return connection.execute("DELETE FROM grids WHERE name = ?", (name,)).rowcount > 0


def cells(connection: sqlite3.Connection, grid: str) -> list[CellRow]:
    if not exist(connection):
        return []
    sql = "SELECT row, name, documents, record, number FROM cells WHERE grid = ? ORDER BY number"
    return [
        CellRow(row, name, tuple(json.loads(documents)), record, number)
        for row, name, documents, record, number in connection.execute(sql, (grid,))
    ]


def put_cells(connection: sqlite3.Connection, grid: str, rows: Sequence[CellRow]) -> int:
    """Within a transaction."""
    if not exist(connection):
        return 0
    columns = "grid, row, name, documents, record"
    added = f"INSERT INTO cells ({columns}) SELECT ?, ?, ?, ?, ? WHERE {_KNOWN}"
    changed = (
        "UPDATE cells SET documents = ?, record = ? WHERE number = ? AND grid = ? "
        f"AND {_HOLDS} AND {_KNOWN}"
    )
    written = 0
    for cell in rows:
        ids = json.dumps(cell.documents)
        if cell.number:
            values = (ids, cell.record, cell.number, grid, ids, grid)
            written += connection.execute(changed, values).rowcount
        else:
            new = (grid, cell.row, cell.column, ids, cell.record, ids, grid)
            written += connection.execute(added, new).rowcount
    return written


def forget(connection: sqlite3.Connection, document_id: str) -> None:
    """Within a transaction: empty the cells that quote a deleted document."""
    if exist(connection):
        now = "'\"' || strftime('%Y-%m-%dT%H:%M:%fZ', 'now') || '\"'"
        sql = f"UPDATE cells SET record = {now} WHERE {_HOLDS} AND {_OF_DOCUMENT}"
        connection.execute(sql, (document_id,))


def rename(connection: sqlite3.Connection, old: str, new: str) -> None:
    """Within a transaction: a document has another id."""
    if not exist(connection):
        return
    sql = f"SELECT number, documents FROM cells WHERE {_OF_DOCUMENT}"
    for number, documents in connection.execute(sql, (old,)).fetchall():
        ids = [new if name == old else name for name in json.loads(documents)]
        connection.execute(
            "UPDATE cells SET documents = ?, row = CASE row WHEN ? THEN ? ELSE row END "
            "WHERE number = ?",
            (json.dumps(ids), old, new, number),
        )


def count(connection: sqlite3.Connection, document_id: str) -> int:
    """How many versions of cells hold words of the document."""
    if not exist(connection):
        return 0
    sql = f"SELECT count(*) FROM cells WHERE {_HOLDS} AND {_OF_DOCUMENT}"
    number: int = connection.execute(sql, (document_id,)).fetchone()[0]
    return number
