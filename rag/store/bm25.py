"""BM25 as Tantivy computes it: k1 = 1.2, b = 0.75, and lengths rounded down to what one byte can
say.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

K1, B = 1.2, 0.75
_LENGTHS: list[int] = [
    *range(24),
    *(24 + (i if i < 8 else (i & 7 | 8) << (i >> 3) - 1) for i in range(232)),
]
"""The least length of each class: exact to 40, then 8 steps to each doubling (Lucene's
SmallFloat.byte4ToInt).
"""


def rounded(length: int) -> int:
    """A passage's length in words, as it counts."""
    return _LENGTHS[bisect_right(_LENGTHS, length) - 1]


def idf(passages: int, holders: int) -> float:
    """Of a word that so many of all passages hold. In float32: of one that nearly all hold that
    changes the fourth digit.

    Where deleted passages count among the holders only, there may be more of these than of all.
    """
    return float(
        np.log(np.float32(1) + np.float32((max(0, passages - holders) + 0.5) / (holders + 0.5)))
    )


def penalty(length: int, average: float) -> float:
    """What is added to a word's count in a passage of `length` (rounded) before it divides the
    count.
    """
    return K1 * (1 - B + B * length / average)
