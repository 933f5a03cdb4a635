"""Ingestion of uploads, readings and opening the index, with interruptions and failures."""

import gc
import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest

from rag.cli.cmd_serve import foreseen
from rag.engine import Engine
from rag.errors import InputError, ModelError
from rag.ingestion import deletion
from rag.protocols import ReaderOutput, Vectors
from rag.server.app import create_app
from rag.server.problems import ServiceError
from rag.server.schemas import FileSchema, Job
from rag.server.serve import bound, lasting
from rag.server.state import DefaultService
from rag.server.upload_queue import LocalUploadQueue
from rag.settings import Settings
from rag.store.local.sqlite_file import WriteLock
from rag.types import Hit
from tests.fakes import BagOfWordsEmbedder, document
from tests.server.fake_server import (
    SlowReader,
    add_key,
    open_engine,
    put_text,
    serving,
    wait_until,
    with_key,
)

TEXT = b"The cat is called Minka."


@pytest.fixture(autouse=True)
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
def service(index: Path, embedder: BagOfWordsEmbedder | None = None) -> Iterator[DefaultService]:
    """A service without HTTP."""

    def opened(settings: Settings) -> Engine:
        return open_engine(settings, None, embedder, wait=0.1)

    started: DefaultService = create_app(Settings(index=index), opened).state.service
    started.start()
    try:
        started.models.opened.result(30)
        yield started
    finally:
        started.close()


@contextmanager
def spoilt(path: Path, spoil: str, mend: str) -> Iterator[None]:
    """Replace the database with another program's until the end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as second_connection:
        second_connection.execute(spoil)
        try:
            yield
        finally:
            second_connection.execute(mend)


def full_disk(path: Path, change: str) -> AbstractContextManager[None]:
    """Let the changes of a database fail."""
    trigger = f"CREATE TRIGGER full BEFORE {change} BEGIN SELECT RAISE(ABORT, 'disk is full'); END"
    return spoilt(path, trigger, "DROP TRIGGER full")


def done(app: DefaultService, job: str, seconds: float = 10) -> Job:
    job_done = app.jobs.wait(job, seconds)
    assert job_done
    return job_done


def outcome(app: DefaultService, name: str = "a.txt") -> str:
    job = done(app, app.jobs.add([(name, TEXT)]))
    return job.files[0].outcome if job.files else job.state


def test_the_queue_s_database_may_fail_for_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with service(tmp_path) as app:
        with spoilt(
            tmp_path / "uploads.sqlite",
            "ALTER TABLE files RENAME TO gone",
            "ALTER TABLE gone RENAME TO files",
        ):
            assert isinstance(app.jobs, LocalUploadQueue)
            app.jobs.wake()
            time.sleep(0.3)
        assert caplog.text.count("uploads wait") == 1
        assert "no such table: files" in caplog.text
        assert outcome(app) == "added"


def test_an_unrecorded_outcome_is_retried_without_embedding(tmp_path: Path) -> None:
    embedder = Counting()
    with service(tmp_path, embedder) as app:
        with full_disk(tmp_path / "uploads.sqlite", "UPDATE ON files"):
            job = app.jobs.add([("a.txt", TEXT)])
            assert done(app, job, 0.5).state == "queued"
        assert done(app, job).files[0].outcome == "added"
        assert outcome(app, "b.txt") == "added"
    assert embedder.texts == 2


def test_an_upload_waits_while_the_index_cannot_be_written_and_is_resumed(tmp_path: Path) -> None:
    with service(tmp_path) as app, full_disk(tmp_path / "rag.sqlite", "INSERT ON passages"):
        job = app.jobs.add([("a.txt", TEXT), ("b.exe", b"\0\1")])
        assert done(app, job, 0.5).state == "queued"
        app.close()
    with service(tmp_path) as app:
        assert [file.outcome for file in done(app, job).files] == ["added", "rejected"]


def test_an_upload_that_waits_for_another_writer_is_embedded_once(tmp_path: Path) -> None:
    embedder = Counting()
    with service(tmp_path, embedder) as app:
        with WriteLock(tmp_path).hold(1):
            job = app.jobs.add([("a.txt", TEXT)])
            wait_until(lambda: embedder.texts, 10)
            assert done(app, job, 0.3).state == "queued"
            assert embedder.texts == 1
        assert done(app, job).files[0].outcome == "added"
    assert embedder.texts == 1


def test_a_cancelled_upload_ends_at_once(tmp_path: Path) -> None:
    embedder = Counting()
    long_text = "\n\n".join(f"# Heading {number}\n\nText {number}." for number in range(2000))
    with service(tmp_path, embedder) as app:
        embedder.go.clear()
        job = app.jobs.add([("long.md", long_text.encode())])
        wait_until(lambda: embedder.texts, 10)
        app.jobs.cancel(job)
        assert done(app, job, 1).files[0].detail == "cancelled"
        embedder.go.set()
        assert outcome(app) == "added"
        assert embedder.texts < 100
        assert app.document("uploads/long.md") is None


def test_a_file_during_which_the_service_died_twice_is_given_up(tmp_path: Path) -> None:
    for _ in range(2):
        with closing(LocalUploadQueue(tmp_path / "uploads.sqlite", 10, 1000)) as queue:
            if not queue.waiting:
                job = queue.add([("deadly.txt", TEXT), ("b.txt", TEXT)])
            assert queue.waiting == 2
            queue.count_death(job, 0, 1)
    with service(tmp_path) as app:
        deadly, following = done(app, job).files
        assert (deadly.outcome, following.outcome) == ("rejected", "added")
        assert "killed twice while it worked on this file" in deadly.detail


def test_a_slow_file_of_one_key_holds_up_no_other(tmp_path: Path) -> None:
    """Ten of ten uploads of another key waited longer than twenty seconds."""
    loud, calm = add_key(tmp_path, "write"), add_key(tmp_path, "write")
    with serving(tmp_path, key=loud) as client, with_key(client, calm) as calm_client:
        client.post("/v1/collections", json={"name": "other"}).raise_for_status()
        with ThreadPoolExecutor(8) as pool:
            for number in range(4):
                name = f"slow-{number}.html"
                files = [("file", (name, b"<p>x" * 1_200_000))]
                for place in ("/v1", "/v1/collections/other"):
                    pool.submit(client.post, f"{place}/documents", files=files, timeout=60)
            wait_until(lambda: client.get("/v1/jobs").json()["jobs"], 20)
            for place in ("/v1", "/v1/collections/other", "/v1"):
                started = time.monotonic()
                put_text(calm_client, f"{place[4:5]}.txt", "Minka sleeps. " * 700)
                assert time.monotonic() - started < 8
            for place in ("/v1", "/v1/collections/other"):
                for job in client.get(f"{place}/jobs").json()["jobs"]:
                    client.delete(f"{place}/jobs/{job['id']}")


def test_many_requests_of_one_key_wait_for_no_lock_of_each_other(tmp_path: Path) -> None:
    """A thread that waited for its place with the queue's lock would stop all others."""
    with (
        serving(tmp_path, key=add_key(tmp_path, "write")) as client,
        ThreadPoolExecutor(24) as pool,
    ):

        def change(number: int) -> int:
            name = f"c{number % 3}"
            if number % 4 == 1:
                client.post("/v1/collections", json={"name": name})
                return client.delete(f"/v1/collections/{name}", timeout=60).status_code
            place = f"/v1/collections/{name}" if number % 4 == 2 else "/v1"
            body = {"name": f"{number}.txt", "text": "Minka sleeps."}
            return client.post(f"{place}/documents", json=body, timeout=60).status_code

        statuses = list(pool.map(change, range(96)))
        assert client.get("/v1/me").status_code == 200
    assert set(statuses) <= {200, 201, 202, 404, 409, 422, 503}
    assert statuses.count(201) >= 20


