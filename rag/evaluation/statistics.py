"""Statistics of confidences and shares: AUROC, calibration errors, Wilson's interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RowValues = NDArray[np.float64]
Mask = NDArray[np.bool_]


def auroc(high_values: RowValues, low_values: RowValues) -> float | None:
    """P(one of `high_values` > one of `low_values`), ties half; None if either is empty (Mann &
    Whitney 1947).
    """
    if not len(high_values) or not len(low_values):
        return None
    ordered = np.sort(low_values)
    counts_below = np.searchsorted(ordered, high_values, "left")
    counts_up_to = np.searchsorted(ordered, high_values, "right")
    wins = counts_below + counts_up_to  # twice the wins, so that a tie counts 1
    return float(wins.mean() / 2 / len(low_values))


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a share of `count`."""
    if not count:
        return 0.0, 1.0

    z = 1.96
    scale = 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale

    variance = share * (1 - share) / count
    correction = z * z / (4 * count**2)
    half = z * math.sqrt(variance + correction) / scale
    lower_bound = max(0.0, middle - half)
    upper_bound = min(1.0, middle + half)
    return round(lower_bound, 4), round(upper_bound, 4)


def ece(bins: Sequence[tuple[float, float, int]]) -> float:
    """Expected calibration error over bins of equal width, each (mean confidence, share right,
    count), weighted by count (Naeini et al. 2015; Guo et al. 2017).
    """
    total = 0
    gaps = 0.0
    for confidence, accuracy, count in bins:
        total += count
        gaps += abs(confidence - accuracy) * count
    return gaps / total if total else float("nan")


def adaptive_ece(confidence: RowValues, are_right: Mask) -> float:
    """Expected calibration error over ten bins of equal count (Nixon et al. 2019)."""
    gaps = confidence - are_right
    order = np.argsort(confidence, kind="stable")
    bin_gaps = [abs(gaps[part].sum()) for part in np.array_split(order, 10)]
    error = float(sum(bin_gaps) / len(gaps))
    return round(error, 4)
