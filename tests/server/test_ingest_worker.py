"""Ingestion of uploads, with interruptions and failures."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from rag import build
from rag.ingestion import deletion
from rag.protocols import Vectors
from rag.server.app import create_app
from rag.server.schemas import Job
from rag.server.state import Backend, Service
from rag.server.upload_queue_local import LocalUploadQueue
from rag.settings import Settings
from rag.store.local.sqlite_file import WriteLock
from rag.store.local.store import LocalStore
from tests.fakes import BagOfWordsEmbedder, NameReader, SpanJudge, document

pytestmark = pytest.mark.usefixtures("short_waits")
TEXT = b"The cat is called Minka."


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.server.ingest_worker._PAUSE", 0.05)


class Counting(BagOfWordsEmbedder):
    """Counts the passages that it embeds, while `go` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.texts = 0
        self.go = threading.Event()
        self.go.set()

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return super().embed_passages(texts)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.texts += len(texts)
        self.go.wait(30)
        return super().embed_passages(texts)


@contextmanager
def service(
    index: Path, embedder: BagOfWordsEmbedder | None = None, wait: float = 0.1
) -> Iterator[Service]:
    """A service without HTTP."""
    used = embedder or BagOfWordsEmbedder()

    def opened(settings: Settings) -> Backend:
        expect = {
            "embedder": used.name,
            "dim": str(used.dim),
            "passage_tokens": str(settings.passage_tokens),
        }
        store = LocalStore(index, expect, create=True, wait=wait)
        return Backend(build.assemble(settings, store, used, NameReader(), SpanJudge()), used)

    made: Service = create_app(Settings(index=index), opened).state.service
    made.start()
    try:
        made.models.opened.result(30)
        yield made
    finally:
        made.close()


@contextmanager
def spoilt(path: Path, spoil: str, mend: str) -> Iterator[None]:
    """Replace the database with another program's until the end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(spoil)
        try:
            yield
        finally:
            other.execute(mend)


def full_disk(path: Path, change: str) -> AbstractContextManager[None]:
    """Let the changes of a database fail."""
    trigger = f"CREATE TRIGGER full BEFORE {change} BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    return spoilt(path, trigger, "DROP TRIGGER full")


def done(made: Service, job: str, seconds: float = 10) -> Job:
    found = made.jobs.wait(job, seconds)
    assert found
    return found


def outcome(made: Service, name: str = "a.txt") -> str:
    job = done(made, made.jobs.add([(name, TEXT)]))
    return job.files[0].outcome if job.files else job.state


def test_the_queue_s_database_may_fail_for_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with service(tmp_path) as made:
        with spoilt(
            tmp_path / "uploads.sqlite",
            "ALTER TABLE files RENAME TO gone",
            "ALTER TABLE gone RENAME TO files",
        ):
            assert isinstance(made.jobs, LocalUploadQueue)
            made.jobs.wake()
            time.sleep(0.3)
        assert caplog.text.count("uploads wait") == 1
        assert "no such table: files" in caplog.text
        assert outcome(made) == "added"


def test_an_unrecorded_outcome_is_retried_without_embedding(tmp_path: Path) -> None:
    embedder = Counting()
    with service(tmp_path, embedder) as made:
        with full_disk(tmp_path / "uploads.sqlite", "UPDATE ON files"):
            job = made.jobs.add([("a.txt", TEXT)])
            assert done(made, job, 0.5).state == "queued"
        assert done(made, job).files[0].outcome == "added"
        assert outcome(made, "b.txt") == "added"
    assert embedder.texts == 2


def test_an_upload_waits_while_the_index_cannot_be_written(tmp_path: Path) -> None:
    with service(tmp_path) as made:
        with full_disk(tmp_path / "rag.sqlite", "INSERT ON passages"):
            job = made.jobs.add([("a.txt", TEXT), ("b.exe", b"\0\1")])
            assert done(made, job, 0.5).state == "queued"
        assert [file.outcome for file in done(made, job).files] == ["added", "rejected"]


def test_a_stopped_service_leaves_waiting_uploads_on_disk(tmp_path: Path) -> None:
    full = full_disk(tmp_path / "rag.sqlite", "INSERT ON passages")
    with service(tmp_path) as made, full:
        made.jobs.add([("a.txt", TEXT)])
        time.sleep(0.2)
        made.close()
    jobs = LocalUploadQueue(tmp_path / "uploads.sqlite", 10, 1 << 20)
    assert jobs.waiting == 1
    jobs.close()


def test_an_upload_that_waits_for_another_writer_is_embedded_once(tmp_path: Path) -> None:
    embedder = Counting()
    with service(tmp_path, embedder) as made:
        with WriteLock(tmp_path).hold(1):
            job = made.jobs.add([("a.txt", TEXT)])
            until = time.monotonic() + 10
            while not embedder.texts and time.monotonic() < until:
                time.sleep(0.01)
            assert done(made, job, 0.3).state == "queued"
            assert embedder.texts == 1
        assert done(made, job).files[0].outcome == "added"
    assert embedder.texts == 1


def test_others_may_write_and_take_a_name_during_embedding(tmp_path: Path) -> None:
    embedder = Counting()
    with service(tmp_path, embedder) as made:
        store = made.engine.store
        assert outcome(made, "old.txt") == "added"
        embedder.go.clear()
        job = made.jobs.add([("a.txt", TEXT)])
        while embedder.texts < 2:
            time.sleep(0.01)
        (receipt,) = deletion.delete(store, ["uploads/old.txt"])
        assert receipt.complete
        store.put(
            document("From a folder.", "uploads/a.txt"), [], np.zeros((0, 64), dtype=np.float32)
        )
        assert done(made, job, 0).state == "queued"
        embedder.go.set()
        (file,) = done(made, job).files
        assert file.outcome == "rejected"
        assert "ingested from /uploads/a.txt" in file.detail
        kept = store.document("uploads/a.txt")
        assert kept
        assert kept.text == "From a folder."
