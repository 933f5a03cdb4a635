"""The local store alone: opening, crashes, failing disks."""

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rag.errors import StoreError
from rag.store.local import database, sqlite_file
from rag.store.local.integrity import examine
from rag.store.local.store import LocalStore
from tests.store.helpers import (
    Worker,
    both,
    by_dense,
    by_lexical,
    local,
    passages_of,
    put_text,
    put_vectors,
    stored_documents,
    unit,
)
from tests.store.local.disks import read_only, small_disk
from tests.store.local.filled import filled_index

# Opening


def test_a_deleted_index_accepts_no_changes_but_its_replacement_does(tmp_path: Path) -> None:
    store = local(tmp_path / "index")
    put_text(store, "a", "Sardines swim.")
    (tmp_path / "index").rename(tmp_path / "away")
    for change in (
        lambda: put_text(store, "b", "Trees grow."),
        lambda: store.delete("a"),
        store.stats,
    ):
        with pytest.raises(StoreError, match=r"no index|is gone"):
            change()
    replacement = local(tmp_path / "index")
    put_text(store, "b", "Trees grow.")
    assert set(stored_documents(replacement)) == {"b"}
    replacement.close()
    store.close()
    assert set(stored_documents(local(tmp_path / "away", create=False))) == {"a"}


def test_an_uncreatable_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file", tmp_path / "file" / "index"):
        with pytest.raises(StoreError, match=str(folder)):
            local(folder)
    with pytest.raises(StoreError, match="index"):
        local(tmp_path / ("x" * 300))


def test_a_store_that_failed_to_open_is_closed(tmp_path: Path) -> None:
    local(tmp_path).close()
    for _ in range(3):
        with pytest.raises(StoreError):
            LocalStore(tmp_path, {"embedder": "other"})
    assert not (tmp_path / "rag.sqlite-wal").exists()


# Failing disks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index with one document."""
    return filled_index(tmp_path / "index", "a")


def test_a_read_only_folder_answers_unchanged(folder: Path) -> None:
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with Worker(folder, *read_only(folder)) as reader:
        assert reader.ask("both", "sardines") == [["a"], ["a"]]
        for command in (("put", "b", "Sardines."), ("delete", "a"), ("begin",)):
            name, message = reader.ask(*command)
            assert name == "StoreError"
            assert f"index {folder} cannot be written" in message
        assert reader.end() == ""  # the saved indexes were used
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times


def test_a_read_only_reader_follows_a_writer(folder: Path) -> None:
    with Worker(folder, *read_only(folder)) as reader:
        assert reader.ask("both", "sardines") == [["a"], ["a"]]
        for id in ("b", "c"):
            store = local(folder)  # opens and closes it, with its WAL
            with store.writing():
                put_text(store, id, "Sardines sleep.")
                assert reader.ask("both", "sardines")[0] == sorted({"a", "b", id})
                assert reader.ask("texts")[id] == "Sardines sleep."
            assert reader.ask("both", "sardines") == [sorted({"a", "b", id})] * 2
            store.close()
            assert reader.ask("both", "sardines") == [sorted({"a", "b", id})] * 2
        store = local(folder)
        with store.writing():
            store.delete("a")
        assert reader.ask("both", "sardines") == [["b", "c"]] * 2
        assert reader.end() == ""


def crashed(folder: Path) -> Path:
    """A state after a power failure: a WAL with commits, and older search indexes."""
    store = local(folder / "live")
    with store.writing():
        put_text(store, "a", "Sardines swim.")
    put_text(store, "b", "Sardines sleep.")
    copy = shutil.copytree(folder / "live", folder / "crashed")
    store.close()
    assert (copy / "rag.sqlite-wal").stat().st_size
    return copy


def test_a_crashed_wal_is_read_in_a_read_only_folder(tmp_path: Path) -> None:
    folder = crashed(tmp_path)
    with Worker(folder, *read_only(folder)) as reader:
        assert reader.ask("both", "sardines") == [["a", "b"]] * 2
    assert both(local(folder), "sardines") == [{"a", "b"}] * 2


def test_unreadable_commits_and_no_index_are_errors_in_a_read_only_folder(tmp_path: Path) -> None:
    folder, empty_folder = crashed(tmp_path), tmp_path / "empty"
    (folder / "rag.sqlite-shm").unlink()
    empty_folder.mkdir()
    for place, words in (
        (folder, str(folder)),
        (empty_folder, f"index {empty_folder} cannot be written"),
    ):
        with Worker(place, *read_only(place)) as reader:
            name, message = reader.opened
        assert name == "StoreError"
        assert words in message


def test_a_full_disk_is_an_error_that_loses_nothing(tmp_path: Path) -> None:
    local(tmp_path / "index").close()
    with Worker(tmp_path / "index", *small_disk(tmp_path / "index", 700)) as worker:
        assert worker.opened == "open"
        stored_names = []
        for n in range(40):
            failed = worker.ask("put", f"n{n}", "Herring in the sea. " * 300)
            if failed:
                break
            stored_names.append(f"n{n}")
        assert stored_names
        assert failed[0] == "StoreError"
        assert f"index {tmp_path}/index cannot be written" in failed[1]
        # the full text does not fit, either
        assert worker.ask("both", "herring") == [sorted(stored_names)] * 2
        assert worker.ask("texts").keys() == set(stored_names)


# Size


def best(count: int, seed: int, k: int, gone: range = range(0)) -> list[str]:
    """The best passages of `many` by exhaustive comparison."""
    scores = unit(count) @ unit(1, seed)[0]
    scores[gone.start : gone.stop] = -2
    return [f"passage {i}" for i in np.argsort(-scores)[:k]]


