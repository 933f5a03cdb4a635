"""How likely an answer in a form other than the span is right: a logistic model a form, over a few
plain features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from rag.answering.selection import Sentence
from rag.english.sentences import enclosing_sentence
from rag.english.text import content_words, coverage
from rag.types import Hit, Verdict

FEATURES = ("top", "total", "second", "span", "dense", "lexical", "coverage", "against")


@dataclass(frozen=True, slots=True)
class FormConfidence:
    """`weights` by feature, `bias`, the `threshold` below which nothing is said, and the `risk`
    that was measured there."""

    weights: Mapping[str, float]
    bias: float
    threshold: float
    risk: float | None = None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """From JSON. Raises KeyError, TypeError or ValueError if it is of another shape."""
        weights = {str(name): float(weight) for name, weight in found["weights"].items()}
        if unknown := sorted(set(weights) - set(FEATURES)):
            raise ValueError(f"unknown feature {unknown[0]}")
        return cls(weights, float(found["bias"]), float(found["threshold"]), found.get("risk"))

    def __call__(self, features: Mapping[str, float]) -> float:
        """The probability, in (0, 1)."""
        total = self.bias + sum(weight * features[name] for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, total))))


PLAIN = {
    "sentences": FormConfidence({"top": 0.5, "span": 0.5}, 0.5, 0.38, 0.38),
    "yes_no": FormConfidence({"top": 1.0, "span": 0.6}, 0.0, 0.8),
}
"""Used unless a calibration file has its own. eval/results/forms.md has the measurements: a model
fitted on the gold questions ranks no better than these, and from .8 on a "Yes." or "No." was right.
"""


def of_sentences(
    question: str, found: Sequence[Sentence], span: float, hits: Sequence[Hit]
) -> dict[str, float]:
    """Of the `found` sentences, best first. `top`: the log-odds of the first; `total`: the sum of
    the four best scores; `second`: the second's; `span`: the log-odds of the best span's
    confidence; `dense`, `lexical`: the passage's cosine, and its BM25 over the best one's;
    `coverage`: the share of the question's words in the sentence and its context; `against`: 0."""
    best = found[0]
    passage = best.hit.passage
    sentence = passage.text[max(0, best.start - passage.start) : best.end - passage.start]
    return {
        "top": logit(best.score),
        "total": sum(one.score for one in found[:4]),
        "second": found[1].score if len(found) > 1 else 0.0,
        "span": logit(span),
        **_retrieval(best.hit, hits),
        "coverage": coverage(content_words(question), f"{passage.context} {sentence}"),
        "against": 0.0,
    }


def of_verdict(
    question: str, verdict: Verdict, verdicts: Sequence[Verdict], span: float
) -> dict[str, float]:
    """Of the surest verdict: `top`, the log-odds of what it says; `total` and `second`, the sum and
    the next best of the same said by others; `against`: the best probability of the contrary,
    negative; the rest as `of_sentences`."""
    says_yes = verdict.yes > verdict.no
    same = sorted((v.yes if says_yes else v.no for v in verdicts), reverse=True)
    passage = verdict.hit.passage
    first, last = enclosing_sentence(passage.text, 0, len(passage.text))
    return {
        "top": logit(max(verdict.yes, verdict.no)),
        "total": sum(same[:4]),
        "second": same[1] if len(same) > 1 else 0.0,
        "span": logit(span),
        **_retrieval(verdict.hit, [v.hit for v in verdicts]),
        "coverage": coverage(
            content_words(question), f"{passage.context} {passage.text[first:last]}"
        ),
        "against": -max(v.no if says_yes else v.yes for v in verdicts),
    }


def _retrieval(hit: Hit, hits: Sequence[Hit]) -> dict[str, float]:
    best = max((other.lexical for other in hits), default=0.0)
    return {"dense": hit.dense, "lexical": hit.lexical / best if best else 0.0}


def logit(probability: float) -> float:
    p = min(max(probability, 1e-6), 1 - 1e-6)
    return math.log(p / (1 - p))
