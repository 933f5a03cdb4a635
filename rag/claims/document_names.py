"""Finds the documents that a text names by id, file name, address or title."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rag.types import Document

_LONGEST_NAME = 16
"""Words of the longest name that is looked for."""
_SHORTEST_NAME = 3
"""Letters of the shortest name in a list of sources."""


def name_words(text: str) -> tuple[str, ...]:
    """The words of a text as names of documents are compared."""
    return tuple(re.findall(r"[^\W_]+", text.casefold()))


class DocumentNames:
    """The names of these documents."""

    def __init__(self, documents: Iterable[Document]) -> None:
        self._ids: dict[tuple[str, ...], set[str]] = {}
        for document in documents:
            file_name = document.id.rsplit("/", 1)[-1]
            for name in (document.id, file_name, document.source, document.title):
                ids = self._ids.setdefault(name_words(name), set())
                ids.add(document.id)

    def in_text(self, text: str, fewest: int = 2) -> dict[str, str]:
        """By id, the words, at least `fewest`, that name the document; the longest names win."""
        words = name_words(text)
        names: dict[str, str] = {}
        position = 0
        while position < len(words):
            name = self._longest_at(words, position, fewest)
            if not name:
                position += 1
                continue
            for document_id in self._ids[name]:
                names[document_id] = " ".join(name)
            position += len(name)
        return names

    def _longest_at(self, words: tuple[str, ...], position: int, fewest: int) -> tuple[str, ...]:
        """The longest name, of at least `fewest` words, that begins at a word; () if none does."""
        most_words = min(_LONGEST_NAME, len(words) - position)
        for size in range(most_words, fewest - 1, -1):
            name = words[position : position + size]
            if name in self._ids:
                return name
        return ()

    def source(self, line: str) -> str | None:
        """The id of the document with the longest name in a line; None if none or two match."""
        names = self.in_text(line, 1)
        greatest_length = max(map(len, names.values()), default=0)
        if greatest_length < _SHORTEST_NAME:
            return None
        ids = [document_id for document_id, name in names.items() if len(name) == greatest_length]
        return ids[0] if len(ids) == 1 else None
