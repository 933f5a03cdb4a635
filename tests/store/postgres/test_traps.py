"""Known pitfalls of vectors in PostgreSQL, which the store avoids."""

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pytest

from rag.filters import parse
from rag.protocols import Store
from rag.store.postgres import schema, search
from rag.store.postgres.store import PostgresStore
from tests.postgres import Cluster
from tests.store.helpers import EXPECT, passages_of, postgres, put_vectors, schema_dsn, unit

COUNT, EXACT = 3000, 100
QUESTION = unit(1, seed=3)[0]
VECTORS = np.stack(sorted(unit(COUNT, seed=4), key=lambda row: -float(row @ QUESTION)))
"""Nearest first."""


@pytest.fixture(scope="module")
def filled(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[PostgresStore, str]]:
    """(store, address): 3000 passages with an HNSW index; the farthest 300 have topic=far."""
    folder = tmp_path_factory.mktemp("traps")
    dsn = schema_dsn(cluster, folder)
    store = PostgresStore(dsn, EXPECT, create=True, most_exact=EXACT, size=1)
    with store.writing():
        load(store)
        assert not index_is_valid(dsn)  # loaded first, indexed after
    yield store, dsn
    store.close()


def load(store: Store) -> None:
    for start in range(0, COUNT, 50):
        topic = "far" if start >= COUNT - 300 else "near"
        texts = [f"row {n}" for n in range(start, start + 50)]
        put_vectors(store, f"d{start:04}", texts, VECTORS[start : start + 50], topic=topic)


def index_is_valid(dsn: str) -> bool:
    statement = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('rag_vectors_hnsw')"
    with psycopg.connect(dsn) as connection:
        return connection.execute(statement).fetchone() == (True,)


def rows(store: Store, hits: list[tuple[int, float]]) -> list[int]:
    return [int(passage.text.split()[1]) for passage in passages_of(store, hits)]


def test_the_index_is_built_after_loading(filled: tuple[PostgresStore, str]) -> None:
    store, dsn = filled
    assert index_is_valid(dsn)
    with psycopg.connect(dsn) as connection:
        connection.execute("SET enable_seqscan = off")
        statement = (
            "EXPLAIN SELECT id FROM rag_vectors ORDER BY embedding::halfvec(64) <#> "
            "%s::halfvec(64) LIMIT 5"
        )
        plan = connection.execute(statement, (str(QUESTION.tolist()),)).fetchall()
    assert "Index Scan using rag_vectors_hnsw" in str(plan)
    assert len(set(rows(store, store.dense(QUESTION, 20))) & set(range(20))) >= 19


def test_scores_from_the_index_have_full_precision(filled: tuple[PostgresStore, str]) -> None:
    """The index has half precision; its candidates are scored again."""
    store, _ = filled
    hits = store.dense(QUESTION, 20)
    np.testing.assert_allclose(
        [score for _, score in hits], (VECTORS @ QUESTION)[rows(store, hits)], atol=1e-6
    )
    assert [score for _, score in hits] == sorted((score for _, score in hits), reverse=True)


def test_a_filter_does_not_leave_too_few_rows(filled: tuple[PostgresStore, str]) -> None:
    """By default, a scan stops at ef_search rows, all near here; the filter leaves none."""
    store, dsn = filled
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "SET enable_seqscan = off; SET enable_sort = off; SET enable_bitmapscan = off"
        )
        statement = (
            'SELECT id FROM rag_vectors WHERE document IN (SELECT "row" FROM rag_documents '
            "WHERE metadata ->> 'topic' = 'far')"
            " ORDER BY embedding::halfvec(64) <#> %s::halfvec(64) LIMIT 50"
        )
        assert len(connection.execute(statement, (str(QUESTION.tolist()),)).fetchall()) < 50
    # the table is small enough to sort, so force the planner to use the index
    forced = PostgresStore(
        f"{dsn}%20-cenable_seqscan%3Doff%20-cenable_sort%3Doff%20-cenable_bitmapscan%3Doff",
        {},
        most_exact=EXACT,
    )
    far_rows = rows(store, forced.dense(QUESTION, 50, parse(["topic=far"])))
    forced.close()
    assert len(far_rows) == 50
    assert len(set(far_rows) & set(range(COUNT - 300, COUNT - 250))) >= 49


