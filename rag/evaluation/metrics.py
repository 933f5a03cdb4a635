"""All metrics, computed from columns with one value per question, and their bootstrap intervals.

Each is a share in [0, 1] unless stated otherwise; NaN if it applies to no question.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rag.evaluation.gold import FORMS
from rag.evaluation.records import Row
from rag.evaluation.statistics import auroc, ece

Column = NDArray[np.float64]
Table = Mapping[str, Column]
DEPTH = 20
"""Number of ranks of documents to keep."""
BINS = 10
NAN = float("nan")


def table(rows: Sequence[Row]) -> dict[str, Column]:
    """Columns that the metrics use, each of shape (n,); NaN where a column does not apply to a
    row.
    """
    every = np.ones(len(rows), bool)
    answering = np.array([row.kind != "retrieval" for row in rows], bool)
    answerable = np.array([row.kind == "answerable" for row in rows], bool)
    cited = answerable & np.array([row.evidence > 0 for row in rows], bool)
    judged = answering & np.array([bool(row.judgement) for row in rows], bool)
    useful = [row.judgement == "useful" for row in rows]
    values: dict[str, tuple[NDArray[np.bool_], Sequence[float]]] = {
        "em": (answering, [row.em for row in rows]),
        "f1": (answering, [row.f1 for row in rows]),
        "right": (answering, [row.right for row in rows]),
        "refused": (answering, [row.text is None for row in rows]),
        "confidence": (answering, [row.confidence for row in rows]),
        "answerable": (answering, [row.kind == "answerable" for row in rows]),
        "cited_document": (cited, [row.cited_document for row in rows]),
        "cited_precision": (cited, [row.cited_right / max(row.citations, 1) for row in rows]),
        "cited_recall": (cited, [row.cited_evidence / max(row.evidence, 1) for row in rows]),
        "useful": (judged & answerable, useful),
        "wrong": (judged, [row.judgement == "wrong" for row in rows]),
        "form_right": (judged & answerable, [_has_its_form(row) for row in rows]),
        "rank": (answerable, [row.rank or np.inf for row in rows]),
        "sound": (every, [row.sound for row in rows]),
        "checked": (every, [row.checked for row in rows]),
    }
    for form in FORMS:
        asked_for = np.array([row.form == form for row in rows], bool)
        values[f"useful_{form}"] = judged & answerable & asked_for, useful
    columns = {
        name: np.where(applies, np.array(column, float), np.nan)
        for name, (applies, column) in values.items()
    }
    return columns | {name: np.array(v, float) for name, v in rank_documents(rows).items()}


def _has_its_form(row: Row) -> bool:
    """Whether the answer has the expected form (steps and lists count as one); a refusal has
    none.
    """
    same = {"steps": "list"}
    expected, shown = (same.get(form, form) for form in (row.form, row.given))
    return row.judgement != "refused" and shown == expected


_RANKINGS = {f"recall@{k}": f"R@{k}" for k in (1, 5, 10, 20)}
_RANKINGS |= {"mrr@10": "RR@10", "ndcg@10": "nDCG@10"}
"""Our names of the measures, and those of ir-measures."""


def rank_documents(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Each measure of ranked documents for each row, in order, by ir-measures; NaN if no document
    is relevant, 0 if no relevant one was found. A document has the rank of its best passage.
    """
    import ir_measures  # slow to import

    measures = {str(ir_measures.parse_measure(m)): name for name, m in _RANKINGS.items()}
    qrels, run = {}, {}
    for place, row in enumerate(rows):
        if row.found or row.unfound:  # names of documents do not matter, only grades by rank
            grades = {f"rank {rank}": grade for rank, grade in row.found}
            grades |= {f"unfound {number}": grade for number, grade in enumerate(row.unfound)}
            qrels[str(place)] = grades
            run[str(place)] = {f"rank {rank}": float(-rank) for rank in range(1, DEPTH + 1)}
    values = {name: [NAN] * len(rows) for name in _RANKINGS}
    parsed = [ir_measures.parse_measure(name) for name in measures]
    for result in ir_measures.iter_calc(parsed, qrels, run) if qrels else ():
        values[measures[str(result.measure)]][int(result.query_id)] = result.value
    return values


