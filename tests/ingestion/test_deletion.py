from pathlib import Path

import pytest

from rag.ingestion.deletion import delete
from rag.store.local import snapshots
from rag.store.local.store import LocalStore
from tests.ingestion.folders import content
from tests.store.helpers import both, local, put_text


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = local(tmp_path / "index")
    with store.writing():
        put_text(store, "a", "Quetzalcoatlus flew over the plains. " * 20)
        put_text(store, "b", "Sardines swim near the coast. " * 20)
    return store


def test_a_receipt_counts_before_and_after(store: LocalStore) -> None:
    size = len(store.embedded("a")[0])
    assert size > 3
    (receipt,) = delete(store, ["a"])
    footprint, footprint_after = receipt.before, receipt.after
    counts = (footprint.documents, footprint.passages, footprint.vectors, footprint.words)
    assert counts == (1, size, size, size)
    assert (
        footprint_after.documents,
        footprint_after.passages,
        footprint_after.vectors,
        footprint_after.words,
    ) == (0, 0, 0, 0)
    assert (footprint_after.log_bytes, footprint_after.unmerged) == (0, 0)
    assert (receipt.searches, receipt.found, receipt.complete) == (2 * size, 0, True)
    assert receipt.generation == store.stats().generation
    assert both(store, "quetzalcoatlus")[1] == set()
    assert both(store, "sardines")[1] == {"b"}


def test_no_word_of_a_deleted_document_is_in_any_file(store: LocalStore) -> None:
    assert b"Quetzalcoatlus" in content(store.folder)
    segments = {path.name for path in (store.folder / "lexical").glob("*.term")}
    delete(store, ["a"])
    assert b"Quetzalcoatlus" not in content(store.folder)
    assert not segments & {path.name for path in (store.folder / "lexical").glob("*.term")}
    assert b"Sardines" in content(store.folder)


def test_a_snapshot_that_still_contains_it_is_named(store: LocalStore, tmp_path: Path) -> None:
    with_it = snapshots.take_snapshot(store.folder, tmp_path / "with").path
    assert [receipt.snapshots for receipt in delete(store, ["a"])] == [(with_it,)]
    snapshots.take_snapshot(store.folder, tmp_path / "without")
    put_text(store, "a", "Another.")
    Path(with_it).unlink()
    assert [receipt.snapshots for receipt in delete(store, ["a"])] == [()]


def test_a_deletion_that_a_search_still_finds_is_incomplete(store: LocalStore) -> None:
    """A store whose search ignores its own deletion."""

    class Forgetful(LocalStore):
        def delete(self, document_id: str) -> bool:
            return True

    (receipt,) = delete(Forgetful(store.folder, {}), ["a"])
    assert not receipt.complete
    assert receipt.found == receipt.searches > 0


def test_several_are_deleted_and_unknown_ones_have_no_receipt(store: LocalStore) -> None:
    assert [receipt.document for receipt in delete(store, ["a", "none", "b"])] == ["a", "b"]
    assert store.stats().documents == 0


def test_a_large_full_text_merges_later(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.vacuum()  # saves the full text
    monkeypatch.setattr("rag.store.local.store._QUICK", 1)
    (receipt,) = delete(store, ["a"])
    assert receipt.after.unmerged == receipt.before.passages
    assert receipt.complete
