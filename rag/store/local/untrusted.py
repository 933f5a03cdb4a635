"""Reads the rows of a database that a stranger may have written, such as a snapshot.

Only known columns of known tables are read, as data. A view, a virtual table or a generated column
in their place is refused. Other tables and triggers are left out. Every row is checked.
"""

from __future__ import annotations

import functools
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from rag.packed_blocks import PackedBlocks
from rag.store.local import schema, sqlite_file
from rag.types import Block, BlockCell

SqlRow = tuple[Any, ...]
DATA = ("documents", "passages", "originals", "grids", "cells")
"""Tables that are copied, in order; those they refer to come first."""
_META = ("embedder", "dim", "passage_tokens", schema.ROOT_KEY)
_MAX_DIM = 1 << 16
_MAX_NUMBER = 1 << 53
"""Row numbers and generations: what JSON keeps exactly."""
_TYPES = {"INTEGER": int, "TEXT": str, "BLOB": bytes}
_MOST_DIGITS = 17
"""Digits that a generation has less than."""
_UNPACKED_PER_CHARACTER = 64
"""Bytes of blocks, unpacked, for a character of their document."""
_UNPACKED_AT_LEAST = 1 << 20
"""Bytes of blocks, unpacked, for any document."""
UNIT_TOLERANCE = 1e-3
"""Tolerance for a vector's length; half-precision models deviate less."""


@functools.cache
def _columns() -> Mapping[str, Mapping[str, type]]:
    """Each table of a new store: its columns, ordered by the first one, with their types."""
    columns: dict[str, dict[str, type]] = {}
    with closing(sqlite3.connect(":memory:")) as connection:
        schema.create(connection, {})
        for table in ("meta", *DATA):
            types = {}
            for _, name, kind, *_ in _table_info(connection, table):
                types[name] = _TYPES[kind]
            columns[table] = types
    return columns


def _table_info(connection: sqlite3.Connection, table: str) -> list[SqlRow]:
    return connection.execute(f"PRAGMA table_xinfo({table})").fetchall()


def connect(path: Path) -> sqlite3.Connection:
    """Open the database to read it, without running anything that its schema defines. Raises
    sqlite3.DatabaseError if its tables are not those of a store.
    """
    uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
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
    """Raises sqlite3.DatabaseError for what is no plain table, or has other columns."""
    sql = "SELECT type, rootpage FROM sqlite_master WHERE name = ? COLLATE NOCASE"
    entries = connection.execute(sql, (table,)).fetchall()
    if not entries and table in schema.LATER_TABLES:
        return
    if len(entries) != 1:
        raise sqlite3.DatabaseError(f"{table} is no plain table")
    kind, root_page = entries[0]
    if kind != "table" or not root_page:
        raise sqlite3.DatabaseError(f"{table} is no plain table")

    stored = [(name, is_hidden) for _, name, *_, is_hidden in _table_info(connection, table)]
    expected = [(name, 0) for name in columns]
    if stored != expected:
        raise sqlite3.DatabaseError(f"{table} has other columns than an index's")


def rows(connection: sqlite3.Connection, table: str) -> Iterator[SqlRow]:
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
    dim = int(meta["dim"])
    schema.create(target, meta)
    target.execute("PRAGMA foreign_keys = ON")
    target.execute("BEGIN")
    for table in DATA:
        types = _columns()[table].values()
        slots = ", ".join("?" * len(types))
        for row in rows(source, table):
            is_sound = _has_types(row, types) and _is_sound(target, table, row, dim)
            _require(is_sound, f"{table[:-1]} {row[0]!r:.100}")
            target.execute(f"INSERT INTO {table} VALUES ({slots})", row)
    target.execute("COMMIT")


def _has_types(row: SqlRow, types: Iterable[type]) -> bool:
    """Whether the values of a row have the types of its columns, and its number is one that a store
    gives.
    """
    if not all(map(isinstance, row, types)):
        return False
    has_number = isinstance(row[0], int)
    return not has_number or 0 < row[0] < _MAX_NUMBER