def test_a_key_leaves_a_quarter_of_the_queue_to_others(tmp_path: Path) -> None:
    with closing(LocalUploadQueue(tmp_path / "uploads.sqlite", 8, 800)) as queue:
        queue.add([(f"{n}.txt", b"") for n in range(6)], "loud")
        with pytest.raises(ServiceError, match="too many requests"):
            queue.add([("7.txt", b"")], "loud")
        queue.add([("8.txt", b""), ("9.txt", b"")], "quiet")
        with pytest.raises(ServiceError, match="too many requests"):
            queue.add([("10.txt", b"")], "third")
    with closing(LocalUploadQueue(tmp_path / "bytes.sqlite", 100, 800)) as queue:
        queue.add([("1.txt", b"x" * 600)], "loud")
        with pytest.raises(ServiceError, match="too many requests"):
            queue.add([("2.txt", b"x")], "loud")
        queue.add([("3.txt", b"x" * 100)], "quiet")


def test_files_of_a_key_and_of_a_name_are_taken_in_order(tmp_path: Path) -> None:
    with closing(LocalUploadQueue(tmp_path / "uploads.sqlite", 100, 1 << 20)) as queue:
        queue.add([("a1.txt", TEXT), ("a2.txt", TEXT)], "a")
        queue.add([("a1.txt", b"another"), ("b.txt", TEXT)], "b")
        with queue.next(0) as job, queue.next(0) as next_job, queue.next(0) as last_job:
            assert job
            assert next_job
            assert [job.upload[0], next_job.upload[0], last_job] == ["a1.txt", "b.txt", None]
            assert (job.key_id, next_job.key_id) == ("a", "b")
            time.sleep(0.05)
            queue.finish(job.job, job.number, FileSchema(name="a1.txt", outcome="added"))
        with queue.next(0) as fourth, queue.next(0) as fifth:
            assert fourth
            assert fifth
            names = {fourth.upload, fifth.upload}
            assert len({fourth.key_id, fifth.key_id}) == 2
            assert names < {("a1.txt", b"another"), ("b.txt", TEXT), ("a2.txt", TEXT)}


