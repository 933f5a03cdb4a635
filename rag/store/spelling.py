"""Spelling correction: unknown words are replaced by words of the index that are one edit away.

A word is known if the index contains its stem, or if it is in a list of English words, British and
American. A question in which most words are not English is left as it is. Edits are those of
Damerau (1964): an extra letter, a missing letter, a wrong letter, or two letters swapped, which
cover four in five misspellings. The correction with the highest frequency and edit probability wins
(Kernighan, Church & Gale 1990, "A spelling correction program based on a noisy channel model").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import log

from rag.meaning.stems import stem_words
from rag.protocols import Store

_WORD = re.compile(r"(?<![\w@./\\:#-])[^\W\d_]{4,}(?![\w@/\\-]|[.:]\w|['’](?!s\b)\w)")
"""A run of letters that is not part of an identifier, an address, a path or "hasn't"."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MOST_CORRECTED = 3
"""Maximum number of corrected words. A question with more is not about this index."""
_SHORTEST_NAME = 6
"""Minimum length of a name to correct; shorter names are often one edit from other names."""
_MISSING = 0.0
_SWAPPED = -1.2
_REPLACED = -3.2
_EXTRA = -3.8
"""Log-probabilities of edits relative to a missing letter. Of ten errors about 3.3 are missing, 3.5
wrong and 2 extra letters and 1 a swap; each is divided by the number of possible edits of that type
(25 for a wrong letter).
"""
_MOST_READ = 20
"""Number of passages searched for the index's own spelling of a word."""


class WordSpeller:
    """Corrects questions with the words of one index."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def correct(self, question: str) -> str:
        """The question with its misspelled words replaced by words of the index."""
        words = [match for match in _WORD.finditer(question) if _is_prose(match)]
        unknown_words = self._unknown_words([match[0] for match in words])
        if not unknown_words or self._is_foreign(question):
            return question

        corrections = {word: self._nearest_word(word) for word in unknown_words}
        misspelled = [match for match in words if corrections.get(match[0])]
        if len(misspelled) > _MOST_CORRECTED:
            return question
        for match in reversed(misspelled):
            correction = corrections[match[0]]
            if match[0][0].isupper():
                correction = correction.capitalize()
            question = question[: match.start()] + correction + question[match.end() :]
        return question

    def _counts(self, words: Iterable[str]) -> dict[str, int]:
        """Number of passages with each word's stem; stop words, which have none, are left out."""
        stems = {}
        for word in words:
            for stem in stem_words(word):
                stems[word] = stem
        counts = self._store.word_counts(list(set(stems.values())))
        return {word: counts.get(stem, 0) for word, stem in stems.items()}

    def _unknown_words(self, words: Sequence[str]) -> set[str]:
        """The words that neither the index nor English has."""
        counts = self._counts(words)
        absent_words = [word for word, count in counts.items() if not count]
        return {word for word in absent_words if not _is_english(word)}

    def _is_foreign(self, question: str) -> bool:
        """Whether most words of a question are unknown."""
        words = re.findall(r"[^\W\d_]+", question)
        if len(words) <= _MOST_CORRECTED:
            return False
        return 2 * len(self._unknown_words(words)) > len(words)

    def _nearest_word(self, word: str) -> str:
        """The most likely word of the index one edit away, or "". A word list has it, or it occurs
        in passages with its stem, which is not enough: "insurence" has the stem of "insurance".
        """
        edits = _edits(word.lower())
        counts = {edit: count for edit, count in self._counts(edits).items() if count}
        written = {edit for edit in counts if _is_english(edit)}
        edit_of_stem = {tuple(stem_words(edit)): edit for edit in counts}
        for edit in edit_of_stem.values():
            written |= counts.keys() & self._words_near(edit)
        costs = {edit: -edits[edit] - log(counts[edit]) for edit in written}
        return min(costs, key=lambda edit: (costs[edit], edit), default="")

    def _words_near(self, word: str) -> set[str]:
        """The words of the passages that are found with a word, in lower case."""
        hits = self._store.lexical(word, _MOST_READ)
        passages = self._store.passages([number for number, _ in hits])
        words: set[str] = set()
        for passage in passages.values():
            words.update(map(str.lower, re.findall(r"[^\W\d_]+", passage.in_context)))
        return words


def _is_english(word: str) -> bool:
    import simplemma  # most questions have only words that the index knows

    return simplemma.is_known(word.lower(), lang="en") or simplemma.is_known(word, lang="en")


def _is_prose(match: re.Match[str]) -> bool:
    """Whether a word is ordinary text, not an acronym, a program's name or a short name."""
    word = match[0]
    if word.islower():
        return True
    is_first = match.start() == 0
    return word.istitle() and (is_first or len(word) >= _SHORTEST_NAME)


def _edits(word: str) -> dict[str, float]:
    """All strings one edit away, with the log-probability of the edit. The first letter is never
    replaced: it is rarely mistyped (Pollock & Zamora 1984), and prefixes differ by one letter.
    """
    with_extra: dict[str, float] = {}
    with_other: dict[str, float] = {}
    with_swapped: dict[str, float] = {}
    with_missing: dict[str, float] = {}
    for index in range(len(word) + 1):
        head = word[:index]
        tail = word[index:]
        if tail:
            with_extra[head + tail[1:]] = _EXTRA
        if len(tail) > 1:
            with_swapped[head + tail[1] + tail[0] + tail[2:]] = _SWAPPED
        for letter in _LETTERS:
            with_missing[head + letter + tail] = _MISSING
            if head and tail:
                with_other[head + letter + tail[1:]] = _REPLACED

    edits = with_extra | with_other | with_swapped | with_missing
    edits.pop(word, None)
    return edits
