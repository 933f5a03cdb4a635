"""The probability that an answer is right: a logistic model over features of the reader, retrieval
and the other candidates.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from rag.answering.candidates import Candidate, candidates
from rag.answering.features import FEATURES
from rag.answering.form_confidence import PLAIN, FormConfidence
from rag.answering.logistic import probability
from rag.answering.mention import Mention, QuestionAnalysis, mention
from rag.errors import ModelError, install_line
from rag.models.registry import SHIPPED
from rag.types import Span

_LABEL = 4.0
"""Log-odds that a figure of a table loses if the question has no word of its row's label, so that
"net income" is not answered from the row "Net interest income" (eval/results/evidence.md).
"""


@dataclass(frozen=True, slots=True)
class Confidence:
    """A fitted model. `weights` by feature, `bias`, and the `threshold` below which no answer is
    given.

    `retrieval` is the weight of a passage's
    score beside the reader's log-odds in ranking answers, `type` that of answers of the requested
    type, a date or an amount. `risk` is the share of given answers that are
    expected to be wrong at the threshold, as far as it was measured; `digest` the sha256 of the
    file.
    """

    weights: Mapping[str, float]
    bias: float
    threshold: float
    retrieval: float
    type: float = 0.0
    risk: float | None = None
    digest: str = ""
    forms: Mapping[str, FormConfidence] = field(default_factory=lambda: PLAIN)
    """Models of the forms other than the span, by name; "sentences" and "yes_no" always exist.
    """

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises ModelError if the file cannot be read or has another format."""
        shipped = path.is_relative_to(SHIPPED)
        again = (
            f"{install_line()} --force-reinstall"
            if shipped
            else "fit it again: rag eval calibrate GOLD"
        )
        try:
            content = path.read_bytes()
            found: dict[str, Any] = json.loads(content)
            numbers = {name: float(found[name]) for name in ("bias", "threshold", "retrieval")}
            numbers["type"] = float(found.get("type", 0.0))
            weights = {str(name): float(weight) for name, weight in found["weights"].items()}
            forms = PLAIN | {
                str(name): FormConfidence.of(model)
                for name, model in found.get("forms", {}).items()
            }
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelError(f"confidence model {path} cannot be read: {error}", again) from error
        unknown = sorted(set(weights) - set(FEATURES))
        if unknown:
            raise ModelError(
                f"confidence model {path} has unknown features: {', '.join(unknown)}",
                again,
            )
        return cls(
            weights,
            **numbers,
            risk=found.get("risk"),
            digest=hashlib.sha256(content).hexdigest(),
            forms=forms,
        )

    def rank(self, asked: QuestionAnalysis, spans: Sequence[Span]) -> list[Candidate]:
        """Candidates, best first."""
        return candidates([mention(asked, span) for span in spans], self._score)

    def _score(self, one: Mention) -> float:
        found = self.retrieval * one.span.hit.score + self.type * one.typed
        return one.span.score + found - _LABEL * one.unasked

    def __call__(self, features: Mapping[str, float]) -> float:
        """Probability, in (0, 1). Every weighted feature must be given."""
        return probability(self.weights, self.bias, features)
