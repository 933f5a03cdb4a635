"""The two search indexes of a local store, FAISS and Tantivy, derived from its SQLite rows.

Each holds a set of passage ids and is correct if that set equals SQLite's, because ids are never
reused and passages never change. One step therefore repairs everything, after a change by this or
another process, a crash or a lost file: remove surplus ids and add missing ones. The changelog of
removed ids and the ids above the last one seen tell which those are; if the changelog does not
reach back far enough, all ids are compared.

On disk they are `vectors.faiss` and `lexical/`. `derived.json`, written last, names the store, the
generation that the files show and the digest of each; files that do not match it are rebuilt, not
searched. Only the holder of the write lock changes them, and only after a number of changes; the
vectors' file, which is always written as a whole, after many. Other processes follow the rows: the
dense index in place, the full text by a delta in memory (`rag.store.local.delta`).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.english.names import searched
from rag.errors import BusyError, StoreError
from rag.parsing.version import sha256_file
from rag.protocols import Vectors
from rag.store.local import changelog, database, manifest, tantivy_index
from rag.store.local.delta import Delta
from rag.store.local.faiss_index import DenseIndex
from rag.store.local.lock import WriteLock
from rag.store.local.manifest import LEXICAL, VECTORS, Manifest
from rag.store.local.tantivy_index import LexicalIndex

_log = logging.getLogger(__name__)
_BATCH = 4096
_BEHIND = 500
"""Maximum number of changed passages before the full text is saved; a process that opens the index
counts their words in 30 ms.
"""
_LONGEST = 4 * _BEHIND
"""Maximum size of a delta. While another process adds more, new passages are found by their
vectors, and by their words after it saves.
"""
_ALWAYS = 5000
"""Number of vectors whose file is always up to date, since writing it takes 10 ms."""
_SHARE = 20
"""Rewrite the vectors' file when one in so many passages has changed."""
Changed = tuple[list[int], list[int], int]
"""(surplus ids, missing ids, highest id afterwards)"""


