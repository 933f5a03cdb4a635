"""Documents in: load, split, embed in batches, put. What has not changed is left alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rag.chunking.split import split
from rag.errors import InputError
from rag.loading.files import Found, Unreadable, read
from rag.protocols import Embedder, Store
from rag.types import Document, Passage

_BATCH_PASSAGES = 256
Split = tuple[Document, list[Passage]]


@dataclass(slots=True)
class Report:
    """What became of each file: ids of documents, and for skipped files (path, reason)."""

    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    skipped: list[tuple[str, str]] = field(default_factory=list)
    passages: int = 0


class Ingest:
    """One run over files; `report` fills as it goes."""

    def __init__(self, store: Store, embedder: Embedder, passage_tokens: int) -> None:
        self._store = store
        self._embedder = embedder
        self._passage_tokens = passage_tokens
        self.report = Report()
        self._by_source: dict[str, Document] = {}
        self._by_id: dict[str, Document] = {}
        self._before: frozenset[str] = frozenset()
        self._met: set[Path] = set()

    def run(self, files: Iterable[Found], seen: Callable[[], object] = lambda: None) -> Report:
        """Ingest the files, calling `seen` after each. Each document is durable once its batch is put, whatever comes after.

        Raises InputError if not one file could be read.
        """
        with self._store.writing():
            self._by_source = {document.source: document for document in self._store.documents()}
            self._by_id = {document.id: document for document in self._by_source.values()}
            self._before = frozenset(self._by_id)
            pending: list[Split] = []
            for found in files:
                pending += self._load(Found(found.path.resolve(), found.document_id))
                if sum(len(passages) for _, passages in pending) >= _BATCH_PASSAGES:
                    self._put(pending)
                    pending = []
                seen()
            self._put(pending)
        self._check_any()
        return self.report

    def _load(self, found: Found) -> Iterator[Split]:
        if found.path in self._met:  # named twice, or linked
            return
        self._met.add(found.path)
        known = self._by_source.get(str(found.path))
        if known and _digest(found.path) == known.sha256:
            self.report.unchanged.append(known.id)
            return
        try:
            document = read(found)
            if known:
                document = replace(document, id=known.id)
            self._check_name(document)
        except Unreadable as error:
            self.report.skipped.append((str(found.path), str(error)))
            return
        self._by_source[document.source] = self._by_id[document.id] = replace(document, text="")
        yield document, split(document, self._embedder.count_tokens, self._passage_tokens)

    def _check_name(self, document: Document) -> None:
        """An id may be taken over from a file that is gone (the folder moved), never from one that still stands."""
        other = self._by_id.get(document.id)
        if other and other.source != document.source and os.path.exists(other.source):
            raise Unreadable(f"its name {document.id} is taken by {other.source}; give the folder another with --name")

    def _put(self, pending: Sequence[Split]) -> None:
        self.report.passages += embed_and_put(self._store, self._embedder, pending)
        for document, _ in pending:
            (self.report.updated if document.id in self._before else self.report.added).append(document.id)

    def _check_any(self) -> None:
        report = self.report
        if report.added or report.updated or report.unchanged:
            return
        if not report.skipped:
            raise InputError("there are no files there", "name a folder with .md, .txt or .html files: rag ingest PATH")
        path, reason = report.skipped[0]
        more = f" (and {len(report.skipped) - 1} more)" if len(report.skipped) > 1 else ""
        hint = "name .md, .txt or .html files: rag ingest PATH"
        raise InputError(f"none of the files can be read: {path} {reason}{more}", hint)


def embed_and_put(store: Store, embedder: Embedder, pending: Sequence[Split]) -> int:
    """Embed the passages of several documents together, then put each document. The number of passages."""
    vectors = embedder.embed_passages([f"{p.context}\n{p.text}" for _, passages in pending for p in passages])
    at = 0
    for document, passages in pending:
        store.put(document, passages, vectors[at : at + len(passages)])
        at += len(passages)
    return at


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