def _meta(source: sqlite3.Connection) -> dict[str, str]:
    """The settings of the index that are copied. Raises sqlite3.DatabaseError."""
    values = sqlite_file.read_meta(source)
    _require(all(isinstance(value, str) for value in values.values()), "table meta")
    meta = {key: values[key] for key in _META if key in values}
    for key in ("dim", "passage_tokens"):
        number = meta.get(key, "")
        is_sound = number.isdecimal() and 0 < int(number) < _MAX_DIM
        _require(is_sound, "table meta")
    _require(bool(meta.get("embedder")), "table meta")
    return meta


def generation(meta: Mapping[str, str]) -> int:
    """The generation that the database states. Raises sqlite3.DatabaseError."""
    number = str(meta.get("generation"))
    is_sound = number.isdecimal() and len(number) < _MOST_DIGITS
    _require(is_sound, f"generation {number!r:.100}")
    return int(number)


def _require(is_sound: bool, part: str) -> None:
    if not is_sound:
        raise sqlite3.DatabaseError(f"{part} is not one of an index")


def _is_sound(target: sqlite3.Connection, table: str, row: SqlRow, dim: int) -> bool:
    """Whether the values of a row fit each other and what `target` holds."""
    match table:
        case "documents":
            return _is_document(*row)
        case "passages":
            return _is_passage(target, row, dim)
        case "grids":
            return isinstance(parsed_json(row[1]), dict)
        case "cells":
            return _is_list_of(str, parsed_json(row[4])) and isinstance(
                parsed_json(row[5]), (dict, str)
            )
    return True


def _is_passage(target: sqlite3.Connection, row: SqlRow, dim: int) -> bool:
    """Whether a passage is in the text of its document, and has a vector of length 1."""
    _, document, start, end, _, part, vector = row
    sql = "SELECT text FROM documents WHERE row = ?"
    found = target.execute(sql, (document,)).fetchone()
    if found is None:
        return False
    (text,) = found
    return is_in(text, start, end, part) and are_unit([vector], dim)


def _is_list_of(kind: type, value: Any) -> bool:
    """Whether a value is a list with items of exactly this type."""
    return isinstance(value, list) and all(type(item) is kind for item in value)


def _is_document(_: int, document_id: str, *values: Any) -> bool:
    """Whether a document has its digest, and its metadata, pages and blocks can be read."""
    metadata, pages, _stamp, text, blocks, digest = values[3:]
    if not document_id or schema.text_digest(text) != digest:
        return False
    names = parsed_json(metadata)
    if not isinstance(names, dict) or not _is_list_of(str, list(names.values())):
        return False

    offsets = parsed_json(pages)
    if not _is_list_of(int, offsets) or offsets != sorted(offsets):
        return False
    are_in_range = all(0 <= offset < _MAX_NUMBER for offset in offsets)
    return are_in_range and are_blocks(blocks, len(text))


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
        return all(_is_block(block, characters) for block in PackedBlocks(data))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, zlib.error):
        return False


def _is_block(block: Block, characters: int) -> bool:
    """Whether a block and its cells lie in a text of so many characters, and its names are text."""
    parts: list[Block | BlockCell] = [block, *block.cells]
    for part in parts:
        if not 0 <= part.start <= part.end <= characters:
            return False
    return isinstance(block.name, str) and isinstance(block.marker, str)


def are_unit(vectors: list[bytes], dim: int) -> bool:
    """Whether these are vectors of `dim` numbers and of length 1."""
    if any(len(vector) != 4 * dim for vector in vectors):
        return False
    joined = b"".join(vectors)
    numbers = np.frombuffer(joined, dtype=np.float32).reshape(len(vectors), dim)
    with np.errstate(all="ignore"):
        squares = np.einsum("ij,ij->i", numbers, numbers, dtype=np.float64)
        deviations = np.abs(squares - 1)
    return bool((deviations < UNIT_TOLERANCE).all())  # false for NaN, too
