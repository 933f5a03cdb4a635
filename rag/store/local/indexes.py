"""Keeps the two search indexes of a local store, FAISS and Tantivy, equal to its SQLite rows.

Each holds a set of passage ids and is correct if that set equals SQLite's, because ids are never
reused and passages never change. One step therefore repairs everything, after a change by this or
another process, a crash or a lost file: remove surplus ids and add missing ones. The changelog of
removed ids and the ids above the last one seen tell which those are; if the changelog does not
reach back far enough, all ids are compared.

On disk they are `vectors.faiss` and `lexical/`. `derived.json`, written last, names the store, the
generation that the files show and the digest of each; files that do not match it are rebuilt, not
searched. Only the holder of the write lock changes them, when it opens the index or after a number
of changes; the vectors' file, which is always written as a whole, after many. Other processes
follow the rows: the dense index in place, the full text by a delta (`rag.store.local.views`).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from rag.errors import BusyError, StoreError
from rag.files import sha256_file
from rag.store.local import database, tantivy_index, views
from rag.store.local.faiss_index import DenseIndex
from rag.store.local.sqlite_file import WriteLock
from rag.store.local.tantivy_index import LexicalIndex
from rag.store.local.views import LEXICAL, VECTORS, DenseView, Manifest, TextView

_log = logging.getLogger(__name__)
_MOST_BEHIND = 500
"""Maximum changed passages before an open index saves the full text; counting their words takes 30
ms, and 10 ms in each search. Opening an index saves it after any change.
"""
_ALWAYS = 5000
"""Number of vectors whose file is always up to date, since writing it takes 10 ms."""
_SHARE = 20
"""Rewrite the vectors' file when one in so many passages has changed."""


