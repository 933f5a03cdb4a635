"""Services that tests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.postgres import Cluster, debian, wheel


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running PostgreSQL with pgvector; skips where there is none."""
    with running(debian()) as made:
        yield made


@pytest.fixture(scope="session")
def newer_cluster() -> Iterator[Cluster]:
    """As `cluster`, of a newer PostgreSQL with a newer pgvector."""
    with running(wheel()) as made:
        yield made


@contextmanager
def running(programs: Path) -> Iterator[Cluster]:
    made = Cluster(programs)
    try:
        yield made.start()
    finally:
        made.remove()
