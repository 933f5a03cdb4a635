"""The judge: one fitted model that says how likely a candidate of any form serves a person. The
fitted models of claims and of cells are smaller: logistic.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

from rag.answering.candidate import Candidate
from rag.answering.features import FEATURES, Featurizer
from rag.answering.reading import Reading, expit
from rag.errors import ModelError, install_line
from rag.fusion import Networks
from rag.models.registry import SHIPPED


class Ranks(Protocol):
    """The part of a judge that an engine uses."""

    @property
    def threshold(self) -> float: ...

    @property
    def digest(self) -> str: ...

    def probabilities(self, candidates: Sequence[Candidate], reading: Reading) -> list[float]:
        """How likely each candidate serves, in (0, 1)."""


@dataclass(frozen=True, slots=True)
class Logistic:
    """A logistic model with `weights` by feature; other features have weight 0."""

    weights: Mapping[str, float]
    bias: float

    def __call__(self, by_name: Mapping[str, float]) -> float:
        """The probability, in [0, 1]."""
        weighted = sum(weight * by_name.get(name, 0.0) for name, weight in self.weights.items())
        return expit(self.bias + weighted)


@dataclass(frozen=True)
class Judge:
    """A fitted model of whether a candidate serves, and the `threshold` below which none is given.

    The probability is a logistic function of the networks' log-odds, with `slope` and `offset`,
    fitted to the likeliest candidates of questions that the networks did not see (Platt 1999).
    `risk` is the share of its answers to these questions that did not serve, `missed` the share of
    the answerable ones that it refused. `networks_digest` is the sha256 of the networks, `digest`
    that of these and the calibration.
    """

    networks: Networks
    slope: float
    offset: float
    threshold: float
    risk: float | None = None
    missed: float | None = None
    networks_digest: str = ""
    digest: str = ""

    @classmethod
    def load(cls, networks: Path, calibration: Path) -> Self:
        """Raises ModelError if a file cannot be read, has other features, or belongs to other
        networks.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load as load_tensors

        try:
            weights = networks.read_bytes()
            content = calibration.read_bytes()
            tensors = load_tensors(weights)
            numbers = json.loads(content)
            digest = hashlib.sha256(weights).hexdigest()
            if tensors["first"].shape[2] != len(FEATURES):
                raise ValueError("it was fitted to other features")
            if numbers["networks"] != digest:
                raise ValueError("it was made for another judge")
            return cls(
                Networks(**tensors),
                float(numbers["slope"]),
                float(numbers["offset"]),
                float(numbers["threshold"]),
                numbers.get("risk"),
                _missed(numbers.get("report", {})),
                digest,
                hashlib.sha256(weights + content).hexdigest(),
            )
        except (
            OSError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
            SafetensorError,
        ) as error:
            shipped = calibration.is_relative_to(SHIPPED)
            remedy = (
                f"{install_line()} --force-reinstall"
                if shipped
                else "fit it again: rag eval calibrate GOLD"
            )
            raise ModelError(
                f"calibration {calibration} cannot be read: {error}", remedy
            ) from error

    def calibration(self, **numbers: Any) -> dict[str, Any]:
        """The content of a calibration file, with some of its numbers replaced."""
        return {
            "networks": self.networks_digest,
            "slope": self.slope,
            "offset": self.offset,
            "threshold": self.threshold,
            "risk": self.risk,
        } | numbers

    def probabilities(self, candidates: Sequence[Candidate], reading: Reading) -> list[float]:
        """How likely each candidate serves, in (0, 1)."""
        if not candidates:
            return []
        rows = Featurizer(reading).matrix(candidates)
        return [self.probability(float(value)) for value in self.networks.log_odds(rows)]

    def probability(self, log_odds: float) -> float:
        """The networks' log-odds as a probability."""
        return expit(self.slope * log_odds + self.offset)


def _missed(report: Mapping[str, Any]) -> float | None:
    """The share of answerable questions that were refused, in the report of a fit or of `rag eval
    calibrate`; None in another.
    """
    if counts := report.get("all"):
        return float(counts["refused"]) / max(1.0, float(counts["answerable"]))
    share = report.get("after, on questions left out of the fit", {}).get("refused, of answerable")
    return None if share is None else float(share)
