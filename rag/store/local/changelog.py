"""Which passages were added and removed since a generation, so that the search indexes can follow
without a full comparison.

A trigger (`schema.JOURNAL`) records removed ids in a table until every saved index reflects them.
Added ids are those above the last one seen.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from rag.store.local import database, sqlite_file


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


def changes(connection: sqlite3.Connection, since: int, last: int, most: int) -> int:
    """Number of ids that `changed` would return, counted up to `most`; `most` if the changelog does
    not reach back that far.
    """
    if not _reaches(connection, since):
        return most
    counted = "SELECT count(*) FROM (SELECT 1 FROM {} LIMIT ?)"
    removed = connection.execute(
        counted.format("removed WHERE generation > ? AND id <= ?"), (since, last, most)
    )
    added = connection.execute(counted.format("passages WHERE id > ?"), (last, most))
    return min(most, int(removed.fetchone()[0]) + int(added.fetchone()[0]))


def prune(connection: sqlite3.Connection, until: int) -> None:
    """Forget the ids removed up to this generation. From then on, the changelog is complete."""
    if (
        connection.execute(
            "SELECT 1 FROM removed WHERE generation <= ? LIMIT 1", (until,)
        ).fetchone()
        is None
    ):
        return
    with database.transaction(connection):
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
