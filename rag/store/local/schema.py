"""Tables of a local store, and migrations from older versions."""

from __future__ import annotations

import hashlib
import sqlite3
import uuid
from collections.abc import Callable, Mapping

FORMAT = 4
_DOCUMENTS = """
CREATE TABLE documents (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    source TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    metadata TEXT NOT NULL,
    sections TEXT NOT NULL,
    text TEXT NOT NULL,
    digest TEXT NOT NULL DEFAULT '',
    pages TEXT NOT NULL DEFAULT '[]',
    stamp TEXT NOT NULL DEFAULT ''
);
CREATE INDEX documents_source ON documents (source);
"""
PASSAGES = """
CREATE TABLE {passages} (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents (row) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    heading TEXT NOT NULL,
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
"""Records removed passage ids and their generation, so that search indexes can follow without a
full comparison.
"""
ORIGINALS = """
CREATE TABLE IF NOT EXISTS originals (
    id TEXT PRIMARY KEY REFERENCES documents (id) ON DELETE CASCADE,
    content BLOB NOT NULL
);
"""
"""Created with the first file, so that the format stays the same; older versions erase its rows
with their documents too.
"""
_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
{_DOCUMENTS}{PASSAGES.format(passages="passages")}{_REMOVED}{JOURNAL}
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


def migrate(connection: sqlite3.Connection) -> None:
    """Run the migrations from the found format to this version's, all or none. Another process may
    have been faster.
    """
    connection.create_function("text_digest", 1, text_digest, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    try:
        while (found := found_format(connection)) < FORMAT:
            _STEPS[found](connection)
            connection.execute("UPDATE meta SET value = ? WHERE key = 'format'", (str(found + 1),))
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def found_format(connection: sqlite3.Connection) -> int:
    """Format number of the database; 0 if it is missing or not a number."""
    row = connection.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    return int(row[0]) if row and str(row[0]).isdecimal() else 0


def text_digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _digests_and_removals(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE documents ADD COLUMN digest TEXT NOT NULL DEFAULT ''")
    connection.execute("UPDATE documents SET digest = text_digest(text)")
    run(connection, _REMOVED + JOURNAL)


def _pages_and_stamps(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE documents ADD COLUMN pages TEXT NOT NULL DEFAULT '[]'")
    connection.execute("ALTER TABLE documents ADD COLUMN stamp TEXT NOT NULL DEFAULT ''")


def _journal_since(connection: sqlite3.Connection) -> None:
    """Generation from which the changelog is complete."""
    connection.execute(
        "INSERT OR REPLACE INTO meta SELECT 'journal', value FROM meta WHERE key = 'generation'"
    )


_STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {
    1: _digests_and_removals,
    2: _pages_and_stamps,
    3: _journal_since,
}
"""Migrations by the format they start from. They only add columns with defaults, so that older
versions still work.
"""


def run(connection: sqlite3.Connection, script: str) -> None:
    """Run the statements of `script` in the current transaction, which `executescript` would
    commit.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
