"""When a replica is promoted, open stores continue and no acknowledged change is lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
import pytest

from rag.errors import StoreError
from rag.ingestion.uploads import Upload
from rag.store.postgres.queue import Pace, PostgresQueue
from rag.store.postgres.store import PostgresStore
from tests.postgres import Cluster, debian
from tests.store.helpers import EXPECT, by_lexical, put, stored
from tests.store.postgres.test_queue import eventually, worker

pytestmark = pytest.mark.slow


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


@dataclass
class Traffic:
    """A writer that records acknowledged changes, and a reader that looks for partial documents."""

    store: PostgresStore
    acknowledged: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    reads: int = 0
    errors: list[BaseException] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def write(self) -> None:
        number = 0
        while not self.stop.is_set():
            number += 1
            put(self.store, f"d{number:04}", f"Sardines swim in sea {number}. " * 9)
            self.acknowledged.append(f"d{number:04}")

    def read(self) -> None:
        whole = 0
        while not self.stop.is_set():
            for document in self.store.documents()[-3:]:
                passages, vectors = self.store.embedded(document.id)
                whole = whole or len(passages)
                if len(passages) != whole or len(vectors) != whole:
                    self.torn.append(document.id)
            self.reads += 1

    def guarded(self, run: str) -> None:
        try:
            getattr(self, run)()
        except BaseException as error:
            self.errors.append(error)

    def start(self) -> list[threading.Thread]:
        threads = [threading.Thread(target=self.guarded, args=(run,)) for run in ("write", "read")]
        for thread in threads:
            thread.start()
        return threads


@pytest.mark.parametrize("attributes", ["any", "prefer-standby"])
def test_a_promoted_replica_is_followed_without_a_restart(
    pair: tuple[Cluster, Cluster], attributes: str
) -> None:
    primary, replica = pair
    store = PostgresStore(address(pair, attributes), EXPECT, create=True, wait=60)
    traffic = Traffic(store)
    threads = traffic.start()
    assert eventually(lambda: len(traffic.acknowledged) > 20)
    primary.kill()
    before, reads = len(traffic.acknowledged), traffic.reads
    time.sleep(0.5)
    replica.promote()
    assert eventually(lambda: len(traffic.acknowledged) > before + 20)
    assert traffic.reads > reads
    traffic.stop.set()
    for thread in threads:
        thread.join()
    assert traffic.errors == []
    assert traffic.torn == []
    assert set(traffic.acknowledged) <= set(stored(store))
    stats = store.stats()
    assert stats.documents == len(stored(store))
    store.close()


def test_reads_go_to_the_replica_and_changes_to_the_primary(pair: tuple[Cluster, Cluster]) -> None:
    primary, replica = pair
    store = PostgresStore(address(pair, "prefer-standby"), EXPECT, create=True)
    put(store, "a", "Sardines swim.")
    assert eventually(lambda: set(stored(store)) == {"a"})
    served = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'rag' AND query LIKE "
        "'%record, stamp, text%'"
    )
    assert replica.execute(served) != [(0,)]
    assert primary.execute(served) == [(0,)]
    store.close()


def test_a_server_starts_and_answers_without_a_primary(pair: tuple[Cluster, Cluster]) -> None:
    primary, replica = pair
    dsn = address(pair, "any")
    store = PostgresStore(dsn, EXPECT, create=True, wait=1)
    put(store, "a", "Sardines swim.")
    # A synchronous replica has written the commits, but may not have applied them yet.
    applied = "SELECT pg_last_wal_replay_lsn() = pg_last_wal_receive_lsn()"
    assert eventually(lambda: replica.execute(applied) == [(True,)])
    primary.kill()
    reader = PostgresStore(dsn, EXPECT, wait=10)
    assert set(stored(reader)) == {"a"}
    assert by_lexical(reader, "sardine") == ["a"]
    with pytest.raises(StoreError, match="does not answer"):
        put(store, "b", "Herring.")
    reader.close()
    store.close()


def test_without_any_server_the_error_comes_after_the_wait(pair: tuple[Cluster, Cluster]) -> None:
    primary, replica = pair
    store = PostgresStore(address(pair, "any"), EXPECT, create=True, wait=1)
    replica.kill()
    primary.kill()
    begun = time.monotonic()
    with pytest.raises(StoreError, match="does not answer"):
        store.stats()
    assert 0.5 < time.monotonic() - begun < 15
    store.close()


def test_workers_continue_after_a_failover(pair: tuple[Cluster, Cluster]) -> None:
    primary, replica = pair
    dsn = address(pair, "any")
    store, queue = (
        PostgresStore(dsn, EXPECT, create=True, wait=60),
        PostgresQueue(dsn, 60, Pace(0.3, 1.5, 0.3)),
    )
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
    assert set(stored(store)) == set(names)
    with psycopg.connect(replica.dsn()) as connection:
        assert connection.execute("SELECT pg_is_in_recovery()").fetchone() == (False,)
    queue.close()
    store.close()
