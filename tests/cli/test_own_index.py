"""An index inside the folder of its documents, as by default, does not ingest itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.helpers import Run
from tests.fakes import DEAL

for_both_commands = pytest.mark.parametrize("command", ["ingest", "sync"])
DOCUMENTS = ["docs/deal.md", "docs/oman.txt"]


def listed_ids(run: Run) -> list[str]:
    return [document["id"].partition("/")[2] for document in run.json("list")]


@for_both_commands
def test_the_index_and_its_keys_are_left_out(run: Run, command: str) -> None:
    run("keys", "add", "bob")
    assert run(command, ".")[1] == "index: 2 added\n"
    run("keys", "add", "eve")
    assert run(command, ".")[1] == "index: 2 unchanged; the index has not changed\n"
    assert listed_ids(run) == DOCUMENTS


@for_both_commands
def test_another_index_is_left_out_too(run: Run, command: str) -> None:
    run("ingest", "docs", "--index", "docs/old")
    Path("docs/copy").mkdir()
    Path("docs/copy/deal.md").write_text(DEAL)
    # a folder with a copy of the database is not an index
    shutil.copy("docs/old/rag.sqlite", "docs/copy")
    run(command, ".", "--name", "here")
    assert listed_ids(run) == ["docs/copy/deal.md", *DOCUMENTS]


@for_both_commands
def test_naming_the_index_is_an_error(run: Run, command: str) -> None:
    run("ingest", "docs")
    err = run.error(command, "index")
    message = (
        "index is an index folder, not a folder of documents\n  give the folder of the documents"
    )
    assert message in err
    assert run(command, "docs", "--index", "docs")[0] == 2
    assert run(command, "index", "--index", "other")[0] == 2


def test_a_file_of_the_index_is_not_a_document(run: Run) -> None:
    run("keys", "add", "bob")
    err = run.error("ingest", "docs/deal.md", "index/keys.json")
    assert "index/keys.json is a file of the index itself" in err
    assert run("ingest", "docs/deal.md", "--index", "docs")[1] == "docs: 1 added\n"


def test_an_indexs_own_files_are_removed_by_the_next_sync(run: Run) -> None:
    run("ingest", "docs", "--index", "docs/old")
    Path("docs/old/rag.sqlite").rename("docs/old/away")  # no index yet
    assert run("ingest", "docs")[0] == 0
    Path("docs/old/away").rename("docs/old/rag.sqlite")
    listing = listed_ids(run)
    assert [name for name in listing if "/" not in name] == ["deal.md", "oman.txt"]
    assert "old/derived.json" in listing
    run("sync", "docs", "--allow-mass-delete")
    assert listed_ids(run) == ["deal.md", "oman.txt"]
