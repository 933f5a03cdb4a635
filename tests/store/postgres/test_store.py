"""The PostgreSQL store alone: opening, errors, migrations, passwords, concurrency."""

from functools import partial
from pathlib import Path

import psycopg
import pytest

from rag.errors import InputError, StoreError
from rag.filters import parse
from rag.store.postgres import schema
from rag.store.postgres.store import PostgresStore
from tests.postgres import Cluster, free_port
from tests.small_index import in_threads
from tests.store.helpers import EXPECT, postgres, put_text, put_vectors, schema_dsn, unit


def test_a_password_is_in_no_message(cluster: Cluster) -> None:
    port = free_port()
    for address, kind in {
        f"postgresql://rag:s3cret@127.0.0.1:{port}/postgres": StoreError,
        f"postgresql://nobody:s3cret@127.0.0.1:{cluster.port}/postgres": StoreError,
        "postgresql://rag:s3cret%zz@127.0.0.1/postgres": InputError,
        f"postgresql://rag:s3cret@127.0.0.1:{cluster.port}/postgres?nothing=1": InputError,
    }.items():
        with pytest.raises(kind) as error:
            PostgresStore(address, {}, wait=0.2)
        parts = [str(error.value), repr(error.value.__cause__), error.value.hint]
        assert "s3cret" not in "".join(parts)
        assert "***" in error.value.message


def test_a_missing_server_is_reported_at_once() -> None:
    with pytest.raises(StoreError, match=r"does not answer: connection failed.*refused"):
        PostgresStore(f"postgresql://rag@127.0.0.1:{free_port()}/postgres", {})


def test_no_pgvector_is_named(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, dsn: str) -> None:
    for version, words in {(): "no pgvector", (0, 7, 4): "0.7.4"}.items():
        monkeypatch.setattr(schema, "pgvector_version", lambda _, version=version: version)
        with pytest.raises(StoreError, match=f"has {words}; version 0.8.0 or later is required"):
            PostgresStore(dsn, EXPECT, create=True)


@pytest.mark.parametrize(
    ("version", "hint"), [(99, "install a newer version"), (2, "rag ingest PATH --index DSN")]
)
def test_an_index_of_another_version_is_left_alone(
    store: PostgresStore, dsn: str, version: int, hint: str
) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE rag_meta SET value = %s WHERE key = 'version'", (str(version),))
    for create in (False, True):
        with pytest.raises(StoreError, match=f"has schema {version}") as error:
            PostgresStore(dsn, EXPECT, create)
        assert hint in (error.value.hint or "")


def test_concurrent_creation_makes_one_index(dsn: str) -> None:
    opened: list[PostgresStore] = []
    in_threads([lambda: opened.append(PostgresStore(dsn, EXPECT, create=True))] * 4)
    assert [store.stats().generation for store in opened] == [0] * 4
    for store in opened:
        store.close()


def test_concurrent_writes_keep_counts_right(cluster: Cluster, tmp_path: Path) -> None:
    """Including writes of the same documents: the last one is complete."""
    stores = [postgres(cluster)(tmp_path) for _ in range(3)]

    def write(number: int) -> None:
        for step in range(12):
            put_text(stores[number], f"shared{step % 3}", f"fish number{number} " * (step + 1))
            put_text(stores[number], f"own{number}-{step}", f"fish and tree{step}")
            if step % 4 == 3:
                assert stores[number].delete(f"own{number}-{step}")

    in_threads(partial(write, number) for number in range(3))
    documents, passages, generation = _recount(schema_dsn(cluster, tmp_path))
    assert documents == 3 + 3 * 9
    stats = stores[0].stats()
    assert (stats.documents, stats.passages, stats.generation) == (documents, passages, generation)
    for store in stores:
        store.close()


def _recount(dsn: str) -> tuple[int, int, int]:
    """Documents, passages and changes by the rows; checks every word's statistics, too."""
    with psycopg.connect(dsn) as connection:
        wrong = connection.execute(
            "SELECT t.term, t.passages, n.count FROM rag_terms t LEFT JOIN (SELECT unnest(terms) "
            "AS number, count(*)"
            " FROM rag_words GROUP BY 1) n USING (number) WHERE t.passages <> coalesce(n.count, 0)"
        ).fetchall()
        assert wrong == []
        row = connection.execute(
            "SELECT (SELECT words FROM rag_statistics), (SELECT sum(length) FROM rag_words),"
            " (SELECT count(*) FROM rag_documents), (SELECT count(*) FROM rag_passages)"
        ).fetchone()
    assert row is not None
    assert row[0] == row[1]
    return row[2], row[3], 3 * (24 + 3)


def test_page_filters_agree_for_few_and_many_passages(store: PostgresStore, dsn: str) -> None:
    """Few pages are listed, many are given by a condition."""
    for n in range(6):
        put_vectors(store, f"d{n}", ["Herring."] * 8, unit(8), pages=(0, 20, 40))
    scanning_store = PostgresStore(dsn, {}, most_exact=4)
    for text in ("page=2", "page>=2 document!=d3", "page<3", "page=4", "page=1 document=d1"):
        filter = parse(text.split())
        expected = dict(store.lexical("herring", 99, filter))
        assert dict(scanning_store.lexical("herring", 99, filter)) == expected
        assert dict(scanning_store.dense(unit(1)[0], 99, filter)).keys() == expected.keys()
        assert bool(expected) == (text != "page=4")
    scanning_store.close()
