"""Metrics against independent implementations: scikit-learn, ir-measures on the whole ranking, or
brute force; and their intervals.
"""

import itertools
import math
import random
from typing import Any

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import RR, R, nDCG
from sklearn.metrics import precision_recall_fscore_support, roc_auc_score

from rag.evaluation.metrics import (
    DEPTH,
    METRICS,
    bootstrap_samples,
    intervals,
    measure,
    risk_coverage,
    table,
)
from rag.evaluation.records import QuestionKind, Row

Guesses = list[tuple[bool, float]]
"""Whether the best candidate of a question is right, and its confidence."""


def row(number: int, served: bool, confidence: float = 0.5, **exceptions: Any) -> Row:
    """An answer in group "a" to an answerable question, unless `exceptions` say otherwise."""
    answered, answerable = exceptions.get("answered", True), exceptions.get("answerable", True)
    score = float(served and answered) if answerable else float(not answered)
    text = "yes" if answered else None
    figures: dict[str, Any] = {"confidence": confidence, "em": score, "f1": score}
    figures["right"] = served and answerable
    kind: QuestionKind = "answerable" if answerable else "unanswerable"
    answers = ("yes",) if answerable else ()
    return Row(str(number), "?", "a", kind, answers, text, guess="yes", **figures)


CONFIDENCES = [0.0, 0.1, 0.2, 0.25, 0.5, 0.7, 0.9, 1.0]
GUESSES = st.lists(st.tuples(st.booleans(), st.sampled_from(CONFIDENCES)), min_size=1, max_size=40)


def columns_of(guesses: Guesses) -> dict[str, Any]:
    return table(
        [row(number, served, confidence) for number, (served, confidence) in enumerate(guesses)]
    )


@settings(max_examples=40)
@given(GUESSES)
def test_confidence_against_scikit_learn_and_the_definitions(guesses: Guesses) -> None:
    served, confidences = zip(*guesses, strict=True)
    columns = columns_of(guesses)
    area = METRICS["auroc"].of(columns)
    if len(set(served)) < 2:
        assert math.isnan(area)
    else:
        assert area == pytest.approx(roc_auc_score(served, confidences))
    for percent in (80, 90, 95):
        coverage = 0.0
        for threshold in set(confidences):
            answered = [is_right for is_right, confidence in guesses if confidence >= threshold]
            if sum(answered) * 100 >= percent * len(answered):
                coverage = max(coverage, len(answered) / len(guesses))
        assert METRICS[f"coverage@{percent}"].of(columns) == pytest.approx(coverage)
    error = 0.0
    for tenth in range(10):
        in_bin = [(r, s) for r, s in guesses if tenth < 10 * s <= tenth + 1 or tenth == s == 0]
        error += abs(sum(r - s for r, s in in_bin)) / len(guesses)
    assert METRICS["ece"].of(columns) == pytest.approx(error, abs=1e-6)


@settings(max_examples=20)
@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.5, 0.9])), min_size=1, max_size=5))
def test_risk_and_coverage_against_every_order(guesses: Guesses) -> None:
    """With equal confidences, the mean risk over all their orders."""
    risks = []
    sizes = range(1, len(guesses) + 1)
    for shuffled in itertools.permutations(guesses):
        order = sorted(shuffled, key=lambda guess: -guess[1])
        risks.append([sum(not served for served, _ in order[:k]) / k for k in sizes])
    coverage, risk = risk_coverage(columns_of(guesses))
    assert coverage.tolist() == pytest.approx([k / len(guesses) for k in sizes])
    assert risk.tolist() == pytest.approx(np.mean(risks, axis=0).tolist())
    assert METRICS["aurc"].of(columns_of(guesses)) == pytest.approx(np.mean(risks))


@settings(max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30))
def test_abstention_against_scikit_learn(cases: list[tuple[bool, bool]]) -> None:
    """The positive class is "no answer", the prediction "refused"."""
    columns = table(
        [row(n, True, answered=not r, answerable=not absent) for n, (absent, r) in enumerate(cases)]
    )
    absent, refused = zip(*cases, strict=True)
    precision, recall, f1, _ = precision_recall_fscore_support(
        absent, refused, average="binary", zero_division=1.0
    )
    assert METRICS["abstention_precision"].of(columns) == pytest.approx(precision)
    if any(absent):
        assert METRICS["abstention_recall"].of(columns) == pytest.approx(recall)
        assert METRICS["abstention_f1"].of(columns) == pytest.approx(f1)


