"""Copies an index from one store to another, including vectors; nothing is embedded again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from rag.errors import InputError, StoreError
from rag.protocols import Store

_RESUME = "run rag index migrate again to resume"


@dataclass(frozen=True, slots=True)
class Moved:
    """`copied` documents were added to the target, `present` ones were already there, byte for
    byte.

    `digest` is the SHA-256 of all documents, passages and vectors, equal in source and target.
    """

    documents: int
    passages: int
    copied: int
    present: int
    digest: str


def digest(store: Store, document_id: str) -> str:
    """SHA-256, in hex, of everything the store holds of a document; "" if the id is unknown."""
    document = store.document(document_id)
    if document is None:
        return ""
    passages, vectors = store.embedded(document_id)
    comparable = dataclasses.replace(
        document, metadata=dict(document.metadata), blocks=tuple(document.blocks)
    )
    parts = [dataclasses.asdict(comparable), [dataclasses.asdict(p) for p in passages]]
    numbers = np.ascontiguousarray(vectors, dtype="<f4").tobytes()
    record = json.dumps(parts, sort_keys=True).encode()
    return hashlib.sha256(record + b"\0" + numbers).hexdigest()


def migrate(
    source: Store, target: Store, on_progress: Callable[[], object] = lambda: None
) -> Moved:
    """Copy `source` to `target`, calling `on_progress` after each document. Another call resumes.

    Raises InputError if the target has other documents, StoreError if an index changed meanwhile.
    """
    started = source.stats().generation
    ids = [document.id for document in source.documents()]
    if surplus := sorted({document.id for document in target.documents()} - set(ids)):
        documents = f"{len(surplus):,} documents that the source does not, such as {surplus[0]}"
        hint = "choose an empty index, or first delete them with: rag delete"
        raise InputError(f"the target holds {documents}", hint)
    copied, total = 0, hashlib.sha256()
    with target.writing():
        for document_id in ids:
            expected = digest(source, document_id)
            if digest(target, document_id) != expected:
                _copy(source, target, document_id, expected)
                copied += 1
            content = source.original(document_id)
            if content is not None and target.original(document_id) != content:
                target.keep_original(document_id, content)
            total.update(expected.encode())
            on_progress()
    present = target.grids()
    for name, record in source.grids().items():
        if name not in present:
            target.put_grid(name, record)
            target.put_cells(name, [row._replace(number=0) for row in source.cells(name)])
    if source.stats().generation != started or [d.id for d in target.documents()] != ids:
        raise StoreError("the index changed during the migration", _RESUME)
    stats = target.stats()
    return Moved(stats.documents, stats.passages, copied, len(ids) - copied, total.hexdigest())


def _copy(source: Store, target: Store, document_id: str, expected: str) -> None:
    document = source.document(document_id)
    if document is None:
        raise StoreError(f"{document_id} was deleted during the migration", _RESUME)
    target.put(document, *source.embedded(document_id))
    if digest(target, document_id) != expected:
        hint = "run rag index migrate again; if it fails again, look for another writer"
        raise StoreError(f"{document_id} was read back with differences", hint)
