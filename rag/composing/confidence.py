"""How likely an answer is right: a logistic model over what the reader, retrieval and the other candidates say."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rag.errors import ModelError
from rag.weights import SHIPPED


@dataclass(frozen=True, slots=True)
class Confidence:
    """`weights` by feature, `bias`, the `threshold` below which no answer is given, and `retrieval`, the weight of a hit's
    score beside the reader's in ranking answers."""

    weights: Mapping[str, float]
    bias: float
    threshold: float
    retrieval: float

    @classmethod
    def load(cls, path: Path | None = None) -> Self:
        """A fitted model, by default the shipped one. Raises ModelError if the file is not one."""
        path = path or SHIPPED / "confidence.json"
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return cls(found["weights"], found["bias"], found["threshold"], found["retrieval"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"confidence model {path} cannot be read: {error}", "pip install --force-reinstall rag") from error

    def __call__(self, features: Mapping[str, float]) -> float:
        """The probability, in [0, 1]. Every weight needs its feature."""
        total = self.bias + sum(weight * features[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, total))))
