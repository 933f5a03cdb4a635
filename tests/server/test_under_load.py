"""Short runs of the load and fuzz scripts; results of long runs are in eval/results/."""

import json
from pathlib import Path

import pytest

from eval.chaos import fuzz, load

pytestmark = pytest.mark.slow


def test_under_load_nothing_fails_and_memory_stays(tmp_path: Path) -> None:
    found = load.memory(tmp_path, load.options(["--fake", "--requests", "160"]))
    assert (found["requests"], found["failed"]) == (160, 0)
    assert found["growth_after_first_tenth_mib"] < 60


def test_a_flood_of_one_key_leaves_another_its_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One flood of three seconds; none of the quiet key's requests is refused, which would raise.
    The bound is for machines that compute much else.
    """
    monkeypatch.setattr(load, "TURNS", 1)
    found = load.fairness(tmp_path, load.options(["--fake", "--fair", "3"]))
    assert all(found["searches"])
    assert all(found["questions_answered"])
    assert found["quiet_beside_ms"]["p50"] < 10_000
    assert sum(sum(statuses.values()) for statuses in found["statuses"].values()) >= load.CLIENTS


def test_it_survives_fuzzing(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    fuzz.run(fuzz.options(["--requests", "400", "--out", str(out)]))
    found = json.loads(out.read_text())
    assert found["broken"] == {}
    assert found["requests"] >= 400
    assert found["after"]["answer"] == "William Burns"
    assert found["after"]["waiting"] == [0, 0]


def test_fuzzing_without_a_key_gets_nowhere(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    fuzz.run(fuzz.options(["--requests", "200", "--locked", "--out", str(out)]))
    found = json.loads(out.read_text())
    assert found["broken"] == {}
    assert found["outcomes"]["401"] > 50
