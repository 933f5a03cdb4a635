"""Rebuilding an index from its own text while it answers, and after kills."""

import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO, cast

import pytest

from rag.errors import BusyError, StoreError
from rag.protocols import Vectors
from rag.store.local import reindex
from rag.store.local.integrity import examine
from rag.store.local.reindex import Rebuilt, abandon
from rag.store.local.store import LocalStore
from tests.fakes import BagOfWordsEmbedder
from tests.store.helpers import ROOT, Worker, both, by_lexical, local, put_text, stored_documents

OTHER = {"embedder": "other", "dim": "32", "passage_tokens": "30"}
EVERYTHING = {f"d{n:02}" for n in range(40)}


def shape(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """All objects of the database, each with its columns."""
    with closing(sqlite3.connect(path)) as connection:
        objects = connection.execute(
            "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
        ).fetchall()
        return {
            f"{kind} {name}": connection.execute(f"PRAGMA table_info({name})").fetchall()
            for kind, name in objects
        }


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For the fixture `folder`: an index of forty documents."""
    store = local(tmp_path_factory.mktemp("forty") / "index")
    with store.writing():
        for id in sorted(EVERYTHING):
            put_text(store, id, f"Sardine number {id} swims near the coast of its bay. " * 6)
    store.close()
    return store.folder


def rebuild(
    folder: Path, embedder: BagOfWordsEmbedder | None = None, tokens: int = 30, wait: float = 5
) -> Rebuilt:
    embedder = embedder or BagOfWordsEmbedder("other", dim=32)
    return reindex.rebuild(folder, embedder, embedder.name, tokens, wait=wait)


def sound(folder: Path) -> bool:
    return all(finding.ok for finding in examine(folder))


def opened(folder: Path) -> LocalStore:
    return LocalStore(folder, OTHER)


def test_the_same_documents_answer_as_from_a_new_index(folder: Path, tmp_path: Path) -> None:
    original = local(folder)
    original_stats, texts = original.stats(), stored_documents(original)
    original.close()
    report = rebuild(folder)
    assert (report.documents, report.resumed) == (40, 0)
    assert (report.embedder, report.passage_tokens) == ("other", 30)
    store = opened(folder)
    stats = store.stats()
    assert (stats.documents, stats.passages) == (40, report.passages)
    assert (stats.dim, stats.embedder) == (32, "other")
    assert stats.passages < original_stats.passages
    assert stats.generation > original_stats.generation
    assert stored_documents(store) == texts
    vector = BagOfWordsEmbedder(dim=32).embed_queries(["sardine number d07"])[0]
    assert len(store.dense(vector, 1000)) == report.passages
    assert set(by_lexical(store, "sardine")) == set(texts)
    assert sound(folder)
    local(tmp_path / "new").close()
    assert shape(folder / "rag.sqlite") == shape(tmp_path / "new" / "rag.sqlite")
    store.delete("d07")
    assert "d07" not in by_lexical(store, "sardine")
    store.close()
    rebuild(folder)  # and again
    assert set(by_lexical(opened(folder), "sardine")) == EVERYTHING - {"d07"}
    assert sound(folder)


def test_open_processes_continue(folder: Path) -> None:
    """With the same embedder. With another, it raises an error."""
    store = local(folder)
    with Worker(folder) as second_process:
        assert second_process.ask("both", "sardine")[1] == sorted(stored_documents(store))
        second_process.ask("begin")
        with pytest.raises(BusyError, match=str(second_process.process.pid)):
            rebuild(folder, wait=0.1)
        second_process.ask("end")
        rebuild(folder, BagOfWordsEmbedder(), 12)
        for _ in range(2):
            assert second_process.ask("both", "sardine")[1] == sorted(stored_documents(store))
        second_process.ask("put", "new", "Sardines sleep.")
        assert second_process.ask("delete", "d00") is True
        assert both(store, "sardine")[1] == EVERYTHING - {"d00"} | {"new"}
        rebuild(folder)
        name, message = second_process.ask("both", "sardine")
        assert name == "MismatchError"
        assert "was made with embedder = other" in message
    with pytest.raises(StoreError, match="rag index rebuild"):
        put_text(store, "x", "Sardines.")


@pytest.fixture(autouse=True)
def in_small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.ingestion.pipeline.BATCH_PASSAGES", 5)


class Interrupted(Exception):
    """Stops a run."""


class StoppingEmbedder(BagOfWordsEmbedder):
    """Embeds a number of batches, with a callback before each."""

    def __init__(self, batches: int, between: Callable[[], None] = lambda: None) -> None:
        super().__init__("other", dim=32)
        self.batches, self.between, self.embedded = batches, between, 0

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        if self.batches == 0:
            raise Interrupted
        self.batches -= 1
        self.embedded += len(texts)
        self.between()
        return super().embed_passages(texts)


def test_an_unfinished_rebuild_ends_on_request_and_for_another_target(folder: Path) -> None:
    for tokens in (30, 20):
        with pytest.raises(Interrupted):
            rebuild(folder, StoppingEmbedder(1))
        if tokens == 30:  # the same target
            assert abandon(folder)
            assert not abandon(folder)
            assert not any("a rebuild" in finding.detail for finding in examine(folder))
        assert rebuild(folder, tokens=tokens).resumed == 0


def test_documents_may_change_meanwhile(folder: Path) -> None:
    store, turn = local(folder, wait=5), iter(range(99))

    def change() -> None:
        n = next(turn)
        if n > 1:  # from then on it holds the lock
            return
        put_text(store, f"new-{n}", f"Herring {n}. " * 9)
        put_text(store, f"d{n:02}", f"Herring now {n}.")
        store.delete(f"d{39 - n}")
        assert f"new-{n}" in both(store, "herring")[1]

    report = rebuild(folder, StoppingEmbedder(99, change))
    documents = stored_documents(opened(folder))
    changed = min(next(turn), 2)
    assert changed > 1
    assert report.documents == len(documents) == 40
    assert set(by_lexical(opened(folder), "herring")) == {
        id for n in range(changed) for id in (f"new-{n}", f"d{n:02}")
    }
    assert sound(folder)


def test_questions_are_answered_throughout(folder: Path) -> None:
    store, stop, wrong = local(folder), threading.Event(), list[str]()

    def ask() -> None:
        while not stop.is_set():
            try:
                if set(by_lexical(store, "sardine")) != EVERYTHING:
                    wrong.append("not all found")
            except Exception as error:
                wrong.append(repr(error))

    thread = threading.Thread(target=ask)
    thread.start()
    rebuild(folder, BagOfWordsEmbedder(), 12)
    local(folder).close()
    stop.set()
    thread.join()
    assert wrong == []


KILLED = """
import sys, time
from pathlib import Path
from rag.store.local.reindex import rebuild
from tests.fakes import BagOfWordsEmbedder
import rag.ingestion.pipeline
rag.ingestion.pipeline.BATCH_PASSAGES = 5
def seen(n): print(n, flush=True); time.sleep(0.005)
rebuild(Path(sys.argv[1]), BagOfWordsEmbedder(dim=32), "other", 30, on_progress=seen)
"""


def test_a_killed_run_changes_nothing_and_is_resumed(folder: Path) -> None:
    store = local(folder)
    unchanged_state = (store.stats(), both(store, "sardine"))
    command = [sys.executable, "-c", KILLED, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for _ in range(4):
            cast(IO[str], process.stdout).readline()
        process.kill()
        assert process.wait() == -signal.SIGKILL
    for readable in (store, local(folder)):
        assert (readable.stats(), both(readable, "sardine")) == unchanged_state
    assert sound(folder)
    assert any("a rebuild" in finding.detail for finding in examine(folder))
    embedder = StoppingEmbedder(99)
    report = rebuild(folder, embedder)
    assert 0 < report.resumed < 40
    assert 0 < embedder.embedded < report.passages
    assert report.documents == 40
    assert set(by_lexical(opened(folder), "sardine")) == EVERYTHING
    assert sound(folder)
