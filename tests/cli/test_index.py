"""`rag index`: doctor on a damaged index, snapshot and restore."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.helpers import Run


@pytest.fixture
def doctor(filled: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("rag.cli.cmd_index.embedder_path", lambda name: (name, None))
    monkeypatch.setattr("rag.cli.cmd_index.reader_path", lambda name: (name, None))
    return filled


def change(sql: str) -> None:
    with closing(sqlite3.connect("index/rag.sqlite")) as connection:
        connection.execute(sql)
        connection.commit()


def test_broken_search_indexes_are_fixed(doctor: Run) -> None:
    out = doctor.out("index", "doctor")
    assert "WRONG" not in out
    assert "ok    passages: 3 match their documents\n" in out
    Path("index/vectors.faiss").write_bytes(b"garbage")
    fault = "vectors.faiss has changed since it was written"
    out = doctor.out("index", "doctor")
    assert f"search indexes' files: repaired; before: {fault}\n" in out
    assert "fixed" not in doctor("index", "doctor")[1]


def test_vectors_are_rebuilt_on_request(doctor: Run) -> None:
    change("UPDATE passages SET vector = zeroblob(256) WHERE id = 1")
    out = doctor.out("index", "doctor", code=1)
    rebuilt = "rebuild them from the text: rag index doctor --repair\n"
    assert f"WRONG vectors: wrong in 1 documents: docs/deal.md\n      {rebuilt}" in out
    assert "fixed vectors" in doctor.out("index", "doctor", "--repair")
    assert doctor("ask", "When did the US leave the deal?")[1].startswith("2018")


def test_a_changed_text_is_named_and_not_fixed(doctor: Run) -> None:
    change("UPDATE documents SET text = replace(text, '2018', '2019') WHERE id = 'docs/deal.md'")
    out = doctor.out("index", "doctor", "--repair", code=1)
    assert "WRONG texts: wrong in 1 documents: docs/deal.md\n" in out
    assert f"rag ingest {Path('docs/deal.md').resolve()}\n" in out


def test_a_snapshot_is_restored(filled: Run) -> None:
    out = filled.out("index", "snapshot", "a.ragsnap")
    assert out.startswith(f"{Path('a.ragsnap').resolve()}: 2 documents, ")
    digest = out.splitlines()[1].removeprefix("SHA-256 of its rows: ")
    filled("delete", "docs/deal.md")
    assert "--replace" in filled.error("index", "restore", "a.ragsnap")
    restored = filled.out("index", "restore", "a.ragsnap", "--replace")
    assert "restored to index: 2 documents" in restored
    assert filled("ask", "When did the US leave the deal?")[1].startswith("2018")
    assert filled.json("index", "restore", "--check", "a.ragsnap")["digest"] == digest
    assert filled("index", "restore", "a.ragsnap", "--index", "elsewhere")[0] == 0
    assert filled("list", "--index", "elsewhere")[1].startswith("docs/deal.md")


def test_only_snapshots_are_written_over_and_restored(filled: Run) -> None:
    text = Path("docs/deal.md").read_text()
    err = filled.error("index", "snapshot", "docs/deal.md")
    assert Path("docs/deal.md").read_text() == text
    reason = "docs/deal.md exists and is not a snapshot; it was not overwritten"
    assert err.startswith(f"rag: {reason}\n  choose another file")
    assert filled("index", "snapshot", "index/rag.sqlite")[0] == 2
    assert "no such folder: backups/" in filled.error("index", "snapshot", "backups/")
    assert not Path("backups").exists()
    Path("backups").mkdir()
    assert filled("index", "snapshot", "backups/")[0] == 0
    assert filled("index", "restore", "none")[0] == 2
    err = filled.error("index", "restore", "docs/deal.md", code=3)
    assert "docs/deal.md is not a snapshot" in err
    assert filled("index", "snapshot", "x", "--index", "none")[0] == 3
