"""The same commands over an index in PostgreSQL."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.cli.test_cli import DEAL, Run, run
from tests.postgres import Cluster
from tests.store.helpers import schema_dsn

__all__ = ["run"]


@pytest.fixture
def shared(run: Run, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run` with RAG_STORE, as the user of a password."""
    address = schema_dsn(cluster, tmp_path).replace("rag@", "rag:s3cret@")
    monkeypatch.setenv("RAG_STORE", address)
    return run


def test_a_folder_is_ingested_asked_and_deleted(shared: Run) -> None:
    place = os.environ["RAG_STORE"].replace("s3cret", "***")
    code, out, err = shared("ingest", "docs")
    assert (code, out) == (0, f"{place}: 2 added\n")
    assert "s3cret" not in err
    assert shared("ingest", "docs")[1] == f"{place}: 2 unchanged; the index has not changed\n"
    assert shared("list")[1] == "docs/deal.md   The deal\ndocs/oman.txt  Oman, the mediator\n"
    assert shared("show", "docs/deal.md")[1].startswith("The deal")
    code, out, _ = shared("ask", "When was the deal signed?", "--json")
    answer = json.loads(out)
    citation = answer["citations"][0]
    text = shared("show", citation["document_id"])[1]
    assert (code, text[citation["start"] : citation["end"]]) == (0, citation["quote"])
    assert [
        hit["passage"]["document_id"] for hit in json.loads(shared("search", "deal", "--filter", "type=txt", "--json")[1])
    ] == ["docs/oman.txt"]
    Path("docs/deal.md").write_text(DEAL.replace("2018", "May 2018"))
    assert shared("sync", "docs")[1] == f"{place}: 1 updated, 1 unchanged\n"
    code, out, _ = shared("delete", "docs/deal.md")
    assert (code, out.splitlines()[0]) == (0, "deleted docs/deal.md")
    assert "4 searches for its own passages: 0 find it" in out
    assert json.loads(shared("info", "--json")[1])["index"] == place
    assert not Path("index").exists()


def test_what_is_for_folders_says_what_to_use_instead(shared: Run) -> None:
    code, _, err = shared("snapshot", "out.rag")
    assert code == 2
    assert "pg_dump" in err
    assert "s3cret" not in err


def test_without_the_extra_the_command_to_install_it_is_named(shared: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("rag.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert shared("list") == (
        2,
        "",
        "rag: a PostgreSQL store needs psycopg, which is not installed\n  run: pip install 'rag[postgres]'\n",
    )
