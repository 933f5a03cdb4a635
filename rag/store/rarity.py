"""How rare a question's words are in an index."""

from __future__ import annotations

from collections.abc import Mapping
from math import log

from rag.meaning.text import content_words, normalize
from rag.protocols import Store
from rag.store.local.tantivy_index import analyze


class WordRarity:
    """Rarity of words in the passages of one index."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __call__(self, question: str) -> Mapping[str, float]:
        """By stem of each content word, as `content_words` makes it: log((N + 1) / (n + 1)) for n
        of N passages with the word, over log(N + 1); so 1 for a word that occurs nowhere.
        """
        words = {word for word in normalize(question).split() if content_words(word)}
        stems = {word: stem for word in words for stem in analyze(word)}
        counts = self._store.word_counts(sorted(set(stems.values())))
        passages = self._store.stats().passages
        scale = log(passages + 1) or 1.0
        return {
            key: 1 - log(min(counts.get(stem, 0), passages) + 1) / scale
            for word, stem in stems.items()
            for key in content_words(word)
        }
