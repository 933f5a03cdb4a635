import json
from pathlib import Path

import pytest

from rag.cli.main import cli
from rag.settings import Settings
from tests.fakes import fake_models, write_documents
from tests.repl.helpers import CALIBRATION, OWN_SETTINGS


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings in a folder with docs/deal.md and docs/oman.txt, without an index, and with fake
    models.
    """
    write_documents(tmp_path)
    (tmp_path / "calibration.json").write_text(json.dumps(CALIBRATION))
    monkeypatch.chdir(tmp_path)
    fake_models(monkeypatch.setattr)
    for name, value in OWN_SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAG_CALIBRATION", str(tmp_path / "calibration.json"))
    return Settings.load()


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """The same with both documents in the index."""
    cli.main(["ingest", "docs"], standalone_mode=False)
    return settings
