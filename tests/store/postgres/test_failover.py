"""When a replica is promoted, open stores continue and no acknowledged change is lost."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from rag.errors import StoreError
from rag.ingestion.uploads import Upload
from rag.store.postgres.queue import PostgresQueue
from rag.store.postgres.store import PostgresStore
from tests.postgres import Cluster, debian
from tests.store.helpers import EXPECT, by_lexical, put_text, stored_documents
from tests.store.postgres.queue_worker import PACE
from tests.store.postgres.test_queue import eventually, worker

pytestmark = [pytest.mark.slow, pytest.mark.soak]


@pytest.fixture
def pair() -> Iterator[tuple[Cluster, Cluster]]:
    """A primary with synchronous replication, and its replica."""
    primary = Cluster(debian()).start()
    replica = Cluster(debian(), primary).start()
    primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
    primary.execute("SELECT pg_reload_conf()")
    assert eventually(
        lambda: primary.execute("SELECT sync_state FROM pg_stat_replication") == [("sync",)]
    )
    yield primary, replica
    replica.remove()
    primary.remove()


def address(pair: tuple[Cluster, Cluster], attributes: str) -> str:
    hosts = ",".join(f"127.0.0.1:{cluster.port}" for cluster in pair)
    return f"postgresql://rag@{hosts}/postgres?target_session_attrs={attributes}"


class Traffic:
    """A writer that records acknowledged changes, and a reader that looks for partial documents."""

    def __init__(self, store: PostgresStore) -> None:
        self.store = store
        self.acknowledged, self.torn, self.reads = list[str](), list[str](), 0
        self.stop, self.pool = threading.Event(), ThreadPoolExecutor(2)
        self.running = [self.pool.submit(run) for run in (self.write, self.read)]

    def end(self) -> None:
        """Raises what stopped a thread early."""
        self.stop.set()
        for thread in self.running:
            thread.result()

    def write(self) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            put_text(self.store, f"d{number:04}", f"Sardines swim in sea {number}. " * 9)
            self.acknowledged.append(f"d{number:04}")

    def read(self) -> None:
        passage_count = 0
        while not self.stop.is_set():
            for document in self.store.documents()[-3:]:
                passages, vectors = self.store.embedded(document.id)
                passage_count = passage_count or len(passages)
                if len(passages) != passage_count or len(vectors) != passage_count:
                    self.torn.append(document.id)
            self.reads += 1


@pytest.mark.parametrize("attributes", ["any", "prefer-standby"])
def test_a_promoted_replica_is_followed(pair: tuple[Cluster, Cluster], attributes: str) -> None:
    primary, replica = pair
    store = PostgresStore(address(pair, attributes), EXPECT, create=True, wait=60)
    traffic = Traffic(store)
    assert eventually(lambda: len(traffic.acknowledged) > 20)
    primary.kill()
    acknowledged_count, reads = len(traffic.acknowledged), traffic.reads
    time.sleep(0.5)
    replica.promote()
    assert eventually(lambda: len(traffic.acknowledged) > acknowledged_count + 20)
    assert traffic.reads > reads
    traffic.end()
    assert traffic.torn == []
    assert set(traffic.acknowledged) <= set(stored_documents(store))
    assert store.stats().documents == len(stored_documents(store))
    store.close()


def test_stores_read_without_a_primary_but_not_without_both(pair: tuple[Cluster, Cluster]) -> None:
    primary, replica = pair
    spread = PostgresStore(address(pair, "prefer-standby"), EXPECT, create=True)
    put_text(spread, "a", "Sardines swim.")
    assert eventually(lambda: set(stored_documents(spread)) == {"a"})
    served = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rag' AND query LIKE "
        "'%record, stamp, text%'"
    )
    assert replica.execute(served) != [(0,)], "reads go to the replica"
    assert primary.execute(served) == [(0,)]
    spread.close()
    store = PostgresStore(address(pair, "any"), EXPECT, wait=1)
    primary.kill()
    reader = PostgresStore(address(pair, "any"), EXPECT, wait=10)
    assert set(stored_documents(reader)) == {"a"}
    assert by_lexical(reader, "sardine") == ["a"]
    with pytest.raises(StoreError, match="does not answer"):
        put_text(store, "b", "Herring.")
    reader.close()
    replica.kill()
    begun = time.monotonic()
    with pytest.raises(StoreError, match="does not answer"):
        store.stats()
    assert 0.5 < time.monotonic() - begun < 15
    store.close()


def test_workers_continue_after_a_failover(pair: tuple[Cluster, Cluster]) -> None:
    primary, replica = pair
    dsn = address(pair, "any")
    store = PostgresStore(dsn, EXPECT, create=True, wait=60)
    queue = PostgresQueue(dsn, 60, PACE)
    names = [f"docs/{number}.txt" for number in range(30)]
    queue.enqueue([Upload(name, f"/{name}", b"Sardines swim in the sea. " * 9) for name in names])
    workers = [worker(dsn, 0.1) for _ in range(2)]
    try:
        assert eventually(lambda: store.stats().documents > 3)
        primary.kill()
        replica.promote()
        assert eventually(lambda: not queue.state().jobs, 90)
        assert all(process.poll() is None for process in workers)
    finally:
        for process in workers:
            process.kill()
            process.communicate()
    assert set(stored_documents(store)) == set(names)
    assert replica.execute("SELECT pg_is_in_recovery()") == [(False,)]
    queue.close()
    store.close()
