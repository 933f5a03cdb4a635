"""Finds the documents that a text names by id, file name, address or title."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rag.types import Document

_LONGEST = 16
"""Words of the longest name that is looked for."""
_SHORTEST = 3
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
                self._ids.setdefault(name_words(name), set()).add(document.id)

    def in_text(self, text: str, fewest: int = 2) -> dict[str, str]:
        """By id, the words, at least `fewest`, that name the document; the longest names win."""
        words, position, ids = name_words(text), 0, dict[str, str]()
        while position < len(words):
            sizes = range(min(_LONGEST, len(words) - position), fewest - 1, -1)
            names = (words[position : position + size] for size in sizes)
            name = next((name for name in names if name in self._ids), ())
            ids |= {id: " ".join(name) for id in self._ids[name]} if name else {}
            position += len(name) or 1
        return ids

    def source(self, line: str) -> str | None:
        """The id of the document with the longest name in a line; None if none or two match."""
        names = self.in_text(line, 1)
        longest = max(map(len, names.values()), default=0)
        best = [id for id, name in names.items() if len(name) == longest]
        return best[0] if longest >= _SHORTEST and len(best) == 1 else None