def mean(values: Column) -> float:
    """Mean of the values that apply; NaN if none does."""
    applying = values[~np.isnan(values)]
    return float(applying.mean()) if len(applying) else NAN


def _mean(column: str, table: Table) -> float:
    return mean(table[column])


def _answerable(column: str, table: Table) -> float:
    return mean(table[column][table["answerable"] == 1])


def _refused(table: Table) -> float:
    return mean(table["refused"][table["answerable"] == 0])


def _right_citations(table: Table) -> float:
    return mean(table["cited_precision"][(table["right"] == 1) & (table["refused"] == 0)])


def _offset_integrity(table: Table) -> float:
    checked = table["checked"].sum()
    return float(table["sound"].sum() / checked) if checked else NAN


def _abstention_precision(table: Table) -> float:
    refused = table["refused"] == 1
    if refused.any():
        return float((table["answerable"][refused] == 0).mean())
    return NAN if np.isnan(table["refused"]).all() else 1.0


def _abstention_f1(table: Table) -> float:
    precision, recall = _abstention_precision(table), _refused(table)
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else recall


def evidence_at(k: int, table: Table) -> float:
    """How often evidence is among the first `k` passages."""
    return mean(np.where(np.isnan(table["rank"]), np.nan, table["rank"] <= k))


# Confidence: how well it tells right answers from wrong ones


def _guesses(table: Table) -> tuple[NDArray[np.bool_], Column]:
    """For every question asked for an answer, whether the best candidate is right, and its
    confidence.
    """
    with_answer = ~np.isnan(table["confidence"])
    return table["right"][with_answer] == 1, table["confidence"][with_answer]


def _confidence_auroc(table: Table) -> float:
    right, confidence = _guesses(table)
    area = auroc(confidence[right], confidence[~right])
    return NAN if area is None else area


def _aurc(table: Table) -> float:
    return mean(risk_coverage(table)[1])


def risk_coverage(table: Table) -> tuple[Column, Column]:
    """Coverage and risk, shape (n,) each: for every k, the share of wrong ones among the k most
    confident best candidates; equal confidences count as drawn at random.
    """
    right, confidence = _guesses(table)
    values, place, count = np.unique(-confidence, return_inverse=True, return_counts=True)
    wrong = np.bincount(place, ~right, len(values)) / count
    counts = np.arange(1, len(confidence) + 1)
    return counts / max(len(confidence), 1), np.cumsum(np.repeat(wrong, count)) / counts


def _coverage_at(precision: float, table: Table) -> float:
    right, confidence = _guesses(table)
    if not len(confidence):
        return NAN
    values, place, count = np.unique(-confidence, return_inverse=True, return_counts=True)
    answered = np.cumsum(count)
    hits = np.cumsum(np.bincount(place, right, len(values)))
    precise = answered[hits >= precision * answered - 1e-12]
    return float(max(precise, default=0) / len(confidence))


def _calibration_error(table: Table) -> float:
    return ece(reliability(table))


