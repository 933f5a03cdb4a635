"""Columns from which the metrics are computed, one for each fact about an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from rag.evaluation import ranking
from rag.evaluation.gold import FORMS
from rag.evaluation.records import Row

Column = NDArray[np.float64]
Table = Mapping[str, Column]


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
    columns |= _judged(rows, asked, answerable)
    rank = np.array([row.rank or np.inf for row in rows], dtype=float)
    columns["rank"] = np.where(answerable, rank, np.nan)
    columns["sound"] = np.array([row.sound for row in rows], dtype=float)
    columns["checked"] = np.array([row.checked for row in rows], dtype=float)
    return columns | {
        name: np.array(values, dtype=float) for name, values in ranking.measure(rows).items()
    }


def _judged(
    rows: Sequence[Row], asked: NDArray[np.bool_], answerable: NDArray[np.bool_]
) -> dict[str, Column]:
    """Columns of the judgements, which only some gold questions have."""
    judged = asked & np.array([bool(row.judgement) for row in rows], dtype=bool)
    useful = np.array([row.judgement == "useful" for row in rows], dtype=float)
    wrong = np.array([row.judgement == "wrong" for row in rows], dtype=float)
    fits = np.array([_fits(row) for row in rows], dtype=float)
    form = np.array([row.form for row in rows], dtype=object)
    return {
        "useful": np.where(judged & answerable, useful, np.nan),
        "wrong": np.where(judged, wrong, np.nan),
        "form_right": np.where(judged & answerable, fits, np.nan),
    } | {
        f"useful_{name}": np.where(judged & answerable & (form == name), useful, np.nan)
        for name in FORMS
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
