"""Ranking measures of rows, by ir-measures: a document ranks where its best passage does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rag.evaluation.records import Row

DEPTH = 20
"""Places of the ranking that are kept."""
NAMES = {
    "recall@1": "R@1",
    "recall@5": "R@5",
    "recall@10": "R@10",
    "recall@20": "R@20",
    "mrr@10": "RR@10",
    "ndcg@10": "nDCG@10",
}
"""Our name of each, and that of ir-measures."""


def measure(rows: Sequence[Row]) -> dict[str, list[float]]:
    """Each measure of each row, in order; NaN where nothing is relevant. A row whose documents were
    not found has 0.

    R: the share of the relevant documents among the first k. RR: one over the rank of the first
    relevant document, 0 beyond k (Voorhees 1999). nDCG: the gains, each divided by log2(rank + 1),
    over those of the best order (Järvelin & Kekäläinen 2002; linear gains, as trec_eval). Raises
    InputError if ir-measures is not installed.
    """
    ir_measures = _library()
    measures = {name: ir_measures.parse_measure(theirs) for name, theirs in NAMES.items()}
    qrels, run = {}, {}
    for place, row in enumerate(rows):
        if row.found or row.unfound:
            qrels[str(place)], run[str(place)] = _as_run(row)
    values = {name: [float("nan")] * len(rows) for name in NAMES}
    ours = {str(measure): name for name, measure in measures.items()}
    for found in ir_measures.iter_calc(list(measures.values()), qrels, run) if qrels else ():
        values[ours[str(found.measure)]][int(found.query_id)] = found.value
    return values


def _as_run(row: Row) -> tuple[dict[str, int], dict[str, float]]:
    """The row's ranking with names made up: what counts is which ranks are relevant, and how
    much.
    """
    grades = {f"rank {rank}": grade for rank, grade in row.found}
    grades |= {f"unfound {number}": grade for number, grade in enumerate(row.unfound)}
    return grades, {f"rank {rank}": float(-rank) for rank in range(1, DEPTH + 1)}


def _library() -> Any:
    import ir_measures  # late: it takes a while

    return ir_measures
