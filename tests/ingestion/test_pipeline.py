from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.errors import ConflictError
from rag.ingestion.pipeline import batches, index
from rag.types import Document
from tests.fakes import BagOfWordsEmbedder, document
from tests.store.helpers import Worker, both, local

NAMES = ["a.txt", "b.txt", "c.txt"]


def made(name: str) -> Document:
    return document(f"Sardines swim near {name}.", name, name)


def test_others_may_write_between_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.ingestion.pipeline.BATCH_PASSAGES", 1)
    store = local(tmp_path)
    with Worker(tmp_path) as other:

        def documents() -> Iterator[Document]:
            for name in NAMES:
                other.ask("begin")  # takes the lock, or raises BusyError
                other.ask("end")
                yield made(name)

        done = index(documents(), store, BagOfWordsEmbedder())
    assert (done.ids, done.passages, done.refused) == (NAMES, 3, [])
    assert both(store, "sardines") == [set(NAMES), set(NAMES)]


def test_a_document_that_is_refused_under_the_lock_is_left_out(tmp_path: Path) -> None:
    store = local(tmp_path)

    def check(found: Document) -> None:
        if found.id == "b.txt":
            raise ConflictError("b.txt is taken", "choose another name")

    done = index(map(made, NAMES), store, BagOfWordsEmbedder(), check=check)
    assert done.ids == ["a.txt", "c.txt"]
    assert [(found.id, why.message) for found, why in done.refused] == [("b.txt", "b.txt is taken")]
    assert both(store, "sardines") == [{"a.txt", "c.txt"}] * 2


def test_a_group_is_never_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.ingestion.pipeline.BATCH_PASSAGES", 2)
    groups = [("one", [made("a.txt"), made("b.txt"), made("c.txt")]), ("two", []), ("three", [])]
    found = list(batches(groups, BagOfWordsEmbedder(), 160))
    assert [keys for keys, _ in found] == [["one"], ["two", "three"]]
    assert [[one.document.id for one in batch] for _, batch in found] == [NAMES, []]
    assert [one.vectors.shape for one in found[0][1]] == [(1, BagOfWordsEmbedder().dim)] * 3
