"""Features of a candidate for the confidence model.

A higher value of any feature favours an answer, so that a fit can keep all weights at 0 or above.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from rag.answering.candidates import Candidate
from rag.meaning.compare import Relation, compare
from rag.types import Hit

FEATURES = (
    "gap",
    "retrieval",
    "coverage",
    "names",
    "fresh",
    "margin",
    "share",
    "dense",
    "lexical",
)
_MAX_MARGIN = 10.0


def features(candidate: Candidate, others: Sequence[Candidate]) -> dict[str, float]:
    """Features of a candidate's best mention; `others` are all candidates, best first.

    `gap`: the reader's log-odds; `retrieval`: its passage's score; `coverage`, `names`, `fresh` as
    in `Mention`; `margin`: its lead over the best with another meaning, in [-10, 10]; `share`:
    its share of the odds of all candidates and of "no answer"; `dense`: its passage's cosine;
    `lexical`: its BM25 score over the best read.
    """
    best = candidate.best
    hit = best.span.hit
    return {
        "gap": best.span.score,
        "retrieval": hit.score,
        "coverage": best.coverage,
        "names": best.names,
        "fresh": best.fresh,
        "margin": _margin(candidate, others),
        "share": _share(candidate, others),
        "dense": hit.dense,
        "lexical": _lexical(hit, others),
    }


def _lexical(hit: Hit, others: Sequence[Candidate]) -> float:
    best = max(one.span.hit.lexical for other in others for one in other.mentions)
    return hit.lexical / best if best else 0.0


def _margin(candidate: Candidate, others: Sequence[Candidate]) -> float:
    """`others` are sorted best first."""
    apart = (Relation.CONTRADICTS, Relation.UNRELATED)
    rivals = (
        other.score
        for other in others
        if other is not candidate and compare(other.meaning, candidate.meaning) in apart
    )
    lead = candidate.score - next(rivals, -math.inf)
    return max(-_MAX_MARGIN, min(_MAX_MARGIN, lead))


def _share(candidate: Candidate, others: Sequence[Candidate]) -> float:
    top = max(0.0, *(other.score for other in others))
    return math.exp(candidate.score - top) / (
        math.exp(-top) + sum(math.exp(other.score - top) for other in others)
    )
