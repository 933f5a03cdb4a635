"""An index of three documents."""

from pathlib import Path

import pytest

from tests.store.local.filled import ALL, filled


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return filled(tmp_path / "index", ALL)
