from __future__ import annotations

import numpy as np
import pytest

from rag.evaluation.metrics import bootstrap_samples, intervals, paired, table
from rag.evaluation.records import Row


def answered(number: int, right: bool, group: str) -> Row:
    score = float(right)
    return Row(
        str(number),
        "?",
        group,
        "answerable",
        ("a",),
        "a",
        "a",
        0.5 + number / 1000,
        score,
        score,
        right,
    )


def test_samples_are_of_groups_with_all_their_rows() -> None:
    groups = ["a", "b", "a", "c", "c", "c"]
    for rows in bootstrap_samples(groups, 50):
        drawn = [groups[i] for i in rows]
        assert drawn.count("a") % 2 == 0
        assert drawn.count("c") % 3 == 0
        assert drawn.count("a") / 2 + drawn.count("b") + drawn.count("c") / 3 == 3


def test_questions_of_one_document_count_as_one() -> None:
    """Intervals are wider if the same answers come from few documents."""
    right = [number % 10 < 6 for number in range(100)]
    together = [
        answered(n, ok, str(n // 10 % 2 if n % 10 < 6 else 2 + n // 10 % 2))
        for n, ok in enumerate(right)
    ]
    apart = [answered(n, ok, str(n)) for n, ok in enumerate(right)]
    wide, narrow = (
        intervals(table(rows), [row.group for row in rows], 200)["f1"] for rows in (together, apart)
    )
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_the_interval_of_a_mean_agrees_with_theory() -> None:
    rng = np.random.default_rng(1)
    rows = [answered(n, bool(ok), str(n)) for n, ok in enumerate(rng.random(400) < 0.7)]
    share = sum(row.f1 for row in rows) / 400
    low, high = intervals(table(rows), [row.group for row in rows])["f1"]
    half = 1.96 * (share * (1 - share) / 400) ** 0.5
    assert low == pytest.approx(share - half, abs=0.01)
    assert high == pytest.approx(share + half, abs=0.01)


def test_one_group_has_no_interval() -> None:
    rows = [answered(n, True, "a") for n in range(3)]
    assert intervals(table(rows), ["a"] * 3) == {}


def test_a_paired_difference_has_a_narrower_interval() -> None:
    before = [answered(n, n % 2 == 0, str(n)) for n in range(200)]
    after = [answered(n, n % 2 == 0 or n % 20 == 1, str(n)) for n in range(200)]
    groups = [row.group for row in before]
    low, high = paired(table(before), table(after), groups, 200)["f1"]
    assert 0 < low < 0.05 < high < 0.1
    both = [intervals(table(rows), groups, 200)["f1"] for rows in (before, after)]
    assert both[0][1] > both[1][0]
    assert paired(table(before), table(before), groups, 20)["f1"] == (0.0, 0.0)


def test_it_is_deterministic() -> None:
    rows = [answered(n, n % 3 > 0, str(n % 7)) for n in range(50)]
    groups = [row.group for row in rows]
    assert intervals(table(rows), groups, 50) == intervals(table(rows), groups, 50)
