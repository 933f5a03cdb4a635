"""BM25 as computed by Tantivy: k1 = 1.2, b = 0.75, and lengths quantised to one byte."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

K1, B = 1.2, 0.75
_LENGTHS: list[int] = [
    *range(24),
    *(24 + (i if i < 8 else (i & 7 | 8) << (i >> 3) - 1) for i in range(232)),
]
"""Minimum length of each class: exact up to 40, then 8 steps per doubling (Lucene's
SmallFloat.byte4ToInt).
"""


def quantised_length(length: int) -> int:
    """A passage's length in words after quantisation."""
    return _LENGTHS[bisect_right(_LENGTHS, length) - 1]


def idf(passages: int, doc_freq: int) -> float:
    """Inverse document frequency of a word that occurs in `doc_freq` of all passages. In float32,
    which changes the fourth digit for very common words.

    `doc_freq` may exceed `passages` if it still counts deleted ones.
    """
    return float(
        np.log(np.float32(1) + np.float32((max(0, passages - doc_freq) + 0.5) / (doc_freq + 0.5)))
    )


def length_norm(length: int, average: float) -> float:
    """Length normalisation: the term added to a word's frequency in the denominator, for a
    quantised `length`.
    """
    return K1 * (1 - B + B * length / average)
