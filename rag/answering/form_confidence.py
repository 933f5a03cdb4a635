"""The probability that an answer in a form other than the span is right: one logistic model per
form over a few features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from rag.answering.logistic import logit, probability
from rag.answering.selection import Sentence
from rag.english.sentences import enclosing_sentence
from rag.english.text import content_words, coverage
from rag.protocols import Verdict
from rag.types import Hit

FEATURES = ("top", "total", "second", "span", "dense", "lexical", "coverage", "against")


@dataclass(frozen=True, slots=True)
class FormConfidence:
    """`weights` by feature, `bias`, the `threshold` below which there is no answer, and the `risk`
    measured at it.
    """

    weights: Mapping[str, float]
    bias: float
    threshold: float
    risk: float | None = None

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Self:
        """From JSON. Raises KeyError, TypeError or ValueError for another format."""
        weights = {str(name): float(weight) for name, weight in found["weights"].items()}
        if unknown := sorted(set(weights) - set(FEATURES)):
            raise ValueError(f"unknown feature {unknown[0]}")
        return cls(weights, float(found["bias"]), float(found["threshold"]), found.get("risk"))

    def __call__(self, features: Mapping[str, float]) -> float:
        """Probability, in (0, 1)."""
        return probability(self.weights, self.bias, features)


PLAIN = {
    "sentences": FormConfidence({"top": 0.91, "span": 0.26}, -0.22, 0.5, 0.24),
    "yes_no": FormConfidence({"top": 1.15, "span": 0.2}, -0.78, 0.4, 0.21),
}
"""Used unless a calibration file has its own. Fitted on three kinds of text, a third of them
held-out questions of eval/gold/training.jsonl; more features rank no better
(eval/results/forms.md).
"""


def of_sentences(
    question: str, found: Sequence[Sentence], span: float, hits: Sequence[Hit]
) -> dict[str, float]:
    """Features of the sentences `found`, best first.

    `top`: log-odds of the first; `total`: sum of the four best scores; `second`: the second score;
    `span`: log-odds of the best span's confidence; `dense`, `lexical`: the passage's cosine, and
    its BM25 score divided by the best one; `coverage`: share of the question's words in the
    sentence and its context; `against`: 0.
    """
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
    """Features of the most confident verdict.

    `top`: its log-odds; `total`, `second`: sum and second of the probabilities that other verdicts
    give the same answer; `against`: the negative of the best probability of the opposite answer;
    the others as in `of_sentences`.
    """
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
