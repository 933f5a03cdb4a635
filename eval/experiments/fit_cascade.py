"""Fits which passages the large reader reads, of those that search returns and the small one read.

python -m eval.experiments.fit_cascade --cache DIR SET...

DIR is made by `python -m eval.experiments.kept`. From the collections, only questions for fitting
are used. The model is log-linear in three features of a passage: the logarithm of its probability
by search, and the small reader's log-odds of its best span and of its best sentence. It is fitted
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
    is_evidence: NDArray[np.bool_]
    shipped: Rows


def examples(name: str, cache: Path) -> list[Example]:
    """The questions of a set whose evidence is in one of the passages that search returned."""
    engine, questions = in_half(name, cache, "fast", reporting=False)
    small_reader = KeptReads("fast", cache / name)
    collected = []
    for question in questions:
        (search_result,) = engine.find_many([Query(question.text)])
        has_evidence_flags = [has_evidence(question, hit) for hit in search_result.hits]
        if any(has_evidence_flags):
            read = small_reader.read(search_result.retrieved.question, search_result.hits)
            scores = [hit.log_score for hit in search_result.hits]
            features = np.column_stack([scores, np.array(best_of(search_result.hits, read))])
            collected.append(
                Example(
                    set=name,
                    in_other_words=question.id.endswith("+plain"),
                    features=features,
                    is_evidence=np.array(has_evidence_flags),
                    shipped=np.array(log_odds(search_result.hits, read)),
                )
            )
    engine.store.close()
    return collected


def has_evidence(question: Question, hit: Hit) -> bool:
    """Whether the passage has a sentence of the evidence; line breaks count as spaces."""
    text = " ".join(hit.passage.text.split())
    return any(
        evidence.document == hit.passage.document_id and " ".join(evidence.sentence.split()) in text
        for evidence in question.evidence
    )


def fitted(examples_to_fit: Sequence[Example]) -> Rows:
    """The weights of the features, shape (3,)."""

    def loss(weights: Rows) -> float:
        """Mean of -log P(a passage with the evidence), and a little decay."""
        losses = []
        for example in examples_to_fit:
            odds = example.features @ weights
            losses.append(logsumexp(odds) - logsumexp(odds[example.is_evidence]))
        return float(np.mean(losses) + _DECAY * weights @ weights)

    weights: Rows = minimize(loss, np.zeros(3), method="BFGS").x
    return weights


def share_read(examples_read: Sequence[Example], odds: Sequence[Rows]) -> dict[str, float]:
    """Per cent of the questions of each wording whose evidence is among the passages read."""
    shares = {}
    for name, wording in (("as written", False), ("in other words", True)):
        is_read = [
            bool(example.is_evidence[np.argsort(-row, kind="stable")[:CASCADE_READS]].any())
            for example, row in zip(examples_read, odds, strict=True)
            if example.in_other_words == wording
        ]
        shares[name] = round(100 * float(np.mean(is_read)), 1)
    return shares


@script(__doc__)
@CACHE
@NAMES
def main(cache: Path, names: tuple[str, ...]) -> None:
    collected = [example for name in names for example in examples(name, cache)]
    left_out: dict[str, Rows] = {}
    for fold in range(FOLDS):
        fold_names = names[fold::FOLDS]
        weights = fitted([example for example in collected if example.set not in fold_names])
        left_out |= dict.fromkeys(fold_names, weights)

    weights = fitted(collected)
    report = {
        "questions": len(collected),
        "weights, relative to search's": (weights / weights[0]).round(2).tolist(),
        "search alone": share_read(collected, [example.features[:, 0] for example in collected]),
        "fitted, sets left out": share_read(
            collected, [example.features @ left_out[example.set] for example in collected]
        ),
        "shipped": share_read(collected, [example.shipped for example in collected]),
    }
    finished(report)


if __name__ == "__main__":
    main()
