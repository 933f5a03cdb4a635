"""The probabilities that evidence supports or contradicts a claim: two logistic models over the
comparison and the reader's verdict.

`eval/experiments/fit_claims.py` fits them on public claims with human labels and on claims made
from gold questions, and writes verdict_model.json. There is one pair for readers with a verdict
head and one for readers without.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rag.answering.logistic import logit, probability
from rag.claims.comparison import ValueComparison
from rag.errors import InputError

SHIPPED = Path(__file__).parent / "verdict_model.json"
COMPARED = ("coverage", "likeness", "quoted", "missing", "differs", "unnamed", "denied", "altered")
READ = ("yes", "no")
FEATURES = COMPARED + READ
_MOST = 7.0
"""Log-odds are limited to ± this."""


@dataclass(frozen=True, slots=True)
class Probabilities:
    """The reader's verdict on a claim given evidence: probabilities that sum to 1."""

    yes: float
    no: float
    unsaid: float


def features(found: ValueComparison, said: Probabilities | None) -> dict[str, float]:
    """The features of the models by name. "altered" is the likeness of a claim with a value or name
    that the evidence lacks.

    "yes" and "no" are log-odds, in [-7, 7]; shares are in [0, 1]. Without a reader's verdict these
    two are missing.
    """
    missing = len(found.missing) / found.values if found.values else 0.0
    unnamed = len(found.unnamed) / found.names if found.names else 0.0
    made = {
        "coverage": found.coverage,
        "likeness": found.likeness,
        "quoted": float(found.quoted),
        "missing": missing,
        "differs": float(bool(found.differs)),
        "unnamed": unnamed,
        "denied": found.likeness if found.denied else 0.0,
        "altered": found.likeness if found.missing or found.unnamed else 0.0,
    }
    if said is None:
        return made
    return made | {"yes": _log_odds(said.yes), "no": _log_odds(said.no)}


def _log_odds(share: float) -> float:
    return max(-_MOST, min(_MOST, logit(share)))


@dataclass(frozen=True, slots=True)
class Logistic:
    """A logistic model with `weights` by feature; other features have weight 0."""

    weights: Mapping[str, float]
    bias: float

    def __call__(self, found: Mapping[str, float]) -> float:
        """The probability, in [0, 1]."""
        return probability(
            self.weights, self.bias, {name: found.get(name, 0.0) for name in self.weights}
        )


@dataclass(frozen=True, slots=True)
class VerdictModel:
    """The models for one kind of reader, and the minimum probabilities of the verdicts "supported"
    and "contradicted"."""

    supported: Logistic
    contradicted: Logistic
    support_from: float
    contradict_from: float

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        models = [
            Logistic(dict(found[name]["weights"]), float(found[name]["bias"]))
            for name in ("supported", "contradicted")
        ]
        return cls(
            models[0], models[1], float(found["support_from"]), float(found["contradict_from"])
        )

    def as_dict(self) -> dict[str, Any]:
        """The inverse of `of`."""
        return {
            name: {"weights": dict(model.weights), "bias": model.bias}
            for name, model in (("supported", self.supported), ("contradicted", self.contradicted))
        } | {"support_from": self.support_from, "contradict_from": self.contradict_from}


@functools.lru_cache(4)
def load(path: Path = SHIPPED) -> tuple[VerdictModel, VerdictModel]:
    """(the weights for readers with a verdict head, those for readers without). Raises InputError
    if the file is invalid."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return VerdictModel.of(found["read"]), VerdictModel.of(found["compared"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} contains no weights for claims: {error}",
            "create it with: python -m eval.experiments.fit_claims",
        ) from error
