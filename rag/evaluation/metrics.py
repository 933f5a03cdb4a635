"""All metrics, computed from columns with one value per question, and their bootstrap intervals.

Each is a share in [0, 1] unless stated otherwise; NaN if it applies to no question.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from rag.evaluation.gold import FORMS
from rag.evaluation.records import Row
from rag.evaluation.statistics import auroc, ece

OutcomeColumn = NDArray[np.float64]
OutcomeTable = Mapping[str, OutcomeColumn]
DEPTH = 20
"""Number of ranks of documents to keep."""
BINS = 10
NAN = float("nan")


def table(rows: Sequence[Row]) -> dict[str, OutcomeColumn]:
    """Columns for the metrics, each of shape (n,); NaN where a column does not apply to a row."""
    kinds = np.array([row.kind for row in rows])
    answerable = kinds == "answerable"
    unanswerable = kinds == "unanswerable"
    asked = kinds != "retrieval"
    everything = np.ones(len(rows), bool)

    with_evidence = answerable & _mask(row.evidence > 0 for row in rows)
    judged = asked & _mask(bool(row.judgement) for row in rows)
    judged_answerable = judged & answerable
    are_right = _mask(row.right and row.text is not None for row in rows)

    values = _values(rows)
    applies = {
        "em": asked,
        "f1": asked,
        "em_answerable": answerable,
        "f1_answerable": answerable,
        "f1_unanswerable": unanswerable,
        "abstention_recall": unanswerable,
        "right": asked,
        "refused": asked,
        "confidence": asked,
        "answerable": asked,
        "citation_document@1": with_evidence,
        "citation_precision": with_evidence,
        "citation_precision_right": with_evidence & are_right,
        "citation_recall": with_evidence,
        "useful": judged_answerable,
        "wrong": judged,
        "form_right": judged_answerable,
        "sound": everything,
        "checked": everything,
    }
    for k in _DEPTHS:
        applies[f"evidence@{k}"] = answerable
    for form in FORMS:
        asked_for = _mask(row.form == form for row in rows)
        applies[f"useful_{form}"] = judged_answerable & asked_for

    columns = {}
    for name, mask in applies.items():
        columns[name] = np.where(mask, np.array(values[name], float), np.nan)
    for name, measured in rank_documents(rows).items():
        columns[name] = np.array(measured, float)
    return columns


def _mask(values: Iterable[bool]) -> NDArray[np.bool_]:
    return np.array(list(values), bool)


def _values(rows: Sequence[Row]) -> dict[str, Sequence[float]]:
    """The value of each column for every row, also for rows to which it does not apply."""
    em = [row.em for row in rows]
    f1 = [row.f1 for row in rows]
    refused = [row.text is None for row in rows]
    useful = [row.judgement == "useful" for row in rows]
    precision = [row.cited_right / max(row.citations, 1) for row in rows]

    values: dict[str, Sequence[float]] = {
        "em": em,
        "f1": f1,
        "em_answerable": em,
        "f1_answerable": f1,
        "f1_unanswerable": refused,
        "abstention_recall": refused,
        "right": [row.right for row in rows],
        "refused": refused,
        "confidence": [row.confidence for row in rows],
        "answerable": [row.kind == "answerable" for row in rows],
        "citation_document@1": [row.cited_document for row in rows],
        "citation_precision": precision,
        "citation_precision_right": precision,
        "citation_recall": [row.cited_evidence / max(row.evidence, 1) for row in rows],
        "useful": useful,
        "wrong": [row.judgement == "wrong" for row in rows],
        "form_right": [_has_its_form(row) for row in rows],
        "sound": [row.sound for row in rows],
        "checked": [row.checked for row in rows],
    }
    for k in _DEPTHS:
        values[f"evidence@{k}"] = [(row.rank or np.inf) <= k for row in rows]
    for form in FORMS:
        values[f"useful_{form}"] = useful
    return values


def _has_its_form(row: Row) -> bool:
    """Whether the answer has the expected form (steps are a list too); a refusal has none."""
    if row.judgement == "refused":
        return False
    family = {"steps": "list"}
    expected = family.get(row.form, row.form)
    given = family.get(row.given, row.given)
    return given == expected


_DEPTHS = (1, 5, 10, 20)
_RANKINGS = {f"recall@{k}": f"R@{k}" for k in _DEPTHS} | {"mrr@10": "RR@10", "ndcg@10": "nDCG@10"}
"""Our names of the measures, and those of ir-measures."""


def rank_documents(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Each measure of ranked documents for each row, in order, by ir-measures; NaN if no document
    is relevant, 0 if no relevant one was found. A document has the rank of its best passage.
    """
    import ir_measures  # slow to import

    # names of documents do not matter, only grades by rank
    order = {f"rank {rank}": float(-rank) for rank in range(1, DEPTH + 1)}
    qrels: dict[str, dict[str, int]] = {}
    run: dict[str, dict[str, float]] = {}
    for place, row in enumerate(rows):
        grades = _grades(row)
        if grades:
            qrels[str(place)] = grades
            run[str(place)] = order

    values = {name: [NAN] * len(rows) for name in _RANKINGS}
    if not qrels:
        return values

    names = {ir_measures.parse_measure(theirs): ours for ours, theirs in _RANKINGS.items()}
    for result in ir_measures.iter_calc(list(names), qrels, run):
        name = names[result.measure]
        values[name][int(result.query_id)] = result.value
    return values


