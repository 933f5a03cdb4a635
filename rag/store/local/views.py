"""What searches of a local store see, at one generation of its rows: the vectors of all passages,
and the full text. Of both there is what is saved, and a delta in memory (passages added and ids
removed since).

A Tantivy commit waits for the disk some twenty times; a delta does not. New passages are scored as
Tantivy would, with the statistics of both parts combined.

`derived.json` records the state of the saved indexes, with the digest of each file. Files that do
not match are not used.
"""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import chain, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rag.files import sha256_file
from rag.meaning.identifiers import searched
from rag.meaning.stems import stem_words
from rag.protocols import ScoredIds, Vectors
from rag.store.local import database
from rag.store.local.faiss_index import DenseIndex
from rag.store.local.tantivy_index import (
    K1,
    LENGTHS,
    LexicalIndex,
    deleted,
    idf,
    length_class,
    length_norm,
)

MANIFEST = "derived.json"
VECTORS = "vectors.faiss"
LEXICAL = "lexical"
_FORMAT = 4


@dataclass(frozen=True, slots=True)
class Manifest:
    """`generation` is the generation of the full text, with no passage id above `last`; `vectors`
    is that of the vectors' file, which lacks `behind` changed passages. "" if nothing is saved.
    """

    generation: str = ""
    last: int = 0
    vectors: str = ""
    behind: int = 0
    files: Mapping[str, str] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.generation != ""

    def problem(self, folder: Path) -> str:
        """Description of the first file that does not match its digest, or "". Raises OSError."""
        if not self:
            return f"{MANIFEST} is missing, broken or from another index or version"
        for name, digest in self.files.items():
            if sha256_file(folder / name) != digest:
                return f"{name} has changed since it was written"
        return ""


def read_manifest(folder: Path, store: str) -> Manifest:
    """The manifest; empty if there is none, or if it belongs to another store or version."""
    try:
        record = json.loads((folder / MANIFEST).read_bytes())
        if record["store"] != store or record["format"] != str(_FORMAT):
            return Manifest()
        return Manifest(
            generation=str(record["generation"]),
            last=int(record["last"]),
            vectors=str(record["vectors"]),
            behind=int(record["behind"]),
            files={str(name): str(digest) for name, digest in record["files"].items()},
        )
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return Manifest()


def sign_manifest(folder: Path, store: str, manifest: Manifest, vectors_saved: bool) -> None:
    """Write the manifest with the digests of new files. Segments of the full text never change once
    they are written.

    `manifest.files` holds the digests known so far.
    """
    _share_lists(folder)
    segments = []
    for path in (folder / LEXICAL).iterdir():
        if not path.name.endswith((".json", ".lock")):
            segments.append(f"{LEXICAL}/{path.name}")

    unchanged = set(segments)
    if not vectors_saved:
        unchanged.add(VECTORS)
    files = {}
    for name in (*segments, VECTORS, f"{LEXICAL}/meta.json"):
        digest = manifest.files.get(name) if name in unchanged else None
        files[name] = digest or sha256_file(folder / name)

    values = {"format": str(_FORMAT), "store": store, **asdict(manifest), "files": files}
    partial = folder / "derived.partial"
    partial.write_text(json.dumps(values))
    partial.replace(folder / MANIFEST)


def _share_lists(folder: Path) -> None:
    """Give Tantivy's lists of files, readable by their creator alone, the permissions of the
    vectors' file.
    """
    mode = (folder / VECTORS).stat().st_mode & 0o666
    for path in (folder / LEXICAL).glob("*.json"):
        with suppress(OSError):
            if path.stat().st_mode & 0o666 != mode:
                path.chmod(mode)


def remove(folder: Path) -> None:
    """Remove the saved search indexes; they are made again from the rows."""
    for name in (MANIFEST, VECTORS):
        with suppress(OSError):
            (folder / name).unlink()
    shutil.rmtree(folder / LEXICAL, ignore_errors=True)


_TRIED = 100
"""Words of new passages to try for one in the index, which reveals its average length."""


