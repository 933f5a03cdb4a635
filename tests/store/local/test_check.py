"""The checks report damage, and only damage."""

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rag.errors import StoreError
from rag.store.local.integrity import Finding, examine
from tests.store.helpers import Worker, local, unit


@pytest.fixture(autouse=True)
def every_change_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.local.indexes._MOST_BEHIND", 0)


def wrong_findings(folder: Path) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(folder) if not finding.ok}


def change(folder: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / "rag.sqlite")) as connection:
        connection.execute(sql, values)
        connection.commit()


def test_an_intact_or_empty_index_has_no_findings(folder: Path, tmp_path: Path) -> None:
    local(tmp_path / "empty").close()
    assert wrong_findings(folder) == wrong_findings(tmp_path / "empty") == {}
    assert [finding.name for finding in examine(folder)] == [
        "database",
        "records",
        "texts",
        "passages",
        "vectors",
        "search indexes' files",
        "dense index",
        "full text",
        "copies",
        "leftovers",
    ]


def test_unindexed_changes_are_not_damage(folder: Path) -> None:
    with Worker(folder) as writer:
        writer.ask("put", "d", "Sardines sleep.")
        writer.ask("delete", "a")
        assert wrong_findings(folder) == {}
        writer.ask("begin")
        writer.ask("put", "e", "Sardines eat.")
        assert wrong_findings(folder) == {}


B, PASSAGE = "UPDATE documents SET {} WHERE id = 'b'", "UPDATE passages SET {} WHERE id = 3"
VECTOR = PASSAGE.format("vector = ?")
CASES: dict[str, tuple[str, str, list[bytes]]] = {
    "a changed text": ("texts", B.format("text = 'x' || substr(text, 2)"), []),
    "a moved passage": ("passages", PASSAGE.format("start = start + 1, end = end + 1"), []),
    "a changed passage": ("passages", PASSAGE.format("text = 'Herring'"), []),
    "no passages": ("passages", "DELETE FROM passages WHERE document = 2", []),
    "a short vector": ("vectors", VECTOR, [unit(1)[0].tobytes()[:-4]]),
    "a long vector": ("vectors", VECTOR, [(unit(1)[0] * 2).tobytes()]),
    "no number": ("vectors", VECTOR, [np.full(64, np.nan, np.float32).tobytes()]),
    "zeros": ("vectors", VECTOR, [bytes(256)]),
    "broken metadata": ("records", B.format("metadata = '{'"), []),
    "another vector": ("dense index", VECTOR, [unit(1, seed=9)[0].tobytes()]),
}


@pytest.mark.parametrize("case", CASES)
def test_damage_is_named(folder: Path, case: str) -> None:
    name, sql, vector = CASES[case]
    change(folder, sql, *vector)
    findings = wrong_findings(folder)
    assert name in findings
    assert findings[name].fix
    if name in ("texts", "passages", "records", "vectors"):
        assert findings[name].detail.removeprefix("wrong in 1 documents: ") in ("b", "c")


def test_leftovers_and_a_missing_index_are_named(folder: Path) -> None:
    (folder / ".restore.123.partial").touch()
    (detail,) = [finding.detail for finding in examine(folder) if finding.name == "leftovers"]
    assert detail == "from interrupted runs: .restore.123.partial"
    with pytest.raises(StoreError, match="no index in"):
        examine(folder.parent)
