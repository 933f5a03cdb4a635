"""Statistics of confidences and shares: AUROC, calibration errors, Wilson's interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RowValues = NDArray[np.float64]
Mask = NDArray[np.bool_]


def auroc(high: RowValues, low: RowValues) -> float | None:
    """P(one of `high` > one of `low`), ties half (Mann & Whitney 1947); None if either is empty."""
    if not len(high) or not len(low):
        return None
    ordered = np.sort(low)
    lower = np.searchsorted(ordered, high, "left")
    lower_or_equal = np.searchsorted(ordered, high, "right")
    wins = lower + lower_or_equal  # twice the wins, so that a tie counts 1
    return float(wins.mean() / 2 / len(low))


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
    least = max(0.0, middle - half)
    greatest = min(1.0, middle + half)
    return round(least, 4), round(greatest, 4)


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


def adaptive_ece(confidence: RowValues, right: Mask) -> float:
    """Expected calibration error over ten bins of equal count (Nixon et al. 2019)."""
    gaps = confidence - right
    order = np.argsort(confidence, kind="stable")
    bin_gaps = [abs(gaps[part].sum()) for part in np.array_split(order, 10)]
    error = float(sum(bin_gaps) / len(gaps))
    return round(error, 4)
