import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.evaluation.calibration_fit import (
    Judged,
    bought,
    choose_threshold,
    fit,
    held_back,
    predict,
    risk_at_coverage,
)
from rag.evaluation.statistics import adaptive_ece, wilson


def made(count: int = 600, slope: float = 2.0, offset: float = -1.0, seed: int = 0) -> Judged:
    """Answers whose true log-odds are slope * log_odds + offset."""
    random = np.random.default_rng(seed)
    log_odds = random.normal(scale=1.5, size=count)
    right = random.random(count) < predict(slope, offset, log_odds)
    answerable = right | (random.random(count) < 0.5)
    return Judged(log_odds, right, answerable, np.ones(count), np.arange(count) % 20)


def whole(data: Judged) -> tuple[float, float]:
    return fit(data, np.ones_like(data.right))


def test_the_fit_finds_slope_and_offset() -> None:
    assert whole(made(4000)) == pytest.approx((2.0, -1.0), abs=0.2)
    assert whole(made(4000, -1.0))[0] > 0


def test_few_questions_change_little_and_many_a_lot() -> None:
    few, many = whole(made(6)), whole(made(3000))
    assert abs(few[0] - 1) < abs(many[0] - 1)
    assert abs(few[1]) < abs(many[1])


def test_probabilities_held_back_are_calibrated_and_the_risk_is_kept() -> None:
    data = made(4000, 3.0)
    confidence = held_back(data, 5)
    assert adaptive_ece(confidence, data.right, data.weight) < 0.04
    at = choose_threshold(confidence, data, 0.1)
    report = bought(confidence, data, at)
    assert 0.05 < report["wrong, of answered"] <= 0.1
    fresh = made(4000, 3.0, seed=1)
    low, high = report["wrong, of answered, interval"]
    again = bought(predict(*whole(data), fresh.log_odds), fresh, at)["wrong, of answered"]
    assert low - 0.02 <= again <= high + 0.02


def test_without_a_risk_as_many_are_refused_as_are_unanswerable() -> None:
    data = made(1000)
    confidence = predict(*whole(data), data.log_odds)
    at = choose_threshold(confidence, data, None)
    assert int((confidence < at).sum()) == int((~data.answerable).sum())


def test_an_impossible_risk_answers_nothing() -> None:
    data = made(200)
    data = Judged(data.log_odds, np.zeros(200, bool), data.answerable, data.weight, data.groups)
    assert bought(predict(1, 0, data.log_odds), data, choose_threshold(data.log_odds, data, 0.05))[
        "answered"
    ] in (0.0, pytest.approx(0.0, abs=0.01))


def test_risk_rises_with_coverage() -> None:
    data = made(3000, 4.0)
    risks = list(risk_at_coverage(predict(*whole(data), data.log_odds), data).values())
    assert risks[0] < risks[-1]
    assert len(risks) == 10


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 50), st.integers(1, 50))
def test_wilson_contains_the_share(wrong: int, rest: int) -> None:
    low, high = wilson(wrong / (wrong + rest), wrong + rest)
    assert 0 <= low <= wrong / (wrong + rest) <= high <= 1
