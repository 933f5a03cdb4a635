"""The local store: SQLite is the truth, FAISS and Tantivy are derived from it.

A change touches SQLite alone. Each derived index holds a set of passage ids; it is right when that set equals SQLite's, since
an id is never used twice and its passage never changes. So one step repairs everything, after an own change, another
process's, a crash or a lost file: take the surplus ids out, put the missing ones in. `derived.json` names the store and the
generation that the files on disk were made from; where it agrees, nothing is compared.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.errors import BusyError, InputError, StoreError
from rag.protocols import Filter, Stats, Vectors
from rag.store import database
from rag.store.dense import DenseIndex
from rag.store.lexical import LexicalIndex
from rag.store.lock import WriteLock
from rag.types import Document, Passage

_log = logging.getLogger(__name__)
_DERIVED_FORMAT = "1"


class LocalStore:
    """A folder with `rag.sqlite` and what is derived from it. Safe to share between threads."""

    def __init__(self, folder: Path, expect: Mapping[str, str], create: bool = False, wait: float = 5.0) -> None:
        """Open the index in `folder`, or with `create` make it if it is absent.

        `expect` says how it must have been made: `embedder`, `passage_tokens`, and to create it `dim`. Raises StoreError
        if it is absent or broken, or was made otherwise.
        """
        self.folder = folder
        self._wait = wait
        self._mutex = threading.RLock()
        if create:
            _make_folder(folder)
        self._connection = database.connect(folder / "rag.sqlite", expect if create else None)
        self._meta = database.read_meta(self._connection)
        self._check(expect)
        self._dim = int(self._meta["dim"])
        self._lock = WriteLock(folder)
        self._writable = os.access(folder, os.W_OK)
        self._dense, self._lexical, self._seen = self._load()
        self._catch_up()

    def _check(self, expect: Mapping[str, str]) -> None:
        for name, value in expect.items():
            made = self._meta.get(name)
            if made != value:
                hint = f"set RAG_{name.upper()}={made}, or make a new index: rag ingest PATH --index NEW"
                raise StoreError(f"index {self.folder} was made with {name} = {made}, the settings say {value}", hint)

    # Changes

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self._lock.hold(self._wait):
            yield
            self._catch_up()

    def put(self, document: Document, passages: Sequence[Passage], vectors: Vectors) -> None:
        rows = np.ascontiguousarray(vectors, dtype=np.float32).reshape(len(passages), self._dim)
        if any(document.text[p.start : p.end] != p.text for p in passages):
            raise InputError(f"passages of {document.id} do not stand in its text", "split the document again")
        try:
            document.text.encode()
        except UnicodeEncodeError as error:
            message = f"{document.id} holds a lone surrogate at character {error.start}"
            raise InputError(message, "replace it; it is no character") from error
        with self._lock.hold(self._wait), self._mutex:
            database.put(self._connection, document, passages, rows)

    def delete(self, document_id: str) -> bool:
        with self._lock.hold(self._wait), self._mutex:
            return database.delete(self._connection, document_id)

    # Questions

    def dense(self, vector: Vectors, k: int, filter: Filter | None = None) -> list[tuple[int, float]]:
        with self._mutex:
            self._catch_up()
            return self._dense.search(vector, k, self._allowed(filter))

    def lexical(self, question: str, k: int, filter: Filter | None = None) -> list[tuple[int, float]]:
        with self._mutex:
            self._catch_up()
            return self._lexical.search(question, k, self._allowed(filter))

    def cosines(self, vector: Vectors, ids: Sequence[int]) -> dict[int, float]:
        with self._mutex:
            present, rows = database.vectors(self._connection, ids, self._dim)
            return dict(zip(present, (rows @ vector).tolist(), strict=True))

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        with self._mutex:
            return database.passages(self._connection, ids)

    def document(self, document_id: str) -> Document | None:
        with self._mutex:
            return database.document(self._connection, document_id)

    def documents(self) -> list[Document]:
        with self._mutex:
            return database.documents(self._connection)

    def stats(self) -> Stats:
        with self._mutex:
            documents, passages = database.counts(self._connection)
            meta = database.read_meta(self._connection)
        generation, dim, passage_tokens = (int(meta[name]) for name in ("generation", "dim", "passage_tokens"))
        return Stats(documents, passages, generation, meta["embedder"], dim, passage_tokens)

    def close(self) -> None:
        with self._mutex:
            self._connection.close()

    def _allowed(self, filter: Filter | None) -> list[int] | None:
        return database.passage_ids(self._connection, filter) if filter else None

    # Derived indexes

    def _generation(self) -> str:
        return database.read_meta(self._connection)["generation"]

    def _load(self) -> tuple[DenseIndex, LexicalIndex, str]:
        """The derived indexes as saved and the generation they show, or empty ones where they are not this store's or broken."""
        try:
            manifest = json.loads((self.folder / "derived.json").read_text())
            if (manifest["format"], manifest["store"]) == (_DERIVED_FORMAT, self._meta["store"]):
                dense = DenseIndex(self._dim, self.folder / "vectors.faiss")
                lexical = LexicalIndex(self.folder / "lexical")
                whole = len(dense) == len(lexical) == manifest["passages"]
                return dense, lexical, manifest["generation"] if whole else ""
        except (OSError, ValueError, KeyError, TypeError) as error:
            if int(self._meta["generation"]):
                _log.warning("search indexes in %s are rebuilt: %s", self.folder, str(error).splitlines()[0])
        return DenseIndex(self._dim), self._new_lexical(), ""

    def _new_lexical(self) -> LexicalIndex:
        """An empty one: on disk if this process may write there now, else in memory."""
        if self._writable:
            try:
                with self._lock.hold(0):
                    shutil.rmtree(self.folder / "lexical", ignore_errors=True)
                    (self.folder / "lexical").mkdir()
                    return LexicalIndex(self.folder / "lexical")
            except BusyError:
                pass
        return LexicalIndex()

    def _catch_up(self) -> None:
        """Make both derived indexes show the present generation, on disk too if this process may write there now."""
        with self._mutex:
            if self._generation() == self._seen:
                return
            try:
                if self._writable:
                    with self._lock.hold(0):
                        self._repair(save=True)
                    return
            except BusyError:
                pass
            self._repair(save=False)

    def _repair(self, save: bool) -> None:
        self._connection.execute("BEGIN")  # one snapshot for all that is read here
        try:
            self._repair_to(self._generation(), save)
        finally:
            self._connection.execute("COMMIT")

    def _repair_to(self, generation: str, save: bool) -> None:
        ids = np.asarray(database.passage_ids(self._connection), dtype=np.int64)
        surplus, missing = _difference(self._dense.ids(), ids)
        if len(surplus) + len(missing):
            self._dense.update(surplus, *database.vectors(self._connection, missing, self._dim))
        if save or self._lexical.in_memory:
            self._lexical.update(*self._lexical_changes(ids))
        else:
            self._lexical.refresh()
        if save:
            self._dense.save(self.folder / "vectors.faiss")
            manifest = {
                "format": _DERIVED_FORMAT,
                "store": self._meta["store"],
                "generation": generation,
                "passages": len(ids),
            }
            partial = self.folder / "derived.partial"
            partial.write_text(json.dumps(manifest))
            partial.replace(self.folder / "derived.json")
        self._seen = generation

    def _lexical_changes(self, ids: NDArray[np.int64]) -> tuple[list[int], list[tuple[int, str]]]:
        surplus, missing = _difference(self._lexical.ids(), ids)
        found = database.passages(self._connection, missing)
        return surplus, [(i, f"{p.context}\n{p.text}") for i, p in found.items()]


def _difference(here: NDArray[np.int64], wanted: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """(surplus, missing) ids of an index that holds `here` and should hold `wanted`."""
    surplus: list[int] = np.setdiff1d(here, wanted).tolist()
    missing: list[int] = np.setdiff1d(wanted, here).tolist()
    return surplus, missing


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"index folder {folder} cannot be made: {error.strerror}", "name another with --index") from error
