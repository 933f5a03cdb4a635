import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rag.errors import AbsentError, BusyError, StoreError
from rag.store.local import database, schema, sqlite_file
from rag.store.local.integrity import examine
from tests.store.helpers import ROOT, Worker, local, put_vectors, stored_documents, unit
from tests.store.local.disks import read_only
from tests.store.local.filled import filled_index

META = {"embedder": "e", "dim": "64", "passage_tokens": "12"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    store = local(tmp_path)
    for n in range(40):
        put_vectors(store, f"d{n}", [f"Sardine number {n}. " * 20], unit(1))
    store.close()
    return tmp_path / "rag.sqlite"


def broken(path: Path) -> str:
    """The message for opening and for creating, neither of which changes the file."""
    content = path.read_bytes()
    with pytest.raises(StoreError) as opening:
        sqlite_file.connect(path)
    with pytest.raises(StoreError) as creating:
        sqlite_file.connect(path, META)
    assert path.read_bytes() == content
    assert opening.value.message == creating.value.message
    return opening.value.message


@pytest.mark.parametrize(
    "content",
    [0.99, 0.5, 0.02, 0.0005, b"garbage", b"garbage" * 9999, b"SQLite format 3\0\xff" * 999],
)
def test_cut_files_and_garbage_are_named_and_left_alone(path: Path, content: float | bytes) -> None:
    file_content = path.read_bytes()
    path.write_bytes(
        content if isinstance(content, bytes) else file_content[: int(len(file_content) * content)]
    )
    assert f"{path} is not a readable database" in broken(path)


def test_the_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "rag.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE contacts (name)")
    assert "no such table: meta" in broken(path)


def without_grids(folder: Path) -> Path:
    """An index made before grids and originals existed."""
    with closing(sqlite3.connect(filled_index(folder, "a") / "rag.sqlite")) as connection:
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
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE key = 'format'", (version,))
    assert f"{path} has index format {version}, this version reads {schema.FORMAT}" in broken(path)
    with pytest.raises(StoreError) as error:
        local(path.parent)
    assert "rag ingest PATH --index NEW" in (error.value.hint or "") or version > schema.FORMAT


def test_damage_found_while_reading_is_named(path: Path) -> None:
    scramble(path)
    with (
        pytest.raises(StoreError, match="is not a readable database"),
        closing(local(path.parent)) as store,
    ):
        stored_documents(store)
    findings = examine(path.parent)
    assert [(finding.name, finding.ok) for finding in findings] == [("database", False)]
    assert "rag index restore" in findings[0].fix


def scramble(path: Path) -> None:
    """Random bytes instead of all pages but the first five."""
    content = path.read_bytes()
    path.write_bytes(content[: 5 * 4096] + os.urandom(len(content) - 5 * 4096))


@pytest.mark.parametrize("folder", ["missing", "a/b/missing", "file", "file/inside"])
def test_a_missing_index_has_a_hint(tmp_path: Path, folder: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(AbsentError, match="no index in") as caught:
        sqlite_file.connect(tmp_path / folder / "rag.sqlite")
    assert "rag ingest" in caught.value.hint
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("begun", [False, True])
def test_an_index_that_was_never_finished_is_absent(tmp_path: Path, begun: bool) -> None:
    """The remains of a process that was killed while it created an index: an empty file, or an
    empty database.
    """
    path = tmp_path / "rag.sqlite"
    path.touch()
    if begun:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
    assert (path.stat().st_size > 0) == begun
    with pytest.raises(AbsentError):
        sqlite_file.connect(path)
    with closing(sqlite_file.connect(path, META)) as connection:
        assert sqlite_file.read_meta(connection)["dim"] == "64"


def test_a_copy_by_sqlites_tools_is_an_index(path: Path) -> None:
    with closing(sqlite_file.connect(path)) as connection:
        connection.execute(f"VACUUM INTO '{path}.copy'")
    with closing(sqlite_file.connect(Path(f"{path}.copy"))) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert len(database.documents(copy)) == 40


def test_concurrent_creation_makes_one_index(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.store.helpers import local\n"
        "sys.stdin.read(1); print(*[local(Path(sys.argv[1], str(n)), wait=9).stats().documents "
        "for n in range(6)])"
    )
    command, pipe = [sys.executable, "-c", code, str(tmp_path)], subprocess.PIPE
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
    ids = list(range(-50_000, 50_000))
    with closing(sqlite_file.connect(path)) as connection:
        present, rows = database.vectors(connection, ids, 64)
        assert sorted(present) == list(range(1, 41))
        np.testing.assert_array_equal(rows, np.repeat(unit(1), 40, axis=0))
        assert database.passages(connection, ids).keys() == set(present)
        assert database.vectors(connection, [], 64)[1].shape == (0, 64)


def test_a_lock_by_another_program_is_not_damage(path: Path) -> None:
    store, other_program = local(path.parent), sqlite3.connect(path, isolation_level=None)
    other_program.execute("BEGIN IMMEDIATE")
    store._connection.execute("PRAGMA busy_timeout = 20")
    with pytest.raises(BusyError, match="is locked by another program"):
        store.delete("d1")
    other_program.execute("ROLLBACK")
    assert store.delete("d1")
    store.close()
    other_program.close()