class SearchIndexes:
    """Both indexes as seen by this process. Call `sync` before each search."""

    def __init__(
        self, folder: Path, meta: Mapping[str, str], lock: WriteLock, writable: bool, wait: float
    ) -> None:
        """Load the saved indexes or start empty; the first `sync` waits `wait` seconds to save."""
        self._folder = folder
        self._store = meta["store"]
        since = meta.get("journal", "0")
        self._renewed = "" if since == meta.get("pruned") else since
        """generation of the last creation, restore or rebuild, which saves no search indexes; "" if
        it was pruned since"""
        self._lock = lock
        self._writable = writable
        self.dense = DenseView(int(meta["dim"]))
        self.text = TextView(folder)
        self._wait = wait
        self._opening = True
        self.problem = self._load()
        """Why the saved indexes could not be used; "" if they were."""
        self._broken = self.problem != ""

    def vacuum(self, connection: sqlite3.Connection, limit: int) -> None:
        """Rewrite the vectors' file if it contains deleted ones, and the full text if it has at
        most `limit` passages. If they cannot be written, their files are removed.
        """
        with self._lock.hold(self._wait), database.snapshot(connection) as generation:
            try:
                if self._writable:
                    is_small = len(self.text.index) <= limit
                    if is_small and self.text.unmerged() > 0:
                        self._rebuild("", "0")
                    self._write(connection, generation, all_of_it=True)
            except (OSError, ValueError, StoreError) as error:
                self._keep_in_memory(error)
            if not self._writable:  # old files would keep what was deleted
                views.remove(self._folder)
        self._prune(connection)

    def compare(self, connection: sqlite3.Connection) -> dict[str, tuple[int, int, int]]:
        """(surplus, missing, altered) passages of each index compared with the rows, as searches
        would see them; {} if the indexes show another generation.
        """
        with database.snapshot(connection) as generation:
            if not self._show(generation):
                return {}
            ids = database.passage_ids(connection)
            return {
                "dense index": self.dense.compare(connection, ids),
                "full text": self.text.compare(ids),
            }

    def _show(self, generation: str) -> bool:
        return self.dense.shows == self.text.delta_shows == generation

    def sync(self, connection: sqlite3.Connection) -> None:
        """Bring both indexes to the current generation; save them if just opened or far behind."""
        generation = database.generation(connection)
        if not self._show(generation):
            is_saved = self._due(connection) and self._save(connection)
            if not is_saved:
                self._refresh(connection)
        self._opening = False
        self._broken = False

    def _due(self, connection: sqlite3.Connection) -> bool:
        """Whether the saved indexes are due for an update."""
        if not self._writable or self._broken:
            return self._writable
        saved = self._saved()
        if not saved:
            return True
        count = 1 if self._opening else _MOST_BEHIND + 1
        return database.have_changed(connection, count, int(saved.generation), saved.last)

    # With the write lock: on disk

    def _save(self, connection: sqlite3.Connection) -> bool:
        """Save the indexes. Returns whether the lock was free and the files are up to date."""
        wait = self._wait if self._broken else 0
        try:
            with self._lock.hold(wait), database.snapshot(connection) as generation:
                self._write(connection, generation)
            with self._lock.hold(0):
                self._prune(connection)
            return True
        except BusyError:
            return False
        except (OSError, ValueError, StoreError) as error:
            self._keep_in_memory(error)
            return False

    def _keep_in_memory(self, error: Exception) -> None:
        """Use indexes in memory from now on, since the saved ones cannot be written."""
        message = "search indexes in %s cannot be saved and are kept in memory: %s"
        _log.warning(message, self._folder, _first_line(error))
        self._writable = False
        self.text.replace(LexicalIndex())

    def _prune(self, connection: sqlite3.Connection) -> None:
        """Prune the changelog up to what all saved indexes show; older processes compare ids."""
        saved = self._saved()
        if not saved:
            return
        shown_by_all = min(int(saved.generation), int(saved.vectors))
        with suppress(sqlite3.OperationalError):  # on a full disk the changelog keeps growing
            database.prune(connection, shown_by_all)

    def _write(
        self, connection: sqlite3.Connection, generation: str, all_of_it: bool = False
    ) -> None:
        """Write the full text, and the vectors' file if it is due or `all_of_it` is wanted."""
        problem = self._load() if self.text.index.in_memory else ""
        if problem:
            self._rebuild(problem, generation)
        try:
            self.text.index.refresh()
            self._trust(self._saved())
            changed = self.text.update(connection, generation)
        except ValueError as error:  # broken or deleted while it was open
            self._rebuild(_first_line(error), generation)
            changed = self.text.update(connection, generation)
        self.dense.update(connection, generation, reshape=True)

        saved = self._saved()
        unwritten_changes = saved.behind + changed
        is_due = (all_of_it and unwritten_changes > 0) or self._is_vectors_file_due(
            saved, unwritten_changes
        )
        if is_due:
            self.dense.index.save(self._folder / VECTORS)
        manifest = Manifest(
            generation,
            self.text.last,
            vectors=generation if is_due else saved.vectors,
            behind=0 if is_due else unwritten_changes,
            files=saved.files,
        )
        views.sign_manifest(self._folder, self._store, manifest, vectors_saved=is_due)

    def _is_vectors_file_due(self, saved: Manifest, unwritten_changes: int) -> bool:
        """Whether to write the vectors' file, which lacks `unwritten_changes` changed passages."""
        size = len(self.dense.index)
        return (
            saved.vectors == ""
            or unwritten_changes > max(_ALWAYS, size) // _SHARE
            or size <= _ALWAYS
            or not (self._folder / VECTORS).exists()
            or self.dense.index.new
        )

    def _trust(self, saved: Manifest) -> None:
        """Another process may have saved the full text, or been killed before it signed it."""
        if self.text.index.in_memory:
            return
        name = f"{LEXICAL}/meta.json"
        is_signed = bool(saved) and sha256_file(self._folder / name) == saved.files.get(name)
        self.text.shows = saved.generation if is_signed else ""
        self.text.last = saved.last if is_signed else 0

    def _rebuild(self, reason: str, generation: str) -> None:
        if generation not in ("0", self._renewed):
            _log.warning("search indexes in %s are rebuilt: %s", self._folder, reason)
        # first, so that no process trusts files that are being replaced
        (self._folder / views.MANIFEST).unlink(missing_ok=True)
        tantivy_index.make(self._folder / LEXICAL)
        self.text.replace(LexicalIndex(self._folder / LEXICAL))

    # Without the write lock

    def _refresh(self, connection: sqlite3.Connection) -> None:
        with database.snapshot(connection) as generation:
            saved = self._saved()
            is_new = saved and saved.generation != self.text.shows
            if is_new and int(saved.generation) <= int(generation):
                self._take_saved(saved)
            if self._opening and not self._writable and self.text.is_far_behind(connection):
                self.text.replace(LexicalIndex())  # there may be no other process to save one
            if self.dense.shows != generation:
                self.dense.update(connection, generation)
            self.text.follow(connection, generation)

    def _take_saved(self, saved: Manifest) -> None:
        if self.text.index.in_memory:
            self._load()
            return
        with suppress(OSError, ValueError):  # another process is rebuilding it
            self.text.index.refresh()
            self.text.replace(self.text.index, saved.generation, saved.last)

    # Both cases

    def _saved(self) -> Manifest:
        return views.read_manifest(self._folder, self._store)

    def _load(self) -> str:
        """Load the saved indexes if every file matches its digest; else return the reason."""
        saved = self._saved()
        try:
            problem = saved.problem(self._folder)
            if problem:
                return problem
            dense = DenseIndex(self.dense.dim, self._folder / VECTORS)
            words = LexicalIndex(self._folder / LEXICAL)
        except (OSError, ValueError) as error:
            return _first_line(error)
        self.dense.replace(dense, saved.vectors)
        self.text.replace(words, saved.generation, saved.last)
        return ""


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
