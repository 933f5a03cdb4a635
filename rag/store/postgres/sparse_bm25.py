"""BM25 as inner products of sparse vectors: exact, and what Tantivy computes.

A passage is a vector with a 1 in the dimension of each pair (word, count). The score of such a pair
depends on the passage only through its length, and Tantivy rounds lengths down to a few classes
(Lucene's one-byte norms). So a question is one vector for each class, with the current statistics.
Nothing stored becomes outdated when the average length or a word's frequency changes.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pgvector import SparseVector

from rag.store.local import tantivy_index
from rag.store.local.tantivy_index import K1, LENGTHS, B

DIMENSIONS = 10**9
"""pgvector's maximum."""
MOST_COUNTED = 63
"""Counts up to this one are exact; the last dimension scores larger ones at a medium length."""


@dataclass(frozen=True, slots=True)
class Term:
    """A word of the index: its number, document frequency, and maximum count in a passage."""

    number: int
    passages: int
    highest_count: int


@dataclass(frozen=True, slots=True)
class CorpusStatistics:
    """BM25's statistics over all passages. `classes` is the number of length classes in use."""

    passages: int
    words: int
    classes: int

    def penalties(self) -> NDArray[np.floating]:
        """k1 * (1 - b + b * length / average), by length class."""
        average = self.words / max(1, self.passages) or 1.0
        return K1 * (1 - B + B * np.array(LENGTHS[: self.classes]) / average)

    def idf(self, word: Term) -> float:
        return tantivy_index.idf(self.passages, word.passages)

    def bound(self, word: Term) -> float:
        """The maximum that the word can add to a score."""
        highest_count = max(1, word.highest_count)
        return self.idf(word) * (K1 + 1) * highest_count / (highest_count + K1 * (1 - B))


def encode(counts: Mapping[int, int]) -> SparseVector:
    """A passage's vector, from the count of each word by its number."""
    places = {}
    for number, count in counts.items():
        exact_count = min(count, MOST_COUNTED)
        dimension = number * (MOST_COUNTED + 1) + exact_count
        places[dimension] = count * (exact_count + K1) / (exact_count * (count + K1))
    return SparseVector(places, DIMENSIONS)


class _Packed(SparseVector):
    """A sparse vector in pgvector's binary format, since a question has a hundred of them."""

    def __init__(self, indices: bytes, values: bytes) -> None:
        header = struct.pack(">iii", DIMENSIONS, len(values) // 4, 0)
        self._packed = header + indices + values

    def to_binary(self) -> bytes:
        return self._packed


def question_vectors(words: Sequence[Term], collection: CorpusStatistics) -> list[SparseVector]:
    """The question's vector for each length class."""
    dimensions = []
    counts = []
    scales = []
    for word in sorted(words, key=lambda word: word.number):
        scale = collection.idf(word) * (K1 + 1)
        highest_count = min(max(word.highest_count, 1), MOST_COUNTED)
        for count in range(1, highest_count + 1):
            dimensions.append(word.number * (MOST_COUNTED + 1) + count)
            counts.append(count)
            scales.append(scale)

    indices = np.array(dimensions, dtype=">i4").tobytes()
    occurrences = np.array(counts, dtype=np.float64)
    penalties = collection.penalties()[:, None]
    scores = np.array(scales) * occurrences / (occurrences + penalties)
    return [_Packed(indices, row.tobytes()) for row in scores.astype(">f4")]


def essential(words: Sequence[Term], collection: CorpusStatistics, lowest: float) -> list[Term]:
    """Words without any of which a passage scores at most `lowest` (Turtle & Flood 1995)."""
    by_bound = sorted(words, key=collection.bound)
    bound = 0.0
    for number, word in enumerate(by_bound):
        if bound + collection.bound(word) >= lowest:
            return by_bound[number:]
        bound += collection.bound(word)
    return []