class Delta:
    """Changes since `index` was saved. Must stay small: every word of a question scans it."""

    def __init__(self) -> None:
        self.deleted = set[int]()
        """passages that are in the index but were deleted"""
        self._passages: dict[int, Counter[str]] = {}
        self._doc_freq = Counter[str]()
        self._words = 0

    def __len__(self) -> int:
        """Number of added passages."""
        return len(self._passages)

    def ids(self) -> NDArray[np.int64]:
        return np.fromiter(self._passages, dtype=np.int64)

    def doc_freq(self, word: str) -> int:
        """Number of added passages that contain the word."""
        return self._doc_freq[word]

    def update(self, removed: Iterable[int], added: Iterable[tuple[int, str]]) -> None:
        """Remove passages, from here or from the index, and add (id, text) pairs."""
        for passage_id in removed:
            words = self._passages.pop(passage_id, None)
            if words is None:
                self.deleted.add(passage_id)
                continue
            self._words -= words.total()
            self._doc_freq.subtract(words.keys())

        for passage_id, text in added:
            words = Counter(stem_words(text))
            self._passages[passage_id] = words
            self._words += words.total()
            self._doc_freq.update(words.keys())

    def search(
        self, index: LexicalIndex, text: str, k: int, allowed: Sequence[int] | None = None
    ) -> ScoredIds:
        """The `k` best (id, BM25 score) of index and additions without removed ones, best first."""
        if not self._passages:
            return index.search(text, k, allowed, self.deleted)

        terms = list(dict.fromkeys(stem_words(text)))
        indexed, average = index.collection(chain(terms, islice(self._doc_freq, _TRIED)))
        total = indexed + len(self)
        idfs: dict[str, float] = {}
        weights: dict[str, float] = {}
        for term in terms:
            count = index.doc_freq(term)
            idfs[term] = idf(total, count + self.doc_freq(term))
            if count:
                weights[term] = idfs[term] / idf(indexed, count)

        # that of the added passages if no word tells the index's own
        mean = self._words / len(self)
        if average:
            mean = (average * indexed + self._words) / total
        scores = dict(index.search(text, k, allowed, self.deleted, weights, mean))
        scores |= self._scores(idfs, mean, None if allowed is None else set(allowed))
        ranked = sorted(scores.items(), key=lambda hit: (-hit[1], hit[0]))
        return ranked[: max(k, 0)]

    def _scores(
        self, idfs: Mapping[str, float], average: float, allowed: set[int] | None
    ) -> dict[int, float]:
        """The BM25 scores of the added passages with one of the words, whose idf is given."""
        scores: dict[int, float] = {}
        for passage_id, words in self._passages.items():
            present_terms = [term for term in idfs if term in words]
            is_allowed = allowed is None or passage_id in allowed
            if not present_terms or not is_allowed:
                continue
            norm = length_norm(LENGTHS[length_class(words.total())], average)
            parts = []
            for term in present_terms:
                count = words[term]
                parts.append(idfs[term] * (K1 + 1) * count / (count + norm))
            scores[passage_id] = sum(parts)
        return scores


_log = logging.getLogger(__name__)
_LARGEST_DELTA = 2000
"""Maximum size of a delta. While another process adds more, new passages are found by their
vectors, and by their words after it saves.
"""


