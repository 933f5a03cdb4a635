"""Certified thresholds, on simulated questions whose true risk is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rag.evaluation.calibration_fit import THRESHOLDS, certify, questions_needed, upper_bound

DRAWS = 1000
GRID = np.linspace(0, 1, 4001)


def chance_of_right(confidence: NDArray[np.float64], bend: float) -> NDArray[np.float64]:
    """1 for a calibrated confidence; below 1 the confidence is too low, above 1 too high."""
    chance: NDArray[np.float64] = confidence**bend
    return chance


def true_risk(threshold: float, bend: float) -> float:
    """Of confidences that are distributed as the square root of a uniform number."""
    sure = GRID[threshold <= GRID]
    return float(np.average(1 - chance_of_right(sure, bend), weights=sure))


def draw(
    random: np.random.Generator, count: int, bend: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    confidence = np.sqrt(random.random(count))
    return confidence, random.random(count) < chance_of_right(confidence, bend)


def lowest_observed(
    confidence: NDArray[np.float64], right: NDArray[np.bool_], risk: float
) -> float | None:
    """The lowest threshold whose observed share of wrong answers is at most the risk."""
    passing = [
        threshold
        for threshold in THRESHOLDS
        if (given := confidence >= threshold).any() and (~right[given]).mean() <= risk
    ]
    return min(passing, default=None)


def test_the_certified_risk_is_broken_in_at_most_five_percent_of_the_sets() -> None:
    random = np.random.default_rng(1)
    sets = [(400, 0.1, 1.0), (400, 0.1, 0.5), (300, 0.2, 1.5), (150, 0.3, 1.0)] * (DRAWS // 4)
    broken = observed_broken = certified = 0
    for count, risk, bend in sets:
        confidence, right = draw(random, count, bend)
        found = certify(confidence, right, risk)
        certified += found is not None
        broken += found is not None and true_risk(found.threshold, bend) > risk
        observed = lowest_observed(confidence, right, risk)
        observed_broken += observed is not None and true_risk(observed, bend) > risk
    noise = 3 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert broken / DRAWS <= 0.05 + noise
    assert certified > 0.5 * DRAWS
    assert observed_broken > 0.3 * DRAWS  # without the bound the risk is often broken


def test_the_certificate_states_what_was_counted() -> None:
    confidence = np.concatenate([np.full(200, 0.95), np.full(100, 0.3)])
    right = np.concatenate([np.ones(198, bool), np.zeros(102, bool)])
    found = certify(confidence, right, 0.05)
    assert found is not None
    assert 0.3 < found.threshold <= 0.95
    assert (found.answered, found.wrong) == (200, 2)
    assert found.bound == pytest.approx(upper_bound(2, 200, 0.95))
    assert found.bound <= 0.05
    assert found.tested > 1


@pytest.mark.parametrize(
    ("wrong", "answered", "certainty", "bound"),
    [(0, 59, 0.95, 0.0495), (0, 58, 0.95, 0.0503), (1, 93, 0.95, 0.05), (5, 5, 0.9, 1.0)],
)
def test_upper_bounds_are_clopper_and_pearsons(
    wrong: int, answered: int, certainty: float, bound: float
) -> None:
    assert upper_bound(wrong, answered, certainty) == pytest.approx(bound, abs=0.0002)


def test_too_few_questions_certify_nothing_and_name_how_many_would() -> None:
    confidence, right = np.full(40, 0.9), np.ones(40, bool)
    assert certify(confidence, right, 0.05) is None
    needed = questions_needed(confidence, right, 0.05)
    assert needed is not None
    assert 59 <= needed <= 150
    many = np.full(needed, 0.9)
    assert certify(many, np.ones(needed, bool), 0.05) is not None


def test_answers_that_are_wrong_too_often_need_no_number_of_questions() -> None:
    confidence, right = np.full(100, 0.9), np.arange(100) % 5 > 0
    assert certify(confidence, right, 0.1) is None
    assert questions_needed(confidence, right, 0.1) is None
