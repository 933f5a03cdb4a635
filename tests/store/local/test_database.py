from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from rag.errors import AbsentError, BusyError, StoreError
from rag.store.local import database, schema, sqlite_file
from rag.types import Passage
from tests.fakes import document
from tests.store.helpers import ROOT, Worker, both, local, put, stored, unit
from tests.store.local.disks import read_only
from tests.store.local.filled import filled

META = {"embedder": "e", "dim": "64", "passage_tokens": "12"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = local(tmp_path)
    for n in range(40):
        text = f"Sardine number {n}. " * 20
        passage = Passage(f"d{n}", 0, 9, text[:9], "A", "")
        store.put(document(text, f"d{n}"), [passage], unit(1))
    store.close()
    return tmp_path / "rag.sqlite"


def broken(path: Path) -> str:
    """The message for opening and for creating, neither of which changes the file."""
    before = path.read_bytes()
    messages = []
    for create in (None, META):
        with pytest.raises(StoreError) as caught:
            sqlite_file.connect(path, create)
        messages.append(caught.value.message)
    assert path.read_bytes() == before
    assert messages[0] == messages[1]
    return messages[0]


@pytest.mark.parametrize(
    "content",
    [0.99, 0.5, 0.02, 0.0005, b"garbage", b"garbage" * 9999, b"SQLite format 3\0\xff" * 999],
)
def test_a_truncated_file_and_garbage_are_named_and_left_alone(
    path: Path, content: float | bytes
) -> None:
    whole = path.read_bytes()
    path.write_bytes(content if isinstance(content, bytes) else whole[: int(len(whole) * content)])
    assert f"{path} is not a readable database" in broken(path)


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "rag.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE contacts (name)")
    assert "no such table: meta" in broken(path)


def without_grids(folder: Path) -> Path:
    """An index made before grids and originals existed."""
    with contextlib.closing(sqlite3.connect(filled(folder, "a") / "rag.sqlite")) as connection:
        connection.executescript("DROP TABLE cells; DROP TABLE grids; DROP TABLE originals")
    return folder


def test_an_index_without_grids_gets_them(tmp_path: Path) -> None:
    store = local(without_grids(tmp_path))
    store.put_grid("leases", "{}")
    store.keep_original("a", b"x")
    assert (store.grids(), store.original("a")) == ({"leases": "{}"}, b"x")
    assert store.delete("a")
    store.close()


def test_an_index_without_grids_can_be_read_in_a_read_only_folder(tmp_path: Path) -> None:
    folder = without_grids(tmp_path / "index")
    with Worker(folder, *read_only(folder)) as reader:
        assert reader.ask("both", "sardines") == [["a"], ["a"]]
        assert reader.ask("grids") == {}


@pytest.mark.parametrize("version", [4, 99])
def test_an_index_of_another_format_is_named_and_left_alone(path: Path, version: int) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'format'", (version,))
    connection.close()
    assert f"{path} has index format {version}, this version reads {schema.FORMAT}" in broken(path)
    with pytest.raises(StoreError) as error:
        local(path.parent)
    assert "rag ingest PATH --index NEW" in (error.value.hint or "") or version > schema.FORMAT


def test_damage_found_while_reading_is_named(tmp_path: Path) -> None:
    store = local(tmp_path)
    for n in range(40):
        put(store, f"d{n}", f"Sardine number {n}. " * 20)
    assert both(store, "sardine")
    store.close()
    path = tmp_path / "rag.sqlite"
    content = bytearray(path.read_bytes())
    content[5 * 4096 :] = os.urandom(len(content) - 5 * 4096)
    path.write_bytes(content)
    with (
        pytest.raises(StoreError, match="is not a readable database"),
        contextlib.closing(local(tmp_path)) as store,
    ):
        stored(store)


@pytest.mark.parametrize("folder", ["missing", "a/b/missing", "file", "file/inside"])
def test_a_missing_index_has_a_hint(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(AbsentError, match="no index in") as caught:
        sqlite_file.connect(tmp_path / folder / "rag.sqlite")
    assert "rag ingest" in caught.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def leftover(folder: Path) -> Path:
    """The remains of a process that was killed while it created an index."""
    connection = sqlite3.connect(folder / "rag.sqlite", isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.close()
    assert (folder / "rag.sqlite").stat().st_size
    return folder / "rag.sqlite"


@pytest.mark.parametrize(
    "make", [leftover, lambda folder: (folder / "rag.sqlite").touch() or folder / "rag.sqlite"]
)
def test_an_index_that_was_never_finished_is_absent(
    tmp_path: Path, make: Callable[[Path], Path]
) -> None:
    path = make(tmp_path)
    with pytest.raises(AbsentError):
        sqlite_file.connect(path)
    connection = sqlite_file.connect(path, META)
    assert sqlite_file.read_meta(connection)["dim"] == "64"
    connection.close()


def test_a_copy_by_sqlites_tools_is_an_index(path: Path) -> None:
    connection = sqlite_file.connect(path)
    connection.execute(f"VACUUM INTO '{path}.copy'")
    connection.close()
    copy = sqlite_file.connect(Path(f"{path}.copy"))
    assert copy.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert len(database.documents(copy)) == 40
    copy.close()


def test_concurrent_creation_makes_one_index(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.store.helpers import local\n"
        "sys.stdin.read(1); print(*[local(Path(sys.argv[1], str(n)), wait=9).stats().documents "
        "for n in range(6)])"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    pipe = subprocess.PIPE
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for _ in range(3)
    ]
    assert [process.communicate("x")[0].split() for process in processes] == [["0"] * 6] * 3


def test_a_path_may_have_odd_characters(tmp_path: Path) -> None:
    folder = tmp_path / "50% of #1? é 'q'"
    folder.mkdir()
    sqlite_file.connect(folder / "rag.sqlite", META).close()
    assert (folder / "rag.sqlite").stat().st_size
    assert [p.name for p in tmp_path.iterdir()] == [folder.name]


def test_many_ids_are_read_at_once(path: Path) -> None:
    connection = sqlite_file.connect(path)
    ids = list(range(-50_000, 50_000))
    present, rows = database.vectors(connection, ids, 64)
    assert sorted(present) == list(range(1, 41))
    np.testing.assert_array_equal(rows, np.repeat(unit(1), 40, axis=0))
    assert database.passages(connection, ids).keys() == set(present)
    assert database.vectors(connection, [], 64)[1].shape == (0, 64)
    connection.close()


def test_a_lock_by_another_program_is_not_damage(path: Path) -> None:
    store, other = local(path.parent), sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    store._connection.execute("PRAGMA busy_timeout = 20")
    with pytest.raises(BusyError, match="is locked by another program"):
        store.delete("d1")
    other.execute("ROLLBACK")
    assert store.delete("d1")
    store.close()
    other.close()
