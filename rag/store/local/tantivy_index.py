"""Lexical retrieval: BM25 over stemmed words with Tantivy.

BM25 with Tantivy's k1 = 1.2 and b = 0.75 over lower-cased, accent-folded, Porter-stemmed words
without a small list of stop words. The index is derived from the store's rows.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tantivy
from numpy.typing import NDArray

from rag.meaning.stems import analyzer
from rag.protocols import ScoredIds

K1 = 1.2
B = 0.75
LENGTHS: list[int] = [
    *range(24),
    *(24 + (i if i < 8 else (i & 7 | 8) << (i >> 3) - 1) for i in range(232)),
]
"""Minimum length of each class: exact to 40, then 8 a doubling (Lucene's SmallFloat.byte4ToInt)."""


def length_class(length: int) -> int:
    """Class of a passage's length in words; `LENGTHS` has what it counts as."""
    return bisect_right(LENGTHS, length) - 1


def idf(passages: int, doc_freq: int) -> float:
    """Inverse document frequency of a word that occurs in `doc_freq` of all passages. In float32,
    which changes the fourth digit for very common words.

    `doc_freq` may exceed `passages` if it still counts deleted ones.
    """
    odds = np.float32((max(0, passages - doc_freq) + 0.5) / (doc_freq + 0.5))
    return float(np.log(np.float32(1) + odds))


def length_norm(length: int, average: float) -> float:
    """What BM25 adds to a word's count in the denominator, for a quantised `length`."""
    return K1 * (1 - B + B * length / average)


_HEAP_BYTES = 64_000_000
_SMALL_SHARE = 8
"""If a filter selects at most one in so many passages, it becomes part of the query; Tantivy needs
0.2 s to look up 19,000 ids (measured).
"""
_SPARE = 8
"""Extra results to fetch where another average length may change their order."""
_LexicalHit = tuple[int, float, tantivy.DocAddress]


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("id", indexed=True, fast=True)
    builder.add_text_field("body", tokenizer_name="rag", index_option="freq")
    return builder.build()


def make(folder: Path) -> None:
    """Create an empty index in `folder`, replacing what is there."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    folder.unlink(missing_ok=True)
    folder.mkdir()
    tantivy.Index(_schema(), path=str(folder))


def deleted(folder: Path) -> int:
    """Number of deleted passages in the segments of `folder` whose words wait for a merge."""
    meta = json.loads((folder / "meta.json").read_bytes())
    count = 0
    for segment in meta["segments"]:
        if segment.get("deletes"):
            count += segment["deletes"]["num_deleted_docs"]
    return count


class LexicalIndex:
    """Searches passage ids by BM25 score. Stored in a folder, or in memory without one."""

    def __init__(self, folder: Path | None = None) -> None:
        """The index in `folder`, or an empty one in memory. Raises ValueError if it is broken."""
        self._folder = folder
        self._schema = _schema()
        self._analyzer = analyzer()
        self._index = tantivy.Index(self._schema)
        self._index.register_tokenizer("rag", self._analyzer)
        self._searcher = self._index.searcher()
        self._collection: tuple[int, float] | None = None
        self.refresh()

    @property
    def in_memory(self) -> bool:
        return self._folder is None

    def __len__(self) -> int:
        return int(self._searcher.num_docs)

    def ids(self) -> NDArray[np.int64]:
        """All passage ids in the index."""
        limit = max(1, len(self))
        hits = self._searcher.search(tantivy.Query.all_query(), limit, count=False).hits
        addresses = [address for _, address in hits]
        ids = self._searcher.fast_field_values("id", addresses)
        return np.asarray(ids, dtype=np.int64)

    def count(self, ids: Sequence[int]) -> int:
        """Number of these ids in the index."""
        if not len(ids):
            return 0
        query = tantivy.Query.term_set_query(self._schema, "id", list(ids))
        return len(self._searcher.search(query, len(ids), count=False).hits)

    def collection(self, words: Iterable[str]) -> tuple[int, float]:
        """(number of passages, their average length in words) as used by BM25, obtained from
        Tantivy with one of these words; the length is 0.0 if no passage contains any of them.

        Deleted passages count until a merge.
        """
        if self._collection is None:
            self._collection = self._collection_with(words)
        return self._collection or (len(self), 0.0)

    def _collection_with(self, words: Iterable[str]) -> tuple[int, float] | None:
        """What Tantivy says of the collection when it explains a hit of one of the words."""
        for word in words:
            query = self._term(word)
            hits = self._searcher.search(query, 1, count=False).hits
            if hits:
                _, address = hits[0]
                values = _values(self._explanation(query, address))
                return int(values["N"]), values["avgdl"]
        return None

    def doc_freq(self, word: str) -> int:
        """Number of passages that contain the word, including deleted ones."""
        return int(self._searcher.doc_freq("body", word))

    def update(self, removed: Iterable[int], added: Iterable[tuple[int, str]]) -> None:
        """Remove passages and add (id, text) pairs, in one commit."""
        removed = list(removed)
        writer = self._index.writer(_HEAP_BYTES, 1)
        if removed:
            query = tantivy.Query.term_set_query(self._schema, "id", removed)
            writer.delete_documents_by_query(query)
        for passage_id, text in added:
            fields = {"id": passage_id, "body": text}
            writer.add_document(tantivy.Document.from_dict(fields, self._schema))
        writer.commit()
        writer.wait_merging_threads()
        self.refresh()

    def refresh(self) -> None:
        """Load what any process has committed, even if the folder was recreated.

        Opens the folder again instead of reloading: an open Tantivy index keeps its own list of
        removable files and would never remove those of another process. Raises ValueError if that
        fails, as while another process recreates the folder; searches then use the previous state.
        """
        with _to_open(self._folder) as folder:
            index = tantivy.Index.open(str(folder)) if folder else self._index
            index.register_tokenizer("rag", self._analyzer)
            index.config_reader("manual")  # without a thread that watches the folder
            index.reload()
            searcher = index.searcher()
            # only now does Tantivy notice a missing file of positions
            searcher.search(self._term("a"), 1, count=False)
        self._index = index
        self._searcher = searcher
        self._collection = None

    def search(
        self,
        text: str,
        k: int,
        allowed: Sequence[int] | None = None,
        excluded_ids: Collection[int] = (),
        weights: Mapping[str, float] | None = None,
        average: float = 0.0,
    ) -> ScoredIds:
        """The `k` best (id, BM25 score) pairs, best first, optionally only among `allowed` ids and
        never `excluded_ids`.

        `weights` multiply the scores of words; words that are missing in it are not searched.
        `average` replaces the average passage length in words.
        """
        parts = []
        for term in dict.fromkeys(self._analyzer.analyze(text)):
            if weights is None or term in weights:
                parts.append((tantivy.Occur.Should, self._term(term, weights)))
        is_none_allowed = allowed is not None and not allowed
        if not parts or k < 1 or is_none_allowed:
            return []

        query = tantivy.Query.boolean_query(parts)
        if not average:
            hits = self._hits(query, k, allowed, excluded_ids)
            return [(passage_id, score) for passage_id, score, _ in hits]

        rescored = []
        for passage_id, _, address in self._hits(query, k + _SPARE, allowed, excluded_ids):
            score = _rescored(self._explanation(query, address), average)
            rescored.append((passage_id, score))
        rescored.sort(key=lambda hit: (-hit[1], hit[0]))
        return rescored[:k]

    def _hits(
        self,
        query: tantivy.Query,
        k: int,
        allowed: Sequence[int] | None,
        excluded_ids: Collection[int],
    ) -> list[_LexicalHit]:
        """The `k` best hits among the allowed ids."""
        ids = set(allowed or ()).difference(excluded_ids)
        if allowed is not None and len(allowed) <= len(self) // _SMALL_SHARE:
            is_among = tantivy.Query.term_set_query(self._schema, "id", list(ids))
            unscored = tantivy.Query.const_score_query(is_among, 0.0)
            clauses = [(tantivy.Occur.Must, query), (tantivy.Occur.Must, unscored)]
            return self._best_hits(tantivy.Query.boolean_query(clauses), k)

        def is_allowed(hit: _LexicalHit) -> bool:
            passage_id, _, _ = hit
            return passage_id in ids if allowed else passage_id not in excluded_ids

        depth = 4 * k
        if allowed is None:
            depth = k + min(len(excluded_ids), k)
        while True:  # instead of looking many ids up, search deeper until enough are allowed
            ranked = self._best_hits(query, depth)
            matching = list(filter(is_allowed, ranked))
            is_exhausted = len(ranked) < depth
            if len(matching) >= k or is_exhausted:
                return matching[:k]
            depth *= 4

    def _best_hits(self, query: tantivy.Query, k: int) -> list[_LexicalHit]:
        """The `k` best hits of a query."""
        hits = self._searcher.search(query, k, count=False).hits
        ids = self._searcher.fast_field_values("id", [address for _, address in hits])
        ranked = []
        for passage_id, (score, address) in zip(ids, hits, strict=True):
            ranked.append((int(passage_id), float(score), address))
        return ranked

    def _explanation(self, query: tantivy.Query, address: tantivy.DocAddress) -> dict[str, Any]:
        """Tantivy's explanation of a score (takes 0.1 ms)."""
        explained: dict[str, Any] = json.loads(query.explain(self._searcher, address).to_json())
        return explained

    def _term(self, term: str, weights: Mapping[str, float] | None = None) -> tantivy.Query:
        """The query for one word, with its weight."""
        query = tantivy.Query.term_query(self._schema, "body", term, "freq")
        if weights is None:
            return query
        return tantivy.Query.boost_query(query, weights[term])


def _rescored(explained: dict[str, Any], average: float) -> float:
    """Value of a tree of explanations with another average length."""
    is_of_word = explained["description"].startswith("Boost")
    if not is_of_word:
        return sum(_rescored(part, average) for part in explained.get("details", ()))
    values = _values(explained)
    length = int(values["dl"])
    denominator = values["freq"] + length_norm(length, values["avgdl"])
    new_denominator = values["freq"] + length_norm(length, average)
    return float(explained["value"]) * denominator / new_denominator


def _values(explained: dict[str, Any]) -> dict[str, float]:
    """Values in a word's explanation by the start of their description, such as "avgdl"."""
    name = explained["description"].partition(",")[0]
    values = {name: float(explained["value"])}
    for part in explained.get("details", ()):
        values |= _values(part)
    return values


@contextmanager
def _to_open(folder: Path | None) -> Iterator[Path | None]:
    """The folder; if it is read-only, a folder of links to its files, since Tantivy needs a lock
    file even for reading. The files stay mapped.
    """
    if folder is None or os.access(folder, os.W_OK):
        yield folder
        return
    with tempfile.TemporaryDirectory() as links:
        for path in folder.iterdir():
            if path.suffix != ".lock":
                Path(links, path.name).symlink_to(path.absolute())
        yield Path(links)
