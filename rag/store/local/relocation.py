"""Updates the sources of documents that were moved or copied together with the index. The root is
the folder that contains the index.

Sources are absolute paths. The root is stored with them, so that the next process that opens the
index for writing detects a move.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from rag.settings import root_of
from rag.store.local import database, sqlite_file
from rag.types import Document

KEY = "root"


def follow(connection: sqlite3.Connection, folder: Path) -> None:
    """Record the index's root; if it has changed, update the sources that moved with it.

    The documents of a folder move together: if one of their files is below the new root, or none is
    left below the old one.
    """
    new, old = root_of(folder), sqlite_file.read_meta(connection).get(KEY)
    if new == old:
        return
    moved = [] if old is None else _moved(_by_folder(connection, old), old, new)
    with database.change(connection) if moved else database.transaction(connection):
        sql = "UPDATE documents SET source = ? || substr(source, ?) WHERE row = ?"
        connection.executemany(sql, ((new, len(old or "") + 1, row) for row in moved))
        connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (KEY, new))


def _by_folder(connection: sqlite3.Connection, root: str) -> dict[str, list[tuple[int, str]]]:
    """(row, file) of the documents below `root` by top folder, with the file relative to
    the root.
    """
    found: dict[str, list[tuple[int, str]]] = {}
    for row, source, stamp in connection.execute("SELECT row, source, stamp FROM documents"):
        if source.startswith(f"{root}/"):
            inside = Document("", "", "", source, "", container_sha256=stamp).file[len(root) :]
            name, _, rest = inside[1:].partition("/")
            found.setdefault(name if rest else "", []).append((row, inside))
    return found


def _moved(by_folder: Mapping[str, Sequence[tuple[int, str]]], old: str, new: str) -> list[int]:
    """Rows of the documents that moved; [] if nothing is below the new root."""
    there = {name: _any(new, files) for name, files in by_folder.items()}
    if not any(there.values()):
        return []
    return [
        row
        for name, files in by_folder.items()
        if there[name] or not _any(old, files)
        for row, _ in files
    ]


def _any(root: str, files: Sequence[tuple[int, str]]) -> bool:
    return any(os.path.exists(root + inside) for _, inside in files)
