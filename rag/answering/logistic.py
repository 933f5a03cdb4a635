"""Logistic regression: a probability from a weighted sum of features, and its log-odds."""

from __future__ import annotations

import math
from collections.abc import Mapping


def probability(weights: Mapping[str, float], bias: float, features: Mapping[str, float]) -> float:
    """In (0, 1). Every weighted feature must be given."""
    total = bias + sum(weight * features[name] for name, weight in weights.items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def logit(probability: float) -> float:
    """The log-odds, of a probability in [1e-6, 1 - 1e-6]."""
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))
