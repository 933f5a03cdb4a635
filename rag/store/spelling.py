"""Words that the index does not know, one edit from a word that it does, written as it writes them.

What is typed is known if the index has a word with its stem, or if it is a whole word to the
embedder's tokenizer, whose 30,000 pieces hold the common words of its language. Edits are those of
Damerau (1964): a letter too many, too few, another, or two swapped, which are four in five of all
misspellings. Which word was meant is a matter of how frequent it is and how likely the slip
(Kernighan, Church & Gale 1990, "A spelling correction program based on a noisy channel model").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from math import log

from rag.protocols import Store
from rag.store.local.tantivy_index import analyze

_WORD = re.compile(r"(?<![\w@./\\:#-])[^\W\d_]{4,}(?![\w@/\\-]|[.:]\w)")
"""A run of letters that is not a part of an identifier, an address or a path."""
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_MOST = 3
"""Words of a question that are corrected: one with more is not of this index, or not of its
language.
"""
_NAME = 6
"""Letters from which a name is corrected: shorter ones have too many neighbours that are
names too.
"""
_MISSING, _SWAPPED, _OTHER, _EXTRA = 0.0, -1.2, -3.2, -3.8
"""Log-odds of a slip: of ten about 3.3 letters are left out, 3.5 replaced, 2 put in and 1 pair
swapped; a letter that is left out or a pair that is swapped is one of few such slips, a wrong
letter one of 25."""
_READ = 20
"""Passages in which the index's own way to write a word is looked up."""


class WordSpeller:
    """Corrects questions by the words of one index."""

    def __init__(self, store: Store, count_tokens: Callable[[Sequence[str]], list[int]]) -> None:
        """`count_tokens` is the embedder's."""
        self._store = store
        self._count_tokens = count_tokens

    def correct(self, question: str) -> str:
        """The question with its misspelt words as the index writes them; as it was if there are
        none.
        """
        words = [
            match
            for match in _WORD.finditer(question)
            if _is_prose(match.group(), match.start() == 0)
        ]
        unknown = self._unknown([match.group() for match in words])
        changed = [
            (match, word)
            for match in words
            if match.group() in unknown and (word := self._nearest(match.group()))
        ]
        if len(changed) > _MOST:
            return question
        for match, word in reversed(changed):
            question = (
                question[: match.start()] + _as_typed(match.group(), word) + question[match.end() :]
            )
        return question

    def _unknown(self, words: Sequence[str]) -> set[str]:
        stems = {word: stem for word in words for stem in analyze(word)}  # no stem: a stop word
        known = self._store.word_counts(list(set(stems.values())))
        strange = [word for word, stem in stems.items() if stem not in known]
        sizes = self._count_tokens([word.lower() for word in strange])
        return {word for word, size in zip(strange, sizes, strict=True) if size > 1}

    def _nearest(self, word: str) -> str:
        """The likeliest of the words one edit away that the index has, or ""."""
        edits = _edits(word.lower())
        stems = {edit: stem for edit in edits for stem in analyze(edit)}
        counts = self._store.word_counts(list(set(stems.values())))
        near = [edit for edit, stem in stems.items() if stem in counts]
        written = self._written(near, stems, counts)
        return min(
            written, key=lambda edit: (-edits[edit] - log(counts[stems[edit]]), edit), default=""
        )

    def _written(
        self, near: Sequence[str], stems: Mapping[str, str], counts: Mapping[str, int]
    ) -> set[str]:
        """Those that are words: they occur in the passages that have their stem, or are whole to
        the tokenizer.

        A stem alone does not tell: "insurence" has the stem of "insurance".
        """
        if not near:
            return set()
        sizes = self._count_tokens(near)
        written = {edit for edit, size in zip(near, sizes, strict=True) if size == 1}
        by_stem = {stems[edit]: edit for edit in near}
        for stem in sorted(by_stem, key=lambda stem: -counts[stem]):
            found = [number for number, _ in self._store.lexical(by_stem[stem], _READ)]
            for passage in self._store.passages(found).values():
                written |= set(near) & {
                    match.group().lower() for match in re.finditer(r"[^\W\d_]+", passage.in_context)
                }
        return written


def _is_prose(word: str, first: bool) -> bool:
    """Not an acronym, the name of a program, or a short name."""
    return word.islower() or (word.istitle() and (first or len(word) >= _NAME))


def _edits(word: str) -> dict[str, float]:
    """Every word one edit away, and how likely the slip is. A first letter is not replaced: few
    people mistype it (Pollock & Zamora 1984), and prefixes differ by one."""
    parts = [(word[:at], word[at:]) for at in range(len(word) + 1)]
    extra = {left + right[1:]: _EXTRA for left, right in parts if right}
    other = {
        left + letter + right[1:]: _OTHER
        for left, right in parts
        if left and right
        for letter in _LETTERS
    }
    swapped = {
        left + right[1] + right[0] + right[2:]: _SWAPPED for left, right in parts if len(right) > 1
    }
    missing = {left + letter + right: _MISSING for left, right in parts for letter in _LETTERS}
    found = extra | other | swapped | missing
    found.pop(word, None)
    return found


def _as_typed(typed: str, word: str) -> str:
    return word.capitalize() if typed[0].isupper() else word
