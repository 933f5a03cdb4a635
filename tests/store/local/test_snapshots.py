"""Snapshots are consistent, complete, portable, and restored atomically."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from rag.errors import BusyError, InputError, NotFoundError, StoreError
from rag.store.local import snapshots
from rag.types import Document
from tests.store.helpers import Worker, both, local, put_text, stored_documents
from tests.store.local.filled import ALL


def with_names(documents: dict[str, Document]) -> dict[str, Document]:
    """As they are restored: their files lie elsewhere, so only their names are kept."""
    return {
        name: replace(document, source=document.source.removeprefix("/"))
        for name, document in documents.items()
    }


def test_a_snapshot_restores_the_same_index_elsewhere(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    snapshot = snapshots.take_snapshot(folder, tmp_path / "a.ragsnap")
    assert (snapshot.documents, snapshot.passages, snapshot.generation) == (3, 3, 3)
    assert snapshot.bytes == (tmp_path / "a.ragsnap").stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ragsnap", "index"]
    assert snapshots.check(tmp_path / "a.ragsnap") == snapshot
    assert (
        snapshots.restore(tmp_path / "other", tmp_path / "a.ragsnap", replace=False, wait=0)
        == snapshot
    )
    store, original = local(tmp_path / "other", create=False), local(folder)
    assert stored_documents(store) == with_names(stored_documents(original))
    assert both(store, "sardines") == [ALL, ALL]
    assert caplog.text == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ragsnap", "index", "other"]
    put_text(store, "d", "Sardines sleep.")
    assert both(store, "sardines") == [ALL | {"d"}] * 2
    assert both(original, "sardines") == [ALL, ALL]


def test_the_same_rows_have_the_same_digest(folder: Path, tmp_path: Path) -> None:
    snapshot = snapshots.take_snapshot(folder, tmp_path / "a")
    assert snapshots.take_snapshot(folder, tmp_path / "b").digest == snapshot.digest
    store = local(folder)
    put_text(store, "d", "Sardines sleep.")
    store.close()
    assert snapshots.take_snapshot(folder, tmp_path / "c").digest != snapshot.digest


def test_the_newest_snapshot_of_a_folder_is_used(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    with pytest.raises(NotFoundError, match="no snapshot in"):
        snapshots.check(tmp_path / "backups")
    older_snapshot = snapshots.take_snapshot(folder, tmp_path / "backups")
    newer_snapshot = snapshots.take_snapshot(folder, tmp_path / "backups")
    assert older_snapshot.path != newer_snapshot.path
    assert snapshots.check(tmp_path / "backups") == newer_snapshot
    assert [str(path) for path in snapshots.taken(folder)] == [
        older_snapshot.path,
        newer_snapshot.path,
    ]
    os.unlink(older_snapshot.path)
    assert [str(path) for path in snapshots.taken(folder)] == [newer_snapshot.path]


def test_documents_are_not_overwritten_by_default(folder: Path, tmp_path: Path) -> None:
    snapshots.take_snapshot(folder, tmp_path / "a")
    store = local(folder)
    put_text(store, "d", "Sardines sleep.")
    with pytest.raises(InputError, match="already contains documents") as caught:
        snapshots.restore(folder, tmp_path / "a", replace=False, wait=0)
    assert "--replace" in caught.value.hint
    assert set(stored_documents(store)) == ALL | {"d"}
    generation = store.stats().generation
    snapshots.restore(folder, tmp_path / "a", replace=True, wait=0)
    assert both(store, "sardines") == [ALL, ALL]  # it was open during the restore
    assert store.stats().generation > generation


def test_open_processes_switch_to_the_restored_data(folder: Path, tmp_path: Path) -> None:
    snapshots.take_snapshot(folder, tmp_path / "a")
    with Worker(folder) as second_process:
        for n in range(5):
            second_process.ask("put", f"n{n}", "Sardines sleep.")
        second_process.ask("delete", "a")
        snapshots.restore(folder, tmp_path / "a", replace=True, wait=0)
        assert second_process.ask("both", "sardines") == [sorted(ALL)] * 2
        second_process.ask("put", "d", "Trees grow.")  # reuses a former passage's id
        assert second_process.ask("both", "sardines") == [["a", "b", "c", "d"], sorted(ALL)]
    assert both(local(folder), "trees")[1] == {"d"}


def flip(path: Path, seed: int) -> None:
    content = bytearray(path.read_bytes())
    content[random.Random(seed).randrange(100, len(content))] ^= 1 << seed % 8
    path.write_bytes(content)


@pytest.mark.parametrize("kept_share", [0.99, 0.5, 0.01, 0])
def test_a_truncated_snapshot_changes_nothing(
    folder: Path, tmp_path: Path, kept_share: float
) -> None:
    path = Path(snapshots.take_snapshot(folder, tmp_path / "a").path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept_share)])
    with pytest.raises(StoreError, match=str(path)):
        snapshots.restore(folder, path, replace=True, wait=0)
    assert both(local(folder), "sardines") == [ALL, ALL]


@pytest.mark.parametrize(
    "broken",
    [
        lambda content: content[: len(content) // 2],
        lambda content: content[: len(content) // 2 + 99],
        lambda content: b"\0" * 100 + content[100:],
        lambda content: b"\0" * 4096 + content[4096:],
        lambda content: b"\0" * len(content),
        lambda content: b"not a database" * 999,
        lambda content: content[:50],
    ],
    ids=["half", "within a page", "header", "first page", "zeros", "garbage", "50 bytes"],
)
def test_a_broken_index_is_replaced(
    folder: Path, tmp_path: Path, broken: Callable[[bytes], bytes]
) -> None:
    path = snapshots.take_snapshot(folder, tmp_path / "a").path
    (folder / "rag.sqlite").write_bytes(broken((folder / "rag.sqlite").read_bytes()))
    snapshots.restore(folder, Path(path), replace=True, wait=0)
    store = local(folder)
    assert both(store, "sardines") == [ALL, ALL]
    put_text(store, "d", "Sardines swim near d.")
    assert both(store, "sardines") == [{*ALL, "d"}, {*ALL, "d"}]


@pytest.mark.slow
def test_a_flipped_bit_is_detected_or_harmless(folder: Path, tmp_path: Path) -> None:
    store = local(folder)
    documents, detected = stored_documents(store), 0
    for seed in range(25):
        (tmp_path / "a").unlink(missing_ok=True)  # the mark of a snapshot may itself be damaged
        path = Path(snapshots.take_snapshot(folder, tmp_path / "a").path)
        flip(path, seed)
        try:
            snapshots.restore(tmp_path / "other", path, replace=True, wait=0)
        except StoreError:
            detected += 1
        else:
            assert stored_documents(local(tmp_path / "other")) == with_names(
                documents
            )  # it was in unused space
    assert detected


def test_other_files_are_not_snapshots(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x" * 9999)
    for path, error in (
        (tmp_path / "none", NotFoundError),
        (tmp_path / "x", StoreError),
        (folder / "rag.sqlite", StoreError),
    ):
        with pytest.raises(error, match=str(path)):
            snapshots.check(path)
    with pytest.raises(StoreError, match="no index in"):
        snapshots.take_snapshot(tmp_path / "none", tmp_path / "a")
    with pytest.raises(StoreError, match="cannot be written"):
        snapshots.take_snapshot(folder, tmp_path / "none" / "a")


def test_only_a_snapshot_is_replaced_by_one(folder: Path, tmp_path: Path) -> None:
    store = local(folder)
    snapshots.take_snapshot(folder, tmp_path / "a")
    put_text(store, "d", "Sardines sleep.")
    assert snapshots.take_snapshot(folder, tmp_path / "a").documents == 4
    (tmp_path / "thesis.md").write_text("Years of work.")
    (tmp_path / "empty").touch()
    (tmp_path / "nowhere").symlink_to(tmp_path / "none")
    os.mkfifo(tmp_path / "pipe")
    local(tmp_path / "other").close()
    for name in ("thesis.md", "empty", "nowhere", "pipe", "other/rag.sqlite"):
        with pytest.raises(InputError, match=f"{tmp_path / name} exists and is not a snapshot"):
            snapshots.take_snapshot(folder, tmp_path / name)
    assert (tmp_path / "thesis.md").read_text() == "Years of work."


@pytest.mark.parametrize(
    "name", ["", "rag.sqlite", "new.ragsnap", "lexical/new.ragsnap", "../link/new.ragsnap"]
)
def test_a_snapshot_never_goes_into_its_index(folder: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "link").symlink_to(folder)
    paths = sorted(folder.rglob("*"))
    with pytest.raises(InputError, match="is in the index folder itself"):
        snapshots.take_snapshot(folder, folder / name)
    assert sorted(folder.rglob("*")) == paths
    assert both(local(folder), "sardines") == [ALL, ALL]


def test_a_snapshot_of_another_format_is_refused(folder: Path, tmp_path: Path) -> None:
    snapshot = snapshots.take_snapshot(folder, tmp_path / "old")
    with closing(sqlite3.connect(snapshot.path)) as connection:
        connection.execute("UPDATE meta SET value = '4' WHERE key = 'format'")
        connection.commit()
    with pytest.raises(StoreError, match="has index format 4, this version reads"):
        snapshots.restore(tmp_path / "new", Path(snapshot.path), replace=False, wait=0)


def test_a_snapshot_is_consistent_during_writes(folder: Path, tmp_path: Path) -> None:
    with Worker(folder) as writer:
        writer.tell("cycle", "6")
        for n in range(2):
            snapshots.take_snapshot(folder, tmp_path / f"{n}")
        assert writer.answer() is None
    for n in range(2):
        snapshots.restore(tmp_path / f"index-{n}", tmp_path / f"{n}", replace=False, wait=0)
        store = local(tmp_path / f"index-{n}", create=False)
        restored = stored_documents(store)
        assert set(restored) >= ALL
        assert len(restored) <= 3 + 4
        assert both(store, "herring")[0] == set(restored)


def test_a_restore_waits_for_another_writer(folder: Path, tmp_path: Path) -> None:
    snapshots.take_snapshot(folder, tmp_path / "a")
    with Worker(folder) as writer:
        writer.ask("begin")
        with pytest.raises(BusyError, match=str(writer.process.pid)):
            snapshots.restore(folder, tmp_path / "a", replace=True, wait=0.1)


def test_leftovers_of_killed_snapshots_are_removed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / ".a.ragsnap.99999999.partial").write_text("x")
    (tmp_path / f".a.ragsnap.{os.getppid()}.partial").write_text("of one that lives")
    snapshots.take_snapshot(folder, tmp_path / "a.ragsnap")
    assert [path.name for path in tmp_path.glob(".*")] == [f".a.ragsnap.{os.getppid()}.partial"]
