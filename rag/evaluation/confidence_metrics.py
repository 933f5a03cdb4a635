"""Metrics of confidence: how well it tells right answers from wrong ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rag.evaluation.columns import Column, Table
from rag.evaluation.statistics import auroc, ece

BINS = 10


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

    coverage.__doc__ = f"""Largest share of questions that some threshold answers with at least
    {precision:.0%} of the answers right (coverage at a risk; Geifman & El-Yaniv 2017)."""
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
