"""`rag index doctor` on a damaged index."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.test_cli import Run, filled, run

__all__ = ["filled", "run"]


@pytest.fixture
def doctor(filled: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr("rag.cli.cmd_doctor.embedder_path", lambda name: (name, None))
    monkeypatch.setattr("rag.cli.cmd_doctor.reader_path", lambda name: (name, None))
    return filled


def change(sql: str) -> None:
    with closing(sqlite3.connect("index/rag.sqlite")) as connection:
        connection.execute(sql)
        connection.commit()


def test_an_intact_index_passes(doctor: Run) -> None:
    code, out, err = doctor("index", "doctor")
    assert (code, err) == (0, "")
    assert "ok    passages: 3 match their documents\n" in out
    assert "WRONG" not in out


def test_broken_search_indexes_are_fixed(doctor: Run) -> None:
    Path("index/vectors.faiss").write_bytes(b"garbage")
    code, out, _ = doctor("index", "doctor")
    assert code == 0
    assert (
        "fixed search indexes' files: repaired; before: "
        "vectors.faiss has changed since it was written\n" in out
    )
    assert "fixed" not in doctor("index", "doctor")[1]


def test_vectors_are_rebuilt_on_request(doctor: Run) -> None:
    change("UPDATE passages SET vector = zeroblob(256) WHERE id = 1")
    code, out, _ = doctor("index", "doctor")
    assert code == 1
    assert (
        "WRONG vectors: wrong in 1 documents: docs/deal.md\n      rebuild them from the "
        "text: rag index doctor --repair\n" in out
    )
    code, out, _ = doctor("index", "doctor", "--repair")
    assert code == 0
    assert "fixed vectors" in out
    assert doctor("ask", "When did the US leave the deal?")[1].startswith("2018")


def test_a_changed_text_is_named_and_not_fixed(doctor: Run) -> None:
    change("UPDATE documents SET text = replace(text, '2018', '2019') WHERE id = 'docs/deal.md'")
    code, out, _ = doctor("index", "doctor", "--repair")
    assert code == 1
    assert "WRONG texts: wrong in 1 documents: docs/deal.md\n" in out
    assert f"rag ingest {Path('docs/deal.md').resolve()}\n" in out
