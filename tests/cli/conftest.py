from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.helpers import Run
from tests.fakes import fake_models, write_documents
from tests.postgres import Cluster
from tests.store.helpers import schema_dsn


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in a folder with docs/deal.md and docs/oman.txt, with fake models."""
    write_documents(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAG_EMBEDDER", "bag-of-words")
    monkeypatch.setenv("RAG_THRESHOLD", "0")
    fake_models(monkeypatch.setattr)
    monkeypatch.setenv("COLUMNS", "100")
    return Run(monkeypatch, capsys)


@pytest.fixture
def filled(run: Run) -> Run:
    """The same with both documents in the index."""
    assert run("ingest", "docs")[0] == 0
    return run


@pytest.fixture
def shared(run: Run, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run` with an index in PostgreSQL, whose user has a password."""
    address = schema_dsn(cluster, tmp_path).replace("rag@", "rag:s3cret@")
    monkeypatch.setenv("RAG_STORE", address)
    return run
