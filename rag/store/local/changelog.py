"""Which passages were added and removed since a generation, so that the search indexes can follow
without a full comparison.

A trigger (`schema.JOURNAL`) records removed ids in a table until every saved index reflects them.
Added ids are those above the last one seen.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

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


def outdated(
    connection: sqlite3.Connection, since: str, last: int, ids: Callable[[], NDArray[np.int64]]
) -> tuple[list[int], list[int], int]:
    """(surplus ids, missing ids, highest id afterwards) of an index that holds `ids`, shows the
    generation `since` and no id above `last`.
    """
    if since and (found := changed(connection, int(since), last)):
        return *found, max([last, *found[1][-1:]])
    wanted = database.passage_ids(connection)
    return *difference(ids(), wanted), max(wanted, default=0)


def difference(here: NDArray[np.int64], wanted: Sequence[int]) -> tuple[list[int], list[int]]:
    """(surplus, missing) ids of an index that contains `here` and should contain `wanted`."""
    right = np.asarray(wanted, dtype=np.int64)
    surplus: list[int] = np.setdiff1d(here, right).tolist()
    missing: list[int] = np.setdiff1d(right, here).tolist()
    return surplus, missing


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
