from pathlib import Path

import pytest

from rag import build
from rag.cli.main import cli
from rag.settings import Settings
from tests.fakes import BagOfWordsEmbedder, NameReader, SpanJudge
from tests.repl.helpers import OWN_SETTINGS, write_documents


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings in a folder with docs/deal.md and docs/oman.txt, without an index, and with fake
    models.
    """
    write_documents(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(build, "embedder", lambda settings: BagOfWordsEmbedder(settings.embedder))
    monkeypatch.setattr(build, "reader", lambda settings: NameReader())
    monkeypatch.setattr(build, "judge", lambda settings: SpanJudge())
    for name, value in OWN_SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RAG_CALIBRATION", str(tmp_path / "calibration.json"))
    return Settings.load()


@pytest.fixture
def filled(settings: Settings) -> Settings:
    """The same with both documents in the index."""
    cli.main(["ingest", "docs"], standalone_mode=False)
    return settings
