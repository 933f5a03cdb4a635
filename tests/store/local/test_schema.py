"""An index of an older version is upgraded completely and answers as before."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from rag.errors import StoreError
from rag.store.local import schema, sqlite_file
from tests.small_index import in_threads
from tests.store.helpers import EXPECT, Worker, both, local, put, stored, unit
from tests.store.local.disks import read_only

FORMAT_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    source TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    metadata TEXT NOT NULL,
    sections TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX documents_source ON documents (source);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents (row) ON DELETE CASCADE,
    start INTEGER NOT NULL,
    end INTEGER NOT NULL,
    heading TEXT NOT NULL,
    text TEXT NOT NULL,
    vector BLOB NOT NULL
);
CREATE INDEX passages_document ON passages (document);
"""
TEXT = "Sardines swim near the coast."


def first_version(folder: Path) -> Path:
    """An index of version 1, with one document of one passage."""
    folder.mkdir()
    connection = sqlite3.connect(folder / "rag.sqlite")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(FORMAT_1)
    meta = {"format": "1", "store": "s", "generation": "1", **EXPECT}
    connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    values = ("a", "A", "/a", "0" * 64, '{"year": "2024"}', '[[0, "A"]]', TEXT)
    connection.execute(
        "INSERT INTO documents (id, title, source, sha256, metadata, sections, text) VALUES (?, "
        "?, ?, ?, ?, ?, ?)",
        values,
    )
    passage = (0, len(TEXT), "A", TEXT, unit(1)[0].tobytes())
    connection.execute(
        "INSERT INTO passages (document, start, end, heading, text, vector) VALUES (1, ?, ?, ?, "
        "?, ?)",
        passage,
    )
    connection.commit()
    connection.close()
    return folder


def shape(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All tables with their columns, and the other objects of the database."""
    connection = sqlite3.connect(path)
    names = connection.execute(
        "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
    ).fetchall()
    columns = {
        name: connection.execute(f"PRAGMA table_info({name})").fetchall()
        for kind, name in names
        if kind == "table"
    }
    connection.close()
    return {"names": names, **columns}


def test_the_first_version_is_upgraded_and_answers(tmp_path: Path) -> None:
    store = local(first_version(tmp_path / "old"))
    assert both(store, "sardines")[1] == {"a"}
    assert stored(store)["a"].text == TEXT
    assert store.stats().generation == 1
    put(store, "b", "Sardines sleep.")
    store.delete("a")
    assert both(store, "sardines") == [{"b"}, {"b"}]
    store.close()


def test_an_upgraded_index_equals_a_new_one(tmp_path: Path) -> None:
    local(first_version(tmp_path / "old")).close()
    local(tmp_path / "new").close()
    assert shape(tmp_path / "old" / "rag.sqlite") == shape(tmp_path / "new" / "rag.sqlite")
    connection = sqlite_file.connect(tmp_path / "old" / "rag.sqlite")
    assert connection.execute("SELECT digest FROM documents").fetchall() == [
        (schema.text_digest(TEXT),)
    ]
    connection.close()


def test_many_may_open_an_old_index_at_once(tmp_path: Path) -> None:
    folder, seen = first_version(tmp_path / "old"), list[int]()
    in_threads([lambda: seen.append(local(folder, wait=20).stats().documents)] * 4)
    assert seen == [1] * 4


def test_a_read_only_old_index_is_an_error_and_unchanged(tmp_path: Path) -> None:
    folder = first_version(tmp_path / "old")
    before = (folder / "rag.sqlite").read_bytes()
    with Worker(folder, *read_only(folder)) as reader:
        assert reader.opened[0] == "StoreError"
        assert "has the old index format 1; upgrading it needs write access" in reader.opened[1]
    assert (folder / "rag.sqlite").read_bytes() == before


def test_a_failed_migration_keeps_the_old_format(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = first_version(tmp_path / "old")

    def stop(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE documents ADD COLUMN half TEXT")
        raise sqlite3.OperationalError("stopped")

    monkeypatch.setitem(schema._STEPS, 1, stop)
    with pytest.raises(StoreError, match="stopped"):
        local(folder)
    connection = sqlite3.connect(folder / "rag.sqlite")
    assert schema.found_format(connection) == 1
    assert "half" not in {row[1] for row in connection.execute("PRAGMA table_info(documents)")}
    connection.close()


def test_deletions_are_recorded_with_generation(tmp_path: Path) -> None:
    store = local(tmp_path)
    put(store, "a", "Sardines.")
    put(store, "b", "Herring.")
    store.delete("a")
    put(store, "b", "Mackerel.")
    connection = sqlite3.connect(tmp_path / "rag.sqlite")
    assert connection.execute("SELECT id, generation FROM removed ORDER BY id").fetchall() == [
        (1, 3),
        (2, 4),
    ]
    connection.close()
    store.close()
