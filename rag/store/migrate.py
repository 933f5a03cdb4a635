"""Copies an index from one store to another, including vectors; nothing is embedded again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
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
    passage_records = [dataclasses.asdict(passage) for passage in passages]
    record = json.dumps([dataclasses.asdict(comparable), passage_records], sort_keys=True)
    numbers = np.ascontiguousarray(vectors, dtype="<f4").tobytes()
    return hashlib.sha256(record.encode() + b"\0" + numbers).hexdigest()


def migrate(
    source: Store, target: Store, on_progress: Callable[[], object] = lambda: None
) -> Moved:
    """Copy `source` to `target`, calling `on_progress` after each document. Another call resumes.

    Raises InputError if the target has other documents, StoreError if an index changed meanwhile.
    """
    started = source.stats().generation
    ids = _ids(source)
    _check_target(target, ids)

    copied = 0
    total = hashlib.sha256()
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
    _copy_grids(source, target)

    if source.stats().generation != started or _ids(target) != ids:
        raise StoreError("the index changed during the migration", _RESUME)
    stats = target.stats()
    return Moved(
        documents=stats.documents,
        passages=stats.passages,
        copied=copied,
        present=len(ids) - copied,
        digest=total.hexdigest(),
    )


def _ids(store: Store) -> list[str]:
    return [document.id for document in store.documents()]


def _check_target(target: Store, ids: Sequence[str]) -> None:
    """Raises InputError if the target has documents without these ids."""
    surplus = sorted(set(_ids(target)) - set(ids))
    if not surplus:
        return
    documents = f"{len(surplus):,} documents that the source does not, such as {surplus[0]}"
    hint = "choose an empty index, or first delete them with: rag delete"
    raise InputError(f"the target holds {documents}", hint)


def _copy_grids(source: Store, target: Store) -> None:
    """Copy the grids that the target has not, with their cells as new ones."""
    existing_grids = target.grids()
    for name, record in source.grids().items():
        if name not in existing_grids:
            cells = [row._replace(number=0) for row in source.cells(name)]
            target.put_grid(name, record)
            target.put_cells(name, cells)


def _copy(source: Store, target: Store, document_id: str, expected: str) -> None:
    """Copy a document, and compare what was stored. Raises StoreError."""
    document = source.document(document_id)
    if document is None:
        raise StoreError(f"{document_id} was deleted during the migration", _RESUME)
    passages, vectors = source.embedded(document_id)
    target.put(document, passages, vectors)
    if digest(target, document_id) != expected:
        hint = "run rag index migrate again; if it fails again, look for another writer"
        raise StoreError(f"{document_id} was read back with differences", hint)