def test_others_may_write_and_take_a_name_during_embedding(tmp_path: Path) -> None:
    embedder = Counting()
    with service(tmp_path, embedder) as app:
        store = app.engine.store
        assert outcome(app, "old.txt") == "added"
        embedder.go.clear()
        job = app.jobs.add([("a.txt", TEXT)])
        wait_until(lambda: embedder.texts == 2)
        (receipt,) = deletion.delete(store, ["uploads/old.txt"])
        assert receipt.complete
        ingested = document("From a folder.", "uploads/a.txt")
        store.put(ingested, [], np.zeros((0, 64), dtype=np.float32))
        assert done(app, job, 0).state == "queued"
        embedder.go.set()
        (file,) = done(app, job).files
        assert file.outcome == "rejected"
        assert "ingested from /uploads/a.txt" in file.detail
        assert (stored := store.document("uploads/a.txt"))
        assert stored.text == "From a folder."


class BreakingReader(SlowReader):
    """Fails on one question, as a model might."""

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        if "poison" in question:
            raise RuntimeError("a shape that no layer takes")
        return super().read(question, hits)


def test_a_failing_question_fails_alone_streamed_or_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    reader = BreakingReader(0.2)
    with serving(tmp_path, reader) as client, ThreadPoolExecutor(6) as pool:

        def ask(question: str, stream: bool = False) -> httpx.Response:
            body, headers = {"question": question, "stream": stream}, {"X-Request-ID": "r1"}
            return client.post("/v1/ask", json=body, headers=headers)

        put_text(client, "oman.txt", "The talks were led by William Burns.")
        questions = [f"Who led the talks {number}?" for number in range(5)] + ["poison"]
        responses = list(pool.map(ask, questions))
        assert [response.status_code for response in responses] == [200] * 5 + [500]
        problem = responses[-1].json()
        assert problem["type"] == "urn:rag:unforeseen"
        assert "shape" not in responses[-1].text
        assert ask(questions[0]).status_code == 200
        streamed = ask("poison", stream=True)
        *_, name, data, _, _ = streamed.text.split("\n")
        assert (streamed.status_code, name) == (200, "event: error")
        assert json.loads(data.removeprefix("data: ")) == problem
    assert max(reader.batches) > 1
    assert "a shape that no layer takes" in caplog.text
    assert caplog.text.count("request r1 failed") == 2


def test_answers_are_not_delayed() -> None:
    """asyncio disables Nagle's algorithm only for sockets created as TCP; with it, every small
    response takes 40 ms longer.
    """
    with bound(Settings(port=0)) as listening:
        assert listening.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a..b", "x" * 99])
def test_an_address_of_another_machine_is_named(host: str) -> None:
    with pytest.raises(InputError, match="cannot serve at"):
        bound(Settings(host=host, port=0))


def failing(settings: Settings) -> Engine:
    raise RuntimeError("a wheel for another processor")


def test_an_unexpected_opening_error_is_logged_and_not_bad_input(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    failures: list[BaseException] = []
    service: DefaultService = create_app(
        Settings(index=tmp_path), failing, failures.append
    ).state.service
    service.start()
    service.models.opened.exception(30)
    service.close()
    (failure,) = failures
    shown_error = foreseen(failure)
    assert shown_error.exit_code not in (0, InputError.exit_code)
    assert "RuntimeError: a wheel for another processor" in shown_error.message
    assert "Traceback" in caplog.text
    assert "in failing" in caplog.text
    expected = ModelError("no model", "get one")
    assert foreseen(expected) is expected


def test_what_is_opened_is_not_collected_again_and_again(tmp_path: Path) -> None:
    """A collection of everything took 90 to 130 ms, in which no thread ran."""
    with closing(open_engine(Settings(index=tmp_path)).store):
        started = time.thread_time()
        gc.collect()
        full_collection = time.thread_time() - started
        try:
            lasting(open_engine(Settings(index=tmp_path / "other"))).store.close()
            started = time.thread_time()
            gc.collect()
            assert time.thread_time() - started < full_collection / 3
        finally:
            gc.unfreeze()
