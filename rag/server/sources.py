"""Overview of a collection for the page: folders and types with counts, and documents found by
name.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rag.protocols import Store
from rag.types import Document

_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Source:
    """A document in a list, without its text. `folder` is the first part of its id, or ""."""

    id: str
    title: str
    folder: str
    type: str
    date: str
    pages: int


@dataclass(frozen=True, slots=True)
class Listing:
    """All sources by id, and the number of documents per folder and per type, by name."""

    sources: tuple[Source, ...]
    folders: tuple[tuple[str, int], ...]
    types: tuple[tuple[str, int], ...]


class Listings:
    """A store's listing, recomputed when the index has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: tuple[int, Listing] | None = None

    def of(self, store: Store) -> Listing:
        generation = store.stats().generation
        with self._lock:
            if self._made is None or self._made[0] != generation:
                self._made = generation, _listing(_all(store))
            return self._made[1]


def find(sources: Sequence[Source], name: str) -> list[Source]:
    """Sources whose title or id contains every word of `name`, ignoring case."""
    words = name.casefold().split()
    return [
        source
        for source in sources
        if all(word in f"{source.title}\n{source.id}".casefold() for word in words)
    ]


def _listing(documents: Iterator[Document]) -> Listing:
    sources = tuple(map(_source, documents))
    folders = Counter(source.folder for source in sources if source.folder)
    types = Counter(source.type for source in sources if source.type)
    return Listing(sources, tuple(sorted(folders.items())), tuple(sorted(types.items())))


def _source(document: Document) -> Source:
    folder, slash, _ = document.id.partition("/")
    metadata = document.metadata
    return Source(
        document.id,
        document.title,
        folder if slash else "",
        metadata.get("type", ""),
        metadata.get("date", "")[:10],
        len(document.pages),
    )


def _all(store: Store) -> Iterator[Document]:
    after = ""
    while page := store.documents(after, _BATCH):
        yield from page
        after = page[-1].id
