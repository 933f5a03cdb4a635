"""The lexical leg: BM25 over stemmed words, on Tantivy.

BM25 with Tantivy's k1 = 1.2 and b = 0.75 over lower-cased, accent-folded, Porter-stemmed words
without a small stop list. The index is derived: everything in it can be built again from the
store's rows.
"""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tantivy
from numpy.typing import NDArray

from rag.store import bm25

_STOP_WORDS = (
    "a an and are as at be but by did do does for from had has have he her his how i if in into "
    "is it its me "
    "my no not of on or our she so such that the their then there these they this to was we were "
    "what when "
    "where which who whom whose why will with would you your"
).split()
_HEAP_BYTES = 64_000_000
_FEW = 8
"""Up to one in so many passages a filter is part of the query; Tantivy needs 0.2 s to look 19,000
ids up (measured).
"""
_SPARE = 8
"""So many more are found where another average length may change their order."""
_Hit = tuple[int, float, tantivy.DocAddress]


def _analyzer() -> tantivy.TextAnalyzer:
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    for step in (
        tantivy.Filter.remove_long(100),
        tantivy.Filter.lowercase(),
        tantivy.Filter.ascii_fold(),
        tantivy.Filter.custom_stopword(list(_STOP_WORDS)),
        tantivy.Filter.stemmer("english"),
    ):
        builder = builder.filter(step)
    return builder.build()


@functools.cache
def _words() -> tantivy.TextAnalyzer:
    return _analyzer()


def analyze(text: str) -> list[str]:
    """The words of a text as every lexical leg counts them, in order."""
    words: list[str] = _words().analyze(text)
    return words


def _schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    builder.add_unsigned_field("id", indexed=True, fast=True)
    builder.add_text_field("body", tokenizer_name="rag", index_option="freq")
    return builder.build()


def make(folder: Path) -> None:
    """An empty index in `folder`, in place of whatever is there."""
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    folder.unlink(missing_ok=True)
    folder.mkdir()
    tantivy.Index(_schema(), path=str(folder))


def deleted(folder: Path) -> int:
    """How many passages in the segments of `folder` are deleted, and wait for a merge to drop their
    words.
    """
    segments = json.loads((folder / "meta.json").read_bytes())["segments"]
    return sum(
        segment["deletes"]["num_deleted_docs"] for segment in segments if segment.get("deletes")
    )


