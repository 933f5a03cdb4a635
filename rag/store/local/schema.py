"""Tables of a local store."""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
from collections.abc import Mapping

FORMAT = 6
ROOT_KEY = "root"
"""Key, in the table `meta`, of the folder that contains the index."""
_DOCUMENTS = """
CREATE TABLE documents (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    source TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    metadata TEXT NOT NULL,
    pages TEXT NOT NULL,
    stamp TEXT NOT NULL,
    text TEXT NOT NULL,
    blocks BLOB NOT NULL,
    digest TEXT NOT NULL
);
CREATE INDEX documents_source ON documents (source);
"""
PASSAGES = """
CREATE TABLE {passages} (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents (row) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    headings TEXT NOT NULL,
    text TEXT NOT NULL,
    vector BLOB NOT NULL
);
CREATE INDEX {passages}_document ON {passages} (document);
"""
_REMOVED = """
CREATE TABLE removed (id INTEGER PRIMARY KEY, generation INTEGER NOT NULL);
CREATE INDEX removed_generation ON removed (generation);
"""
JOURNAL = """
CREATE TRIGGER passage_removed AFTER DELETE ON passages BEGIN
    INSERT OR IGNORE INTO removed
    VALUES (old.id, 1 + (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'generation'));
END;
"""
"""Records removed ids by generation, so that search indexes need no full comparison."""
LATER_TABLES = ("originals", "grids", "cells")
"""Tables that an index of this format may lack."""
_ORIGINALS = """
CREATE TABLE IF NOT EXISTS originals (
    id TEXT PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
    content BLOB NOT NULL
);
"""
_GRIDS = """
CREATE TABLE IF NOT EXISTS grids (name TEXT PRIMARY KEY, record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cells (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    grid TEXT NOT NULL REFERENCES grids (name) ON DELETE CASCADE,
    row TEXT NOT NULL,
    name TEXT NOT NULL,
    documents TEXT NOT NULL,
    record TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS cells_grid ON cells (grid);
"""
_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
{_DOCUMENTS}{PASSAGES.format(passages="passages")}{_REMOVED}{JOURNAL}{_ORIGINALS}{_GRIDS}
"""


def create(connection: sqlite3.Connection, values: Mapping[str, str]) -> None:
    """Create all tables in one transaction, with `values` in meta."""
    meta = {
        "format": str(FORMAT),
        "store": uuid.uuid4().hex,
        "generation": "0",
        "journal": "0",
        **values,
    }
    connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA}")
    connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    connection.execute("COMMIT")


def add_missing(connection: sqlite3.Connection, writable: bool) -> None:
    """Create the `LATER_TABLES`; empty ones for this connection alone if it is read-only."""
    sql = "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN (?, ?, ?)"
    if connection.execute(sql, LATER_TABLES).fetchone()[0] < len(LATER_TABLES):
        script = _ORIGINALS + _GRIDS
        if not writable:
            script = script.replace("CREATE TABLE", "CREATE TEMP TABLE")
            script = script.replace("IF NOT EXISTS cells_grid", "IF NOT EXISTS temp.cells_grid")
        run(connection, script)


def text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def run(connection: sqlite3.Connection, script: str) -> None:
    """Run a script in the current transaction, which `executescript` would commit."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
