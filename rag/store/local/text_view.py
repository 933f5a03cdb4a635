"""The full-text index as a view of the rows: what is saved, and a delta in memory."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from rag.meaning.identifiers import searched
from rag.store.local import changelog, database, tantivy_index
from rag.store.local.delta import Delta
from rag.store.local.manifest import LEXICAL
from rag.store.local.tantivy_index import LexicalIndex

_log = logging.getLogger(__name__)
_LONGEST = 2000
"""Maximum size of a delta. While another process adds more, new passages are found by their
vectors, and by their words after it saves.
"""


class TextView:
    """`index` shows generation `shows`, and index and delta together `delta_shows`; "" for none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.replace(LexicalIndex())

    def replace(self, index: LexicalIndex, shows: str = "", last: int = 0) -> None:
        """Start with an index that has no passage id above `last`, and an empty delta."""
        self.index, self.shows, self.last = index, shows, last
        self._start_delta()

    def _start_delta(self) -> None:
        self._delta, self.delta_shows, self._delta_last = Delta(), self.shows, self.last

    def search(
        self, question: str, k: int, allowed: Sequence[int] | None
    ) -> list[tuple[int, float]]:
        return self._delta.search(self.index, question, k, allowed)

    def doc_freq(self, word: str) -> int:
        """Number of passages with this stem; deleted ones count until a merge."""
        return self.index.doc_freq(word) + self._delta.doc_freq(word)

    def count(self, ids: Sequence[int]) -> int:
        return self.index.count(ids) + int(np.isin(self._delta.ids(), ids).sum())

    def unmerged(self) -> int:
        """Number of deleted passages whose words are still in files."""
        if self.index.in_memory:
            return 0
        return tantivy_index.deleted(self._folder / LEXICAL) + len(self._delta.deleted)

    def compare(self, ids: Sequence[int]) -> tuple[int, int, int]:
        """(surplus, missing, 0) passages compared with the rows, whose ids are `ids`."""
        deleted = np.fromiter(self._delta.deleted, dtype=np.int64)
        here = np.setdiff1d(self.index.ids(), deleted)
        surplus, missing = changelog.difference(np.concatenate([here, self._delta.ids()]), ids)
        return len(surplus), len(missing), 0

    def is_far_behind(self, connection: sqlite3.Connection) -> bool:
        since = int(self.shows or 0)
        return changelog.changes(connection, since, self.last, _LONGEST + 1) > _LONGEST

    def follow(self, connection: sqlite3.Connection, generation: str) -> None:
        """Bring the view to the generation without the write lock: an index in memory by an
        update, a saved one by the delta.
        """
        if self.index.in_memory:
            self.update(connection, generation)
        else:
            self._update_delta(connection, generation)

    def update(self, connection: sqlite3.Connection, generation: str) -> int:
        """Update the index itself. Returns the number of changed passages."""
        surplus, missing, last = changelog.outdated(
            connection, self.shows, self.last, self.index.ids
        )
        if self.index.in_memory and missing and not len(self.index):
            _log.warning(
                "the saved index in %s is outdated or broken; this process uses its own in memory",
                self._folder,
            )
        if surplus or missing:
            self.index.update(surplus, _texts(connection, missing))
        self.shows, self.last = generation, last
        self._start_delta()
        return len(surplus) + len(missing)

    def _update_delta(self, connection: sqlite3.Connection, generation: str) -> None:
        since, last = self.delta_shows, self._delta_last
        changed = changelog.changed(connection, int(since), last) if since else None
        if changed is None:
            self._start_delta()
            changed = changelog.outdated(connection, self.shows, self.last, self.index.ids)[:2]
        surplus, missing = changed
        self._delta.update(surplus, ())
        kept = missing[: max(0, _LONGEST - len(self._delta))]
        self._delta.update((), _texts(connection, kept))
        self.delta_shows, self._delta_last = generation, max([self._delta_last, *kept[-1:]])


def _texts(connection: sqlite3.Connection, ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    for some in database.batches(ids):
        for passage_id, passage in database.passages(connection, some).items():
            yield passage_id, searched(passage)
