"""The page's sources: all documents of a collection, counted per folder and type."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from rag.protocols import Store
from rag.server.schemas import WireCount, WireSource
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

    def inside(self, folder: str) -> tuple[list[WireCount], list[WireSource]]:
        """The folders directly inside the folder, with the number of their documents, and the
        documents directly inside. The folder "" has the others.
        """
        start = f"{folder}/" if folder else ""
        counts: Counter[str] = Counter()
        documents = []
        for source in self.sources:
            if source.id.startswith(start):
                first, divided, _ = source.id[len(start) :].partition("/")
                if divided:
                    counts[first] += 1
                else:
                    documents.append(source)
        return _counts(counts), documents


_lock = threading.Lock()
_listings: WeakKeyDictionary[Store, tuple[int, Listing]] = WeakKeyDictionary()
"""Each store's listing with its generation of the index."""


def listing_of(store: Store) -> Listing:
    """A store's listing, made anew when the index has changed."""
    generation = store.stats().generation
    with _lock:
        entry = _listings.get(store)
        if entry is None or entry[0] != generation:
            entry = _listings[store] = generation, _listing(store)
        return entry[1]


def _listing(store: Store) -> Listing:
    sources = tuple(map(_source, store.documents()))
    folders = Counter(source.id.partition("/")[0] for source in sources if "/" in source.id)
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