def many(store: LocalStore, count: int) -> None:
    rows = unit(count)
    with store.writing():
        for start in range(0, count, 50):
            names = [f"passage {i}" for i in range(start, start + 50)]
            put_vectors(store, f"d{start:04}", names, rows[start : start + 50])


def found(store: LocalStore, seed: int, k: int) -> list[str]:
    hits = store.dense(unit(1, seed)[0], k)
    assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)
    return [passage.text for passage in passages_of(store, hits)]


def test_a_large_index_is_compressed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.local.faiss_index._MOST_FLAT", 300)
    store = local(tmp_path)
    many(store, 250)
    assert store.stats().dense == "flat"
    many(store, 600)
    assert store.stats().dense == "ivf-128-sq8"
    store.delete("d0000")
    for opened in (store, local(tmp_path)):
        assert opened.stats().dense == "ivf-128-sq8"
        recalled = [
            len({*found(opened, seed, 10)} & {*best(600, seed, 10, range(50))})
            for seed in range(1, 21)
        ]
        assert sum(recalled) >= 0.75 * 10 * 20  # random vectors have no neighbourhoods, unlike text
        ((_, score),) = opened.dense(unit(600)[77], 1)
        assert score == pytest.approx(1, abs=1e-6)
    with store.writing():
        for start in range(100, 600, 50):
            store.delete(f"d{start:04}")
    store = local(tmp_path)
    assert store.stats().dense == "flat"
    remaining = [name for name in best(600, 3, 600) if 50 <= int(name.split()[1]) < 100]
    assert found(store, 3, 5) == remaining[:5]


def test_an_outdated_vector_file_is_exact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.local.indexes._ALWAYS", 20)
    monkeypatch.setattr("rag.store.local.indexes._MOST_BEHIND", 0)
    store, path = local(tmp_path), tmp_path / "vectors.faiss"
    many(store, 200)
    saved_at = path.stat().st_mtime_ns
    for n in range(5):
        with store.writing():
            put_vectors(store, f"new{n}", [f"new {n}"], unit(1, seed=100 + n))
            store.delete(f"new{n - 1}")
    assert path.stat().st_mtime_ns == saved_at
    for opened in (store, local(tmp_path)):
        assert found(opened, 104, 1) == ["new 4"]
        assert "new 3" not in found(opened, 103, 300)
        assert len(found(opened, 1, 300)) == 201
    with store.writing():
        store.delete("d0000")
    assert path.stat().st_mtime_ns > saved_at
    assert len(found(local(tmp_path), 1, 300)) == 151


def test_only_changed_passages_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = local(tmp_path)
    many(store, 100)
    with Worker(tmp_path) as writer:
        monkeypatch.setattr(database, "passage_ids", lambda *_: pytest.fail("compared everything"))
        for n in range(3):
            with store.writing():
                put_text(store, f"n{n}", f"Sardines {n}.")
            store.delete(f"n{n - 1}")
            writer.ask("put", f"o{n}", f"Sardines and {n}.")
            assert both(store, "sardines")[1] == {f"n{n}", *(f"o{m}" for m in range(n + 1))}


# Unsaved changes


def files(folder: Path) -> dict[Path, int]:
    """The saved search indexes, with their times."""
    without_times = ("lock", "writer", "reserve")
    return {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and "rag.sqlite" not in path.name and path.name not in without_times
    }


def test_a_few_changes_are_searched_and_not_saved(tmp_path: Path) -> None:
    store = local(tmp_path)
    many(store, 600)
    saved_files = files(tmp_path)
    for n in range(4):
        with store.writing():
            put_text(store, f"new{n}", f"Sardines number {n} swim. " * 9)
            store.delete(f"new{n - 2}")
            store.delete(f"d{50 * n:04}")
    assert files(tmp_path) == saved_files
    for opened in (store, local(tmp_path)):
        assert set(by_lexical(opened, "sardines")) == {"new2", "new3"}
        assert set(by_lexical(opened, "passage")) == {
            f"d{start:04}" for start in range(200, 600, 50)
        }
        assert len(by_dense(opened, "sardines")) == opened.stats().passages
        assert by_lexical(opened, "number 3 passage", 1) == ["new3"]
    assert all(finding.ok for finding in examine(tmp_path))


def test_many_changes_are_saved_and_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.local.indexes._MOST_BEHIND", 40)
    store = local(tmp_path)
    many(store, 300)
    with Worker(tmp_path) as sleeper:
        for n in range(9):
            store.delete(f"d{50 * (n % 6):04}")
            with store.writing():
                put_text(store, f"new{n}", "Sardines swim. " * 20)
                store.delete(f"new{n - 1}")
        with closing(sqlite_file.connect(tmp_path / "rag.sqlite")) as connection:
            removed = connection.execute("SELECT count(*) FROM removed").fetchone()[0]
        assert removed < 90  # 300 and more went
        for opened in (store, local(tmp_path)):
            assert both(opened, "sardines") == [{"new8"}] * 2
        assert sleeper.ask("both", "sardines") == [["new8"]] * 2  # it compares everything
        store.delete("new8")
        assert sleeper.ask("both", "sardines") == [[], []]


def test_a_long_delta_is_found_when_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.local.views._LARGEST_DELTA", 3)
    store = local(tmp_path)
    with Worker(tmp_path) as writer:
        writer.ask("begin")
        for n in range(6):
            writer.ask("put", f"n{n}", "Sardines.")
        assert both(store, "sardines") == [{f"n{n}" for n in range(6)}, {f"n{n}" for n in range(3)}]
        writer.ask("delete", "n1")
        assert both(store, "sardines")[1] == {"n0", "n2", "n3"}
    monkeypatch.setattr("rag.store.local.indexes._MOST_BEHIND", 3)
    store.delete("n0")
    assert both(store, "sardines") == [{"n2", "n3", "n4", "n5"}] * 2
