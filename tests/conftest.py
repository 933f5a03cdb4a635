"""Fixtures that tests share."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from tests.postgres import Cluster, debian, wheel

settings.register_profile("tests", deadline=None)  # a machine may be busy
settings.load_profile("tests")
QUIET = (
    "--no-sandbox --disable-background-networking --disable-component-update --disable-sync "
    "--no-first-run"
).split()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        yield made
        made.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running PostgreSQL with pgvector; skips the test without one."""
    with running(debian()) as made:
        yield made


@pytest.fixture(scope="session")
def newer_cluster() -> Iterator[Cluster]:
    """Like `cluster`, with a newer PostgreSQL and pgvector."""
    with running(wheel()) as made:
        yield made


@contextmanager
def running(programs: Path) -> Iterator[Cluster]:
    made = Cluster(programs)
    try:
        yield made.start()
    finally:
        made.remove()
