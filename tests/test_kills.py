"""The short form of `python -m eval.kills`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eval.kills import main


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_process_leaves_a_whole_index(seed: int, tmp_path: Path) -> None:
    assert main(["--kills", "8", "--seed", str(seed), "--out", str(tmp_path / "out.json")]) == 0
    result = json.loads((tmp_path / "out.json").read_text())
    assert result["kills"] == 8
    assert result["violations"] == 0