def _grades(row: Row) -> dict[str, int]:
    """The grades of the relevant documents, by their rank."""
    grades = {}
    for rank, grade in row.found:
        grades[f"rank {rank}"] = grade
    for number, grade in enumerate(row.unfound):
        grades[f"unfound {number}"] = grade
    return grades


def mean(values: OutcomeColumn) -> float:
    """Mean of the values that apply; NaN if none does."""
    applying = values[~np.isnan(values)]
    if not len(applying):
        return NAN
    return float(applying.mean())


def _mean(column: str, table: OutcomeTable) -> float:
    return mean(table[column])


def _offset_integrity(table: OutcomeTable) -> float:
    checked = table["checked"].sum()
    if not checked:
        return NAN
    return float(table["sound"].sum() / checked)


def _abstention_precision(table: OutcomeTable) -> float:
    refused = table["refused"] == 1
    if refused.any():
        unanswerable = table["answerable"][refused] == 0
        return float(unanswerable.mean())
    return NAN if np.isnan(table["refused"]).all() else 1.0


def _abstention_f1(table: OutcomeTable) -> float:
    precision = _abstention_precision(table)
    recall = mean(table["abstention_recall"])
    if precision + recall > 0:
        return 2 * precision * recall / (precision + recall)
    return recall


# Confidence: how well it tells right answers from wrong ones


def _guesses(table: OutcomeTable) -> tuple[NDArray[np.bool_], OutcomeColumn]:
    """For every question asked, whether the best candidate is right, and its confidence."""
    confidence = table["confidence"]
    was_asked = ~np.isnan(confidence)
    are_right = table["right"][was_asked] == 1
    return are_right, confidence[was_asked]


def _confidence_auroc(table: OutcomeTable) -> float:
    are_right, confidence = _guesses(table)
    area = auroc(confidence[are_right], confidence[~are_right])
    return NAN if area is None else area


def risk_coverage(table: OutcomeTable) -> tuple[OutcomeColumn, OutcomeColumn]:
    """Coverage and risk, shape (n,) each: for every k, the share of wrong ones among the k most
    confident best candidates; equal confidences count as drawn at random.
    """
    are_right, confidence = _guesses(table)
    values, place, count = np.unique(-confidence, return_inverse=True, return_counts=True)
    wrong_shares = np.bincount(place, ~are_right, len(values)) / count
    wrong_so_far = np.cumsum(np.repeat(wrong_shares, count))

    counts = np.arange(1, len(confidence) + 1)
    coverage = counts / max(len(confidence), 1)
    return coverage, wrong_so_far / counts


def _coverage_at(precision: float, table: OutcomeTable) -> float:
    are_right, confidence = _guesses(table)
    if not len(confidence):
        return NAN
    values, place, count = np.unique(-confidence, return_inverse=True, return_counts=True)
    answered = np.cumsum(count)
    hits = np.cumsum(np.bincount(place, are_right, len(values)))

    is_precise = hits >= precision * answered - 1e-12
    most_answered = max(answered[is_precise], default=0)
    return float(most_answered / len(confidence))


