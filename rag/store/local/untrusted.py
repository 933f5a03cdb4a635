"""Reads the rows of a database that a stranger may have written, such as a snapshot.

Only known columns of known tables are read, as data: a view, a virtual table or a generated column
in their place is refused, other tables and triggers are left out, and every row is checked.
"""

from __future__ import annotations

import functools
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from rag.packed_blocks import PackedBlocks
from rag.store.local import schema, sqlite_file

Row = tuple[Any, ...]
DATA = ("documents", "passages", "originals", "grids", "cells")
"""Tables that are copied, in order; those they refer to come first."""
_META = ("embedder", "dim", "passage_tokens", schema.ROOT_KEY)
_MAX_DIM = 1 << 16
_MAX_NUMBER = 1 << 53
"""Row numbers and generations: what JSON keeps exactly."""
_TYPES = {"INTEGER": int, "TEXT": str, "BLOB": bytes}
_UNPACKED_PER_CHARACTER, _UNPACKED_AT_LEAST = 64, 1 << 20
"""Bytes of blocks, unpacked, for a document's characters, and for any document."""
UNIT_TOLERANCE = 1e-3
"""Tolerance for a vector's length; half-precision models deviate less."""


@functools.cache
def _columns() -> Mapping[str, Mapping[str, type]]:
    """Each table of a new store: its columns, ordered by the first one, with their types."""
    with closing(sqlite3.connect(":memory:")) as connection:
        schema.create(connection, {})
        return {
            table: {name: _TYPES[kind] for _, name, kind, *_ in _table_info(connection, table)}
            for table in ("meta", *DATA)
        }


def _table_info(connection: sqlite3.Connection, table: str) -> list[Row]:
    return connection.execute(f"PRAGMA table_xinfo({table})").fetchall()


def connect(path: Path) -> sqlite3.Connection:
    """Open the database to read it, without running anything that its schema defines. Raises
    sqlite3.DatabaseError if its tables are not those of a store.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        for table, columns in _columns().items():
            _check_table(connection, table, columns)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_table(connection: sqlite3.Connection, table: str, columns: Mapping[str, type]) -> None:
    sql = "SELECT type, rootpage FROM sqlite_master WHERE name = ? COLLATE NOCASE"
    entries = connection.execute(sql, (table,)).fetchall()
    if not entries and table in schema.LATER:
        return
    if len(entries) != 1 or entries[0][0] != "table" or not entries[0][1]:
        raise sqlite3.DatabaseError(f"{table} is no plain table")
    shape = [(name, is_hidden) for _, name, *_, is_hidden in _table_info(connection, table)]
    if shape != [(name, 0) for name in columns]:
        raise sqlite3.DatabaseError(f"{table} has other columns than an index's")


def rows(connection: sqlite3.Connection, table: str) -> Iterator[Row]:
    """A known table's rows, in order; none if it is missing. No index is used: it may be forged."""
    if not _table_info(connection, table):
        return iter(())
    names = [f'"{name}"' for name in _columns()[table]]
    sql = f"SELECT {', '.join(names)} FROM {table} NOT INDEXED ORDER BY {names[0]}"
    return iter(connection.execute(sql))


def copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Create a store in the empty database `target`, and copy the rows of `source`. Raises
    sqlite3.DatabaseError, naming the first row that does not fit a store.
    """
    meta = _meta(source)
    schema.create(target, meta)
    target.execute("PRAGMA foreign_keys = ON")
    target.execute("BEGIN")
    for table in DATA:
        columns = _columns()[table]
        sql = f"INSERT INTO {table} VALUES ({', '.join('?' * len(columns))})"
        for row in rows(source, table):
            has_types = all(map(isinstance, row, columns.values()))
            # a number in the first column is a row's
            has_types &= not isinstance(row[0], int) or 0 < row[0] < _MAX_NUMBER
            is_sound = has_types and _is_sound(target, table, row, int(meta["dim"]))
            _require(is_sound, f"{table[:-1]} {row[0]!r:.100}")
            target.execute(sql, row)
    target.execute("COMMIT")


def _meta(source: sqlite3.Connection) -> dict[str, str]:
    values = sqlite_file.read_meta(source)
    _require(all(isinstance(value, str) for value in values.values()), "table meta")
    meta = {key: values[key] for key in _META if key in values}
    numbers = [meta.get("dim", ""), meta.get("passage_tokens", "")]
    is_sound = all(number.isdecimal() and 0 < int(number) < _MAX_DIM for number in numbers)
    _require(is_sound and bool(meta.get("embedder")), "table meta")
    return meta


def generation(meta: Mapping[str, str]) -> int:
    """The generation that the database states. Raises sqlite3.DatabaseError."""
    number = str(meta.get("generation"))
    _require(number.isdecimal() and len(number) < 17, f"generation {number!r:.100}")
    return int(number)


def _require(is_sound: bool, part: str) -> None:
    if not is_sound:
        raise sqlite3.DatabaseError(f"{part} is not one of an index")


def _is_sound(target: sqlite3.Connection, table: str, row: Row, dim: int) -> bool:
    """Whether the values of a row fit each other and what `target` holds."""
    if table == "documents":
        return _is_document(*row)
    if table == "passages":
        _, number, start, end, _, part, vector = row
        text = target.execute("SELECT text FROM documents WHERE row = ?", (number,)).fetchone()
        return text is not None and is_in(text[0], start, end, part) and are_unit([vector], dim)
    if table == "grids":
        return isinstance(parsed_json(row[1]), dict)
    if table == "cells":
        ids, record = parsed_json(row[4]), parsed_json(row[5])
        names = isinstance(ids, list) and all(isinstance(name, str) for name in ids)
        return names and isinstance(record, (dict, str))
    return True


def _is_document(_: int, document_id: str, *values: Any) -> bool:
    metadata, pages, _stamp, text, blocks, digest = values[3:]
    if not document_id or schema.text_digest(text) != digest:
        return False
    names, offsets = parsed_json(metadata), parsed_json(pages)
    if not isinstance(names, dict) or not all(isinstance(name, str) for name in names.values()):
        return False
    if not isinstance(offsets, list) or not all(type(offset) is int for offset in offsets):
        return False
    are_in_order = offsets == sorted(offsets) and all(0 <= o < _MAX_NUMBER for o in offsets)
    return are_in_order and are_blocks(blocks, len(text))


def is_in(text: str, start: int, end: int, part: str) -> bool:
    """Whether a passage is what the text holds between its offsets."""
    return 0 <= start <= end <= len(text) and text[start:end] == part


def parsed_json(text: str) -> Any:
    """The value, or None for a text that is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


def are_blocks(data: bytes, characters: int) -> bool:
    """Whether the blocks are of a reasonable size, and lie in the text."""
    limit = _UNPACKED_PER_CHARACTER * characters + _UNPACKED_AT_LEAST
    unpacker = zlib.decompressobj()
    try:
        unpacker.decompress(data, limit)
        if unpacker.unconsumed_tail or not unpacker.eof:
            return False
        for block in PackedBlocks(data):
            places = [(block.start, block.end), *((cell.start, cell.end) for cell in block.cells)]
            if not all(0 <= start <= end <= characters for start, end in places):
                return False
            if not isinstance(block.name, str) or not isinstance(block.marker, str):
                return False
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, zlib.error):
        return False
    return True


def are_unit(vectors: list[bytes], dim: int) -> bool:
    """Whether these are vectors of `dim` numbers and of length 1."""
    if any(len(vector) != 4 * dim for vector in vectors):
        return False
    numbers = np.frombuffer(b"".join(vectors), dtype=np.float32).reshape(len(vectors), dim)
    with np.errstate(all="ignore"):
        deviations = np.abs(np.einsum("ij,ij->i", numbers, numbers, dtype=np.float64) - 1)
    return bool((deviations < UNIT_TOLERANCE).all())  # false for NaN, too
