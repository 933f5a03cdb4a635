"""An empty index, and a folder of three files."""

from pathlib import Path

import pytest

from rag.store.local.store import LocalStore
from tests.ingestion.folders import fill
from tests.store.helpers import local


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return local(tmp_path / "index")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return fill(tmp_path / "docs", "a.txt", "b.md", "sub/c.html")
