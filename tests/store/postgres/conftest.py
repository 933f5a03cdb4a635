"""A schema of its own for each test, and a store in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag.store.postgres.store import PostgresStore
from tests.postgres import Cluster
from tests.store.helpers import EXPECT, schema_dsn


@pytest.fixture
def dsn(cluster: Cluster, tmp_path: Path) -> str:
    return schema_dsn(cluster, tmp_path)


@pytest.fixture
def store(dsn: str) -> Iterator[PostgresStore]:
    store = PostgresStore(dsn, EXPECT, create=True)
    yield store
    store.close()
