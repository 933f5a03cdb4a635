"""Overview of a collection for the page: folders and types with counts, and all documents."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from rag.protocols import Store
from rag.server.document_schemas import WireCount, WireSource
from rag.types import Document


@dataclass(frozen=True, slots=True)
class Listing:
    """All documents by id, and how many there are per folder and per type, by name."""

    sources: tuple[WireSource, ...]
    folders: list[WireCount]
    types: list[WireCount]

    def matching(self, name: str) -> list[WireSource]:
        """Sources whose title or id contains every word of `name`, ignoring case."""
        words = name.casefold().split()
        return [
            source
            for source in self.sources
            if all(word in f"{source.title}\n{source.id}".casefold() for word in words)
        ]


class Listings:
    """A store's listing, recomputed when the index has changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listing: tuple[int, Listing] | None = None
        """With its generation of the index."""

    def of(self, store: Store) -> Listing:
        generation = store.stats().generation
        with self._lock:
            if self._listing is None or self._listing[0] != generation:
                self._listing = generation, _listing(store)
            return self._listing[1]


def _listing(store: Store) -> Listing:
    sources = tuple(map(_source, store.documents()))
    folders = Counter(one.id.partition("/")[0] for one in sources if "/" in one.id)
    types = Counter(source.type for source in sources if source.type)
    return Listing(sources, _counts(folders), _counts(types))


def _counts(counter: Counter[str]) -> list[WireCount]:
    return [WireCount(name=name, count=count) for name, count in sorted(counter.items())]


def _source(document: Document) -> WireSource:
    metadata = document.metadata
    return WireSource(
        id=document.id,
        title=document.title,
        type=metadata.get("type", ""),
        date=metadata.get("date", "")[:10],
        pages=len(document.pages),
    )
