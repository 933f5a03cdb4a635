"""Splits, embeds and stores every document that enters the index.

Documents are embedded in batches. The write lock is held only while a batch is stored, so that
uploads and deletions can continue during a long run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import TypeVar

import numpy as np

from rag.errors import BusyError, ConflictError
from rag.ingestion.chunking import split_document
from rag.protocols import Embedder, Store, Vectors
from rag.structure import sentenced
from rag.types import Document, Passage

UPLOADED = "upload:"
"""Prefix of the source of uploads to a service; other sources are paths or URIs."""
BATCH_PASSAGES = 256
_BATCH_SECONDS = 5.0
"""A batch is stored at least this often, so that an interrupted run keeps its work."""
_PATIENCE = 60.0
"""Seconds that a run waits for other writers of the index."""
K = TypeVar("K")
T = TypeVar("T")
Split = tuple[Document, Sequence[Passage]]


@dataclass(frozen=True, slots=True)
class Embedded:
    """A document with its passages and their vectors, shape (n, dim)."""

    document: Document
    passages: Sequence[Passage]
    vectors: Vectors


@dataclass(slots=True)
class Stored:
    """Ids of the stored documents, their number of passages, and refusals with their reasons."""

    ids: list[str] = field(default_factory=list)
    passages: int = 0
    refused: list[tuple[Document, ConflictError]] = field(default_factory=list)

    def add(self, addition: Stored) -> None:
        self.ids += addition.ids
        self.passages += addition.passages
        self.refused += addition.refused


def index(
    documents: Iterable[Document],
    store: Store,
    embedder: Embedder,
    passage_tokens: int = 160,
    check: Callable[[Document], object] = lambda _: None,
) -> Stored:
    """Split, embed and store documents batch by batch, except those that `put` refuses.

    Raises BusyError if another process writes for longer than a minute.
    """
    stored = Stored()
    groups = ((document.id, [document]) for document in documents)
    for _, batch in batches(groups, embedder, passage_tokens):
        stored.add(retry_while_busy(partial(put, store, batch, check)))
    return stored


def batches(
    groups: Iterable[tuple[K, Iterable[Document]]], embedder: Embedder, passage_tokens: int
) -> Iterator[tuple[list[K], list[Embedded]]]:
    """The groups' keys with their embedded documents, in batches of at least BATCH_PASSAGES
    passages, or of those that arrived within a few seconds. A group is never divided.
    """
    keys: list[K] = []
    splits: list[Split] = []
    started = time.monotonic()
    for key, documents in groups:
        keys.append(key)
        for document in documents:
            document = sentenced(document)
            passages = split_document(document, embedder.count_tokens, passage_tokens)
            splits.append((document, passages))

        is_full = _passages(splits) >= BATCH_PASSAGES
        is_late = time.monotonic() - started > _BATCH_SECONDS
        if is_full or is_late:
            yield keys, embed(embedder, splits)
            keys = []
            splits = []
            started = time.monotonic()
    if keys:
        yield keys, embed(embedder, splits)


def _passages(splits: Sequence[Split]) -> int:
    return sum(len(passages) for _, passages in splits)


def embed(embedder: Embedder, splits: Sequence[Split]) -> list[Embedded]:
    """Embed the passages of several documents together, some hundred at a time: each text repeats
    its context. Without documents no model is loaded.
    """
    if not splits:
        return []

    count = _passages(splits)
    vectors = np.empty((count, embedder.dim), dtype=np.float32)
    texts = (passage.in_context for _, passages in splits for passage in passages)
    for start in range(0, count, BATCH_PASSAGES):
        batch = list(islice(texts, BATCH_PASSAGES))
        vectors[start : start + len(batch)] = embedder.embed_passages(batch)

    embedded = []
    start = 0
    for document, passages in splits:
        end = start + len(passages)
        embedded.append(Embedded(document, passages, vectors[start:end]))
        start = end
    return embedded


def put(
    store: Store,
    documents: Iterable[Embedded],
    check: Callable[[Document], object] = lambda _: None,
) -> Stored:
    """Store documents under the write lock, except those whose ids are not free, or for which
    `check` raises ConflictError. Raises BusyError if another process is writing.
    """
    stored = Stored()
    with store.writing():
        for embedded in documents:
            document = embedded.document
            owner = store.document(document.id)
            try:
                check_free(document.id, document.source, owner)
                check(document)
            except ConflictError as error:
                stored.refused.append((document, error))
                continue

            store.put(document, embedded.passages, embedded.vectors)
            stored.ids.append(document.id)
            stored.passages += len(embedded.passages)
    return stored


def retry_while_busy(change: Callable[[], T]) -> T:
    """Retry a change while another process is writing. Raises BusyError after a timeout."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return change()
        except BusyError:
            if time.monotonic() > until:
                raise


def check_free(document_id: str, source: str, owner: Document | None) -> None:
    """Raises ConflictError if `owner`, the document with this id, did not come from `source`.

    A file exists and would return with the next sync; an upload exists nowhere else.
    """
    if owner is None or owner.source.startswith(UPLOADED) == source.startswith(UPLOADED):
        return
    if source.startswith(UPLOADED):
        hint = f"rename the upload, or first run: rag delete {document_id}"
        raise ConflictError(f"{document_id} was ingested from {owner.source}", hint)
    hint = f"give the folder another name with --name, or first run: rag delete {document_id}"
    raise ConflictError(f"its name {document_id} belongs to an upload", hint)
