"""The scorer of evidence: the probabilities that a piece of text supports or contradicts a claim.

Two logistic models over the comparison of both and the reader's verdict.
`eval/experiments/fit_claims.py` fits them on claims that people labelled and writes
verdict_model.json. There is one pair for readers with a verdict head and one for readers without.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rag.answering.judge import Logistic
from rag.answering.reading import expit, likeliest_verdict, logit
from rag.claims.differences import ClaimComparison
from rag.errors import InputError
from rag.protocols import Verdict

SHIPPED = Path(__file__).parent / "verdict_model.json"
COMPARED = tuple("coverage likeness stated missing differs unnamed denied altered".split())
FEATURES = (*COMPARED, "yes", "no")
_LEAST_PROBABILITY = expit(-7)
"""Limits log-odds to ± 7."""


def features(comparison: ClaimComparison, verdict: Verdict | None) -> dict[str, float]:
    """The features by name. "stated" is the share of the claim's values that the evidence has,
    "altered" the likeness of a claim with a value or name that it lacks.

    "yes" and "no" are log-odds, in [-7, 7]; shares are in [0, 1]. Without a reader's verdict these
    two are missing.
    """
    lacks = bool(comparison.missing or comparison.unnamed)
    by_name = {
        "coverage": comparison.coverage,
        "likeness": comparison.likeness,
        "stated": (comparison.values - len(comparison.missing)) / max(1, comparison.values),
        "missing": len(comparison.missing) / max(1, comparison.values),
        "differs": float(bool(comparison.differs)),
        "unnamed": len(comparison.unnamed) / max(1, comparison.names),
        "denied": comparison.likeness if comparison.denied else 0.0,
        "altered": comparison.likeness if lacks else 0.0,
    }
    if verdict is None:
        return by_name
    # what holds on a condition is evidence too; the verdict on it is never more than "partly"
    holds = verdict.yes
    if likeliest_verdict(verdict, lean=0.0) == "condition":
        holds += verdict.depends or 0.0
    return by_name | {
        "yes": logit(holds, _LEAST_PROBABILITY),
        "no": logit(verdict.no, _LEAST_PROBABILITY),
    }


@dataclass(frozen=True, slots=True)
class Scorer:
    """The models for one kind of reader, and the minimum probabilities of their verdicts."""

    supported: Logistic
    contradicted: Logistic
    support_from: float
    contradict_from: float

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Self:
        """The inverse of `asdict`. Raises KeyError, TypeError or ValueError for another format."""
        supported, contradicted = (
            Logistic(dict(stored[name]["weights"]), float(stored[name]["bias"]))
            for name in ("supported", "contradicted")
        )
        limits = (float(stored[name]) for name in ("support_from", "contradict_from"))
        return cls(supported, contradicted, *limits)


@functools.lru_cache(4)
def load(path: Path = SHIPPED) -> tuple[Scorer, Scorer]:
    """The scorers for readers with a verdict head, and without. Raises InputError."""
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Scorer.of(stored["read"]), Scorer.of(stored["compared"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        hint = "create it with: python -m eval.experiments.fit_claims"
        raise InputError(f"{path} contains no weights for claims: {error}", hint) from error