def test_a_narrow_filter_is_exact(filled: tuple[PostgresStore, str]) -> None:
    store, _ = filled
    hits = store.dense(QUESTION, 50, parse(["document=d2900"]))
    assert rows(store, hits) == list(range(2900, 2950))


def test_no_generic_plan_or_parallel_workers_are_used(filled: tuple[PostgresStore, str]) -> None:
    """After five runs, PostgreSQL would switch to a generic plan, which fits no filter. Without
    statistics, it expects a long search and starts parallel workers.
    """
    store, _ = filled
    for number in range(12):
        store.dense(QUESTION, 5, parse([f"document=d{number * 50:04}"]))
        store.lexical("row", 5, parse(["topic=near"]))
    statement = "SELECT sum(generic_plans), sum(custom_plans) FROM pg_prepared_statements"
    ((generic, custom),) = store._database.rows(statement)
    assert generic == 0
    assert custom > 12
    assert store._database.rows("SHOW max_parallel_workers_per_gather") == [("0",)]


@pytest.mark.slow
def test_dead_rows_hide_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """With nine tenths dead rows a search still finds its k; the end of the change removes them."""
    store = postgres(cluster, most_exact=EXACT)(tmp_path)
    with store.writing():
        load(store)
    with store.writing():
        for start in range(0, COUNT - 300, 50):
            store.delete(f"d{start:04}")
        nearest_rows = rows(store, store.dense(QUESTION, 50))
        assert len(set(nearest_rows) & set(range(COUNT - 300, COUNT - 250))) >= 49
    counted = (
        "SELECT n_dead_tup, churn FROM pg_stat_user_tables, rag_statistics WHERE relid = "
        "'rag_vectors'::regclass"
    )
    with psycopg.connect(schema_dsn(cluster, tmp_path)) as connection:
        assert connection.execute(counted).fetchall() == [(0, 0)]
    assert len(store.dense(QUESTION, 50)) == 50
    store.close()


def test_an_index_whose_builder_was_killed_is_built_again(cluster: Cluster, tmp_path: Path) -> None:
    store = postgres(cluster, most_exact=EXACT)(tmp_path)
    dsn = schema_dsn(cluster, tmp_path)
    with store.writing():
        put_vectors(store, "a", [f"row {n}" for n in range(200)], VECTORS[:200])
    with psycopg.connect(dsn) as connection:
        connection.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'rag_vectors_hnsw'::regclass"
        )
    expected = rows(store, store.dense(QUESTION, 200))[:5]
    assert rows(store, store.dense(QUESTION, 5)) == expected
    with store.writing():
        pass
    assert index_is_valid(dsn)
    store.close()


@pytest.mark.parametrize(
    ("version", "is_serial"),
    [((0, 8, 0), True), ((0, 8, 1), True), ((0, 8, 2), False), ((0, 9), False)],
)
def test_a_version_that_overflows_builds_serially(
    version: tuple[int, ...], is_serial: bool
) -> None:
    """CVE-2026-3172: parallel builds of HNSW below pgvector 0.8.2."""
    statements = search.building(version, 64, broken=False)
    assert ("SET max_parallel_maintenance_workers = 0" in statements) is is_serial
    assert statements[-1].startswith("CREATE INDEX CONCURRENTLY rag_vectors_hnsw")


def test_a_version_with_known_faults_gets_a_warning(
    cluster: Cluster,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for version, warned in {(0, 8, 3): 1, (0, 8, 4): 0}.items():
        caplog.clear()
        monkeypatch.setattr(schema, "pgvector_version", lambda _, version=version: version)
        with caplog.at_level(logging.WARNING):
            PostgresStore(schema_dsn(cluster, tmp_path), EXPECT, create=True).close()
        assert caplog.text.count("pgvector 0.8.3 has known faults") == warned
