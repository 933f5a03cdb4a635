"""Metrics against independent implementations: scikit-learn, ir-measures on the whole ranking, or
brute force.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Sequence
from typing import Any

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import RR, R, nDCG
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from rag.evaluation.metrics import METRICS, measure, risk_coverage, table
from rag.evaluation.ranking import DEPTH
from rag.evaluation.ranking import measure as rank
from rag.evaluation.records import Row

EXACT = 1e-9


def row(
    number: int, right: bool, confidence: float, given: bool = True, answerable: bool = True
) -> Row:
    good = right if answerable else not given
    return Row(
        id=str(number),
        question="?",
        group=str(number % 5),
        kind="answerable" if answerable else "unanswerable",
        answers=("yes",) if answerable else (),
        text="yes" if given else None,
        guess="yes",
        confidence=confidence,
        em=float(good and given) if answerable else float(good),
        f1=float(good and given) if answerable else float(good),
        right=right and answerable,
    )


GUESSES = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.5, 0.7, 0.9, 1.0])),
    min_size=1,
    max_size=60,
)


def rows_of(guesses: Sequence[tuple[bool, float]]) -> list[Row]:
    return [row(number, right, sure) for number, (right, sure) in enumerate(guesses)]


@settings(deadline=None)
@given(GUESSES)
def test_auroc_against_scikit_learn(guesses: list[tuple[bool, float]]) -> None:
    right, sure = zip(*guesses, strict=True)
    ours = METRICS["auroc"].of(table(rows_of(guesses)))
    if len(set(right)) < 2:
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(roc_auc_score(right, sure), abs=EXACT)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.5, 0.9])), min_size=1, max_size=5))
def test_risk_and_coverage_against_every_order(guesses: list[tuple[bool, float]]) -> None:
    """With equal confidences, the mean risk over all their orders."""
    risks = []
    for shuffled in itertools.permutations(guesses):
        order = sorted(shuffled, key=lambda best_candidate: -best_candidate[1])
        risks.append(
            [sum(not right for right, _ in order[:k]) / k for k in range(1, len(order) + 1)]
        )
    coverage, risk = risk_coverage(table(rows_of(guesses)))
    assert coverage.tolist() == pytest.approx(
        [k / len(guesses) for k in range(1, len(guesses) + 1)]
    )
    assert risk.tolist() == pytest.approx(np.mean(risks, axis=0).tolist(), abs=EXACT)


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_aurc_of_distinct_confidences_against_the_definition(right: list[bool]) -> None:
    guesses = [(ok, 1 - place / 100) for place, ok in enumerate(right)]
    risks = [sum(not ok for ok in right[:k]) / k for k in range(1, len(right) + 1)]
    assert METRICS["aurc"].of(table(rows_of(guesses))) == pytest.approx(
        sum(risks) / len(risks), abs=EXACT
    )


@settings(deadline=None)
@given(GUESSES, st.sampled_from([80, 90, 95]))
def test_coverage_at_a_precision_against_every_threshold(
    guesses: list[tuple[bool, float]], percent: int
) -> None:
    best = 0.0
    for threshold in {sure for _, sure in guesses}:
        given_ = [right for right, sure in guesses if sure >= threshold]
        if sum(given_) * 100 >= percent * len(given_):
            best = max(best, len(given_) / len(guesses))
    assert METRICS[f"coverage@{percent}"].of(table(rows_of(guesses))) == pytest.approx(
        best, abs=EXACT
    )


@settings(deadline=None)
@given(GUESSES)
def test_calibration_error_against_the_definition(guesses: list[tuple[bool, float]]) -> None:
    error = 0.0
    for low in range(10):
        inside = [
            (r, s) for r, s in guesses if (low / 10 < s <= (low + 1) / 10) or (low == 0 and s == 0)
        ]
        if inside:
            right, sure = (sum(column) / len(inside) for column in zip(*inside, strict=True))
            error += abs(right - sure) * len(inside) / len(guesses)
    assert METRICS["ece"].of(table(rows_of(guesses))) == pytest.approx(error, abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_abstention_against_scikit_learn(cases: list[tuple[bool, bool]]) -> None:
    """The positive class is "no answer", the prediction "refused"."""
    rows = [
        row(n, True, 0.5, given=not refused, answerable=not nothing)
        for n, (nothing, refused) in enumerate(cases)
    ]
    nothing, refused = zip(*cases, strict=True)
    precision, recall, f1, _ = precision_recall_fscore_support(
        nothing, refused, average="binary", zero_division=1.0
    )
    columns = table(rows)
    assert METRICS["abstention_precision"].of(columns) == pytest.approx(precision, abs=EXACT)
    if any(nothing):
        assert METRICS["abstention_recall"].of(columns) == pytest.approx(recall, abs=EXACT)
        assert METRICS["abstention_f1"].of(columns) == pytest.approx(f1, abs=EXACT)


def test_rankings_against_ir_measures_on_the_whole_ranking() -> None:
    rng = random.Random(3)
    rows, qrels, run = [], {}, {}
    for number in range(200):
        order = [f"d{n}" for n in rng.sample(range(60), rng.randint(0, 40))]
        relevant = {f"d{n}": rng.randint(1, 3) for n in rng.sample(range(60), rng.randint(1, 6))}
        qrels[str(number)] = relevant
        run[str(number)] = {name: float(100 - place) for place, name in enumerate(order)} or {
            "nothing": 1.0
        }
        top = order[:DEPTH]
        found = tuple(
            (place, relevant[name]) for place, name in enumerate(top, 1) if name in relevant
        )
        unfound = tuple(grade for name, grade in relevant.items() if name not in top)
        rows.append(Row(str(number), "?", str(number), "retrieval", found=found, unfound=unfound))
    theirs = {f"recall@{k}": R @ k for k in (1, 5, 10, 20)}
    theirs |= {"mrr@10": RR @ 10, "ndcg@10": nDCG @ 10}
    expected = ir_measures.calc_aggregate(list(theirs.values()), qrels, run)
    ours = measure(table(rows))
    assert ours == {name: pytest.approx(expected[theirs[name]], abs=1e-6) for name in theirs}
    assert sum(rank(rows)["ndcg@10"]) / 200 == pytest.approx(expected[nDCG @ 10], abs=1e-6)


def test_ndcg_by_hand() -> None:
    (value,) = rank([Row("1", "?", "1", "retrieval", found=((2, 3), (4, 1)), unfound=(2,))])[
        "ndcg@10"
    ]
    gained = 3 / math.log2(3) + 1 / math.log2(5)
    ideal = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert value == pytest.approx(gained / ideal, abs=1e-6)


def test_queries_without_results_score_zero() -> None:
    found = Row("1", "?", "1", "retrieval", found=((1, 1),))
    lost = Row("2", "?", "2", "retrieval", unfound=(1,))
    assert measure(table([found, lost]))["recall@1"] == 0.5
    refused = row(1, False, 0.0, given=False)
    assert measure(table([refused, row(2, True, 0.9)]))["f1"] == 0.5


def test_answerable_and_unanswerable_are_separate() -> None:
    rows = [
        row(1, True, 0.9),
        row(2, False, 0.8),
        row(3, False, 0.1, given=False, answerable=False),
        row(4, False, 0.6, answerable=False),
    ]
    found = measure(table(rows))
    assert all(
        found[name] == 0.5
        for name in ("f1", "em", "f1_answerable", "em_answerable", "f1_unanswerable")
    )
    assert (found["abstention_precision"], found["abstention_recall"]) == (1.0, 0.5)


def test_citations_and_evidence_by_hand() -> None:
    cited: dict[str, Any] = {"citations": 2, "cited_document": True, "cited_right": 1}
    cited |= {"cited_evidence": 1, "evidence": 4, "sound": 3, "checked": 4, "rank": 3}
    good = Row("1", "?", "a", "answerable", text="x", right=True, **cited)
    refused = Row("2", "?", "a", "answerable", evidence=1, rank=None)
    unknown = Row("3", "?", "a", "answerable", citations=1, rank=1)
    found = measure(table([good, refused, unknown]))
    assert found["citation_document@1"] == 0.5
    assert found["citation_precision"] == 0.25
    assert found["citation_precision_right"] == 0.5
    assert found["citation_recall"] == 0.125
    assert found["offset_integrity"] == 0.75
    assert found["evidence@1"] == pytest.approx(1 / 3)
    assert found["evidence@5"] == pytest.approx(2 / 3)


def test_every_metric_has_a_definition() -> None:
    assert all(
        len(metric.definition) > 40 and metric.better in ("higher", "lower")
        for metric in METRICS.values()
    )
