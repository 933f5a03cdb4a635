"""Dense retrieval with FAISS: inner product of unit vectors, exact up to some size.

Passage ids are FAISS ids (through `IndexIDMap2` for a flat index), so a deletion renumbers nothing.
`rag.store.local.indexes` decides when to save the index, and rebuilds it after a crash.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.protocols import ScoredIds, Vectors

_MOST_FLAT = 50_000
"""Maximum number of vectors for an exhaustive search (4 ms; 100,000 take 14 to 48 ms)."""
_SAMPLE = 64
"""Number of training vectors per list."""
_PROBES = 256
_PROBED = 16
"""Minimum number of lists to search, and minimum share (one in so many). On real texts, 32 of 1,024
lists miss 9 of 100 neighbours (`scale.md`).
"""


class DenseIndex:
    """Searches passage ids by cosine.

    Flat: every vector is compared. Above `_MOST_FLAT` vectors, an inverted file with one byte per
    dimension needs a quarter of the memory and compares only the lists closest to the question.
    (Jégou, Douze & Schmid 2011, "Product quantization for nearest neighbor search"; FAISS's IVF,
    SQ8.) It proposes candidates, which are scored with the stored vectors.
    """

    def __init__(self, dim: int, path: Path | None = None) -> None:
        """An empty flat index, or the one saved at `path`. Raises ValueError for another file."""
        self._index: Any = faiss.IndexIDMap2(faiss.IndexFlatIP(dim))
        self.new = False
        """Whether its type differs from the saved one's."""
        if path is not None:
            try:
                self._index = faiss.read_index(str(path))
            except RuntimeError as error:
                raise ValueError(f"{path} is not a FAISS index") from error
            has_ids = isinstance(self._index, (faiss.IndexIDMap2, faiss.IndexIVF))
            if not has_ids or self._index.d != dim:
                raise ValueError(f"{path} is not an index of {dim} dimensions with ids")

    @classmethod
    def trained(cls, dim: int, index_type: str, sample: Vectors) -> DenseIndex:
        """An empty index of this type, whose lists are trained on `sample`, shape (n, dim)."""
        made = cls(dim)
        made.new = True
        if index_type == "flat":
            return made

        index = faiss.IndexIVFScalarQuantizer(
            faiss.IndexFlatIP(dim),
            dim,
            _list_count(index_type),
            faiss.ScalarQuantizer.QT_8bit,
            faiss.METRIC_INNER_PRODUCT,
        )
        index.cp.niter = 8
        index.cp.max_points_per_centroid = _SAMPLE
        index.cp.min_points_per_centroid = 1
        index.train(np.ascontiguousarray(sample))
        made._index = index
        return made

    @property
    def is_exact(self) -> bool:
        """Whether searches return exact scores and miss no better passage."""
        return not isinstance(self._index, faiss.IndexIVF)

    @property
    def index_type(self) -> str:
        """ "flat", or "ivf-LISTS-sq8"."""
        return "flat" if self.is_exact else f"ivf-{self._index.nlist}-sq8"

    def wanted(self, count: int) -> str:
        """Type for `count` vectors: the present one unless far off, so it does not alternate."""
        if self.is_exact:
            return "flat" if count <= _MOST_FLAT else _lists(count)
        if count <= _MOST_FLAT // 2:
            return "flat"
        grown_far = 8 * (self._index.nlist // 4) ** 2
        return _lists(count) if count > grown_far else self.index_type

    def sample(self, index_type: str) -> int:
        """Number of training vectors for this type."""
        return 0 if index_type == "flat" else _SAMPLE * _list_count(index_type)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def ids(self) -> NDArray[np.int64]:
        """All passage ids in the index."""
        if self.is_exact:
            return np.asarray(faiss.vector_to_array(self._index.id_map), dtype=np.int64)
        lists = self._index.invlists
        parts = [np.empty(0, dtype=np.int64)]
        for number in range(self._index.nlist):
            size = lists.list_size(number)
            if size:
                ids = faiss.rev_swig_ptr(lists.get_ids(number), size)
                parts.append(ids.copy())
        return np.concatenate(parts)

    def altered(self, ids: Sequence[int], vectors: Vectors) -> int:
        """Number of these ids, all present, whose vector differs; 0 in a compressed index."""
        if not len(ids) or not self.is_exact:
            return 0
        indexed = self._index.reconstruct_batch(np.asarray(ids, dtype=np.int64))
        deviations = np.abs(indexed - vectors).max(axis=1)
        return int((deviations > 1e-6).sum())

    def remove(self, ids: Sequence[int]) -> None:
        if len(ids):
            self._index.remove_ids(np.asarray(ids, dtype=np.int64))

    def add(self, ids: Sequence[int], vectors: Vectors) -> None:
        """Add new ids with their `vectors`, shape (n, dim)."""
        if len(ids):
            self._index.add_with_ids(np.ascontiguousarray(vectors), np.asarray(ids, dtype=np.int64))

    def search(self, vector: Vectors, k: int, allowed: Sequence[int] | None = None) -> ScoredIds:
        """The `k` best (id, cosine) for `vector`, shape (dim,), best first, among `allowed` ids."""
        k = min(k, len(self) if allowed is None else len(allowed))
        if k < 1:
            return []
        parameters = self._parameters(allowed)
        threads = faiss.omp_get_max_threads()
        # a second thread speeds up no single question, and waits while the models keep the cores
        # busy (20,000 vectors: 26 ms instead of 2.4 ms, measured)
        faiss.omp_set_num_threads(1)
        try:
            scores, ids = self._index.search(vector[None, :], k, params=parameters)
        finally:
            faiss.omp_set_num_threads(threads)

        ranked = []
        for passage_id, score in zip(ids[0], scores[0], strict=True):
            if passage_id >= 0:
                ranked.append((int(passage_id), float(score)))
        return ranked

    def _parameters(self, allowed: Sequence[int] | None) -> Any:
        """The fewer ids are allowed, the more lists are searched, so that few are missed."""
        selector = None
        share = 1.0
        if allowed is not None:
            selector = faiss.IDSelectorBatch(np.asarray(allowed, dtype=np.int64))
            share = len(allowed) / max(1, len(self))
        if self.is_exact:
            return None if selector is None else faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]

        lists = self._index.nlist
        probes = int(max(_PROBES, lists // _PROBED) / max(share, 1e-9))
        return faiss.SearchParametersIVF(sel=selector, nprobe=min(lists, probes))  # type: ignore[call-arg]  # set by the wrapper

    def save(self, path: Path) -> None:
        """Write the file, or replace it atomically. Raises OSError."""
        partial = path.with_suffix(".partial")
        try:
            faiss.write_index(self._index, str(partial))
        except RuntimeError as error:
            partial.unlink(missing_ok=True)
            raise OSError(f"{path} cannot be written") from error
        os.replace(partial, path)
        self.new = False


def _lists(count: int) -> str:
    """Four times the root of the count, a power of two: balances choosing and reading lists."""
    exponent = round(math.log2(4 * math.sqrt(count)))
    return f"ivf-{2**exponent}-sq8"


def _list_count(index_type: str) -> int:
    """The number of lists in the name of a type."""
    return int(index_type.split("-")[1])
