"""Finds copies (documents with equal text) and editions (documents that share most passages)."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass

_MOST = 0.5
"""Share of the shorter document's passages that two editions have in common."""
_FEWEST = 3
"""Minimum number of passages of an edition."""


@dataclass(frozen=True, slots=True)
class Duplicates:
    """`copies` are groups of ids with equal text; `editions` are (id, id, share of the shorter
    one's passages), closest first.
    """

    copies: list[list[str]]
    editions: list[tuple[str, str, float]]


def duplicates(connection: sqlite3.Connection) -> Duplicates:
    """Find copies and editions; reads every passage once."""
    groups: dict[str, list[int]] = {}
    ids: dict[int, str] = {}
    for row, document_id, digest in connection.execute(
        "SELECT row, id, digest FROM documents ORDER BY id"
    ):
        ids[row] = document_id
        groups.setdefault(digest or f"row {row}", []).append(row)
    first = {row: rows[0] for rows in groups.values() for row in rows}
    copies = [[ids[row] for row in rows] for rows in groups.values() if len(rows) > 1]
    return Duplicates(copies, _editions(connection, ids, first))


def _editions(
    connection: sqlite3.Connection, ids: dict[int, str], first: dict[int, int]
) -> list[tuple[str, str, float]]:
    """Pairs of documents that are not copies. `first` is the first copy of each."""
    owner: dict[int, int] = {}
    sizes, shared = Counter[int](), Counter[tuple[int, int]]()
    for row, text in connection.execute("SELECT document, text FROM passages"):
        if first[row] != row:  # a copy adds no information
            continue
        sizes[row] += 1
        other = owner.setdefault(hash(text), row)
        if other != row:
            shared[other, row] += 1
    shares = {pair: count / min(sizes[pair[0]], sizes[pair[1]]) for pair, count in shared.items()}
    found = [
        (ids[a], ids[b], share)
        for (a, b), share in shares.items()
        if share >= _MOST and min(sizes[a], sizes[b]) >= _FEWEST
    ]
    return sorted(found, key=lambda edition: (-edition[2], edition))
