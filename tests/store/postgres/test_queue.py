"""The queue alone, and with worker processes that are killed."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from rag.errors import InputError, StoreError
from rag.ingestion.uploads import Done, Upload
from rag.settings import Settings
from rag.store.postgres.collection_queues import CollectionQueues
from rag.store.postgres.queue import PostgresQueue
from tests.postgres import Cluster
from tests.store.helpers import EXPECT, ROOT, postgres, schema_dsn, stored_documents
from tests.store.postgres.queue_worker import PACE, work


@pytest.fixture
def dsn(cluster: Cluster, tmp_path: Path) -> str:
    return schema_dsn(cluster, tmp_path)


@pytest.fixture
def queue(dsn: str) -> Iterator[PostgresQueue]:
    opened = PostgresQueue(dsn, pace=PACE)
    yield opened
    opened.close()


def upload(number: int, text: str = "Sardines swim.") -> Upload:
    return Upload(f"docs/{number}.txt", f"/docs/{number}.txt", text.encode())


def test_jobs_are_done_once_and_in_order(dsn: str, queue: PostgresQueue) -> None:
    assert len(queue.enqueue([upload(1), upload(2), upload(1, "Later.")])) == 3
    assert [(job.name, job.state) for job in queue.state().jobs] == [
        (f"docs/{n}.txt", "waiting") for n in (1, 2, 1)
    ]
    binary = Upload("é.pdf", "file:///é.pdf", bytes(range(256)) * 1000)
    queue.enqueue([binary])
    with pytest.raises(Exception, match="NUL"):  # all or none are queued
        queue.enqueue([upload(3), Upload("a\0b", "/a", b"")])
    handled: list[Upload] = []

    def handle(received: Upload) -> Done:
        handled.append(received)
        return Done("added", (received.name,))

    for _ in range(2):
        work(dsn, handle)
        texts = [upload(1), upload(1, "Later."), upload(2)]
        assert sorted(handled, key=lambda received: received.name) == [*texts, binary]
        assert queue.state().jobs == ()


def test_keys_take_turns(dsn: str, queue: PostgresQueue) -> None:
    """Many files of one key do not hold up another's, and nobody saves up turns."""
    numbers: list[str] = []

    def handle(received: Upload) -> Done:
        numbers.append(received.name.removeprefix("docs/").removesuffix(".txt"))
        if numbers[-1] == "12":  # meanwhile another key uploads
            queue.enqueue([upload(31), upload(32)], key_id="third")
        return Done("added")

    queue.enqueue([upload(number) for number in range(11, 17)], key_id="loud")
    queue.enqueue([upload(21), upload(22)], key_id="quiet")
    work(dsn, handle)
    order = list(numbers)
    assert order[:4] == ["11", "21", "12", "22"]
    assert order.index("31") < order.index("14")
    assert order.index("32") < order.index("15")
    assert sorted(order) == ["11", "12", "13", "14", "15", "16", "21", "22", "31", "32"]
    numbers.clear()
    queue.enqueue([upload(number) for number in range(41, 44)], key_id="new")
    queue.enqueue([upload(51)], key_id="loud")
    work(dsn, handle)
    assert "51" in numbers[:2]


def test_files_of_one_name_stay_in_order_whosever_they_are(dsn: str, queue: PostgresQueue) -> None:
    contents: list[bytes] = []

    def handle(received: Upload) -> Done:
        contents.append(received.data)
        return Done("added")

    queue.enqueue([upload(number) for number in range(5)], key_id="loud")
    queue.enqueue([upload(9, "First.")], key_id="loud")
    queue.enqueue([upload(9, "Second.")], key_id="quiet")
    queue.enqueue([upload(8, "Other.")], key_id="quiet")
    work(dsn, handle)
    assert contents.index(b"First.") < contents.index(b"Second.")


def test_temporary_failures_are_retried(dsn: str, queue: PostgresQueue) -> None:
    tries: list[str] = []

    def handle(received: Upload) -> Done:
        tries.append(received.name)
        if len(tries) == 1:
            raise StoreError("no answer")
        return Done("added")

    queue.enqueue([upload(1)])
    deadline = time.monotonic() + 20
    while queue.state().jobs and time.monotonic() < deadline:
        work(dsn, handle)
        time.sleep(0.2)
    assert tries == ["docs/1.txt"] * 2


def test_the_outcome_of_a_batch_is_known_and_a_failure_blocks_nothing(
    dsn: str, queue: PostgresQueue
) -> None:
    reason = "docs/1.txt is binary, not text"

    def handle(received: Upload) -> Done:
        if received.name == "docs/1.txt":
            raise InputError(reason)
        return Done("updated", ("a", "b"))

    queue.enqueue([upload(1), upload(2)], "b1")
    queue.enqueue([upload(3)])
    assert queue.results("b1") == [("docs/1.txt", None), ("docs/2.txt", None)]
    work(dsn, handle)
    assert queue.results("b1") == [
        ("docs/1.txt", Done("rejected", detail=reason)),
        ("docs/2.txt", Done("updated", ("a", "b"))),
    ]
    assert queue.results("") == queue.results("b2") == []
    (job,) = queue.state().jobs
    assert (job.name, job.state, job.error) == ("docs/1.txt", "failed", reason)
    with closing(CollectionQueues(Settings(store=dsn), with_others=False)) as queues:
        assert queues.forget() == {"default": 1}
    assert queue.state().jobs == ()


def worker(dsn: str, seconds: float = 0.0) -> subprocess.Popen[str]:
    """A worker process that takes a given time per document."""
    module = [sys.executable, "-m", "tests.store.postgres.queue_worker"]
    return subprocess.Popen(
        [*module, dsn, str(seconds), EXPECT["passage_tokens"]],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def eventually(is_done: Callable[[], bool], seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while not is_done():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.soak
@pytest.mark.slow
def test_the_document_of_an_ended_worker_is_ingested_by_another(
    cluster: Cluster, tmp_path: Path, queue: PostgresQueue
) -> None:
    dsn = schema_dsn(cluster, tmp_path)
    store = postgres(cluster)(tmp_path)
    texts = {f"docs/{n}.txt": f"Sardines swim in sea {n}. " * 9 for n in range(6)}
    queue.enqueue([upload(n, text) for n, text in enumerate(texts.values())])
    for ending, code in ((signal.SIGTERM, 1), (signal.SIGKILL, -signal.SIGKILL)):
        ended_worker = worker(dsn, 300)
        assert ended_worker.stdout is not None
        assert ended_worker.stdout.readline() == "embedding\n"
        ended_worker.send_signal(ending)  # in the middle of a document
        ended_worker.communicate(timeout=30)
        assert ended_worker.returncode == code
        assert stored_documents(store) == {}
    second_workers = [worker(dsn, 0.05) for _ in range(2)]
    try:
        assert eventually(lambda: not queue.state().jobs)
    finally:
        for second_worker in second_workers:
            second_worker.send_signal(signal.SIGTERM)
        for second_worker in second_workers:
            second_worker.communicate(timeout=30)
    assert {name: document.text for name, document in stored_documents(store).items()} == texts
    assert store.stats().generation == 6  # none was ingested twice
    store.close()
