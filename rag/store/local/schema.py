"""The tables of a local store, and the steps that bring those of an older version up to date."""

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
"""Numbers of passages that went, and when: what the search indexes need to follow without comparing
everything.
"""
_SCHEMA = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
{_DOCUMENTS}{PASSAGES.format(passages="passages")}{_REMOVED}{JOURNAL}
"""


def create(connection: sqlite3.Connection, values: Mapping[str, str]) -> None:
    """All tables, in one transaction, with `values` in meta."""
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
    """Run the steps from the format found to this version's, all or none. Another process may have
    been quicker.
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
    """0 if it says none or one that is no number."""
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
    """From which generation on the journal of removed passages is whole."""
    connection.execute(
        "INSERT OR REPLACE INTO meta SELECT 'journal', value FROM meta WHERE key = 'generation'"
    )


_STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {
    1: _digests_and_removals,
    2: _pages_and_stamps,
    3: _journal_since,
}
"""By the format that each starts from. A step only adds, with defaults, so that who runs an older
version is not broken.
"""


def run(connection: sqlite3.Connection, script: str) -> None:
    """The statements of `script` inside the present transaction, which `executescript` would
    commit.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
