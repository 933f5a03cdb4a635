"""Vectors of words, labels and sentences that are compared by their meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Embed = Callable[[Sequence[str]], Vectors]
    """Unit vectors, shape (n, dim), one for each text."""

_MOST_KEPT = 20_000
"""Vectors that are kept."""


class TextVectors:
    """Unit vectors of texts, each embedded once while it is kept."""

    def __init__(self, embed: Embed) -> None:
        self._embed = embed
        self._known: dict[str, Vectors] = {}

    def __call__(self, texts: Sequence[str]) -> Vectors:
        """One vector for each text, shape (n, dim); (0, 0) without a text."""
        import numpy as np

        new_texts = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new_texts and len(self._known) > _MOST_KEPT:
            self._known.clear()
            new_texts = list(dict.fromkeys(texts))
        if new_texts:
            self._known.update(zip(new_texts, self._embed(new_texts), strict=True))

        if not texts:
            return np.zeros((0, 0), dtype=np.float32)
        return np.stack([self._known[text] for text in texts])
