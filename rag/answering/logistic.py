"""Logistic regression: a probability from a weighted sum of features, and its log-odds."""

from __future__ import annotations

import math
from collections.abc import Mapping


def probability(weights: Mapping[str, float], bias: float, features: Mapping[str, float]) -> float:
    """In (0, 1). Every weighted feature must be given."""
    total = bias + sum(weight * features[name] for name, weight in weights.items())
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


def logit(probability: float, least: float = 1e-6) -> float:
    """The log-odds, of a probability limited to [least, 1 - least]."""
    p = min(max(probability, least), 1 - least)
    return math.log(p / (1 - p))
