"""The dense index as a view of the rows: the vectors of all passages of one generation."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import numpy as np

from rag.protocols import Vectors
from rag.store.local import changelog, database
from rag.store.local.faiss_index import DenseIndex


class DenseView:
    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.index = DenseIndex(dim)
        self.shows, self._last = "", 0
        """generation of the index, "" for none, and its highest passage id"""

    def replace(self, index: DenseIndex, shows: str) -> None:
        self.index, self.shows = index, shows
        self._last = int(index.ids().max(initial=0))

    def search(
        self, connection: sqlite3.Connection, vector: Vectors, k: int, allowed: Sequence[int] | None
    ) -> list[tuple[int, float]]:
        """The best passages by cosine. Candidates of a compressed index are scored with the
        rows.
        """
        if self.index.exact:
            return self.index.search(vector, k, allowed)
        proposed = self.index.search(vector, self.index.depth(k), allowed)
        ids, rows = database.vectors(
            connection, [passage_id for passage_id, _ in proposed], self.dim
        )
        scores = (rows @ vector).tolist()
        return sorted(zip(ids, scores, strict=True), key=lambda hit: -hit[1])[:k]

    def count(self, ids: Sequence[int]) -> int:
        return int(np.isin(self.index.ids(), ids).sum())

    def compare(self, connection: sqlite3.Connection, ids: Sequence[int]) -> tuple[int, int, int]:
        """(surplus, missing, altered) passages compared with the rows, whose ids are `ids`."""
        surplus, missing = changelog.difference(self.index.ids(), ids)
        shared = np.intersect1d(self.index.ids(), ids).tolist()
        altered = 0
        for some in database.batches(shared):
            altered += self.index.altered(*database.vectors(connection, some, self.dim))
        return len(surplus), len(missing), altered

    def update(
        self, connection: sqlite3.Connection, generation: str, reshape: bool = False
    ) -> None:
        """Bring the index to the generation. `reshape` allows another type if its size calls for
        one.
        """
        surplus, missing, last = changelog.outdated(
            connection, self.shows, self._last, self.index.ids
        )
        wanted = self.index.wanted(len(self.index) + len(missing) - len(surplus))
        if reshape and wanted != self.index.index_type:
            missing = database.passage_ids(connection)
            self._retrain(connection, wanted, missing)
        else:
            self.index.remove(surplus)
        for some in database.batches(missing):
            self.index.add(*database.vectors(connection, some, self.dim))
        self.shows, self._last = generation, last

    def _retrain(self, connection: sqlite3.Connection, index_type: str, ids: Sequence[int]) -> None:
        """Start an empty index of this type, trained on a sample of the passages."""
        sample = np.random.default_rng(0).permutation(ids)[: self.index.sample(index_type)]
        rows = database.vectors(connection, sample.tolist(), self.dim)[1]
        self.index = DenseIndex.trained(self.dim, index_type, rows)