def test_rankings_against_ir_measures_on_the_whole_ranking() -> None:
    rng = random.Random(3)
    rows, qrels, run = [], {}, {}
    for name in map(str, range(200)):
        order = [f"d{n}" for n in rng.sample(range(60), rng.randint(0, 40))]
        relevant = {f"d{n}": rng.randint(1, 3) for n in rng.sample(range(60), rng.randint(1, 6))}
        ranked = {document: float(100 - place) for place, document in enumerate(order)}
        qrels[name], run[name] = relevant, ranked or {"nothing": 1.0}
        top = order[:DEPTH]
        relevant_ranks = tuple((n, relevant[d]) for n, d in enumerate(top, 1) if d in relevant)
        unfound = tuple(grade for d, grade in relevant.items() if d not in top)
        rows.append(Row(name, "?", name, "retrieval", found=relevant_ranks, unfound=unfound))
    theirs = {f"recall@{k}": R @ k for k in (1, 5, 10, 20)}
    theirs |= {"mrr@10": RR @ 10, "ndcg@10": nDCG @ 10}
    expected = ir_measures.calc_aggregate(list(theirs.values()), qrels, run)
    assert measure(table(rows)) == {
        name: pytest.approx(expected[theirs[name]], abs=1e-6) for name in theirs
    }


def test_answerable_and_unanswerable_are_separate() -> None:
    rows = [
        row(1, True, 0.9),
        row(2, False, 0.8),
        row(3, False, 0.1, answered=False, answerable=False),
        row(4, False, 0.6, answerable=False),
    ]
    values = measure(table(rows))
    names = ("f1", "em", "f1_answerable", "em_answerable", "f1_unanswerable")
    assert all(values[name] == 0.5 for name in names)
    assert (values["abstention_precision"], values["abstention_recall"]) == (1.0, 0.5)
    refused = row(1, False, 0.0, answered=False)
    assert measure(table([refused, row(2, True, 0.9)]))["f1"] == 0.5


def test_citations_and_evidence_by_hand() -> None:
    cited: dict[str, Any] = {"citations": 2, "cited_document": True, "cited_right": 1}
    cited |= {"cited_evidence": 1, "evidence": 4, "sound": 3, "checked": 4, "rank": 3}
    proven = Row("1", "?", "a", "answerable", text="x", right=True, **cited)
    refused = Row("2", "?", "a", "answerable", evidence=1, rank=None)
    unknown = Row("3", "?", "a", "answerable", citations=1, rank=1)
    values = measure(table([proven, refused, unknown]))
    assert values["citation_document@1"] == 0.5
    assert values["citation_precision"] == 0.25
    assert values["citation_precision_right"] == 0.5
    assert values["citation_recall"] == 0.125
    assert values["offset_integrity"] == 0.75
    assert values["evidence@1"] == pytest.approx(1 / 3)
    assert values["evidence@5"] == pytest.approx(2 / 3)


def test_samples_are_of_groups_with_all_their_rows() -> None:
    groups = ["a", "b", "a", "c", "c", "c"]
    samples = bootstrap_samples(groups, 50)
    for rows in samples:
        counts = [[groups[i] for i in rows].count(name) for name in "abc"]
        assert counts[0] % 2 == counts[2] % 3 == 0
        assert counts[0] / 2 + counts[1] + counts[2] / 3 == 3
    repeated = bootstrap_samples(groups, 50)
    assert all(
        (sample == repeated_sample).all()
        for sample, repeated_sample in zip(samples, repeated, strict=True)
    )


def width(groups: list[str], served: list[bool]) -> float:
    lower_bound, upper_bound = intervals(
        table([row(n, ok) for n, ok in enumerate(served)]), groups, 200
    )["f1"]
    return upper_bound - lower_bound


def test_intervals_agree_with_theory_and_are_wider_for_few_documents() -> None:
    served = [n % 10 < 6 for n in range(400)]
    one_group_each = width([str(n) for n in range(400)], served)
    assert one_group_each == pytest.approx(2 * 1.96 * (0.6 * 0.4 / 400) ** 0.5, abs=0.02)
    grouped_together = [str((n % 10 < 6, n // 10 % 2)) for n in range(400)]
    assert width(grouped_together, served) > 2 * one_group_each
    assert intervals(table([row(n, True) for n in range(3)]), ["a"] * 3) == {}


def test_a_paired_difference_has_a_narrower_interval() -> None:
    baseline = table([row(n, n % 2 == 0) for n in range(200)])
    improved = table([row(n, n % 2 == 0 or n % 20 == 1) for n in range(200)])
    groups = [str(n) for n in range(200)]
    lower_bound, upper_bound = intervals(improved, groups, 200, baseline)["f1"]
    assert 0 < lower_bound < 0.05 < upper_bound < 0.1
    single = [intervals(columns, groups, 200)["f1"] for columns in (baseline, improved)]
    assert single[0][1] > single[1][0]
    assert intervals(baseline, groups, 20, baseline)["f1"] == (0.0, 0.0)
