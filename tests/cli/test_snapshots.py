"""`rag index snapshot` and `rag index restore` on the command line."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.test_cli import Run, filled, run

__all__ = ["filled", "run"]


def test_a_snapshot_is_restored(filled: Run) -> None:
    code, out, err = filled("index", "snapshot", "a.ragsnap")
    assert (code, err) == (0, "")
    assert out.startswith(f"{Path('a.ragsnap').resolve()}: 2 documents, ")
    digest = out.splitlines()[1].removeprefix("SHA-256 of its rows: ")
    filled("delete", "docs/deal.md")
    assert filled("index", "restore", "a.ragsnap")[0] == 2
    assert "--replace" in filled("index", "restore", "a.ragsnap")[2]
    code, out, _ = filled("index", "restore", "a.ragsnap", "--replace")
    assert code == 0
    assert "restored to index: 2 documents" in out
    assert filled("ask", "When did the US leave the deal?")[1].startswith("2018")
    assert (
        json.loads(filled("index", "restore", "--check", "a.ragsnap", "--json")[1])["digest"]
        == digest
    )
    assert filled("index", "restore", "a.ragsnap", "--index", "elsewhere")[0] == 0
    assert filled("list", "--index", "elsewhere")[1].startswith("docs/deal.md")


def test_a_document_is_not_overwritten_by_a_snapshot(filled: Run) -> None:
    before = Path("docs/deal.md").read_text()
    code, out, err = filled("index", "snapshot", "docs/deal.md")
    assert (code, out) == (2, "")
    assert err.startswith(
        "rag: docs/deal.md exists and is not a snapshot; it was not overwritten\n  choose "
        "another file"
    )
    assert Path("docs/deal.md").read_text() == before
    assert filled("index", "snapshot", "index/rag.sqlite")[0] == 2


def test_a_missing_folder_is_reported(filled: Run) -> None:
    code, _, err = filled("index", "snapshot", "backups/")
    assert (code, Path("backups").exists()) == (2, False)
    assert "no such folder: backups/" in err
    Path("backups").mkdir()
    assert filled("index", "snapshot", "backups/")[0] == 0


def test_other_files_are_not_snapshots(filled: Run) -> None:
    assert filled("index", "restore", "none")[0] == 2
    code, out, err = filled("index", "restore", "docs/deal.md")
    assert (code, out) == (3, "")
    assert "docs/deal.md is not a snapshot" in err
    assert filled("index", "snapshot", "x", "--index", "none")[0] == 3
