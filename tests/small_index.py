"""A small local index with fake models, and hits without an index."""

import threading
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from rag.ingestion.pipeline import index
from rag.protocols import Embedder, Store
from rag.store.local.store import LocalStore
from rag.types import Document, Hit, Passage
from tests.fakes import BagOfWordsEmbedder


def new_store(folder: Path) -> LocalStore:
    """An empty index for `BagOfWordsEmbedder`."""
    expect = {"embedder": BagOfWordsEmbedder().name, "dim": "64", "passage_tokens": "160"}
    return LocalStore(folder, expect, create=True)


def add(
    store: Store, *documents: Document, embedder: Embedder | None = None, tokens: int = 160
) -> None:
    """Split into passages of at most `tokens`, embed and store, like ingest."""
    index(documents, store, embedder or BagOfWordsEmbedder(), tokens)


def hit(
    text: str, id: str = "d", title: str = "", headings: tuple[str, ...] = (), score: float = 1.0
) -> Hit:
    """A hit whose passage is the whole document `id`."""
    return Hit(Passage(id, 0, len(text), text, title, headings), score, 1.0, 1.0)


def hits(texts: Sequence[str], title: str = "", headings: tuple[str, ...] = ()) -> list[Hit]:
    """A hit for each text, on documents d0, d1, …"""
    return [hit(text, f"d{number}", title, headings) for number, text in enumerate(texts)]


def in_threads(works: Iterable[Callable[[], object]]) -> None:
    """Run each in its own thread, all at once, and wait for all."""
    threads = [threading.Thread(target=task) for task in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
