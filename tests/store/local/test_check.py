"""The checks report damage, and only damage."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from rag.errors import StoreError
from rag.store.local.integrity import Finding, examine
from tests.store.helpers import Worker, local, unit
from tests.store.local.test_indexes import DAMAGES


@pytest.fixture(autouse=True)
def every_change_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.store.local.indexes._BEHIND", 0)


def wrong(folder: Path) -> dict[str, Finding]:
    return {finding.name: finding for finding in examine(folder) if not finding.ok}


def change(folder: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(folder / "rag.sqlite")) as connection:
        connection.execute(sql, values)
        connection.commit()


def test_an_intact_index_has_no_findings(folder: Path) -> None:
    assert wrong(folder) == {}
    assert [finding.name for finding in examine(folder)] == [
        *("database", "records", "texts", "passages", "vectors", "search indexes' files"),
        *("dense index", "full text", "copies", "leftovers"),
    ]


def test_an_empty_index_passes(tmp_path: Path) -> None:
    local(tmp_path / "empty").close()
    assert wrong(tmp_path / "empty") == {}


def test_unindexed_changes_are_not_damage(folder: Path) -> None:
    with Worker(folder) as other:
        other.ask("put", "d", "Sardines sleep.")
        other.ask("delete", "a")
        assert wrong(folder) == {}
        other.ask("begin")
        other.ask("put", "e", "Sardines eat.")
        assert wrong(folder) == {}


VECTOR = "UPDATE passages SET vector = ? WHERE id = 3"
CASES: dict[str, tuple[str, str, bytes | None]] = {
    "a changed text": (
        "texts", "UPDATE documents SET text = 'x' || substr(text, 2) WHERE id = 'b'", None,
    ),
    "a moved passage": (
        "passages", "UPDATE passages SET start = start + 1, end = end + 1 WHERE id = 3", None,
    ),
    "a changed passage": ("passages", "UPDATE passages SET text = 'Herring' WHERE id = 3", None),
    "no passages": ("passages", "DELETE FROM passages WHERE document = 2", None),
    "a short vector": ("vectors", VECTOR, unit(1)[0].tobytes()[:-4]),
    "a long vector": ("vectors", VECTOR, (unit(1)[0] * 2).tobytes()),
    "no number": ("vectors", VECTOR, np.full(64, np.nan, np.float32).tobytes()),
    "zeros": ("vectors", VECTOR, bytes(256)),
    "broken metadata": ("records", "UPDATE documents SET metadata = '{' WHERE id = 'b'", None),
    "another vector": ("dense index", VECTOR, unit(1, seed=9)[0].tobytes()),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_damage_is_named(folder: Path, case: str) -> None:
    name, sql, vector = CASES[case]
    change(folder, sql, *([] if vector is None else [vector]))
    found = wrong(folder)
    assert name in found
    assert found[name].fix
    if name in ("texts", "passages", "records", "vectors"):
        assert found[name].detail.removeprefix("wrong in 1 documents: ") in ("b", "c")


@pytest.mark.parametrize(
    "case",
    ["no vectors", "a bit of a vector", "truncated .idx", "no manifest", "garbage for a manifest"],
)
def test_damaged_search_indexes_are_found_and_rebuilt(folder: Path, case: str) -> None:
    DAMAGES[case](folder)
    found = wrong(folder)
    assert found["search indexes' files"].derived
    local(folder).close()
    assert wrong(folder) == {}


def test_a_damaged_database_is_the_only_finding(folder: Path) -> None:
    content = bytearray((folder / "rag.sqlite").read_bytes())
    content[5 * 4096 :] = os.urandom(len(content) - 5 * 4096)
    (folder / "rag.sqlite").write_bytes(content)
    findings = examine(folder)
    assert [(finding.name, finding.ok) for finding in findings] == [("database", False)]
    assert "rag index restore" in findings[0].fix


def test_no_index_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no index in"):
        examine(tmp_path)


def test_leftovers_are_named(folder: Path) -> None:
    (folder / ".restore.123.partial").touch()
    (found,) = [finding.detail for finding in examine(folder) if finding.name == "leftovers"]
    assert found == "from interrupted runs: .restore.123.partial"
