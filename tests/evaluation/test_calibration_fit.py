"""Fitted probabilities and certified thresholds, on simulated questions whose truth is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from rag.evaluation import calibration_fit as fitting
from rag.evaluation.statistics import adaptive_ece, wilson

DRAWS = 400
GRID = np.linspace(0, 1, 4001)


def judged(count: int, slope: float = 2.0, offset: float = -1.0) -> fitting.JudgedQuestions:
    """Answers whose true log-odds are slope * log_odds + offset."""
    random = np.random.default_rng(0)
    log_odds = random.normal(scale=1.5, size=count)
    served = random.random(count) < fitting.predict(slope, offset, log_odds)
    return fitting.JudgedQuestions(
        log_odds, served, served | (random.random(count) < 0.5), np.arange(count) % 20
    )


def fit_of_all(data: fitting.JudgedQuestions) -> tuple[float, float]:
    return fitting.fit(data, np.ones_like(data.are_right))


def test_many_questions_give_slope_and_offset_and_few_change_little() -> None:
    assert fit_of_all(judged(4000)) == pytest.approx((2.0, -1.0), abs=0.2)
    assert fit_of_all(judged(4000, -1.0))[0] > 0
    of_six, of_thousands = fit_of_all(judged(6)), fit_of_all(judged(3000))
    assert abs(of_six[0] - 1) < abs(of_thousands[0] - 1)


def test_probabilities_held_back_are_calibrated_and_their_effect_is_counted() -> None:
    data = judged(4000, 3.0)
    confidence = fitting.held_back(data, 5)
    assert adaptive_ece(confidence, data.are_right) < 0.04
    threshold = fitting.choose_threshold(confidence, data.answerable)
    refused = confidence < threshold
    assert int(refused.sum()) == int((~data.answerable).sum())
    effect = fitting.bought(confidence, data, threshold)
    assert effect["wrong, of answered"] == pytest.approx(
        (~data.are_right[~refused]).mean(), abs=1e-4
    )
    assert effect["refusal precision"] == pytest.approx(effect["refusal recall"], abs=1e-3)
    risks = list(fitting.risk_at_coverage(confidence, data).values())
    assert len(risks) == 10
    assert risks[0] < risks[-1] == pytest.approx((~data.are_right).mean(), abs=1e-4)


def test_wilson_contains_the_share() -> None:
    for wrong, count in ((0, 9), (3, 9), (9, 9), (40, 900)):
        lower_bound, upper_bound = wilson(wrong / count, count)
        assert 0 <= lower_bound <= wrong / count <= upper_bound <= 1


def true_risk(threshold: float, bend: float) -> float:
    """The share of wrong answers from a threshold on, if confidences are distributed as the square
    root of a uniform number and are right with probability `confidence ** bend`.
    """
    answered = GRID[threshold <= GRID]
    return float(np.average(1 - answered**bend, weights=answered))


def lowest_observed(
    confidence: NDArray[np.float64], served: NDArray[np.bool_], risk: float
) -> float | None:
    """The lowest threshold whose observed share of wrong answers is at most the risk."""
    passing = [
        float(threshold)
        for threshold in fitting.THRESHOLDS
        if (answered := confidence >= threshold).any() and (~served[answered]).mean() <= risk
    ]
    return min(passing, default=None)


def test_the_certified_risk_is_broken_in_at_most_five_percent_of_the_sets() -> None:
    random = np.random.default_rng(1)
    sets = [(400, 0.1, 1.0), (400, 0.1, 0.5), (300, 0.2, 1.5), (150, 0.3, 1.0)] * (DRAWS // 4)
    broken = observed_broken = certified = 0
    for count, risk, bend in sets:
        confidence = np.sqrt(random.random(count))
        served = random.random(count) < confidence**bend
        certificate = fitting.certify(confidence, served, risk)
        certified += certificate is not None
        broken += certificate is not None and true_risk(certificate.threshold, bend) > risk
        observed = lowest_observed(confidence, served, risk)
        observed_broken += observed is not None and true_risk(observed, bend) > risk
    assert broken / DRAWS <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / DRAWS)
    assert certified > 0.5 * DRAWS
    assert observed_broken > 0.3 * DRAWS  # without the bound the risk is often broken


def test_the_certificate_states_what_was_counted() -> None:
    confidence = np.concatenate([np.full(200, 0.95), np.full(100, 0.3)])
    served = np.concatenate([np.ones(198, bool), np.zeros(102, bool)])
    certificate = fitting.certify(confidence, served, 0.05)
    assert certificate is not None
    assert 0.3 < certificate.threshold <= 0.95
    assert (certificate.answered, certificate.wrong) == (200, 2)
    assert certificate.bound == pytest.approx(fitting.upper_bound(2, 200, 0.95))
    assert certificate.bound <= 0.05
    assert certificate.tested > 1


@pytest.mark.parametrize(
    ("wrong", "answered", "certainty", "bound"),
    [(0, 59, 0.95, 0.0495), (0, 58, 0.95, 0.0503), (1, 93, 0.95, 0.05), (5, 5, 0.9, 1.0)],
)
def test_upper_bounds_are_clopper_and_pearsons(
    wrong: int, answered: int, certainty: float, bound: float
) -> None:
    assert fitting.upper_bound(wrong, answered, certainty) == pytest.approx(bound, abs=0.0002)


def test_too_few_questions_certify_nothing_and_name_how_many_would() -> None:
    confidence, served = np.full(40, 0.9), np.ones(40, bool)
    assert fitting.certify(confidence, served, 0.05) is None
    needed = fitting.questions_needed(confidence, served, 0.05)
    assert needed is not None
    assert 59 <= needed <= 150
    assert fitting.certify(np.full(needed, 0.9), np.ones(needed, bool), 0.05) is not None
    often_wrong = np.arange(100) % 5 > 0
    assert fitting.certify(np.full(100, 0.9), often_wrong, 0.1) is None
    assert fitting.questions_needed(np.full(100, 0.9), often_wrong, 0.1) is None