def reliability(table: Table) -> list[tuple[float, float, int]]:
    """Mean confidence, accuracy and number of the best candidates in each non-empty bin (0, .1], …
    (.9, 1].
    """
    right, confidence = _guesses(table)
    place = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    inside = [place == number for number in np.unique(place)]
    return [(float(confidence[b].mean()), float(right[b].mean()), int(b.sum())) for b in inside]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with the name that gates use, and its definition."""

    name: str
    title: str
    group: str
    definition: str
    of: Callable[[Table], float]

    @property
    def better(self) -> str:
        """ "higher" or "lower"."""
        return "lower" if self.name in _LOWER else "higher"


Compute = str | Callable[[Table], float]
"""A function, or the column whose mean is the metric."""


def _metrics(group: str, *rows: tuple[str, str, str, Compute]) -> list[Metric]:
    return [
        Metric(name, title, group, definition, partial(_mean, of) if isinstance(of, str) else of)
        for name, title, definition, of in rows
    ]


_LOWER = ("wrong", "aurc", "ece")
_ALL = [
    *_metrics(
        "Answers",
        ("em", "Exact match", "Exact match over all questions after SQuAD's normalisation; a "
         "refusal scores 1 where there is no answer, else 0 (Rajpurkar et al. 2016, 2018).", "em"),
        ("f1", "F1", "Token F1 with the closest accepted answer over all questions; a refusal "
         "scores 1 for unanswerable questions, else 0 (Rajpurkar et al. 2016, 2018).", "f1"),
        ("em_answerable", "Exact match, answerable", "Exact match over answerable questions; a "
         "refusal scores 0 (SQuAD 2.0's HasAns_exact).", partial(_answerable, "em")),
        ("f1_answerable", "F1, answerable", "Token F1 over answerable questions; a refusal scores "
         "0 (SQuAD 2.0's HasAns_f1).", partial(_answerable, "f1")),
        ("f1_unanswerable", "Refused, unanswerable", "Share of unanswerable questions that were "
         "refused (SQuAD 2.0's NoAns_f1, which equals NoAns_exact).", _refused),
    ),
    *_metrics(
        "Forms",
        ("useful", "Useful answers", "Share of answerable questions with a useful answer as shown "
         "to users: the right words in a sentence that answers, the right yes or no, or most of "
         "the gold set's sentences or items; a refusal scores 0.", "useful"),
        ("wrong", "Wrong answers, of all questions", "Share of all questions with a wrong answer, "
         "not useful even in part. Lower is better.", "wrong"),
        ("form_right", "In the form that is wanted", "Share of answerable questions whose answer "
         "has the gold set's form; a refusal scores 0.", "form_right"),
        *((f"useful_{form}", f"Useful, {form.replace('_', ' ')}", "The share of answerable "
           f'questions that want the form "{form}" whose answer is useful.', f"useful_{form}")
          for form in FORMS),
    ),
    *_metrics(
        "Citations",
        ("citation_document@1", "First citation in a right document", "Share of answerable "
         "questions whose first citation is from a document with evidence; a refusal scores 0.",
         "cited_document"),
        ("citation_precision", "Citation sentence precision", "Share of an answer's citations that "
         "lie in an evidence sentence, averaged over answerable questions; a refusal scores 0 "
         "(after ALCE's citation precision, Gao et al. 2023, with gold sentences instead of a "
         "judge).", "cited_precision"),
        ("citation_precision_right", "Citation sentence precision, right answers", "Citation "
         "precision over right answers only. Sources that support the answer but are not in the "
         "gold set count as wrong, so this is a lower bound.", _right_citations),
        ("citation_recall", "Citation sentence recall", "Share of the evidence sentences that are "
         "cited, averaged over answerable questions; a refusal scores 0. Below 1 if a question "
         "has more evidence than an answer has citations.", "cited_recall"),
        ("offset_integrity", "Offset integrity", "Share of all citations, including those of "
         "alternatives, whose quote and sentence match the document at their offsets.",
         _offset_integrity),
    ),
    *_metrics(
        "Retrieval",
        *((f"evidence@{k}", f"Evidence in the first {k}", "Share of answerable questions with a "
           f"complete evidence sentence in one of the first {k} passages (success@{k}; top-k "
           "accuracy of Karpukhin et al. 2020, by sentence instead of answer string).",
           partial(evidence_at, k)) for k in (1, 5, 10, 20)),
        *((f"recall@{k}", f"Recall@{k}", f"Share of the relevant documents among the first {k}; a "
           "document ranks where its best passage does.", f"recall@{k}")
          for k in (1, 5, 10, 20)),
        ("mrr@10", "MRR@10", "One over the rank of the first relevant document, 0 beyond the tenth "
         "(Voorhees 1999).", "mrr@10"),
        ("ndcg@10", "nDCG@10", "Discounted gain of the first ten documents over that of the best "
         "order (Järvelin & Kekäläinen 2002).", "ndcg@10"),
    ),
    *_metrics(
        "Refusals",
        ("abstention_precision", "Abstention precision", "Share of refused questions that are "
         "unanswerable (1 if none was refused).", _abstention_precision),
        ("abstention_recall", "Abstention recall", "Share of unanswerable questions that were "
         "refused.", _refused),
        ("abstention_f1", "Abstention F1", "Harmonic mean of abstention precision and recall.",
         _abstention_f1),
    ),
    *_metrics(
        "Confidence",
        ("auroc", "AUROC of confidence", "Probability that a question with a right best candidate "
         "has a higher confidence than one with a wrong one, ties counting half (Mann-Whitney; "
         "Hendrycks & Gimpel 2017). Right means a token F1 of .5 with an accepted answer.",
         _confidence_auroc),
        *((f"coverage@{p}", f"Coverage at {p} % precision", "Largest share of questions that some "
           f"threshold answers with at least {p} % of the answers right (coverage at a risk; "
           "Geifman & El-Yaniv 2017).", partial(_coverage_at, p / 100)) for p in (80, 90, 95)),
        ("aurc", "Area under risk-coverage", "Area under the risk-coverage curve: the mean, over "
         "all coverages 1/n … n/n, of the share of wrong best candidates among the most confident "
         "(Geifman & El-Yaniv 2017). Lower is better.", _aurc),
        ("ece", "Expected calibration error", "The difference between mean confidence and accuracy "
         "in ten bins of equal width, weighted by their questions (Naeini et al. 2015; Guo et al. "
         "2017). Lower is better.", _calibration_error),
    ),
]  # fmt: skip
METRICS = {metric.name: metric for metric in _ALL}


def measure(columns: Table) -> dict[str, float]:
    """All metrics that apply to the questions, by name."""
    values = ((metric.name, metric.of(columns)) for metric in _ALL)
    return {name: value for name, value in values if not np.isnan(value)}


DRAWS = 1000
"""Samples of a bootstrap over documents (Efron 1979; by cluster, Davison & Hinkley 1997, ch. 3.8).
Questions about one document tend to succeed or fail together, so documents are resampled with all
their questions; resampling questions would make the intervals too narrow.
"""
Interval = tuple[float, float]


def bootstrap_samples(
    groups: Sequence[str], times: int | None = None, seed: int = 0
) -> list[NDArray[np.intp]]:
    """Row indices of `times` samples (`DRAWS`): all groups, resampled with replacement, with all
    their rows.
    """
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    members = np.split(np.argsort(place, kind="stable"), np.cumsum(np.bincount(place))[:-1])
    random = np.random.default_rng(seed)
    return [
        np.concatenate([members[i] for i in random.integers(len(names), size=len(names))])
        for _ in range(times or DRAWS)
    ]


def intervals(
    columns: Table, groups: Sequence[str], times: int | None = None
) -> dict[str, Interval]:
    """The 95 % percentile interval of every metric; {} if there is only one group."""
    if len(set(groups)) < 2:
        return {}
    return _spread([measure(_take(columns, rows)) for rows in bootstrap_samples(groups, times)])


def paired(
    before: Table, after: Table, groups: Sequence[str], times: int | None = None
) -> dict[str, Interval]:
    """The 95 % interval of every metric's change between two runs of the same questions (paired:
    both use the same samples).
    """
    if len(set(groups)) < 2:
        return {}
    changes = []
    for rows in bootstrap_samples(groups, times):
        old, new = measure(_take(before, rows)), measure(_take(after, rows))
        changes.append({name: new[name] - old[name] for name in old.keys() & new.keys()})
    return _spread(changes)


def _take(columns: Table, rows: NDArray[np.intp]) -> dict[str, Column]:
    return {name: values[rows] for name, values in columns.items()}


def _spread(samples: Sequence[dict[str, float]]) -> dict[str, Interval]:
    names = dict.fromkeys(name for sample in samples for name in sample)
    values = {name: [sample[name] for sample in samples if name in sample] for name in names}
    return {
        name: (float(low), float(high))
        for name, v in values.items()
        for low, high in [np.percentile(v, [2.5, 97.5])]
    }
