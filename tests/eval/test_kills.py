"""Short runs of `python -m eval.chaos.kills` and `python -m eval.chaos.shared`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.chaos import shared
from eval.chaos.kills import main


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_process_leaves_a_consistent_index(seed: int, tmp_path: Path) -> None:
    assert main(["--kills", "8", "--seed", str(seed), "--out", str(tmp_path / "out.json")]) == 0
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["kills"] == 8
    assert result["violations"] == 0


@pytest.mark.slow
def test_two_writers_and_three_readers_share_an_index(tmp_path: Path) -> None:
    assert (
        shared.main(["--minutes", "0.05", "--readers", "3", "--out", str(tmp_path / "out.json")])
        == 0
    )
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["asked"] > 0
    assert result["citations"] > 0
    assert result["changes"] > 0
    assert (result["wrong"], result["errors"], result["doctor"]) == (0, [], [])
