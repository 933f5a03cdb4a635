"""The page's sources: all documents of a collection, counted per folder and type."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from rag.protocols import Store
from rag.server.schemas import WireCount, WireSource


@dataclass(frozen=True, slots=True)
class Listing:
    """All documents by id, and how many there are per folder and per type, by name."""

    sources: list[WireSource]
    folders: list[WireCount]
    types: list[WireCount]

    def matching(self, name: str) -> list[WireSource]:
        """Sources whose title or id contains every word of `name`, ignoring case."""
        words = name.casefold().split()
        texts = [f"{source.title}\n{source.id}".casefold() for source in self.sources]
        pairs = zip(self.sources, texts, strict=True)
        return [source for source, text in pairs if all(word in text for word in words)]

    def inside(self, folder: str) -> tuple[list[WireCount], list[WireSource]]:
        """The folders directly inside the folder, with the number of their documents, and the
        documents directly inside. The folder "" has the others.
        """
        start = f"{folder}/" if folder else ""
        within = [source for source in self.sources if source.id.startswith(start)]
        names = [source.id.removeprefix(start) for source in within]
        folders = _counts([name.partition("/")[0] for name in names if "/" in name])
        pairs = zip(within, names, strict=True)
        return folders, [source for source, name in pairs if "/" not in name]


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
    sources = [
        WireSource(
            id=document.id,
            title=document.title,
            type=document.metadata.get("type", ""),
            date=document.metadata.get("date", "")[:10],
            pages=len(document.pages),
        )
        for document in store.documents()
    ]
    folders = [source.id.partition("/")[0] for source in sources if "/" in source.id]
    types = [source.type for source in sources if source.type]
    return Listing(sources, _counts(folders), _counts(types))


def _counts(names: list[str]) -> list[WireCount]:
    return [WireCount(name=name, count=count) for name, count in sorted(Counter(names).items())]
