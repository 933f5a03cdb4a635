"""Statistics of confidences and shares: AUROC, calibration errors, Wilson's interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.float64]
Mask = NDArray[np.bool_]


def auroc(high: Rows, low: Rows) -> float | None:
    """P(one of `high` > one of `low`), ties half (Mann & Whitney 1947); None if either is empty."""
    if not len(high) or not len(low):
        return None
    ordered = np.sort(low)
    wins = np.searchsorted(ordered, high, "left") + np.searchsorted(ordered, high, "right")
    return float(wins.mean() / 2 / len(low))


def wilson(share: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval for a share of `count`."""
    if not count:
        return 0.0, 1.0
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count**2)) / (1 + z * z / count)
    return round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)


def ece(bins: Sequence[tuple[float, float, int]]) -> float:
    """Expected calibration error over bins of equal width, each (mean confidence, share right,
    count), weighted by count (Naeini et al. 2015; Guo et al. 2017).
    """
    total = sum(count for _, _, count in bins)
    gaps = (abs(confidence - accuracy) * count for confidence, accuracy, count in bins)
    return sum(gaps) / total if total else float("nan")


def adaptive_ece(confidence: Rows, right: Mask) -> float:
    """Expected calibration error over ten bins of equal count (Nixon et al. 2019)."""
    gaps = confidence - right
    parts = np.array_split(np.argsort(confidence, kind="stable"), 10)
    return round(float(sum(abs(gaps[part].sum()) for part in parts) / len(gaps)), 4)
