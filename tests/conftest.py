"""Services that tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import Cluster, debian


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running PostgreSQL with pgvector; skips where there is none."""
    made = Cluster(debian())
    try:
        yield made.start()
    finally:
        made.remove()
