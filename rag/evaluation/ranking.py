"""Ranking measures of rows, by ir-measures. A document has the rank of its best passage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rag.evaluation.records import Row

DEPTH = 20
"""Number of ranks to keep."""
NAMES = {
    "recall@1": "R@1",
    "recall@5": "R@5",
    "recall@10": "R@10",
    "recall@20": "R@20",
    "mrr@10": "RR@10",
    "ndcg@10": "nDCG@10",
}
"""Our names of the measures, and those of ir-measures."""


def measure(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Each measure for each row, in order; NaN if no document is relevant, 0 if no relevant one was
    found.

    R is the share of the relevant documents among the first k. RR is one over the rank of the first
    relevant document, 0 beyond k (Voorhees 1999). nDCG is the sum of the gains, each divided by
    log2(rank + 1), over that of the best order (Järvelin & Kekäläinen 2002; linear gains, as in
    trec_eval). Raises InputError if ir-measures is not installed.
    """
    ir_measures = _library()
    measures = {name: ir_measures.parse_measure(theirs) for name, theirs in NAMES.items()}
    qrels, run = {}, {}
    for place, row in enumerate(rows):
        if row.found or row.unfound:
            qrels[str(place)], run[str(place)] = _as_run(row)
    values = {name: [float("nan")] * len(rows) for name in NAMES}
    ours = {str(measure): name for name, measure in measures.items()}
    for result in ir_measures.iter_calc(list(measures.values()), qrels, run) if qrels else ():
        values[ours[str(result.measure)]][int(result.query_id)] = result.value
    return values


def _as_run(row: Row) -> tuple[dict[str, int], dict[str, float]]:
    """The row's ranking with invented names; only the grades at each rank matter."""
    grades = {f"rank {rank}": grade for rank, grade in row.found}
    grades |= {f"unfound {number}": grade for number, grade in enumerate(row.unfound)}
    return grades, {f"rank {rank}": float(-rank) for rank in range(1, DEPTH + 1)}


def _library() -> Any:
    import ir_measures  # slow to import

    return ir_measures
