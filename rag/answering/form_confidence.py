"""The probability that an answer in a form other than the span is right: one logistic model per
form over a few features.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from rag.answering.logistic import logit, probability
from rag.answering.selection import Sentence
from rag.protocols import Verdict

FEATURES = ("top", "span", "verdict", "sentence", "against", "length")
_YES_BIAS = 0.5
"""Log-odds by which the reader says yes too often. Of 151 yes/no questions on four kinds of text
125 are decided rightly without it, 126 with it (eval/results/forms.md).
"""
_FLOOR = 1e-4
"""Probabilities below count as this, so that no feature outweighs all others."""


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
    "sentences": FormConfidence(
        {"top": 0.94, "span": 0.23, "verdict": 0.19, "length": 1.29}, -3.58, 0.55, 0.17
    ),
    "list": FormConfidence({"top": 0.83, "span": 0.63, "verdict": 0.37}, 0.72, 0.5, 0.07),
    "yes_no": FormConfidence({"top": 0.51, "sentence": 0.25, "against": 0.45}, 0.22, 0.55, 0.17),
}
"""Used unless a calibration file has its own. Fitted on five kinds of text
(`eval.experiments.fit_forms`, eval/results/forms.md).
"""


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, by the passage that is surest of it: its verdict, the log-odds, and those of the
    opposite in the passage that is surest of that.
    """

    yes: bool
    verdict: Verdict
    odds: float
    against: float

    @property
    def most(self) -> float:
        """The largest confidence that it may have: its share, in [.5, 1], of the two."""
        return 1 / (1 + math.exp(self.against - self.odds))


def decide(verdicts: Sequence[Verdict]) -> Decision:
    """The decision of at least one verdict."""
    odds = {
        True: [logit(verdict.yes, _FLOOR) - _YES_BIAS for verdict in verdicts],
        False: [logit(verdict.no, _FLOOR) for verdict in verdicts],
    }
    yes = max(odds[True]) > max(odds[False])
    best = max(range(len(verdicts)), key=odds[yes].__getitem__)
    return Decision(yes, verdicts[best], odds[yes][best], max(odds[not yes]))


def of_sentences(
    best: Sentence, words: int, score: float, verdicts: Sequence[Verdict], span: float
) -> dict[str, float]:
    """Features of an answer whose `best` sentence has so many `words`, and the `score` of all, in
    [0, 1].

    `top`: log-odds of the score; `span`: log-odds of the best span's confidence; `verdict`:
    log-odds of "yes" in the sentence's passage, as the verdict head also rates how well a passage
    fits a question that wants no yes, 0 without such a head; `length`: log of the words, as a
    label or a heading seldom explains anything.
    """
    passage = best.hit.passage
    yes = next((verdict.yes for verdict in verdicts if verdict.hit.passage == passage), 0.5)
    return dict.fromkeys(FEATURES, 0.0) | {
        "top": logit(score, _FLOOR),
        "span": logit(span),
        "verdict": logit(yes, _FLOOR),
        "length": math.log1p(words),
    }


def of_decision(made: Decision, found: Sequence[Sentence], span: float) -> dict[str, float]:
    """Features of a decision; `found` are all sentences with a score.

    `top`: its log-odds; `span` as in `of_sentences`; `sentence`: log-odds of the best sentence in
    the decision's passage; `against`: the negative of the log-odds of the opposite.
    """
    passage = made.verdict.hit.passage
    best = max((one.score for one in found if one.hit.passage == passage), default=0.0)
    return dict.fromkeys(FEATURES, 0.0) | {
        "top": made.odds,
        "span": logit(span),
        "sentence": logit(best, _FLOOR),
        "against": -made.against,
    }
