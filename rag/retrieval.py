"""Hybrid retrieval: both search legs, fused by convex combination."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rag.fusion import fuse
from rag.protocols import Embedder, Filter, Store, Vectors
from rag.types import Hit


class HybridRetriever:
    """The candidates of both legs, each with both scores, fused."""

    def __init__(self, store: Store, embedder: Embedder, candidates: int = 100, alpha: float = 0.7) -> None:
        self._store = store
        self._embedder = embedder
        self._candidates = candidates
        self._alpha = alpha

    def retrieve(self, questions: Sequence[str], k: int, filter: Filter | None = None) -> list[list[Hit]]:
        """The `k` best hits of each question, best first."""
        vectors = self._embedder.embed_queries(questions)
        return [self._one(q, vector, k, filter) for q, vector in zip(questions, vectors, strict=True)]

    def _one(self, question: str, vector: Vectors, k: int, filter: Filter | None) -> list[Hit]:
        depth = max(k, self._candidates)
        dense = dict(self._store.dense(vector, depth, filter))
        lexical = dict(self._store.lexical(question, depth, filter))
        by_dense, by_lexical = _ranks(dense), _ranks(lexical)
        dense |= self._store.cosines(vector, [i for i in lexical if i not in dense])
        scores = fuse(dense, lexical, self._alpha)
        best = sorted(scores, key=lambda i: (-scores[i], i))[:k]
        passages = self._store.passages(best)
        return [
            Hit(passages[i], scores[i], dense[i], lexical.get(i, 0.0), by_dense.get(i), by_lexical.get(i))
            for i in best
            if i in passages
        ]


def _ranks(found: Mapping[int, float]) -> dict[int, int]:
    """Each id's place, from 1, in what a leg found, best first."""
    return {passage: rank for rank, passage in enumerate(found, 1)}