class SearchIndexes:
    """Both indexes as seen by this process. Call `sync` before each search."""

    def __init__(
        self, folder: Path, meta: Mapping[str, str], lock: WriteLock, writable: bool, wait: float
    ) -> None:
        """Load the indexes saved in `folder`, or start with empty ones. The first `sync` waits
        up to `wait` seconds to save new ones.
        """
        self._folder = folder
        self._store = meta["store"]
        self._dim = int(meta["dim"])
        self._renewed = changelog.renewed(meta)
        """A generation at which there cannot be saved search indexes."""
        self._lock = lock
        self._writable = writable
        self._dense = DenseIndex(self._dim)
        self._lexical = LexicalIndex()
        self._dense_shows = self._lexical_shows = ""
        self._dense_last = self._lexical_last = 0
        self._delta, self._tail_shows, self._tail_last = Delta(), "", 0
        self._wait = wait
        self._opening = True
        self.problem = self._load()
        """Why the saved indexes could not be used; "" if they were."""
        self._broken = self.problem != ""

    @property
    def kind(self) -> str:
        """Type of the dense index."""
        return self._dense.kind

    def dense(
        self, connection: sqlite3.Connection, vector: Vectors, k: int, allowed: Sequence[int] | None
    ) -> list[tuple[int, float]]:
        """The best passages by cosine. Candidates of a compressed index are scored with the
        rows.
        """
        if self._dense.exact:
            return self._dense.search(vector, k, allowed)
        proposed = self._dense.search(vector, self._dense.depth(k), allowed)
        ids, rows = database.vectors(
            connection, [passage_id for passage_id, _ in proposed], self._dim
        )
        scores = (rows @ vector).tolist()
        return sorted(zip(ids, scores, strict=True), key=lambda hit: -hit[1])[:k]

    def lexical(
        self, question: str, k: int, allowed: Sequence[int] | None
    ) -> list[tuple[int, float]]:
        return self._delta.search(self._lexical, question, k, allowed)

    def word_count(self, word: str) -> int:
        """Number of passages with this stem; deleted ones count until a merge."""
        return self._lexical.doc_freq(word) + self._delta.doc_freq(word)

    def count(self, ids: Sequence[int]) -> tuple[int, int]:
        """Number of these passages in the (dense, lexical) index, including those that searches
        leave out.
        """
        words = self._lexical.count(ids) + int(np.isin(self._delta.ids(), ids).sum())
        return int(np.isin(self._dense.ids(), ids).sum()), words

    def unmerged(self) -> int:
        """Number of deleted passages whose words are still in files."""
        return (
            0
            if self._lexical.in_memory
            else tantivy_index.deleted(self._folder / LEXICAL) + len(self._delta.deleted)
        )

    def vacuum(self, connection: sqlite3.Connection, most: int) -> None:
        """Rewrite the vectors' file if it contains deleted ones, and the full text if it has at
        most `most` passages.
        """
        if not self._writable:
            return
        with self._lock.hold(self._wait), database.snapshot(connection) as generation:
            if self.unmerged() > 0 and len(self._lexical) <= most:
                self._rebuild("", "0")
            self._write(connection, generation, all_of_it=True)
        self._prune(connection)

    def compare(self, connection: sqlite3.Connection) -> dict[str, tuple[int, int, int]]:
        """(surplus, missing, altered) passages of each index compared with the rows, as searches
        would see them; {} if the indexes show another generation.
        """
        with database.snapshot(connection) as generation:
            if not self._dense_shows == self._tail_shows == generation:
                return {}
            ids = database.passage_ids(connection)
            surplus, missing = _difference(self._dense.ids(), ids)
            altered = self._altered(connection, np.intersect1d(self._dense.ids(), ids).tolist())
            here = np.setdiff1d(
                self._lexical.ids(), np.fromiter(self._delta.deleted, dtype=np.int64)
            )
            extra, absent = _difference(np.concatenate([here, self._delta.ids()]), ids)
        return {
            "dense index": (len(surplus), len(missing), altered),
            "full text": (len(extra), len(absent), 0),
        }

    def _altered(self, connection: sqlite3.Connection, ids: Sequence[int]) -> int:
        """Number of vectors that differ from the rows."""
        count = 0
        for start in range(0, len(ids), _BATCH):
            present, rows = database.vectors(connection, ids[start : start + _BATCH], self._dim)
            count += self._dense.altered(present, rows)
        return count

    def sync(self, connection: sqlite3.Connection) -> None:
        """Bring both indexes to the current generation, and save them if they are far behind and
        this process may write now.
        """
        generation = database.generation(connection)
        if not self._dense_shows == self._tail_shows == generation and not (
            self._due(connection) and self._save(connection)
        ):
            self._refresh(connection)
        self._opening = self._broken = False

    def _due(self, connection: sqlite3.Connection) -> bool:
        """Whether the saved indexes are due for an update."""
        if not self._writable or self._broken:
            return self._writable
        saved = self._saved()
        return (
            not saved
            or changelog.changes(connection, int(saved.generation), saved.last, _BEHIND + 1)
            > _BEHIND
        )

    # With the write lock: on disk

    def _save(self, connection: sqlite3.Connection) -> bool:
        """Save the indexes. Returns whether the lock was available and the files are up to date
        now.
        """
        try:
            with (
                self._lock.hold(self._wait if self._broken else 0),
                database.snapshot(connection) as generation,
            ):
                self._write(connection, generation)
            with self._lock.hold(0):
                self._prune(connection)
            return True
        except BusyError:
            return False
        except (OSError, ValueError, StoreError) as error:
            _log.warning(
                "search indexes in %s cannot be saved, they are kept in memory: %s",
                self._folder,
                _first_line(error),
            )
            self._writable, self._lexical, self._lexical_shows = False, LexicalIndex(), ""
            self._start_delta()
            return False

    def _prune(self, connection: sqlite3.Connection) -> None:
        """Prune the changelog up to the generation that every saved index shows. Processes further
        behind compare all ids.
        """
        if saved := self._saved():
            with suppress(sqlite3.OperationalError):  # on a full disk the changelog keeps growing
                changelog.prune(connection, min(int(saved.generation), int(saved.vectors)))

    def _write(
        self, connection: sqlite3.Connection, generation: str, all_of_it: bool = False
    ) -> None:
        if self._lexical.in_memory and (reason := self._load()):
            self._rebuild(reason, generation)
        try:
            self._lexical.refresh()
            self._trust(self._saved())
            changed = self._update_lexical(connection, generation)
        except ValueError as error:  # broken or deleted while it was open
            self._rebuild(_first_line(error), generation)
            changed = self._update_lexical(connection, generation)
        self._update_dense(connection, generation, reshape=True)
        saved = self._saved()
        behind = saved.behind + changed
        due = (
            (all_of_it and behind > 0)
            or saved.vectors == ""
            or behind > max(_ALWAYS, len(self._dense)) // _SHARE
        )
        if (
            due := due
            or len(self._dense) <= _ALWAYS
            or not (self._folder / VECTORS).exists()
            or self._dense.new
        ):
            self._dense.save(self._folder / VECTORS)
        vectors = (generation, 0) if due else (saved.vectors, behind)
        made = Manifest(generation, self._lexical_last, *vectors, saved.files)
        manifest.sign(self._folder, self._store, made, vectors_saved=due)

    def _trust(self, saved: Manifest) -> None:
        """Another process may have saved the full text since, or may have been killed between
        saving and signing.
        """
        name = f"{LEXICAL}/meta.json"
        if not self._lexical.in_memory:
            signed = saved and sha256_file(self._folder / name) == saved.files.get(name)
            self._lexical_shows, self._lexical_last = (
                (saved.generation, saved.last) if signed else ("", 0)
            )

    def _rebuild(self, reason: str, generation: str) -> None:
        if reason == manifest.OLDER:
            _log.warning("search indexes in %s are rebuilt for this version of rag", self._folder)
        elif generation not in ("0", self._renewed):
            _log.warning("search indexes in %s are made again: %s", self._folder, reason)
        (self._folder / manifest.NAME).unlink(
            missing_ok=True
        )  # first, so that no process trusts files that are being replaced
        tantivy_index.make(self._folder / LEXICAL)
        self._lexical = LexicalIndex(self._folder / LEXICAL)
        self._lexical_shows, self._lexical_last = "", 0
        self._start_delta()

    # Without the write lock

    def _refresh(self, connection: sqlite3.Connection) -> None:
        with database.snapshot(connection) as generation:
            saved = self._saved()
            if (
                saved
                and saved.generation != self._lexical_shows
                and int(saved.generation) <= int(generation)
            ):
                self._take_saved(saved)
            if self._opening and not self._writable and self._far_behind(connection):
                self._lexical, self._lexical_shows = (
                    LexicalIndex(),
                    "",
                )  # there may be no other process to save one
            if self._dense_shows != generation:
                self._update_dense(connection, generation)
            if self._lexical.in_memory:
                self._update_lexical(connection, generation)
            else:
                self._update_delta(connection, generation)

    def _far_behind(self, connection: sqlite3.Connection) -> bool:
        since = int(self._lexical_shows or 0)
        return changelog.changes(connection, since, self._lexical_last, _LONGEST + 1) > _LONGEST

    def _take_saved(self, saved: Manifest) -> None:
        if self._lexical.in_memory:
            self._load()
            return
        with suppress(OSError, ValueError):  # another process is rebuilding it
            self._lexical.refresh()
            self._lexical_shows, self._lexical_last = saved.generation, saved.last
            self._start_delta()

    def _update_delta(self, connection: sqlite3.Connection, generation: str) -> None:
        since, last = self._tail_shows, self._tail_last
        changed = changelog.changed(connection, int(since), last) if since else None
        if changed is None:
            self._start_delta()
            changed = self._changed(
                connection, self._lexical_shows, self._lexical_last, self._lexical
            )[:2]
        surplus, missing = changed
        self._delta.update(surplus, ())
        kept = missing[: max(0, _LONGEST - len(self._delta))]
        self._delta.update((), _texts(connection, kept))
        self._tail_shows, self._tail_last = generation, max([self._tail_last, *kept[-1:]])

    def _start_delta(self) -> None:
        """Start an empty delta."""
        self._delta = Delta()
        self._tail_shows = self._lexical_shows
        self._tail_last = self._lexical_last

    # Both cases

    def _saved(self) -> Manifest:
        return manifest.read(self._folder, self._store)

    def _load(self) -> str:
        """Load the saved indexes if every file matches its digest; else return the reason."""
        saved = self._saved()
        try:
            if problem := saved.problem(self._folder):
                return problem
            dense = DenseIndex(self._dim, self._folder / VECTORS)
            words = LexicalIndex(self._folder / LEXICAL)
        except (OSError, ValueError) as error:
            return _first_line(error)
        self._dense, self._lexical = dense, words
        self._dense_shows, self._lexical_shows = saved.vectors, saved.generation
        self._dense_last, self._lexical_last = int(dense.ids().max(initial=0)), saved.last
        self._start_delta()
        return ""

    def _changed(
        self,
        connection: sqlite3.Connection,
        since: str,
        last: int,
        index: DenseIndex | LexicalIndex,
    ) -> Changed:
        """Ids to remove from and add to `index`, which shows generation `since` and no id above
        `last`.
        """
        if since and (found := changelog.changed(connection, int(since), last)):
            return *found, max([last, *found[1][-1:]])
        ids = database.passage_ids(connection)
        return *_difference(index.ids(), ids), max(ids, default=0)

    def _update_dense(
        self, connection: sqlite3.Connection, generation: str, reshape: bool = False
    ) -> None:
        """Update the dense index. `reshape` allows another type if its size calls for one."""
        surplus, missing, last = self._changed(
            connection, self._dense_shows, self._dense_last, self._dense
        )
        wanted = self._dense.wanted(len(self._dense) + len(missing) - len(surplus))
        if reshape and wanted != self._dense.kind:
            missing = database.passage_ids(connection)
            sample = np.random.default_rng(0).permutation(missing)[: self._dense.sample(wanted)]
            self._dense = DenseIndex.trained(
                self._dim, wanted, database.vectors(connection, sample.tolist(), self._dim)[1]
            )
        else:
            self._dense.remove(surplus)
        for start in range(0, len(missing), _BATCH):
            self._dense.add(
                *database.vectors(connection, missing[start : start + _BATCH], self._dim)
            )
        self._dense_shows, self._dense_last = generation, last

    def _update_lexical(self, connection: sqlite3.Connection, generation: str) -> int:
        """Update the full text. Returns the number of changed passages."""
        surplus, missing, last = self._changed(
            connection, self._lexical_shows, self._lexical_last, self._lexical
        )
        if self._lexical.in_memory and missing and not len(self._lexical):
            _log.warning(
                "what is saved in %s is out of date or broken: this process has its own in memory",
                self._folder,
            )
        if surplus or missing:
            self._lexical.update(surplus, _texts(connection, missing))
        self._lexical_shows, self._lexical_last = generation, last
        self._start_delta()
        return len(surplus) + len(missing)


def _texts(connection: sqlite3.Connection, ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    for start in range(0, len(ids), _BATCH):
        for passage_id, passage in database.passages(
            connection, ids[start : start + _BATCH]
        ).items():
            yield passage_id, searched(passage)


def _difference(here: NDArray[np.int64], wanted: Sequence[int]) -> tuple[list[int], list[int]]:
    """(surplus, missing) ids of an index that contains `here` and should contain `wanted`."""
    right = np.asarray(wanted, dtype=np.int64)
    surplus: list[int] = np.setdiff1d(here, right).tolist()
    missing: list[int] = np.setdiff1d(right, here).tolist()
    return surplus, missing


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
