"""Every metric, a function of a table of columns, one value a question; its docstring is its
definition and its source.

Each is a share in [0, 1] unless it says otherwise. NaN means that no question says anything about
it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rag.evaluation import ranking
from rag.evaluation.gold import FORMS
from rag.evaluation.records import Row
from rag.evaluation.scores import auroc, ece

Column = NDArray[np.float64]
Table = Mapping[str, Column]
CUTS = tuple(range(1, ranking.DEPTH + 1))
BINS = 10


def table(rows: Sequence[Row]) -> dict[str, Column]:
    """Columns that the metrics use, each of shape (n,); NaN where a column does not apply to a
    row.
    """
    asked = np.array([row.kind != "retrieval" for row in rows], dtype=bool)
    answerable = np.array([row.kind == "answerable" for row in rows], dtype=bool)
    known = np.array([row.evidence > 0 for row in rows], dtype=bool)
    plain = {
        "em": [row.em for row in rows],
        "f1": [row.f1 for row in rows],
        "right": [row.right for row in rows],
        "refused": [row.text is None for row in rows],
        "confidence": [row.confidence for row in rows],
        "answerable": answerable,
    }
    asked_of = {name: np.array([row.form == name for row in rows], dtype=bool) for name in FORMS}
    judged = asked & np.array([bool(row.judgement) for row in rows], dtype=bool)
    useful = np.array([row.judgement == "useful" for row in rows], dtype=float)
    cited = {
        "cited_document": [row.cited_document for row in rows],
        "cited_precision": [row.cited_right / max(row.citations, 1) for row in rows],
        "cited_recall": [row.cited_evidence / max(row.evidence, 1) for row in rows],
    }
    columns = {
        name: np.where(asked, np.array(values, dtype=float), np.nan)
        for name, values in plain.items()
    }
    columns |= {
        name: np.where(answerable & known, np.array(values, dtype=float), np.nan)
        for name, values in cited.items()
    }
    columns["useful"] = np.where(judged & answerable, useful, np.nan)
    columns["wrong"] = np.where(
        judged, np.array([row.judgement == "wrong" for row in rows], dtype=float), np.nan
    )
    columns["form_right"] = np.where(
        judged & answerable, np.array([_fits(row) for row in rows], dtype=float), np.nan
    )
    columns |= {
        f"useful_{name}": np.where(judged & answerable & of, useful, np.nan)
        for name, of in asked_of.items()
    }
    rank = np.array([row.rank or np.inf for row in rows], dtype=float)
    columns["rank"] = np.where(answerable, rank, np.nan)
    columns["sound"] = np.array([row.sound for row in rows], dtype=float)
    columns["checked"] = np.array([row.checked for row in rows], dtype=float)
    return columns | {
        name: np.array(values, dtype=float) for name, values in ranking.measure(rows).items()
    }


def _fits(row: Row) -> bool:
    """Whether the answer has the expected form (steps and lists count as one); a refusal has
    none.
    """
    same = {"steps": "list"}
    return row.judgement != "refused" and same.get(row.given, row.given) == same.get(
        row.form, row.form
    )


def mean(values: Column) -> float:
    """Mean of the values that apply; NaN if none does."""
    said = values[~np.isnan(values)]
    return float(said.mean()) if len(said) else float("nan")


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


def confidence_auroc(table: Table) -> float:
    """Probability that a question with a right best candidate has a higher confidence than one with
    a wrong one, ties counting half (Mann-Whitney; Hendrycks & Gimpel 2017). Right means a token F1
    of .5 with an accepted answer.
    """
    right, sure = _guesses(table)
    found = auroc(sure[right], sure[~right])
    return float("nan") if found is None else found


def aurc(table: Table) -> float:
    """Area under the risk-coverage curve: the mean, over all coverages 1/n … n/n, of the share of
    wrong best candidates among the most confident (Geifman & El-Yaniv 2017). Lower is better; equal
    confidences count as drawn at random.
    """
    risk = risk_coverage(table)[1]
    return float(risk.mean()) if len(risk) else float("nan")


def risk_coverage(table: Table) -> tuple[Column, Column]:
    """Coverage and risk, shape (n,) each: for every k, the share of wrong ones among the k most
    confident best candidates.
    """
    right, sure = _guesses(table)
    order = np.argsort(-sure, kind="stable")
    values, place, count = np.unique(-sure[order], return_inverse=True, return_counts=True)
    wrong = np.bincount(place, ~right[order], len(values)) / count
    taken = np.arange(1, len(sure) + 1)
    return taken / max(len(sure), 1), np.cumsum(wrong[place]) / taken


def coverage_at(precision: float) -> Callable[[Table], float]:
    """Metric: share of questions that can be answered at this precision."""

    def coverage(table: Table) -> float:
        right, sure = _guesses(table)
        values, place, count = np.unique(-sure, return_inverse=True, return_counts=True)
        taken = np.cumsum(count)
        hits = np.cumsum(np.bincount(place, right, len(values)))
        return (
            float(max(taken[hits >= precision * taken - 1e-12], default=0) / len(sure))
            if len(sure)
            else float("nan")
        )

    coverage.__doc__ = f"""The largest share of questions that some threshold answers with at least {precision:.0%} of the answers
    right (coverage at a risk; Geifman & El-Yaniv 2017)."""  # noqa: E501
    return coverage


def calibration_error(table: Table) -> float:
    """Expected calibration error: the difference between mean confidence and accuracy in ten bins
    of equal width, weighted by their questions (Naeini et al. 2015; Guo et al. 2017). Lower is
    better.
    """
    return ece(reliability(table))


def reliability(table: Table) -> list[tuple[float, float, int]]:
    """Mean confidence, accuracy and number of the best candidates in each non-empty bin (0, .1], …
    (.9, 1].
    """
    right, sure = _guesses(table)
    place = np.clip(np.ceil(sure * BINS).astype(int) - 1, 0, BINS - 1)
    found = [(place == bin) for bin in range(BINS)]
    return [
        (float(sure[here].mean()), float(right[here].mean()), int(here.sum()))
        for here in found
        if here.any()
    ]


def _guesses(table: Table) -> tuple[NDArray[np.bool_], Column]:
    """For every question asked for an answer, whether the best candidate is right, and its
    confidence.
    """
    asked = ~np.isnan(table["confidence"])
    return table["right"][asked] == 1, table["confidence"][asked]


def evidence_at(k: int) -> Callable[[Table], float]:
    """Metric: how often evidence is among the first `k` passages."""

    def found(table: Table) -> float:
        return mean(np.where(np.isnan(table["rank"]), np.nan, table["rank"] <= k))

    found.__doc__ = f"""The share of answerable questions of which one of the first {k} passages holds a whole evidence sentence
    (success@{k}; the top-k accuracy of Karpukhin et al. 2020, by sentence in place of answer string)."""  # noqa: E501
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
    "The share of the relevant documents that are among the first {k}; a document ranks "
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
