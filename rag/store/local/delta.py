"""In-memory changes on top of the saved full-text index: passages added since, and ids removed
since.

A Tantivy commit waits for the disk some twenty times; this does not. New passages are scored as
Tantivy would, with the statistics of both parts combined.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from rag.store import bm25
from rag.store.local.tantivy_index import LexicalIndex, analyze

_TRIED = 100
"""Maximum number of words of new passages to try for one that is also in the index, which reveals
its average length.
"""


class Delta:
    """Changes since `index` was saved. Must stay small, since it is scanned for each word of a
    question.
    """

    def __init__(self) -> None:
        self.deleted = set[int]()
        """passages that are in the index but were deleted"""
        self._passages: dict[int, Counter[str]] = {}
        self._holders: defaultdict[str, set[int]] = defaultdict(set)
        self._words = 0

    def __len__(self) -> int:
        """Number of added passages."""
        return len(self._passages)

    def ids(self) -> NDArray[np.int64]:
        return np.fromiter(self._passages, dtype=np.int64)

    def doc_freq(self, word: str) -> int:
        """Number of added passages that contain the word."""
        return len(self._holders.get(word, ()))

    def update(self, removed: Iterable[int], added: Iterable[tuple[int, str]]) -> None:
        """Remove passages, from here or from the index, and add (id, text) pairs."""
        for passage_id in removed:
            if passage_id in self._passages:
                self._drop(passage_id)
            else:
                self.deleted.add(passage_id)
        for passage_id, text in added:
            self._passages[passage_id] = words = Counter(analyze(text))
            self._words += words.total()
            for word in words:
                self._holders[word].add(passage_id)

    def _drop(self, passage_id: int) -> None:
        words = self._passages.pop(passage_id)
        self._words -= words.total()
        for word in words:
            self._holders[word].discard(passage_id)
            if not self._holders[word]:
                del self._holders[word]

    def search(
        self, index: LexicalIndex, text: str, k: int, allowed: Sequence[int] | None = None
    ) -> list[tuple[int, float]]:
        """The `k` best (id, BM25 score) pairs of index and additions together, without removed
        passages, best first.
        """
        if not self._passages:
            return index.search(text, k, allowed, self.deleted)
        terms = list(dict.fromkeys(analyze(text)))
        passages, average = index.collection(chain(terms, islice(self._holders, _TRIED)))
        total = passages + len(self)
        doc_freq = {term: index.doc_freq(term) for term in terms}
        idf = {
            term: bm25.idf(total, count + len(self._holders.get(term, ())))
            for term, count in doc_freq.items()
        }
        weights = {
            term: idf[term] / bm25.idf(passages, count) for term, count in doc_freq.items() if count
        }
        mean = _mean(passages, average, len(self), self._words)
        found = dict(index.search(text, k, allowed, self.deleted, weights, mean))
        found |= self._scores(idf, mean, allowed)
        return sorted(found.items(), key=lambda hit: (-hit[1], hit[0]))[: max(k, 0)]

    def _scores(
        self, idf: Mapping[str, float], average: float, allowed: Sequence[int] | None
    ) -> dict[int, float]:
        among = None if allowed is None else self._passages.keys() & set(allowed)
        scores = defaultdict[int, float](float)
        for word, weight in idf.items():
            doc_freq = self._holders.get(word, set())
            for passage_id in doc_freq if among is None else doc_freq & among:
                words = self._passages[passage_id]
                count, length = words[word], bm25.quantised_length(words.total())
                scores[passage_id] += (
                    weight * (bm25.K1 + 1) * count / (count + bm25.length_norm(length, average))
                )
        return dict(scores)


def _mean(passages: int, average: float, added: int, words: int) -> float:
    """Average length of all passages, or of the added ones if that of the others is unknown
    (0.0).
    """
    return (average * passages + words) / (passages + added) if average else words / added
