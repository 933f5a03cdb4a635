"""The scores of both search legs, made one."""

from __future__ import annotations

from collections.abc import Mapping

_CLOSE, _MANY = 0.6, 20
"""Of so many candidates' cosines or more all-MiniLM-L6-v2's reach below this, e5's do not (eval/results/retrieval.md)."""


def fuse(dense: Mapping[int, float], lexical: Mapping[int, float], alpha: float) -> dict[int, float]:
    """Combined scores, in [0, 1], of every id in `dense`; an id that is not in `lexical` matched no word.

    alpha * dense + (1 - alpha) * lexical, each leg scaled from its theoretical least score (cosine -1, BM25 0) to the best score
    it found (TM2C2; Bruch, Gai & Ingber 2023, "An analysis of fusion functions"). Where the cosines of many lie close
    together, as those of the e5 models do, the least of them takes the place of -1.
    """
    least = min(dense.values(), default=-1.0)
    floor = least if least > _CLOSE and len(dense) >= _MANY else -1.0
    top_dense = max((score - floor for score in dense.values()), default=0) or 1
    top_lexical = max(lexical.values(), default=0) or 1
    scaled = {i: (max(0, score - floor) / top_dense, lexical.get(i, 0) / top_lexical) for i, score in dense.items()}
    return {i: alpha * meaning + (1 - alpha) * words for i, (meaning, words) in scaled.items()}
