"""Hybrid retrieval: both retrievers, fused by convex combination; equal texts are one hit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rag.folding import choose, fold
from rag.fusion import fuse
from rag.protocols import Embedder, Filter, Store, Vectors
from rag.types import Hit

_ALWAYS = 2
"""How many of each retriever's best are among the hits, whatever the fusion makes of them."""
_DEEPER = 4
"""How many times as many candidates are taken where copies of one text fill the places of others."""


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
        hits, full = self._fused(question, vector, k, depth, filter)
        if len(hits) < k and full:  # one text stands so often that it has filled the candidates
            hits, _ = self._fused(question, vector, k, depth * _DEEPER, filter)
        return hits

    def _fused(self, question: str, vector: Vectors, k: int, depth: int, filter: Filter | None) -> tuple[list[Hit], bool]:
        """The hits of `depth` candidates of each retriever, and whether there may be more candidates than these."""
        dense = dict(self._store.dense(vector, depth, filter))
        lexical = dict(self._store.lexical(question, depth, filter))
        by_dense, by_lexical = _ranks(dense), _ranks(lexical)
        dense |= self._store.cosines(vector, [i for i in lexical if i not in dense])
        scores = fuse(dense, lexical, self._alpha)
        order = sorted(scores, key=lambda i: (-scores[i], i))
        passages = self._store.passages(order)
        always = min(_ALWAYS, k // 4)  # of fewer passages the fused order is the better judge
        firsts = {i for ranks in (by_dense, by_lexical) for i, rank in ranks.items() if rank <= always}
        hits = []
        for best, *copies in choose(fold(order, passages), firsts, k):
            same = tuple(passages[i] for i in copies)
            ranks = by_dense.get(best), by_lexical.get(best)
            hits.append(Hit(passages[best], scores[best], dense[best], lexical.get(best, 0.0), *ranks, same))
        return hits, max(len(by_dense), len(by_lexical)) == depth


def _ranks(found: Mapping[int, float]) -> dict[int, int]:
    """Each id's place, from 1, in what a leg found, best first."""
    return {passage: rank for rank, passage in enumerate(found, 1)}