class LexicalIndex:
    """Passage ids by BM25 score. With a folder it is kept on disk, without one in memory."""

    def __init__(self, folder: Path | None = None) -> None:
        """The index that `make` made in `folder`, or an empty one. Raises ValueError if the folder
        holds none or a broken one.
        """
        self._folder = folder
        self._schema = _schema()
        self._analyzer = _analyzer()
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
        """Every passage id that is here."""
        hits = self._searcher.search(tantivy.Query.all_query(), max(1, len(self)), count=False).hits
        return np.asarray(
            self._searcher.fast_field_values("id", [address for _, address in hits]), dtype=np.int64
        )

    def count(self, ids: Sequence[int]) -> int:
        """How many of these are here."""
        query = tantivy.Query.term_set_query(self._schema, "id", list(ids))
        return len(self._searcher.search(query, len(ids), count=False).hits) if len(ids) else 0

    def collection(self, words: Iterable[str]) -> tuple[int, float]:
        """(passages, their average length in words) as BM25 counts them, asked of Tantivy with one
        of these words.

        Deleted passages count until a merge drops them. The length is 0.0 if no passage has any of
        the words.
        """
        for word in words if self._collection is None else ():
            hits = self._searcher.search(self._term(word), 1, count=False).hits
            if hits:
                said = json.loads(self._term(word).explain(self._searcher, hits[0][1]).to_json())
                self._collection = int(_said(said, "N, ")), _said(said, "avgdl, ")
                break
        return self._collection or (len(self), 0.0)

    def holders(self, word: str) -> int:
        """How many passages have it, deleted ones included."""
        return int(self._searcher.doc_freq("body", word))

    def update(self, removed: Iterable[int], added: Iterable[tuple[int, str]]) -> None:
        """Take passages out and put (id, text) in, in one commit."""
        removed = list(removed)
        writer = self._index.writer(_HEAP_BYTES, 1)
        if removed:
            writer.delete_documents_by_query(
                tantivy.Query.term_set_query(self._schema, "id", removed)
            )
        for passage_id, text in added:
            writer.add_document(
                tantivy.Document.from_dict({"id": passage_id, "body": text}, self._schema)
            )
        writer.commit()
        writer.wait_merging_threads()
        self.refresh()

    def refresh(self) -> None:
        """See what any process has committed, also if the folder was made anew.

        The folder is opened again, not reloaded: an open Tantivy index keeps its own list of files
        that may be removed, and would leave those of another process lying there for ever. Raises
        ValueError where that is not possible, as when another process makes the folder anew
        meanwhile; then searches see what they saw before.
        """
        with _to_open(self._folder) as folder:
            index = tantivy.Index.open(str(folder)) if folder else self._index
            index.register_tokenizer("rag", self._analyzer)
            index.config_reader("manual")  # no thread that watches the folder
            index.reload()
            searcher = index.searcher()
            searcher.search(
                self._term("a"), 1, count=False
            )  # Tantivy notices a file of positions that has gone only now
        self._index, self._searcher, self._collection = index, searcher, None

    def search(
        self,
        text: str,
        k: int,
        allowed: Sequence[int] | None = None,
        without: Collection[int] = (),
        weights: Mapping[str, float] | None = None,
        average: float = 0.0,
    ) -> list[tuple[int, float]]:
        """The `k` best (id, BM25 score), best first; only among `allowed` ids if given, and none
        `without`.

        `weights` multiply the parts of words; a word that is not named there is not looked for.
        `average` replaces the average length of the passages that are here, in words.
        """
        terms = dict.fromkeys(self._analyzer.analyze(text))
        parts = [self._term(term, weights) for term in terms if weights is None or term in weights]
        if not parts or k < 1 or (allowed is not None and not allowed):
            return []
        query = tantivy.Query.boolean_query([(tantivy.Occur.Should, part) for part in parts])
        most = k + _SPARE if average else k
        if allowed is None:
            deep = most + min(len(without), most)
            hits = self._best_of(query, most, deep, lambda i: i not in without)
        elif len(allowed) > len(self) // _FEW:
            hits = self._best_of(
                query, most, 4 * most, set(allowed).difference(without).__contains__
            )
        else:
            ids = tantivy.Query.term_set_query(
                self._schema, "id", list(set(allowed).difference(without))
            )
            among = (tantivy.Occur.Must, tantivy.Query.const_score_query(ids, 0.0))
            query = tantivy.Query.boolean_query([(tantivy.Occur.Must, query), among])
            hits = self._best(query, most)
        if not average:
            return [(passage_id, score) for passage_id, score, _ in hits]
        found = ((i, self._with_average(query, at, average)) for i, _, at in hits)
        return sorted(found, key=lambda hit: (-hit[1], hit[0]))[:k]

    def _best(self, query: tantivy.Query, k: int) -> list[_Hit]:
        hits = self._searcher.search(query, k, count=False).hits
        ids = self._searcher.fast_field_values("id", [address for _, address in hits])
        return [
            (int(passage_id), float(score), address)
            for passage_id, (score, address) in zip(ids, hits, strict=True)
        ]

    def _best_of(
        self, query: tantivy.Query, k: int, depth: int, wanted: Callable[[int], bool]
    ) -> list[_Hit]:
        """The best that are `wanted`, without looking each of those up: deeper until enough are
        found.
        """
        while True:
            found = self._best(query, depth)
            kept = [hit for hit in found if wanted(hit[0])]
            if len(kept) >= k or len(found) < depth:
                return kept[:k]
            depth *= 4

    def _with_average(self, query: tantivy.Query, at: tantivy.DocAddress, average: float) -> float:
        """The score of one passage, had all passages this average length (.1 ms)."""
        return _rescored(json.loads(query.explain(self._searcher, at).to_json()), average)

    def _term(self, term: str, weights: Mapping[str, float] | None = None) -> tantivy.Query:
        query = tantivy.Query.term_query(self._schema, "body", term, "freq")
        return query if weights is None else tantivy.Query.boost_query(query, weights[term])


def _rescored(explained: dict[str, Any], average: float) -> float:
    """The score in a tree of explanations with another average length."""
    parts = explained.get("details", ())
    if not explained["description"].startswith("Boost"):
        return sum(_rescored(part, average) for part in parts)
    count, length, was = (_said(explained, name) for name in ("freq, ", "dl, ", "avgdl, "))
    before, now = (count + bm25.penalty(int(length), mean) for mean in (was, average))
    return float(explained["value"]) * before / now


def _said(explained: dict[str, Any], what: str) -> float:
    """The value in a tree of explanations whose description begins so."""
    if explained["description"].startswith(what):
        return float(explained["value"])
    return next(
        (value for part in explained.get("details", ()) if (value := _said(part, what))), 0.0
    )


@contextmanager
def _to_open(folder: Path | None) -> Iterator[Path | None]:
    """The folder; where it cannot be written links to its files, as Tantivy makes a lock file even
    to read. They stay mapped.
    """
    if folder is None or os.access(folder, os.W_OK):
        yield folder
        return
    with tempfile.TemporaryDirectory() as links:
        for path in folder.iterdir():
            if path.suffix != ".lock":
                Path(links, path.name).symlink_to(path.absolute())
        yield Path(links)