class TextView:
    """`index` shows generation `shows`, and index and delta together `delta_shows`; "" for none."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.replace(LexicalIndex())

    def replace(self, index: LexicalIndex, shows: str = "", last_id: int = 0) -> None:
        """Start with an index that has no passage id above `last_id`, and an empty delta."""
        self.index = index
        self.shows = shows
        self.last = last_id
        self._start_delta()

    def _start_delta(self) -> None:
        self._delta = Delta()
        self.delta_shows = self.shows
        self._delta_last = self.last

    def search(self, question: str, k: int, allowed: Sequence[int] | None) -> ScoredIds:
        return self._delta.search(self.index, question, k, allowed)

    def doc_freq(self, word: str) -> int:
        """Number of passages with this stem; deleted ones count until a merge."""
        return self.index.doc_freq(word) + self._delta.doc_freq(word)

    def count(self, ids: Sequence[int]) -> int:
        """Number of these ids in the index and the delta."""
        in_delta = np.isin(self._delta.ids(), ids)
        return self.index.count(ids) + int(in_delta.sum())

    def unmerged(self) -> int:
        """Number of deleted passages whose words are still in files."""
        if self.index.in_memory:
            return 0
        return deleted(self._folder / LEXICAL) + len(self._delta.deleted)

    def compare(self, ids: Sequence[int]) -> tuple[int, int, int]:
        """(surplus, missing, 0) passages compared with the rows, whose ids are `ids`."""
        deleted_ids = np.fromiter(self._delta.deleted, dtype=np.int64)
        indexed_ids = np.setdiff1d(self.index.ids(), deleted_ids)
        shown_ids = np.concatenate([indexed_ids, self._delta.ids()])
        surplus, missing = database.difference(shown_ids, ids)
        return len(surplus), len(missing), 0

    def is_far_behind(self, connection: sqlite3.Connection) -> bool:
        return database.have_changed(
            connection, _LARGEST_DELTA + 1, int(self.shows or 0), self.last
        )

    def follow(self, connection: sqlite3.Connection, generation: str) -> None:
        """Follow without the write lock: an index in memory by an update, a saved one by delta."""
        if self.index.in_memory:
            self.update(connection, generation)
            return

        changed = None
        if self.delta_shows:
            changed = database.changed(connection, int(self.delta_shows), self._delta_last)
        if changed is None:
            self._start_delta()
            changed = database.outdated(connection, self.shows, self.last, self.index.ids)[:2]

        surplus, missing = changed
        self._delta.update(surplus, ())
        space = max(0, _LARGEST_DELTA - len(self._delta))
        new_ids = missing[:space]
        self._delta.update((), _texts(connection, new_ids))
        self.delta_shows = generation
        self._delta_last = max([self._delta_last, *new_ids[-1:]])

    def update(self, connection: sqlite3.Connection, generation: str) -> int:
        """Update the index itself. Returns the number of changed passages."""
        surplus, missing, last_id = database.outdated(
            connection, self.shows, self.last, self.index.ids
        )
        is_empty_copy = self.index.in_memory and not len(self.index)
        # nothing is lost in the empty folder of a restore
        if is_empty_copy and missing and any(self._folder.iterdir()):
            message = "the saved index in %s is outdated or broken; one in memory is used"
            _log.warning(message, self._folder)

        if surplus or missing:
            self.index.update(surplus, _texts(connection, missing))
        self.shows = generation
        self.last = last_id
        self._start_delta()
        return len(surplus) + len(missing)


def _texts(connection: sqlite3.Connection, ids: Sequence[int]) -> Iterator[tuple[int, str]]:
    """(id, the text that is indexed) of passages."""
    for batch in database.batches(ids):
        passages = database.passages(connection, batch)
        for passage_id, passage in passages.items():
            yield passage_id, searched(passage)


class DenseView:
    """`index` shows generation `shows`, "" for none."""

    def __init__(self, dim: int) -> None:
        self.dim = dim
        self.index = DenseIndex(dim)
        self.shows = ""
        self._last = 0
        """the highest passage id of the index"""

    def replace(self, index: DenseIndex, shows: str) -> None:
        self.index = index
        self.shows = shows
        self._last = int(index.ids().max(initial=0))

    def search(
        self, connection: sqlite3.Connection, vector: Vectors, k: int, allowed: Sequence[int] | None
    ) -> ScoredIds:
        """The best passages by cosine; a compressed index's candidates are scored with the rows."""
        if self.index.is_exact:
            return self.index.search(vector, k, allowed)
        candidates = self.index.search(vector, max(2 * k, k + 50), allowed)
        candidate_ids = [passage_id for passage_id, _ in candidates]
        ids, rows = database.vectors(connection, candidate_ids, self.dim)
        scores = (rows @ vector).tolist()
        ranked = sorted(zip(ids, scores, strict=True), key=lambda hit: -hit[1])
        return ranked[:k]

    def count(self, ids: Sequence[int]) -> int:
        """Number of these ids in the index."""
        return int(np.isin(self.index.ids(), ids).sum())

    def compare(self, connection: sqlite3.Connection, ids: Sequence[int]) -> tuple[int, int, int]:
        """(surplus, missing, altered) passages compared with the rows, whose ids are `ids`."""
        surplus, missing = database.difference(self.index.ids(), ids)
        shared = np.intersect1d(self.index.ids(), ids).tolist()
        altered = 0
        for batch in database.batches(shared):
            present_ids, rows = database.vectors(connection, batch, self.dim)
            altered += self.index.altered(present_ids, rows)
        return len(surplus), len(missing), altered

    def update(
        self, connection: sqlite3.Connection, generation: str, reshape: bool = False
    ) -> None:
        """Bring the index to the generation; `reshape` allows another type if size demands it."""
        surplus, missing, last_id = database.outdated(
            connection, self.shows, self._last, self.index.ids
        )
        size = len(self.index) + len(missing) - len(surplus)
        kind = self.index.wanted(size)
        if reshape and kind != self.index.index_type:
            missing = database.passage_ids(connection)
            self.index = self._trained(connection, kind, missing)
        else:
            self.index.remove(surplus)
        for batch in database.batches(missing):
            present_ids, rows = database.vectors(connection, batch, self.dim)
            self.index.add(present_ids, rows)
        self.shows = generation
        self._last = last_id

    def _trained(self, connection: sqlite3.Connection, kind: str, ids: Sequence[int]) -> DenseIndex:
        """An empty index of another type, trained on a sample of the vectors of these passages."""
        shuffled = np.random.default_rng(0).permutation(ids)
        sample = shuffled[: self.index.sample(kind)].tolist()
        _, rows = database.vectors(connection, sample, self.dim)
        return DenseIndex.trained(self.dim, kind, rows)
