"""Vectors of questions that were asked before: a question asked again is not embedded again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np

from rag.protocols import Embedder, Vectors

_MOST = 1024
"""Questions remembered; a megabyte and a half of vectors with 384 dimensions."""


class RememberingEmbedder:
    """An embedder that remembers the vectors of the last questions. Threads may share it as far as
    they may share that.

    `remembered` and `embedded` count the questions that were, and were not, known.
    """

    def __init__(self, embedder: Embedder, most: int = _MOST) -> None:
        self._inner = embedder
        self._most = most
        self._vectors: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = Lock()
        self.inner = embedder
        self.remembered = 0
        self.embedded = 0
        self.name = embedder.name
        self.dim = embedder.dim

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        with self._lock:
            found = {text: self._vectors[text] for text in texts if text in self._vectors}
        new = list(dict.fromkeys(text for text in texts if text not in found))
        if new:
            found |= zip(new, self._inner.embed_queries(new).copy(), strict=True)
        with self._lock:
            for text in found:
                self._vectors[text] = found[text]
                self._vectors.move_to_end(text)
            while len(self._vectors) > self._most:
                self._vectors.popitem(last=False)
            self.remembered += len(texts) - len(new)
            self.embedded += len(new)
        return (
            np.stack([found[text] for text in texts]) if texts else self._inner.embed_queries(texts)
        )

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        return self._inner.embed_passages(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return self._inner.count_tokens(texts)
