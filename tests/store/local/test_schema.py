"""The tables of a local store."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from rag.errors import StoreError
from rag.store.local import schema
from tests.store.helpers import local, put


def test_an_index_of_another_format_is_named_with_the_next_command(tmp_path: Path) -> None:
    local(tmp_path).close()
    with sqlite3.connect(tmp_path / "rag.sqlite") as connection:
        connection.execute("UPDATE meta SET value = '4' WHERE key = 'format'")
    before = (tmp_path / "rag.sqlite").read_bytes()
    with pytest.raises(
        StoreError, match=f"index format 4, this version reads {schema.FORMAT}"
    ) as e:
        local(tmp_path)
    assert "rag ingest PATH --index NEW" in (e.value.hint or "")
    assert (tmp_path / "rag.sqlite").read_bytes() == before


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
