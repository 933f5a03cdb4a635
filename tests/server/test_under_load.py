"""The short form of the load and fuzz scripts; what the long ones found is in eval/results/."""

import json
from pathlib import Path

import pytest

from eval.chaos import fuzz, load

pytestmark = pytest.mark.slow


def test_under_load_nothing_fails_and_batches_pay(tmp_path: Path) -> None:
    found = load.measure(tmp_path, load.options(["--fake", "--requests", "64", "--memory", "300"]))
    for measured in (
        found["batched"]["1"],
        found["batched"]["8"],
        found["batched"]["32"],
        found["one_question_a_batch"]["32"],
    ):
        assert set(measured["statuses"]) == {"200"}
    assert found["batching_gain_at_32"] > 1.15  # 1.5 and more where nothing else runs
    assert found["overload"]["refused"] > 0
    assert found["overload"]["statuses"] == [200, 503]
    assert found["overload"]["after"] == 200
    assert found["memory"]["failed"] == 0
    assert found["memory"]["growth_after_first_tenth_mib"] < 60


def test_fuzzed_it_stands(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    fuzz.run(fuzz.options(["--requests", "400", "--out", str(out)]))
    found = json.loads(out.read_text())
    assert found["broken"] == {}
    assert found["requests"] >= 400
    assert found["after"]["answer"] == "William Burns"
    assert found["after"]["waiting"] == [0, 0]
