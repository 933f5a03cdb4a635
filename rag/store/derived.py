"""The two search indexes of a local store, FAISS and Tantivy, derived from its SQLite rows.

Each holds a set of passage ids; it is right when that set equals SQLite's, since an id is never used twice and its passage
never changes. So one step repairs everything, after an own change, another process's, a crash or a lost file: take the
surplus ids out, put the missing ones in.

On disk they are `vectors.faiss` and `lexical/`. `derived.json`, written last, names the store, the generation that the files
show and the digest of each: files that do not match it are not searched but made again. Only the holder of the write lock
changes them. Others follow: the dense index at once, from the rows; the lexical one when the holder has saved it, and what
was deleted meanwhile is left out.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.errors import BusyError, StoreError
from rag.protocols import Vectors
from rag.store import database, lexical
from rag.store.dense import DenseIndex
from rag.store.lexical import LexicalIndex
from rag.store.lock import WriteLock

_log = logging.getLogger(__name__)
_FORMAT = "2"
_MANIFEST, _VECTORS, _LEXICAL = "derived.json", "vectors.faiss", "lexical"
_BATCH = 4096


class Derived:
    """Both indexes as this process has them. `catch_up` comes before each search."""

    def __init__(self, folder: Path, meta: Mapping[str, str], lock: WriteLock, writable: bool, wait: float) -> None:
        """Those saved in `folder` if they are whole, else empty ones; to save new ones the first `catch_up` waits that long."""
        self._folder = folder
        self._store = meta["store"]
        self._dim = int(meta["dim"])
        self._lock = lock
        self._writable = writable
        self._dense = DenseIndex(self._dim)
        self._lexical = LexicalIndex()
        self._dense_shows = self._lexical_shows = ""
        self._gone = frozenset[int]()
        self._wait = wait
        self._opening = True
        self.problem = self._load()
        """Why what is saved could not be taken; "" if it was."""
        self._broken = self.problem != ""

    def dense(self, vector: Vectors, k: int, allowed: Sequence[int] | None) -> list[tuple[int, float]]:
        return self._dense.search(vector, k, allowed)

    def lexical(self, question: str, k: int, allowed: Sequence[int] | None) -> list[tuple[int, float]]:
        found = self._lexical.search(question, k + len(self._gone), allowed)
        return [hit for hit in found if hit[0] not in self._gone][:k]

    def count(self, ids: Sequence[int]) -> tuple[int, int]:
        """How many of these passages the (dense, lexical) index holds; those that are left out of results count."""
        return int(np.isin(self._dense.ids(), ids).sum()), int(np.isin(self._lexical.ids(), ids).sum())

    def unmerged(self) -> int:
        """Deleted passages whose words still stand in files."""
        return 0 if self._lexical.in_memory else lexical.deleted(self._folder / _LEXICAL)

    def purge(self, connection: sqlite3.Connection, most: int) -> None:
        """Write the full text anew if deletions have left words in it, and it holds at most `most` passages."""
        if not self._writable or not self.unmerged() > 0 or len(self._lexical) > most:
            return
        with self._lock.hold(self._wait), database.snapshot(connection) as generation:
            self._start_over("", "0")
            self._write(connection, generation)

    def compare(self, connection: sqlite3.Connection) -> dict[str, tuple[int, int, int]]:
        """(surplus, missing, altered) passages of each index against the rows, as searches would see them; nothing if they
        show another generation."""
        with database.snapshot(connection) as generation:
            if not self._dense_shows == self._lexical_shows == generation:
                return {}
            ids = database.passage_ids(connection)
            surplus, missing = _difference(self._dense.ids(), ids)
            altered = self._altered(connection, np.intersect1d(self._dense.ids(), ids).tolist())
            words = _difference(self._lexical.ids(), ids)
            extra = len(set(words[0]) - self._gone)
        return {"dense index": (len(surplus), len(missing), altered), "full text": (extra, len(words[1]), 0)}

    def _altered(self, connection: sqlite3.Connection, ids: Sequence[int]) -> int:
        """How many vectors are not those of the rows."""
        count = 0
        for start in range(0, len(ids), _BATCH):
            present, rows = database.vectors(connection, ids[start : start + _BATCH], self._dim)
            count += self._dense.altered(present, rows)
        return count

    def catch_up(self, connection: sqlite3.Connection) -> None:
        """Make both show the present generation, on disk too if this process may write there now."""
        generation = database.generation(connection)
        if not self._dense_shows == self._lexical_shows == generation:
            to_save = self._writable and (self._broken or self._manifest().get("generation") != generation)
            if not (to_save and self._save(connection)):
                self._follow(connection)
        self._opening = self._broken = False

    # With the write lock: on disk

    def _save(self, connection: sqlite3.Connection) -> bool:
        """Whether this process had the lock or could take it, and what is on disk is up to date now."""
        try:
            with self._lock.hold(self._wait if self._broken else 0), database.snapshot(connection) as generation:
                self._write(connection, generation)
                return True
        except BusyError:
            return False
        except (OSError, ValueError, StoreError) as error:
            _log.warning("search indexes in %s cannot be saved, they are kept in memory: %s", self._folder, _first_line(error))
            self._writable, self._lexical, self._lexical_shows = False, LexicalIndex(), ""
            return False

    def _write(self, connection: sqlite3.Connection, generation: str) -> None:
        if self._lexical.in_memory and (reason := self._load()):
            self._start_over(reason, generation)
        ids = database.passage_ids(connection)
        try:
            self._lexical.refresh()
            self._update_lexical(connection, ids, generation)
        except ValueError as error:  # broken, or taken away, while it was open
            self._start_over(_first_line(error), generation)
            self._update_lexical(connection, ids, generation)
        self._update_dense(connection, ids, generation)
        self._dense.save(self._folder / _VECTORS)
        self._sign(generation)

    def _start_over(self, reason: str, generation: str) -> None:
        if generation != "0":
            _log.warning("search indexes in %s are made again: %s", self._folder, reason)
        (self._folder / _MANIFEST).unlink(missing_ok=True)  # first, so that nobody trusts what comes after
        lexical.make(self._folder / _LEXICAL)
        self._lexical = LexicalIndex(self._folder / _LEXICAL)

    def _sign(self, generation: str) -> None:
        known = self._manifest().get("files", {})
        files = {name: known.get(name) or _digest(self._folder / name) for name in self._segments()}
        files |= {name: _digest(self._folder / name) for name in (_VECTORS, f"{_LEXICAL}/meta.json")}
        manifest = {"format": _FORMAT, "store": self._store, "generation": generation, "files": files}
        partial = self._folder / "derived.partial"
        partial.write_text(json.dumps(manifest))
        partial.replace(self._folder / _MANIFEST)

    def _segments(self) -> list[str]:
        """Tantivy's files that never change once they are written."""
        names = (path.name for path in (self._folder / _LEXICAL).iterdir())
        return [f"{_LEXICAL}/{name}" for name in names if not name.endswith((".json", ".lock"))]

    # Without it

    def _follow(self, connection: sqlite3.Connection) -> None:
        with database.snapshot(connection) as generation:
            if self._lexical_shows != generation == self._manifest().get("generation"):
                self._take_saved(generation)
            elif self._opening and not self._writable:
                self._lexical = LexicalIndex()  # nobody may be there who will save one
            unsaved = self._lexical.in_memory and self._lexical_shows != generation
            if not unsaved and self._dense_shows == generation:
                return
            ids = database.passage_ids(connection)
            self._update_dense(connection, ids, generation)
            if unsaved:
                self._update_lexical(connection, ids, generation)
            else:
                self._gone = frozenset(_difference(self._lexical.ids(), ids)[0])

    def _take_saved(self, generation: str) -> None:
        if self._lexical.in_memory:
            self._load()
            return
        with suppress(OSError, ValueError):  # as it is being made again
            self._lexical.refresh()
            self._lexical_shows, self._gone = generation, frozenset()

    # Both

    def _manifest(self) -> Mapping[str, Any]:
        """What is said of the saved files; empty if nothing is, or of another store."""
        try:
            manifest = json.loads((self._folder / _MANIFEST).read_bytes())
        except (OSError, ValueError):
            return {}
        if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
            return {}
        return manifest if (manifest.get("format"), manifest.get("store")) == (_FORMAT, self._store) else {}

    def _load(self) -> str:
        """Take what is saved, if every file is as it was written; else say why not."""
        manifest = self._manifest()
        if not manifest:
            return f"{_MANIFEST} is missing, broken or of another index"
        try:
            for name, digest in manifest["files"].items():
                if _digest(self._folder / name) != digest:
                    return f"{name} is not as it was written"
            dense = DenseIndex(self._dim, self._folder / _VECTORS)
            words = LexicalIndex(self._folder / _LEXICAL)
        except (OSError, ValueError) as error:
            return _first_line(error)
        self._dense, self._lexical, self._gone = dense, words, frozenset()
        self._dense_shows = self._lexical_shows = str(manifest.get("generation"))
        return ""

    def _update_dense(self, connection: sqlite3.Connection, ids: Sequence[int], generation: str) -> None:
        surplus, missing = _difference(self._dense.ids(), ids)
        self._dense.remove(surplus)
        for start in range(0, len(missing), _BATCH):
            self._dense.add(*database.vectors(connection, missing[start : start + _BATCH], self._dim))
        self._dense_shows = generation

    def _update_lexical(self, connection: sqlite3.Connection, ids: Sequence[int], generation: str) -> None:
        surplus, missing = _difference(self._lexical.ids(), ids)
        if self._lexical.in_memory and len(missing) == len(ids) > 0:
            _log.warning("what is saved in %s is out of date or broken: this process has its own in memory", self._folder)
        if surplus or missing:
            self._lexical.update(surplus, _texts(connection, missing))
        self._lexical_shows, self._gone = generation, frozenset()


def _texts(connection: sqlite3.Connection, ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    for start in range(0, len(ids), _BATCH):
        for passage_id, passage in database.passages(connection, ids[start : start + _BATCH]).items():
            yield passage_id, f"{passage.context}\n{passage.text}"


def _difference(here: NDArray[np.int64], wanted: Sequence[int]) -> tuple[list[int], list[int]]:
    """(surplus, missing) ids of an index that holds `here` and should hold `wanted`."""
    right = np.asarray(wanted, dtype=np.int64)
    surplus: list[int] = np.setdiff1d(here, right).tolist()
    missing: list[int] = np.setdiff1d(right, here).tolist()
    return surplus, missing


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        digest: str = hashlib.file_digest(file, "sha256").hexdigest()
    return digest


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
