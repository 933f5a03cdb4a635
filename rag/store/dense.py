"""The dense leg: exact inner product over unit vectors, on FAISS.

Passage ids are FAISS ids through `IndexIDMap2`, so a deletion renumbers nothing. The index is derived from the store's rows.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from rag.protocols import Vectors


class DenseIndex:
    """Passage ids by cosine."""

    def __init__(self, dim: int, snapshot: Path | None = None) -> None:
        """Empty, or as saved. Raises ValueError if `snapshot` is not such an index."""
        self._index: Any = faiss.IndexIDMap2(faiss.IndexFlatIP(dim))
        if snapshot is not None:
            try:
                self._index = faiss.read_index(str(snapshot))
            except RuntimeError as error:
                raise ValueError(f"{snapshot} is not a FAISS index") from error
            if not isinstance(self._index, faiss.IndexIDMap2) or self._index.d != dim:
                raise ValueError(f"{snapshot} is not an index of {dim} dimensions with ids")

    def __len__(self) -> int:
        return int(self._index.ntotal)

    def ids(self) -> NDArray[np.int64]:
        return np.asarray(faiss.vector_to_array(self._index.id_map), dtype=np.int64)

    def update(self, removed: Sequence[int], added: Sequence[int], vectors: Vectors) -> None:
        """Take ids out, then put `added` in with their `vectors`, (n, dim)."""
        if len(removed):
            self._index.remove_ids(np.asarray(removed, dtype=np.int64))
        if len(added):
            self._index.add_with_ids(np.ascontiguousarray(vectors), np.asarray(added, dtype=np.int64))

    def search(self, vector: Vectors, k: int, allowed: Sequence[int] | None = None) -> list[tuple[int, float]]:
        """The `k` best (id, cosine) to `vector`, (dim,), best first; only among `allowed` ids if given."""
        k = min(k, len(self) if allowed is None else len(allowed))
        if k < 1:
            return []
        parameters = None
        if allowed is not None:
            selector = faiss.IDSelectorBatch(np.asarray(allowed, dtype=np.int64))
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]  # set by the Python wrapper
        scores, ids = self._index.search(vector[None, :], k, params=parameters)
        return [(int(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0]

    def save(self, snapshot: Path) -> None:
        """Write the snapshot whole, replacing an older one in one step."""
        partial = snapshot.with_suffix(".partial")
        faiss.write_index(self._index, str(partial))
        os.replace(partial, snapshot)
