"""Attacks on the store: hostile names and texts, roles without rights, and lost connections."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from rag.errors import InputError, RagError, StoreError
from rag.filters import Condition
from rag.ingestion.uploads import Upload
from rag.store.postgres.collections import PostgresCollections
from rag.store.postgres.queue import PostgresQueue
from rag.store.postgres.store import PostgresStore
from tests.postgres import Cluster
from tests.store.helpers import EMBEDDER, EXPECT, passages_of, put_text, stored_documents

HOSTILE = [
    "'; DROP TABLE rag_documents CASCADE; --",
    '"; DROP TABLE rag_documents CASCADE; --',
    "\\'; SELECT pg_sleep(9); --",
    "%s %(name)s %% $1 $$ {0} {}",
    'a=b, c={d,"e"}, NULL',
    "\u202e\x1b[2J",
    "x" * 2500,
    "9" * 400,
    "-1e-999",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_names_filters_and_questions_are_data(store: PostgresStore, text: str) -> None:
    """Each finds exactly the document that contains it, and changes nothing."""
    put_text(store, "plain", "Herring swims.", key="value")
    put_text(store, text, f"Herring {text} swims.", root=text, **{"key": text, text: text})
    vector = EMBEDDER.embed_queries(["herring"])[0]
    for key in ("document", "key", text):
        condition = (Condition(key, "=", text),)
        for hits in (store.lexical("herring", 9, condition), store.dense(vector, 9, condition)):
            assert {passage.document_id for passage in passages_of(store, hits)} == {text}, key
        for op in ("!=", "<", ">="):
            store.lexical("herring", 9, (Condition(key, op, text),))
    store.lexical(text, 9)
    assert store.trace(text).documents == 1
    assert store.delete(text)
    assert [document.id for document in store.documents()] == ["plain"]


@pytest.mark.parametrize("name", ["a\0b", "".join(chr(0x4E00 + 7 * n) for n in range(2000))])
def test_a_name_that_cannot_be_held_is_an_input_error(store: PostgresStore, name: str) -> None:
    with pytest.raises(InputError, match=r"NUL|has a name of 6,000 bytes"):
        put_text(store, name, "Herring swims.")
    assert store.documents() == []


def test_a_value_that_postgresql_refuses_is_an_input_error(store: PostgresStore) -> None:
    put_text(store, "a", "Herring swims.")
    for way in (
        lambda: store.document("a\0b"),
        lambda: store.delete("a\0b"),
        lambda: store.lexical("herring", 10**30),
    ):
        with pytest.raises(InputError, match="cannot hold this value"):
            way()


@pytest.mark.parametrize(
    ("rights", "reason", "hint"),
    [
        ("", 'create extension "vector"', "CREATE EXTENSION vector"),
        ("CREATE EXTENSION vector", "denied for schema public", "connect as the owner"),
        (
            "CREATE EXTENSION vector; ALTER ROLE {} SET search_path = nowhere",
            "no schema has been selected",
            "connect as the owner",
        ),
    ],
)
def test_a_role_without_rights_makes_no_half_of_a_schema(
    cluster: Cluster, tmp_path: Path, rights: str, reason: str, hint: str
) -> None:
    name = f"{tmp_path.name}".replace("-", "_").lower()[-30:]
    for statement in (f"CREATE ROLE {name} LOGIN", f"CREATE DATABASE {name}"):
        cluster.execute(statement)
    cluster.execute(rights.format(name), name)
    dsn = cluster.dsn(name, name)
    with pytest.raises(StoreError, match=reason) as refused:
        PostgresStore(dsn, EXPECT, create=True)
    assert hint in refused.value.hint
    with pytest.raises(StoreError):
        PostgresQueue(dsn)
    collections = PostgresCollections(dsn, tmp_path)
    with pytest.raises(StoreError, match="denies access"):
        collections.create("one")
    collections.close()
    count_tables = "SELECT count(*) FROM pg_class WHERE relname ~ '^(rag_|procrastinate_)'"
    assert cluster.execute(count_tables, name) == [(0,)]


def test_a_role_that_may_only_read_changes_nothing(
    cluster: Cluster, store: PostgresStore, dsn: str, tmp_path: Path
) -> None:
    put_text(store, "a", "Herring swims.")
    role = f"reader_{abs(hash(str(tmp_path)))}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        (schema,) = connection.execute("SELECT current_schema()").fetchone() or ("",)
        for statement in (
            f"CREATE ROLE {role} LOGIN",
            f"GRANT USAGE ON SCHEMA {schema} TO {role}",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}",
            f"GRANT INSERT, DELETE ON rag_documents TO {role}",
        ):
            connection.execute(statement.encode())
    reader = PostgresStore(dsn.replace("//rag@", f"//{role}@"), {})
    assert reader.lexical("herring", 9)
    for change in (
        lambda: put_text(reader, "a", "Sardines."),
        lambda: put_text(reader, "b", "Sardines."),
        lambda: reader.delete("a"),
    ):
        with pytest.raises(StoreError, match="denies access"):
            change()
    reader.close()
    assert texts(store) == {"a": "Herring swims."}
    assert store.stats().documents == 1


def texts(store: PostgresStore) -> dict[str, str]:
    return {id: document.text for id, document in stored_documents(store).items()}


def _terminate(cluster: Cluster, query: str) -> None:
    """Terminate the connection whose statement waits for a lock and starts with `query`."""
    condition = f"wait_event_type = 'Lock' AND query LIKE '{query}%'"
    statement = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {condition}"
    until = time.monotonic() + 60
    while cluster.execute(statement) != [(1,)]:
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("change", ["put", "replace", "delete"])
def test_a_connection_lost_in_the_middle_leaves_no_half_of_a_change(
    cluster: Cluster, store: PostgresStore, dsn: str, change: str
) -> None:
    """The change waits for the row of statistics after it has written or deleted the document. Its
    connection is terminated there, twice; then it is made again as a whole.
    """
    put_text(store, "a", "Herring swims.")
    stats_before = store.stats()

    def work() -> None:
        if change == "delete":
            store.delete("a")
        else:
            put_text(store, "a" if change == "replace" else "b", "Sardines swim. " * 30)

    with psycopg.connect(dsn) as blocking, ThreadPoolExecutor(1) as threads:
        blocking.execute("SELECT FROM rag_statistics FOR UPDATE")
        working = threads.submit(work)
        for _ in range(2):
            _terminate(cluster, "UPDATE rag_statistics")
            assert store.stats() == stats_before
            assert texts(store) == {"a": "Herring swims."}
        blocking.rollback()
        working.result(60)
    sardines = "Sardines swim. " * 30
    outcomes = {"put": {"a": "Herring swims.", "b": sardines}, "replace": {"a": sardines}}
    assert texts(store) == outcomes.get(change, {})
    stats = store.stats()
    assert (stats.documents, stats.generation) == (len(texts(store)), stats_before.generation + 1)
    assert stats.passages == sum(len(store.embedded(name)[0]) for name in texts(store))


def test_a_connection_lost_while_queueing_queues_all_or_none(cluster: Cluster, dsn: str) -> None:
    queue = PostgresQueue(dsn)
    uploads = [Upload(f"{n}.txt", f"upload:{n}.txt", b"Herring") for n in range(3)]
    with psycopg.connect(dsn) as blocking, ThreadPoolExecutor(1) as threads:
        blocking.execute("LOCK TABLE procrastinate_jobs IN SHARE MODE")  # it may be read
        working = threads.submit(queue.enqueue, uploads)
        _terminate(cluster, "%procrastinate_defer_job")
        blocking.rollback()
        numbers = working.result(60)
    assert [job.number for job in queue.state().jobs] == numbers
    assert len(numbers) == 3
    queue.close()


@pytest.mark.soak
@pytest.mark.slow
def test_calls_succeed_soon_after_a_long_outage(cluster: Cluster, tmp_path: Path) -> None:
    """Pauses between attempts to connect grow; they must not outlast the outage."""
    own_cluster = Cluster(cluster.programs).start()
    try:
        store = PostgresStore(own_cluster.dsn(), EXPECT, create=True, wait=1)
        own_cluster.stop()
        for _ in range(20):
            with pytest.raises(StoreError, match="does not answer"):
                store.stats()
            time.sleep(1)
        own_cluster.start()
        began = time.monotonic()
        while True:
            try:
                assert store.stats().documents == 0
                break
            except RagError:
                assert time.monotonic() - began < 12
        store.close()
    finally:
        own_cluster.remove()
