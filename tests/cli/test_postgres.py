"""The commands on an index in PostgreSQL."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

import pytest

import rag.store
from rag import build
from rag.desk import grid as grids
from rag.desk.grid_file import definition
from rag.errors import install_line
from rag.ingestion.uploads import GRID, Upload
from rag.settings import Settings
from tests.cli.helpers import Run
from tests.fakes import DEAL

pytestmark = pytest.mark.slow


def test_a_folder_is_ingested_asked_and_deleted(shared: Run) -> None:
    place = os.environ["RAG_STORE"].replace("s3cret", "***")
    code, out, err = shared("ingest", "docs")
    assert (code, out, "s3cret" in err) == (0, f"{place}: 2 added\n", False)
    assert shared("ingest", "docs")[1] == f"{place}: 2 unchanged; the index has not changed\n"
    assert shared("list")[1] == "docs/deal.md   The deal\ndocs/oman.txt  Oman, the mediator\n"
    assert shared("show", "docs/deal.md")[1].startswith("The deal")
    citation = shared.json("ask", "When was the deal signed?")["citations"][0]
    text = shared("show", citation["document_id"])[1]
    highlight = citation["highlight"]
    quote = text[highlight["start_char_index"] : highlight["end_char_index"]]
    assert quote == highlight["text"]
    (hit,) = shared.json("search", "deal", "--filter", "type=txt")
    assert hit["document_id"] == "docs/oman.txt"
    Path("docs/deal.md").write_text(DEAL.replace("2018", "May 2018"))
    assert shared("sync", "docs")[1] == f"{place}: 1 updated, 1 unchanged\n"
    code, out, _ = shared("delete", "docs/deal.md")
    assert (code, out.splitlines()[0]) == (0, "deleted docs/deal.md")
    assert "4 searches for its passages: 0 still find it" in out
    assert shared.json("index", "info")["index"] == place
    assert not Path("index").exists()


def test_a_worker_ingests_the_queue(shared: Run) -> None:
    place = os.environ["RAG_STORE"].replace("s3cret", "***")
    Path("docs/picture.gif").write_bytes(b"\x89PNG")
    Path("docs/broken.pdf").write_bytes(b"%PDF-1.7 and no more")
    out = shared.out("ingest", "--enqueue", "docs")
    ingested_line, summary_line = out.splitlines()
    assert ingested_line == f"{place}: 3 queued; ingest them with: rag worker"
    assert summary_line.endswith("docs/picture.gif: unsupported format .gif")
    assert shared("worker", "--status")[:2] == (0, "3 waiting\n")
    code, out, err = shared("worker", "--once")
    assert (code, out.splitlines()[0]) == (1, "1 failed")
    assert out.splitlines()[1].startswith("  docs/broken.pdf: docs/broken.pdf")
    assert "docs/deal.md: added" in err
    assert shared("list")[1] == "docs/deal.md   The deal\ndocs/oman.txt  Oman, the mediator\n"
    assert shared.json("worker", "--forget") == {"forgotten": 1}
    assert shared("worker", "--status")[:2] == (0, "the queue is empty\n")
    assert shared("ingest", "docs")[1].startswith(
        f"{place}: 2 unchanged, 2 skipped; the index has not changed"
    )


def test_a_worker_asks_the_cells_of_a_queued_grid(shared: Run) -> None:
    shared("ingest", "docs")
    column = {"name": "Host", "question": "Who hosted the secret talks?"}
    settings = Settings.load()
    with closing(build.store(settings)) as store, closing(build.queue(settings)) as queue:
        grids.save(store, definition({"name": "talks", "columns": [column]}, "the test"))
        queue.enqueue([Upload(f"{GRID}{name}", name, b"") for name in ("talks", "gone")], "both")
        assert "2 not asked yet" in shared("grid", "list")[1]
        code, _, err = shared("worker", "--once")
        assert (code, "grid talks: 2 cells asked" in err) == (0, True)
        outcomes = [
            (result.outcome, result.detail) for _, result in queue.results("both") if result
        ]
    assert outcomes == [("answered", "2 cells"), ("rejected", "no grid 'gone'")]
    assert "not asked yet" not in shared("grid", "list")[1]
    rows = shared.json("grid", "show", "talks")["rows"]
    assert rows[1]["cells"][0]["quotes"][0]["document_id"] == "docs/oman.txt"


def test_a_collection_has_a_queue_of_its_own(shared: Run) -> None:
    assert shared("collection", "create", "legal")[:2] == (0, "created legal\n")
    assert shared("ingest", "docs", "--enqueue", "--collection", "legal")[0] == 0
    assert shared("worker", "--status", "--collection", "legal")[:2] == (0, "2 waiting\n")
    assert shared("worker", "--status")[:2] == (0, "the queue is empty\n")
    assert shared("worker", "--status", "--collection", "legl")[0] == 2
    assert shared("collection", "delete", "legal", "--yes")[:2] == (0, "deleted legal\n")


def test_a_folder_has_no_queue(run: Run) -> None:
    message = "rag: index is a local index; queues need PostgreSQL\n  set RAG_STORE=postgresql://"
    for command in (["worker", "--once"], ["ingest", "--enqueue", "docs"]):
        assert run.error(*command).startswith(message)


def test_an_index_moves_to_a_database_and_back(shared: Run, tmp_path: Path) -> None:
    address = os.environ["RAG_STORE"]
    assert shared("ingest", "docs", "--index", "one")[0] == 0
    code, out, _ = shared("index", "migrate", "one", address)
    place = address.replace("s3cret", "***")
    assert (code, out.splitlines()[0]) == (0, f"{place}: 2 documents, 3 passages; 2 copied")
    moved = shared.json("index", "migrate", address, "two")
    assert moved["digest"] in out
    assert shared("list", "--index", "two") == shared("list")
    assert shared("index", "migrate", "nowhere", address)[0] == 3


def test_local_commands_name_the_alternative(shared: Run) -> None:
    err = shared.error("index", "snapshot", "out.rag")
    assert "pg_dump" in err
    assert "s3cret" not in err


def test_without_the_extra_the_command_to_install_it_is_named(
    shared: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    modules = [name for name in sys.modules if name.startswith("rag.store.postgres")]
    if modules:  # the package is the one of before again after the test
        monkeypatch.setattr(rag.store, "postgres", sys.modules["rag.store.postgres"])
    for name in modules:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    message = "rag: a PostgreSQL store needs psycopg, which is not installed\n  run: "
    assert shared("list") == (2, "", f"{message}{install_line('postgres')}\n")
