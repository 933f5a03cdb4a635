"""The dense leg: inner product over unit vectors, on FAISS; exact up to some size, then compressed.

Passage ids are FAISS ids (of a flat index through `IndexIDMap2`), so a deletion renumbers nothing.
The index is derived from the store's rows.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.protocols import Vectors

_FLAT = 50_000
"""Up to so many vectors all are compared, in 4 ms; of 100,000 that takes 14 to 48 ms, as they do
not fit a cache.
"""
_SAMPLE = 64
"""Vectors a list from which the lists are laid out."""
_PROBES = 256
_PROBED = 16
"""At least so many lists are looked through, and one in so many. Of real texts 32 of 1,024 lists
miss 9 of 100 (`scale.md`).
"""


@contextmanager
def _one_thread() -> Iterator[None]:
    """A second one is no quicker for one question, and waits where the models keep the cores busy
    (20,000 vectors: 2.4 ms against 26 ms, measured)."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


class DenseIndex:
    """Passage ids by cosine.

    Flat: every vector is compared. Beyond `_FLAT` vectors an inverted file with a byte for each
    dimension (Jégou, Douze & Schmid 2011, "Product quantization for nearest neighbor search";
    FAISS's IVF, SQ8): a quarter of the memory, and only the lists nearest to the question are
    compared. It proposes candidates; their scores come from the stored vectors.
    """

    def __init__(self, dim: int, snapshot: Path | None = None) -> None:
        """Empty and flat, or as saved. Raises ValueError if `snapshot` is not such an index."""
        self._index: Any = faiss.IndexIDMap2(faiss.IndexFlatIP(dim))
        self.new = False
        """Whether it was made of another kind than what is saved."""
        if snapshot is not None:
            try:
                self._index = faiss.read_index(str(snapshot))
            except RuntimeError as error:
                raise ValueError(f"{snapshot} is not a FAISS index") from error
            if (
                not isinstance(self._index, (faiss.IndexIDMap2, faiss.IndexIVF))
                or self._index.d != dim
            ):
                raise ValueError(f"{snapshot} is not an index of {dim} dimensions with ids")

    @classmethod
    def trained(cls, dim: int, kind: str, sample: Vectors) -> DenseIndex:
        """An empty one of this kind, its lists laid out by `sample`, (n, dim)."""
        made = cls(dim)
        made.new = True
        if kind != "flat":
            metric = faiss.METRIC_INNER_PRODUCT
            lists = int(kind.split("-")[1])
            coarse = faiss.IndexFlatIP(dim)
            index = faiss.IndexIVFScalarQuantizer(
                coarse, dim, lists, faiss.ScalarQuantizer.QT_8bit, metric
            )
            index.cp.niter, index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = (
                8,
                _SAMPLE,
                1,
            )
            index.train(np.ascontiguousarray(sample))
            made._index = index
        return made

    @property
    def exact(self) -> bool:
        """Whether the scores of a search are those of the vectors, and no better one is missed."""
        return not isinstance(self._index, faiss.IndexIVF)

    @property
    def kind(self) -> str:
        """ "flat", or "ivf-LISTS-sq8"."""
        return "flat" if self.exact else f"ivf-{self._index.nlist}-sq8"

    def wanted(self, count: int) -> str:
        """The kind for `count` vectors; the present one unless it is far off, so that it does not
        go to and fro.
        """
        if self.exact:
            return "flat" if count <= _FLAT else _lists(count)
        if count <= _FLAT // 2:
            return "flat"
        return _lists(count) if count > 8 * (self._index.nlist // 4) ** 2 else self.kind

    def sample(self, kind: str) -> int:
        """How many vectors lay out the lists of this kind."""
        return 0 if kind == "flat" else _SAMPLE * int(kind.split("-")[1])

    def depth(self, k: int) -> int:
        """How many candidates are worth scoring to find the `k` best."""
        return max(2 * k, k + 50)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def ids(self) -> NDArray[np.int64]:
        if self.exact:
            return np.asarray(faiss.vector_to_array(self._index.id_map), dtype=np.int64)
        lists = self._index.invlists
        sizes = [(number, lists.list_size(number)) for number in range(self._index.nlist)]
        parts = [
            faiss.rev_swig_ptr(lists.get_ids(number), size).copy() for number, size in sizes if size
        ]
        return np.concatenate([np.empty(0, dtype=np.int64), *parts])

    def altered(self, ids: Sequence[int], vectors: Vectors) -> int:
        """How many of these ids, which are all here, have another vector here; a compressed one is
        not told apart.
        """
        if not len(ids) or not self.exact:
            return 0
        here = self._index.reconstruct_batch(np.asarray(ids, dtype=np.int64))
        return int((np.abs(here - vectors).max(axis=1) > 1e-6).sum())

    def remove(self, ids: Sequence[int]) -> None:
        if len(ids):
            self._index.remove_ids(np.asarray(ids, dtype=np.int64))

    def add(self, ids: Sequence[int], vectors: Vectors) -> None:
        """Ids that are not here yet, with their `vectors`, (n, dim)."""
        if len(ids):
            self._index.add_with_ids(np.ascontiguousarray(vectors), np.asarray(ids, dtype=np.int64))

    def search(
        self, vector: Vectors, k: int, allowed: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """The `k` best (id, cosine) to `vector`, (dim,), best first; only among `allowed` ids if
        given.
        """
        k = min(k, len(self) if allowed is None else len(allowed))
        if k < 1:
            return []
        parameters = self._parameters(allowed)
        with _one_thread():
            scores, ids = self._index.search(vector[None, :], k, params=parameters)
        return [(int(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0]

    def _parameters(self, allowed: Sequence[int] | None) -> Any:
        """The rarer the allowed ids, the more lists are looked through, so that few are missed."""
        selector = (
            None if allowed is None else faiss.IDSelectorBatch(np.asarray(allowed, dtype=np.int64))
        )
        if self.exact:
            return None if selector is None else faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        share = 1.0 if allowed is None else len(allowed) / max(1, len(self))
        probes = min(
            self._index.nlist, int(max(_PROBES, self._index.nlist // _PROBED) / max(share, 1e-9))
        )
        return faiss.SearchParametersIVF(sel=selector, nprobe=probes)  # type: ignore[call-arg]  # set by the wrapper

    def save(self, snapshot: Path) -> None:
        """Write the snapshot whole, replacing an older one in one step. Raises OSError."""
        partial = snapshot.with_suffix(".partial")
        try:
            faiss.write_index(self._index, str(partial))
        except RuntimeError as error:
            partial.unlink(missing_ok=True)
            raise OSError(f"{snapshot} cannot be written") from error
        os.replace(partial, snapshot)
        self.new = False


def _lists(count: int) -> str:
    """Four times the root of the count, as a power of two: the cost of choosing lists and of
    reading them is alike.
    """
    return f"ivf-{2 ** round(math.log2(4 * math.sqrt(count)))}-sq8"
