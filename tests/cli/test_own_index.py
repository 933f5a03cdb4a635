"""An index inside the folder of its documents, as by default, does not ingest itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.helpers import Run
from tests.cli.test_sync import WATCH
from tests.fakes import DEAL
from tests.store.helpers import ROOT

pytestmark = pytest.mark.slow

DOCUMENTS = ["docs/deal.md", "docs/oman.txt"]


def listed(run: Run) -> list[str]:
    return [document["id"].partition("/")[2] for document in json.loads(run("list", "--json")[1])]


@pytest.mark.parametrize("command", ["ingest", "sync"])
def test_the_index_and_its_keys_are_left_out(run: Run, command: str) -> None:
    run("keys", "add", "bob")
    assert run(command, ".")[1] == "index: 2 added\n"
    run("keys", "add", "eve")
    assert run(command, ".")[1] == "index: 2 unchanged; the index has not changed\n"
    assert listed(run) == DOCUMENTS


@pytest.mark.parametrize("command", ["ingest", "sync"])
def test_another_index_is_left_out_too(run: Run, command: str) -> None:
    run("ingest", "docs", "--index", "docs/old")
    Path("docs/copy").mkdir()
    Path("docs/copy/deal.md").write_text(DEAL)
    shutil.copy(
        "docs/old/rag.sqlite", "docs/copy"
    )  # a folder with a copy of the database is not an index
    run(command, ".", "--name", "here")
    assert listed(run) == ["docs/copy/deal.md", *DOCUMENTS]


@pytest.mark.parametrize("command", ["ingest", "sync"])
def test_naming_the_index_is_an_error(run: Run, command: str) -> None:
    run("ingest", "docs")
    code, out, err = run(command, "index")
    assert (code, out) == (2, "")
    assert (
        "index is an index folder, not a folder of documents\n  give the folder of the documents"
        in err
    )
    assert run(command, "docs", "--index", "docs")[0] == 2
    assert run(command, "index", "--index", "other")[0] == 2


def test_a_file_of_the_index_is_not_a_document(run: Run) -> None:
    run("keys", "add", "bob")
    code, _, err = run("ingest", "docs/deal.md", "index/keys.json")
    assert code == 2
    assert "index/keys.json is a file of the index itself" in err
    assert run("ingest", "docs/deal.md", "--index", "docs")[1] == "docs: 1 added\n"


def test_an_indexs_own_files_are_removed_by_the_next_sync(run: Run) -> None:
    run("ingest", "docs", "--index", "docs/old")
    Path("docs/old/rag.sqlite").rename("docs/old/away")  # no index yet
    assert run("ingest", "docs")[0] == 0
    Path("docs/old/away").rename("docs/old/rag.sqlite")
    before = listed(run)
    assert [name for name in before if "/" not in name] == ["deal.md", "oman.txt"]
    assert "old/derived.json" in before
    run("sync", "docs", "--allow-mass-delete")
    assert listed(run) == ["deal.md", "oman.txt"]


def test_watch_does_not_follow_its_own_index(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Sardines.")
    command = [sys.executable, "-c", WATCH, str(tmp_path), str(tmp_path / "index")]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout
            assert process.stdout.readline().endswith("1 added\n")
            time.sleep(1)  # events of the first sync's writes have arrived
            before = (tmp_path / "index" / "writer").stat().st_mtime_ns
            time.sleep(2)
            assert (tmp_path / "index" / "writer").stat().st_mtime_ns == before
        finally:
            process.kill()
