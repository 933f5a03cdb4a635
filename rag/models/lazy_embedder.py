"""An embedder that is loaded when it is first used. Importing it loads no model library, since an
ingest of unchanged files needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from rag.protocols import Embedder, Vectors

_REPORTED = 64
"""Number of passages between two reports."""


class LazyEmbedder:
    """Loads the embedder with `make` on first use. `on_embedded` is called with (0, 0) after that,
    and after every few passages with their number and that of the batch.
    """

    def __init__(
        self, make: Callable[[], Embedder], on_embedded: Callable[[int, int], object]
    ) -> None:
        self._make = make
        self._on_embedded = on_embedded

    @cached_property
    def _embedder(self) -> Embedder:
        embedder = self._make()
        self._on_embedded(0, 0)
        return embedder

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dim(self) -> int:
        return self._embedder.dim

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.embed_queries(texts)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        embedder = self._embedder
        count = len(texts)
        self._on_embedded(0, count)
        rows = []
        for start in range(0, max(1, count), _REPORTED):
            end = start + _REPORTED
            rows.append(embedder.embed_passages(texts[start:end]))
            self._on_embedded(min(end, count), count)
        vectors: Vectors = np.concatenate(rows)
        return vectors

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)