def reliability(table: OutcomeTable) -> list[tuple[float, float, int]]:
    """Mean confidence, accuracy and number of best candidates in each bin (0, .1], … (.9, 1]."""
    are_right, confidence = _guesses(table)
    number_of_bin = np.ceil(confidence * BINS).astype(int) - 1
    place = np.clip(number_of_bin, 0, BINS - 1)

    bins = []
    for number in np.unique(place):
        in_bin = place == number
        mean_confidence = float(confidence[in_bin].mean())
        accuracy = float(are_right[in_bin].mean())
        bins.append((mean_confidence, accuracy, int(in_bin.sum())))
    return bins


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with the name that gates use, and its definition."""

    name: str
    title: str
    group: str
    definition: str
    of: Callable[[OutcomeTable], float]

    @property
    def better(self) -> str:
        """ "higher" or "lower"."""
        return "lower" if self.name in _LOWER_IS_BETTER else "higher"


def _metrics(group: str, *rows: tuple[str, str, str]) -> list[Metric]:
    """Metrics by name, title and definition; one without a function is the mean of its column."""
    metrics = []
    for name, title, definition in rows:
        metric = Metric(
            name=name,
            title=title,
            group=group,
            definition=definition,
            of=_FUNCTIONS.get(name, partial(_mean, name)),
        )
        metrics.append(metric)
    return metrics


_FUNCTIONS: dict[str, Callable[[OutcomeTable], float]] = {
    "offset_integrity": _offset_integrity,
    "abstention_precision": _abstention_precision,
    "abstention_f1": _abstention_f1,
    "auroc": _confidence_auroc,
    **{f"coverage@{p}": partial(_coverage_at, p / 100) for p in (80, 90, 95)},
    "aurc": lambda table: mean(risk_coverage(table)[1]),
    "ece": lambda table: ece(reliability(table)),
}
_LOWER_IS_BETTER = ("wrong", "aurc", "ece")
_ALL_METRICS = [
    *_metrics(
        "Answers",
        ("em", "Exact match", "Exact match over all questions after SQuAD's normalisation; a "
         "refusal scores 1 for unanswerable questions, else 0 (Rajpurkar et al. 2016, 2018)."),
        ("f1", "F1", "Token F1 with the closest accepted answer over all questions; a refusal "
         "scores 1 for unanswerable questions, else 0 (Rajpurkar et al. 2016, 2018)."),
        ("em_answerable", "Exact match, answerable", "Exact match over answerable questions; a "
         "refusal scores 0 (SQuAD 2.0's HasAns_exact)."),
        ("f1_answerable", "F1, answerable", "Token F1 over answerable questions; a refusal scores "
         "0 (SQuAD 2.0's HasAns_f1)."),
        ("f1_unanswerable", "Refused, unanswerable", "Share of unanswerable questions that were "
         "refused (SQuAD 2.0's NoAns_f1, which equals NoAns_exact)."),
    ),
    *_metrics(
        "Forms",
        ("useful", "Useful answers", "Share of answerable questions with a useful answer as shown "
         "to users: the right words in a sentence that answers, the right yes or no, or most of "
         "the gold set's sentences or items; a refusal scores 0."),
        ("wrong", "Wrong answers, of all questions", "Share of all questions with a wrong answer, "
         "not useful even in part. Lower is better."),
        ("form_right", "In the form that is wanted", "Share of answerable questions whose answer "
         "has the gold set's form; a refusal scores 0."),
        *((f"useful_{form}", f"Useful, {form.replace('_', ' ')}", "The share of answerable "
           f'questions that want the form "{form}" whose answer is useful.')
          for form in FORMS),
    ),
    *_metrics(
        "Citations",
        ("citation_document@1", "First citation in a right document", "Share of answerable "
         "questions whose first citation is from a document with evidence; a refusal scores 0."),
        ("citation_precision", "Citation sentence precision", "Share of an answer's citations that "
         "lie in an evidence sentence, averaged over answerable questions; a refusal scores 0 "
         "(after ALCE's citation precision, Gao et al. 2023, with gold sentences instead of a "
         "judge)."),
        ("citation_precision_right", "Citation sentence precision, right answers", "Citation "
         "precision over right answers only. Sources that support the answer but are not in the "
         "gold set count as wrong, so this is a lower bound."),
        ("citation_recall", "Citation sentence recall", "Share of the evidence sentences that are "
         "cited, averaged over answerable questions; a refusal scores 0. Below 1 if a question "
         "has more evidence than an answer has citations."),
        ("offset_integrity", "Offset integrity", "Share of all citations, including those of "
         "alternatives, whose quote and sentence match the document at their offsets."),
    ),
    *_metrics(
        "Retrieval",
        *((f"evidence@{k}", f"Evidence in the first {k}", "Share of answerable questions with a "
           f"complete evidence sentence in one of the first {k} passages (success@{k}; top-k "
           "accuracy of Karpukhin et al. 2020, by sentence instead of answer string).")
          for k in _DEPTHS),
        *((f"recall@{k}", f"Recall@{k}", f"Share of the relevant documents among the first {k}; a "
           "document ranks where its best passage does.") for k in _DEPTHS),
        ("mrr@10", "MRR@10", "One over the rank of the first relevant document, 0 beyond the tenth "
         "(Voorhees 1999)."),
        ("ndcg@10", "nDCG@10", "Discounted gain of the first ten documents over that of the best "
         "order (Järvelin & Kekäläinen 2002)."),
    ),
    *_metrics(
        "Refusals",
        ("abstention_precision", "Abstention precision", "Share of refused questions that are "
         "unanswerable (1 if none was refused)."),
        ("abstention_recall", "Abstention recall", "Share of unanswerable questions that were "
         "refused."),
        ("abstention_f1", "Abstention F1", "Harmonic mean of abstention precision and recall."),
    ),
    *_metrics(
        "Confidence",
        ("auroc", "AUROC of confidence", "Probability that a question with a right best candidate "
         "has a higher confidence than one with a wrong one, ties counting half (Mann-Whitney; "
         "Hendrycks & Gimpel 2017). Right means a token F1 of .5 with an accepted answer."),
        *((f"coverage@{p}", f"Coverage at {p} % precision", "Largest share of questions that some "
           f"threshold answers with at least {p} % of the answers right (coverage at a risk; "
           "Geifman & El-Yaniv 2017).") for p in (80, 90, 95)),
        ("aurc", "Area under risk-coverage", "Area under the risk-coverage curve: the mean, over "
         "all coverages 1/n … n/n, of the share of wrong best candidates among the most confident "
         "(Geifman & El-Yaniv 2017). Lower is better."),
        ("ece", "Expected calibration error", "The difference between mean confidence and accuracy "
         "in ten bins of equal width, weighted by their questions (Naeini et al. 2015; Guo et al. "
         "2017). Lower is better."),
    ),
]  # fmt: skip
METRICS = {metric.name: metric for metric in _ALL_METRICS}


def measure(columns: OutcomeTable) -> dict[str, float]:
    """All metrics that apply to the questions, by name."""
    values = {}
    for metric in _ALL_METRICS:
        value = metric.of(columns)
        if not np.isnan(value):
            values[metric.name] = value
    return values


DRAWS = 1000
"""Samples of a bootstrap over documents (Efron 1979; by cluster, Davison & Hinkley 1997, ch. 3.8).
Questions about one document tend to succeed or fail together, so documents are resampled with all
their questions; resampling questions would make the intervals too narrow."""
ConfidenceInterval = tuple[float, float]


def bootstrap_samples(groups: Sequence[str], times: int | None = None) -> list[NDArray[np.intp]]:
    """Row indices of `times` samples (`DRAWS`): whole groups, resampled with replacement."""
    names, place = np.unique(np.asarray(groups), return_inverse=True)
    rows_by_group = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place))
    members = np.split(rows_by_group, ends[:-1])

    random = np.random.default_rng(0)
    samples = []
    for _ in range(times or DRAWS):
        drawn = random.integers(len(names), size=len(names))
        samples.append(np.concatenate([members[number] for number in drawn]))
    return samples


def intervals(
    columns: OutcomeTable,
    groups: Sequence[str],
    times: int | None = None,
    columns_before: OutcomeTable | None = None,
) -> dict[str, ConfidenceInterval]:
    """The 95 % percentile interval of every metric, or of its change since another run of the same
    questions, `columns_before` (paired: both use the same samples); {} if there is only one group.
    """
    if len(set(groups)) < 2:
        return {}

    samples = defaultdict[str, list[float]](list)
    for rows in bootstrap_samples(groups, times):
        values = _measured(columns, rows)
        if columns_before is not None:
            values = _changes(_measured(columns_before, rows), values)
        for name, value in values.items():
            samples[name].append(value)

    bounds = {}
    for name, drawn in samples.items():
        lower_bound, upper_bound = np.percentile(drawn, [2.5, 97.5])
        bounds[name] = (float(lower_bound), float(upper_bound))
    return bounds


def _changes(
    values_before: Mapping[str, float], values_after: Mapping[str, float]
) -> dict[str, float]:
    """The difference of every metric that both have."""
    differences = {}
    for name, value in values_after.items():
        if name in values_before:
            differences[name] = value - values_before[name]
    return differences


def _measured(columns: OutcomeTable, rows: NDArray[np.intp]) -> dict[str, float]:
    sample = {name: values[rows] for name, values in columns.items()}
    return measure(sample)
