"""A copy of one index of three documents, with saved search indexes, for each test."""

import shutil
from pathlib import Path

import pytest

from tests.store.local.filled import ALL, filled_index


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rag.store.local.indexes._MOST_BEHIND", 0)
        return filled_index(tmp_path_factory.mktemp("filled") / "index", ALL)


@pytest.fixture
def folder(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "index"))
