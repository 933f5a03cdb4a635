"""An index made anew from the text that it holds: with another embedder, another size of passages,
or a better splitter.

The sources are not needed. Until the end the old passages answer, in all processes, and documents
may come and go; then the new ones take their place in one step. Killed, it goes on where it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rag.ingestion.chunking import split
from rag.protocols import Embedder
from rag.store.local import database, reindex
from rag.store.local.lock import WriteLock
from rag.types import Document, Passage

_DOCUMENTS = 32
"""Embedded together; short ones fill a batch."""
_PASSAGES = 256


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was made; `resumed` documents were there from an earlier run."""

    documents: int
    passages: int
    resumed: int
    embedder: str
    passage_tokens: int


class Rebuild:
    """One run over the index in `folder`."""

    def __init__(
        self, folder: Path, embedder: Embedder, name: str, passage_tokens: int, wait: float = 60.0
    ) -> None:
        """`name` is the embedder's in the settings. A writer elsewhere is waited for `wait`
        seconds.
        """
        self._path = folder / "rag.sqlite"
        self._lock = WriteLock(folder)
        self._embedder = embedder
        self._passage_tokens = passage_tokens
        self._wait = wait
        self._target = {
            "embedder": name,
            "dim": str(embedder.dim),
            "passage_tokens": str(passage_tokens),
        }

    def run(self, begun: Callable[[int, int], object], seen: Callable[[int], object]) -> Rebuilt:
        """`begun` is told (documents, already done), `seen` how many more are done. Raises
        StoreError, BusyError.
        """
        with closing(database.connect(self._path)) as connection, database.translated(self._path):
            with self._lock.hold(self._wait):
                resumed = reindex.begin(connection, self._target)
            begun(resumed + reindex.pending(connection), resumed)
            self._fill(connection, seen)
            with self._lock.hold(self._wait):
                self._fill(connection, seen)  # what came meanwhile
                reindex.swap(connection, self._target)
                documents, passages = database.counts(connection)
        return Rebuilt(documents, passages, resumed, self._target["embedder"], self._passage_tokens)

    def _fill(self, connection: sqlite3.Connection, seen: Callable[[int], object]) -> None:
        """Up to the document that is the newest now: where they come faster than this, it ends all
        the same.
        """
        last = reindex.last_row(connection)
        while batch := reindex.next_documents(connection, last, _DOCUMENTS):
            whole: list[tuple[int, list[Passage]]] = []
            for row, document in batch:
                whole.append((row, self._split(document)))
                if sum(len(passages) for _, passages in whole) >= _PASSAGES:
                    seen(self._add(connection, whole))
                    whole = []
            seen(self._add(connection, whole))

    def _split(self, document: Document) -> list[Passage]:
        return split(document, self._embedder.count_tokens, self._passage_tokens)

    def _add(
        self, connection: sqlite3.Connection, whole: Sequence[tuple[int, list[Passage]]]
    ) -> int:
        texts = [p.in_context for _, passages in whole for p in passages]
        vectors = self._embedder.embed_passages(texts)
        at, added = 0, 0
        for row, passages in whole:
            added += reindex.add(connection, row, passages, vectors[at : at + len(passages)])
            at += len(passages)
        return added


def abandon(folder: Path, wait: float = 5.0) -> bool:
    """Drop what an unended run made; whether there was any."""
    path = folder / "rag.sqlite"
    with (
        closing(database.connect(path)) as connection,
        database.translated(path),
        WriteLock(folder).hold(wait),
    ):
        return reindex.abandon(connection)
