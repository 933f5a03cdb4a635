import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.answering.confidence import Confidence
from rag.answering.features import FEATURES
from rag.evaluation.calibration_fit import (
    CalibrationTable,
    bought,
    fit,
    held_back,
    predict,
    risk_at_coverage,
    threshold,
)
from rag.evaluation.statistics import adaptive_ece, auroc, wilson


def made(count: int = 600, slope: float = 2.0, seed: int = 0) -> CalibrationTable:
    """Questions whose odds of being right are exp(slope * gap - 1); all other features are
    uninformative.
    """
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, len(FEATURES)))
    chance = 1 / (1 + np.exp(1 - slope * rows[:, 0]))
    right = random.random(count) < chance
    answerable = right | (random.random(count) < 0.5)
    return CalibrationTable(rows, right, answerable, np.ones(count), np.arange(count) % 20)


def test_the_fit_finds_the_informative_feature() -> None:
    model = fit(made(3000), names=("gap", "dense"))
    assert model.weights["gap"] == pytest.approx(2.0, abs=0.25)
    assert abs(model.weights.get("dense", 0.0)) < 0.15
    assert model.bias == pytest.approx(-1.0, abs=0.2)


def test_no_weight_is_negative() -> None:
    assert all(weight >= 0 for weight in fit(made(slope=-2.0)).weights.values())


def test_few_questions_change_little_and_many_a_lot() -> None:
    prior = Confidence({"gap": 0.5}, -1.0, 0.5, 20.0)
    few, many = fit(made(10), prior), fit(made(3000), prior)
    assert abs(few.weights["gap"] - 0.5) < abs(many.weights["gap"] - 0.5)
    assert (many.retrieval, many.threshold) == (20.0, 0.5)


def test_confidence_held_back_is_calibrated_and_the_risk_is_kept() -> None:
    data = made(4000, 3.0)
    confidence = held_back(data, None, 5)
    assert adaptive_ece(confidence, data.right, data.weight) < 0.04
    at = threshold(confidence, data, 0.1)
    report = bought(confidence, data, at)
    assert 0.05 < report["wrong, of answered"] <= 0.1
    assert report["answered"] > 0.1
    fresh = made(4000, 3.0, 1)
    low, high = report["wrong, of answered, interval"]
    again = bought(predict(fit(data), fresh.rows), fresh, at)["wrong, of answered"]
    assert low - 0.03 < again < high + 0.03


def test_by_default_refusals_equal_unanswerable_questions() -> None:
    data = made()
    confidence = held_back(data, None, 5)
    report = bought(confidence, data, threshold(confidence, data, None))
    assert report["refusal precision"] == pytest.approx(report["refusal recall"], abs=0.01)


@pytest.mark.parametrize(
    ("confidence", "answerable", "given"),
    [
        ([0.9, 0.8, 0.1], [True, True, False], 2),
        ([0.9, 0.8, 0.7, 0.6], [True] * 4, 4),
        ([0.123456] * 4, [True] * 4, 4),
        ([0.1234561, 0.1234560, 0.1], [True, True, False], 2),
    ],
)
def test_by_default_no_more_are_refused(
    confidence: list[float], answerable: list[bool], given: int
) -> None:
    count, sure_of = len(confidence), np.array(confidence)
    data = CalibrationTable(
        np.zeros((count, len(FEATURES))),
        np.array(answerable),
        np.array(answerable),
        np.ones(count),
        np.arange(count),
    )
    assert int((sure_of >= threshold(sure_of, data, None)).sum()) == given


def test_an_impossible_risk_answers_nothing() -> None:
    data = made()
    wrong = CalibrationTable(
        data.rows, np.zeros_like(data.right), data.answerable, data.weight, data.groups
    )
    at = threshold(np.linspace(0.1, 0.9, 600), wrong, 0.01)
    assert bought(np.linspace(0.1, 0.9, 600), wrong, at)["answered"] == 0.0


def test_known_values() -> None:
    assert auroc(np.array([0.9, 0.8]), np.array([0.1, 0.8])) == 0.875
    assert auroc(np.array([]), np.array([1.0])) is None
    assert wilson(0.05, 100) == pytest.approx((0.0215, 0.1118), abs=0.001)
    assert wilson(0.0, 0) == (0.0, 1.0)
    assert adaptive_ece(np.full(100, 0.5), np.arange(100) % 2 == 0, np.ones(100)) == 0.0
    assert adaptive_ece(np.full(100, 1.0), np.zeros(100, dtype=bool), np.ones(100)) == 1.0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 0.999), st.booleans()), min_size=2, max_size=60),
    st.floats(0.01, 0.99),
)
def test_a_threshold_keeps_its_risk_on_its_own_data(
    found: list[tuple[float, bool]], risk: float
) -> None:
    confidence, right = np.array([c for c, _ in found]), np.array([r for _, r in found])
    data = CalibrationTable(
        np.zeros((len(found), len(FEATURES))),
        right,
        right,
        np.ones(len(found)),
        np.arange(len(found)),
    )
    assert sorted(risk_at_coverage(confidence, data)) == sorted(
        f"{at / 10:.1f}" for at in range(1, 11)
    )
    distinct = len(set(confidence.round(4))) == len(confidence)
    if distinct:
        assert (
            bought(confidence, data, threshold(confidence, data, risk))["wrong, of answered"]
            <= risk + 1e-4
        )
