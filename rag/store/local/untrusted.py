"""Reads the rows of a database that a stranger may have written, such as a snapshot.

Only known columns of known tables are read, as data: a view, a virtual table or a generated column
in their place is refused, and triggers and other tables are not copied. Every row is checked before
it is inserted into a fresh schema.
"""

from __future__ import annotations

import json
import math
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rag.packed_blocks import PackedBlocks
from rag.store.local import schema, sqlite_file

TABLES = {
    "meta": ("key", "value"),
    "documents": (
        *("row", "id", "title", "source", "sha256", "metadata", "pages", "stamp"),
        *("text", "blocks", "digest"),
    ),
    "passages": ("id", "document", "start", "end", "heading", "text", "vector"),
    "originals": ("id", "content"),
    "grids": ("name", "record"),
    "cells": ("number", "grid", "row", "name", "documents", "record"),
}
ORDER = {
    "meta": "key",
    "documents": "row",
    "passages": "id",
    "originals": "id",
    "grids": "name",
    "cells": "number",
}
_META = ("embedder", "dim", "passage_tokens", schema.ROOT_KEY)
_MOST_DIM = 1 << 16
_MOST_NUMBER = 1 << 53
"""Row numbers and generations: what JSON keeps exactly."""
_UNPACKED_PER_CHARACTER, _UNPACKED_AT_LEAST = 64, 1 << 20
"""Bytes of blocks, unpacked, for a document's characters, and for any document."""
_UNIT = 1e-3


def connect(path: Path) -> sqlite3.Connection:
    """Open the database to read it, without running anything that its schema defines. Raises
    sqlite3.DatabaseError if its tables are not those of a store."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None
    )
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA cell_size_check = ON")
        for table, columns in TABLES.items():
            _check_table(connection, table, columns)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_table(connection: sqlite3.Connection, table: str, columns: tuple[str, ...]) -> None:
    problem = connection.execute(
        "SELECT type, rootpage FROM sqlite_master WHERE name = ? COLLATE NOCASE", (table,)
    ).fetchall()
    if not problem and table in OPTIONAL:
        return
    if len(problem) != 1 or problem[0][0] != "table" or not problem[0][1]:
        raise sqlite3.DatabaseError(f"{table} is no plain table")
    shape = [(name, hidden) for _, name, *_, hidden in _table_info(connection, table)]
    if shape != [(name, 0) for name in columns]:
        raise sqlite3.DatabaseError(f"{table} has other columns than an index's")


def _table_info(connection: sqlite3.Connection, table: str) -> list[tuple[Any, ...]]:
    return connection.execute(f"PRAGMA table_xinfo({table})").fetchall()


def rows(connection: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """The rows of a known table, in order; no index is used, which may be forged."""
    columns = ", ".join(f'"{name}"' for name in TABLES[table])
    sql = f"SELECT {columns} FROM {table} NOT INDEXED ORDER BY {ORDER[table]}"
    return iter(connection.execute(sql))


def copy(source: sqlite3.Connection, target: sqlite3.Connection) -> None:
    """Create a store in the empty database `target`, and copy the rows of `source`. Raises
    sqlite3.DatabaseError, naming the first row that is none of a store's."""
    meta = _meta(source)
    schema.create(target, meta)
    target.execute("PRAGMA foreign_keys = ON")
    target.execute("BEGIN")
    for row in rows(source, "documents"):
        _require(_is_document(row), f"document {row[1]!r:.100}")
        _insert(target, "documents", row)
    dim = int(meta["dim"])
    for row in rows(source, "passages"):
        text = target.execute("SELECT text FROM documents WHERE row = ?", (row[1],)).fetchone()
        is_sound = text is not None and _is_passage(row, text[0], dim)
        _require(is_sound, f"passage {row[0]!r:.100}")
        _insert(target, "passages", row)
    for script, tables in ((schema.ORIGINALS, ("originals",)), (schema.GRIDS, ("grids", "cells"))):
        if not all(_exists(source, table) for table in tables):
            continue
        schema.run(target, script)
        for table in tables:
            for row in rows(source, table):
                _require(OPTIONAL[table](row), f"{table[:-1]} {row[0]!r:.100}")
                _insert(target, table, row)
    target.execute("COMMIT")


