"""An embedder that loads when it is first used: where nothing has changed, nothing is loaded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

from rag.protocols import Embedder, Vectors


class LazyEmbedder:
    """The embedder that `make` gives."""

    def __init__(self, make: Callable[[], Embedder]) -> None:
        self._make = make

    @cached_property
    def _embedder(self) -> Embedder:
        return self._make()

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dim(self) -> int:
        return self._embedder.dim

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.embed_queries(texts)

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._embedder.embed_passages(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._embedder.count_tokens(texts)
