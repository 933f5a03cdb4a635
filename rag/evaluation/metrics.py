"""All metrics, as functions of a table with one value per question and column. The docstring is the
definition shown in reports.

Each is a share in [0, 1] unless stated otherwise; NaN if it applies to no question.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.evaluation import ranking
from rag.evaluation.columns import Table, mean
from rag.evaluation.confidence_metrics import aurc, calibration_error, confidence_auroc, coverage_at
from rag.evaluation.gold import FORMS

CUTS = tuple(range(1, ranking.DEPTH + 1))


def em(table: Table) -> float:
    """Exact match over all questions after SQuAD's normalisation; a refusal scores 1 where there is
    no answer, else 0 (Rajpurkar et al. 2016, 2018)."""
    return mean(table["em"])


def f1(table: Table) -> float:
    """Token F1 with the closest accepted answer over all questions; a refusal scores 1 for
    unanswerable questions, else 0 (Rajpurkar et al. 2016, 2018).
    """
    return mean(table["f1"])


def em_answerable(table: Table) -> float:
    """Exact match over answerable questions; a refusal scores 0 (SQuAD 2.0's HasAns_exact)."""
    return mean(table["em"][table["answerable"] == 1])


def f1_answerable(table: Table) -> float:
    """Token F1 over answerable questions; a refusal scores 0 (SQuAD 2.0's HasAns_f1)."""
    return mean(table["f1"][table["answerable"] == 1])


def f1_unanswerable(table: Table) -> float:
    """Share of unanswerable questions that were refused (SQuAD 2.0's NoAns_f1, which equals
    NoAns_exact).
    """
    return mean(table["f1"][table["answerable"] == 0])


def useful(table: Table) -> float:
    """Share of answerable questions with a useful answer as shown to users: the right words in a
    sentence that answers, the right yes or no, or most of the gold set's sentences or items; a
    refusal scores 0.
    """
    return mean(table["useful"])


def wrong(table: Table) -> float:
    """Share of all questions with a wrong answer, not useful even in part. Lower is better."""
    return mean(table["wrong"])


def form_right(table: Table) -> float:
    """Share of answerable questions whose answer has the gold set's form; a refusal scores 0."""
    return mean(table["form_right"])


def useful_form(form: str) -> Callable[[Table], float]:
    """Metric: share of useful answers among questions of this form."""

    def share(table: Table) -> float:
        return mean(table[f"useful_{form}"])

    share.__doc__ = (
        f"""The share of answerable questions that want the form "{form}" whose answer is useful."""
    )
    return share


def citation_document(table: Table) -> float:
    """Share of answerable questions whose first citation is from a document with evidence; a
    refusal scores 0.
    """
    return mean(table["cited_document"])


def citation_precision(table: Table) -> float:
    """Share of an answer's citations that lie in an evidence sentence, averaged over answerable
    questions; a refusal scores 0 (after ALCE's citation precision, Gao et al. 2023, with gold
    sentences instead of a judge).
    """
    return mean(table["cited_precision"])


def citation_precision_right(table: Table) -> float:
    """Citation precision over right answers only. Sources that support the answer but are not in
    the gold set count as wrong, so this is a lower bound.
    """
    return mean(table["cited_precision"][(table["right"] == 1) & (table["refused"] == 0)])


def citation_recall(table: Table) -> float:
    """Share of the evidence sentences that are cited, averaged over answerable questions; a refusal
    scores 0. Below 1 if a question has more evidence than an answer has citations.
    """
    return mean(table["cited_recall"])


def offset_integrity(table: Table) -> float:
    """Share of all citations, including those of alternatives, whose quote and sentence match the
    document at their offsets.
    """
    checked = table["checked"].sum()
    return float(table["sound"].sum() / checked) if checked else float("nan")


def abstention_precision(table: Table) -> float:
    """Share of refused questions that are unanswerable (1 if none was refused)."""
    refused = table["refused"] == 1
    return _share(
        table["answerable"][refused] == 0,
        empty=float("nan") if np.isnan(table["refused"]).all() else 1.0,
    )


def abstention_recall(table: Table) -> float:
    """Share of unanswerable questions that were refused."""
    return _share(table["refused"][table["answerable"] == 0] == 1)


def abstention_f1(table: Table) -> float:
    """Harmonic mean of abstention precision and recall."""
    precision, recall = abstention_precision(table), abstention_recall(table)
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else recall


def _share(holds: NDArray[np.bool_], empty: float = float("nan")) -> float:
    return float(holds.mean()) if len(holds) else empty


def evidence_at(k: int) -> Callable[[Table], float]:
    """Metric: how often evidence is among the first `k` passages."""

    def found(table: Table) -> float:
        return mean(np.where(np.isnan(table["rank"]), np.nan, table["rank"] <= k))

    found.__doc__ = f"""Share of answerable questions with a complete evidence sentence in one of
    the first {k} passages (success@{k}; top-k accuracy of Karpukhin et al. 2020, by sentence
    instead of answer string)."""
    return found


def _ranked(name: str, definition: str) -> Callable[[Table], float]:
    def ranked(table: Table) -> float:
        return mean(table[name])

    ranked.__doc__ = definition
    return ranked


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with the name that gates use. `better` is "higher" or "lower"."""

    name: str
    title: str
    group: str
    of: Callable[[Table], float]
    better: str = "higher"

    @property
    def definition(self) -> str:
        return " ".join((self.of.__doc__ or "").split())


_RECALL = (
    "Share of the relevant documents among the first {k}; a document ranks "
    "where its best passage does."
)
_ALL = [
    Metric("em", "Exact match", "Answers", em),
    Metric("f1", "F1", "Answers", f1),
    Metric("em_answerable", "Exact match, answerable", "Answers", em_answerable),
    Metric("f1_answerable", "F1, answerable", "Answers", f1_answerable),
    Metric("f1_unanswerable", "Refused, unanswerable", "Answers", f1_unanswerable),
    Metric("useful", "Useful answers", "Forms", useful),
    Metric("wrong", "Wrong answers, of all questions", "Forms", wrong, "lower"),
    Metric("form_right", "In the form that is wanted", "Forms", form_right),
    *(
        Metric(f"useful_{name}", f"Useful, {name.replace('_', ' ')}", "Forms", useful_form(name))
        for name in FORMS
    ),
    Metric(
        "citation_document@1", "First citation in a right document", "Citations", citation_document
    ),
    Metric("citation_precision", "Citation sentence precision", "Citations", citation_precision),
    Metric(
        "citation_precision_right",
        "Citation sentence precision, right answers",
        "Citations",
        citation_precision_right,
    ),
    Metric("citation_recall", "Citation sentence recall", "Citations", citation_recall),
    Metric("offset_integrity", "Offset integrity", "Citations", offset_integrity),
    *(
        Metric(f"evidence@{k}", f"Evidence in the first {k}", "Retrieval", evidence_at(k))
        for k in (1, 5, 10, 20)
    ),
    *(
        Metric(
            f"recall@{k}", f"Recall@{k}", "Retrieval", _ranked(f"recall@{k}", _RECALL.format(k=k))
        )
        for k in (1, 5, 10, 20)
    ),
    Metric(
        "mrr@10",
        "MRR@10",
        "Retrieval",
        _ranked(
            "mrr@10",
            "One over the rank of the first relevant document, 0 beyond the tenth (Voorhees 1999).",
        ),
    ),
    Metric(
        "ndcg@10",
        "nDCG@10",
        "Retrieval",
        _ranked(
            "ndcg@10",
            "Discounted gain of the first ten documents over that of the best order (Järvelin & "
            "Kekäläinen 2002).",
        ),
    ),
    Metric("abstention_precision", "Abstention precision", "Refusals", abstention_precision),
    Metric("abstention_recall", "Abstention recall", "Refusals", abstention_recall),
    Metric("abstention_f1", "Abstention F1", "Refusals", abstention_f1),
    Metric("auroc", "AUROC of confidence", "Confidence", confidence_auroc),
    *(
        Metric(f"coverage@{p}", f"Coverage at {p} % precision", "Confidence", coverage_at(p / 100))
        for p in (80, 90, 95)
    ),
    Metric("aurc", "Area under risk-coverage", "Confidence", aurc, "lower"),
    Metric("ece", "Expected calibration error", "Confidence", calibration_error, "lower"),
]
METRICS = {metric.name: metric for metric in _ALL}


def measure(columns: Table) -> dict[str, float]:
    """All metrics that apply to the questions, by name."""
    values = ((metric.name, metric.of(columns)) for metric in _ALL)
    return {name: value for name, value in values if not np.isnan(value)}
