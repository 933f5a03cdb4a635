"""Fits which passages the large reader reads, of those that search returns and the small one read.

python -m eval.experiments.fit_cascade --cache DIR SET...

DIR is made by `python -m eval.experiments.kept`. Of the collections, only questions for fitting are
used. The model is log-linear in three features of a passage: the logarithm of its probability by
search, and the small reader's log-odds of its best span and of its best sentence. It is fitted
listwise (Cao et al. 2007) on questions whose evidence search found, sets left out in turn. Prints,
for both wordings, the share of these questions whose evidence is among the passages read: by search
alone, by this model, and by the weights in `rag/models/cascade.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from eval.experiments.fit_judge import in_half
from eval.experiments.kept import NAMES, KeptReads
from eval.scripts import CACHE, finished, script
from rag.evaluation.gold import Question
from rag.models.cascade import best_of, log_odds
from rag.models.registry import CASCADE_READS
from rag.query import Query
from rag.types import Hit

FOLDS = 5
_DECAY = 1e-3
Rows = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Example:
    """The passages of a question: features, shape (n, 3), which have the evidence, shape (n,), and
    the log-odds of the shipped weights, shape (n,).
    """

    set: str
    in_other_words: bool
    features: Rows
    right: NDArray[np.bool_]
    shipped: Rows


def examples(name: str, cache: Path) -> list[Example]:
    """The questions of a set whose evidence is in one of the passages that search returned."""
    engine, questions = in_half(name, cache, "fast", reporting=False)
    small = KeptReads("fast", cache / name)
    made = []
    for question in questions:
        (found,) = engine.find_many([Query(question.text)])
        right = [has_evidence(question, hit) for hit in found.hits]
        if any(right):
            read = small.read(found.retrieved.question, found.hits)
            scores = [hit.log_score for hit in found.hits]
            features = np.column_stack([scores, np.array(best_of(found.hits, read))])
            made.append(
                Example(
                    set=name,
                    in_other_words=question.id.endswith("+plain"),
                    features=features,
                    right=np.array(right),
                    shipped=np.array(log_odds(found.hits, read)),
                )
            )
    engine.store.close()
    return made


def has_evidence(question: Question, hit: Hit) -> bool:
    """Whether the passage has a sentence of the evidence; line breaks count as spaces."""
    text = " ".join(hit.passage.text.split())
    return any(
        evidence.document == hit.passage.document_id and " ".join(evidence.sentence.split()) in text
        for evidence in question.evidence
    )


def fitted(made: Sequence[Example]) -> Rows:
    """The weights of the features, shape (3,)."""

    def loss(weights: Rows) -> float:
        """Mean of -log P(a passage with the evidence), and a little decay."""
        losses = []
        for one in made:
            odds = one.features @ weights
            losses.append(logsumexp(odds) - logsumexp(odds[one.right]))
        return float(np.mean(losses) + _DECAY * weights @ weights)

    found: Rows = minimize(loss, np.zeros(3), method="BFGS").x
    return found


def share_read(made: Sequence[Example], odds: Sequence[Rows]) -> dict[str, float]:
    """Per cent of the questions of each wording whose evidence is among the passages read."""
    shares = {}
    for name, wording in (("as written", False), ("in other words", True)):
        found = [
            bool(one.right[np.argsort(-row, kind="stable")[:CASCADE_READS]].any())
            for one, row in zip(made, odds, strict=True)
            if one.in_other_words == wording
        ]
        shares[name] = round(100 * float(np.mean(found)), 1)
    return shares


@script(__doc__)
@CACHE
@NAMES
def main(cache: Path, names: tuple[str, ...]) -> None:
    made = [one for name in names for one in examples(name, cache)]
    left_out: dict[str, Rows] = {}
    for fold in range(FOLDS):
        own = names[fold::FOLDS]
        weights = fitted([one for one in made if one.set not in own])
        left_out |= dict.fromkeys(own, weights)

    weights = fitted(made)
    report = {
        "questions": len(made),
        "weights, relative to search's": (weights / weights[0]).round(2).tolist(),
        "search alone": share_read(made, [one.features[:, 0] for one in made]),
        "fitted, sets left out": share_read(
            made, [one.features @ left_out[one.set] for one in made]
        ),
        "shipped": share_read(made, [one.shipped for one in made]),
    }
    finished(report)


if __name__ == "__main__":
    main()
