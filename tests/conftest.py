"""Fixtures that tests share, and how processes share the tests."""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright

from tests.postgres import Cluster, debian, wheel

settings.register_profile("tests", deadline=None)  # a machine may be busy
settings.load_profile("tests")
if int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")) > 1:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # models of several processes share the cores
QUIET = (
    "--no-sandbox --disable-background-networking --disable-component-update --disable-sync "
    "--no-first-run"
).split()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with many slow tests come first, so that no process waits for one at the end."""
    weights = Counter[Path]()
    for item in items:
        weights[item.path] += 100 if item.get_closest_marker("slow") else 1
    items.sort(key=lambda item: (-weights[item.path], item.path))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=QUIET)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A running PostgreSQL with pgvector; skips the test without one."""
    with running(debian()) as started:
        yield started


@pytest.fixture(scope="session")
def newer_cluster() -> Iterator[Cluster]:
    """Like `cluster`, with a newer PostgreSQL and pgvector."""
    with running(wheel()) as started:
        yield started


@contextmanager
def running(programs: Path) -> Iterator[Cluster]:
    cluster = Cluster(programs)
    try:
        yield cluster.start()
    finally:
        cluster.remove()