def _meta(source: sqlite3.Connection) -> dict[str, str]:
    stated = sqlite_file.read_meta(source)
    _require(all(isinstance(value, str) for value in stated.values()), "table meta")
    meta = {key: stated[key] for key in _META if key in stated}
    numbers = [meta.get("dim", ""), meta.get("passage_tokens", "")]
    is_sound = all(number.isdecimal() and 0 < int(number) < _MOST_DIM for number in numbers)
    _require(is_sound and bool(meta.get("embedder")), "table meta")
    return meta


def generation(meta: Mapping[str, str]) -> int:
    """The generation that the database states. Raises sqlite3.DatabaseError."""
    stated = str(meta.get("generation"))
    _require(stated.isdecimal() and len(stated) < 17, f"generation {stated!r:.100}")
    return int(stated)


def _exists(connection: sqlite3.Connection, table: str) -> bool:
    return bool(_table_info(connection, table))


def _require(is_sound: bool, part: str) -> None:
    if not is_sound:
        raise sqlite3.DatabaseError(f"{part} is not one of an index")


def _insert(target: sqlite3.Connection, table: str, row: tuple[Any, ...]) -> None:
    target.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def _is_row_number(value: object) -> bool:
    return isinstance(value, int) and 0 < value < _MOST_NUMBER


def _is_document(row: tuple[Any, ...]) -> bool:
    number, document_id, *names, metadata, pages, stamp, text, blocks, digest = row
    if not _is_row_number(number) or not isinstance(blocks, bytes):
        return False
    texts = (document_id, *names, metadata, pages, stamp, text, digest)
    if not all(isinstance(value, str) for value in texts) or not document_id:
        return False
    if schema.text_digest(text) != digest:
        return False
    return _are_names(metadata) and _are_pages(pages) and are_blocks(blocks, len(text))


def _are_names(metadata: str) -> bool:
    values = parsed_json(metadata)
    return isinstance(values, dict) and all(isinstance(value, str) for value in values.values())


def _are_pages(pages: str) -> bool:
    """Whether they are whole numbers in order: the offsets of the pages."""
    values = parsed_json(pages)
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        return False
    return values == sorted(values) and all(0 <= value < _MOST_NUMBER for value in values)


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


def _is_passage(row: tuple[Any, ...], text: str, dim: int) -> bool:
    number, document, start, end, heading, part, vector = row
    if not (_is_row_number(number) and _is_row_number(document)):
        return False
    if not (type(start) is int and type(end) is int and 0 <= start <= end <= len(text)):
        return False
    if not isinstance(heading, str) or text[start:end] != part:
        return False
    return isinstance(vector, bytes) and len(vector) == 4 * dim and _is_unit(vector)


def _is_cell(row: tuple[Any, ...]) -> bool:
    number, *texts = row
    if not _is_row_number(number) or not all(isinstance(value, str) for value in texts):
        return False
    ids, record = parsed_json(texts[3]), texts[4]
    names = isinstance(ids, list) and all(isinstance(name, str) for name in ids)
    return names and isinstance(parsed_json(record), (dict, str))


def _is_original(row: tuple[Any, ...]) -> bool:
    return isinstance(row[0], str) and isinstance(row[1], bytes)


def _is_grid(row: tuple[Any, ...]) -> bool:
    return isinstance(parsed_json(row[1]), dict)


OPTIONAL: Mapping[str, Callable[[tuple[Any, ...]], bool]] = {
    "originals": _is_original,
    "grids": _is_grid,
    "cells": _is_cell,
}
"""Tables that a store may lack, and whether a row is sound."""


def _is_unit(vector: bytes) -> bool:
    values = np.frombuffer(vector, dtype=np.float32).astype(np.float64)
    length = float(np.dot(values, values))
    return math.isfinite(length) and abs(length - 1) < _UNIT
