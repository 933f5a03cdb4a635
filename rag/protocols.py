"""The seams: what each part must do, whoever does it. `rag.build` chooses who."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rag.filters import Filter as Filter  # part of the seam
from rag.types import Document, Hit, Passage, ReaderOutput

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Stats:
    """What an index holds. `generation` grows with every committed change."""

    documents: int
    passages: int
    generation: int
    embedder: str
    dim: int
    passage_tokens: int
    dense: str = ""
    """The kind of the dense index."""


@dataclass(frozen=True, slots=True)
class Trace:
    """How much of one document each part of an index holds.

    `numbers` are the ids of its passages. `unmerged` counts deleted passages of any document whose
    words still stand in the full text's files, where no search sees them. `snapshots` are the files
    that hold the document.
    """

    documents: int
    passages: int
    vectors: int
    words: int
    log_bytes: int = 0
    unmerged: int = 0
    snapshots: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()


class Embedder(Protocol):
    """Text to unit vectors: float32, (n, dim)."""

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def embed_queries(self, texts: Sequence[str]) -> Vectors: ...

    def embed_passages(self, texts: Sequence[str]) -> Vectors: ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]: ...


class Store(Protocol):
    """Documents, passages, vectors and both search legs behind one transaction boundary.

    Passage ids are positive integers, never used twice. Searches return (id, score), best first,
    higher is better.
    """

    def writing(self) -> AbstractContextManager[None]:
        """Hold the write lock for several changes; searches see them at the latest when it ends.
        BusyError if taken.
        """

    def put(
        self,
        document: Document,
        passages: Sequence[Passage],
        vectors: Vectors,
        instead_of: str | None = None,
    ) -> None:
        """Add the document or replace the one with its id, whole or not at all; the one called
        `instead_of` goes with that.
        """

    def delete(self, document_id: str) -> bool:
        """Whether there was such a document."""

    def dense(
        self, vector: Vectors, k: int, filter: Filter | None = None
    ) -> list[tuple[int, float]]:
        """By cosine to `vector`, (dim,)."""

    def lexical(
        self, question: str, k: int, filter: Filter | None = None
    ) -> list[tuple[int, float]]:
        """By BM25."""

    def word_counts(self, words: Sequence[str]) -> dict[str, int]:
        """About how many passages have each of these stems, as `rag.store.lexical.analyze` makes
        them; without those in none.
        """

    def cosines(self, vector: Vectors, ids: Sequence[int]) -> dict[int, float]:
        """The cosine of `vector` to each of these passages that is still there."""

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """Those that are still there."""

    def embedded(self, document_id: str) -> tuple[list[Passage], Vectors]:
        """The document's passages in order, and their vectors, (n, dim); none if it is not
        there.
        """

    def document(self, document_id: str) -> Document | None: ...

    def documents(self, after: str = "", most: int | None = None) -> list[Document]:
        """By id, without their text: all, or up to `most` of those after the id `after`."""

    def restamp(self, stamps: Mapping[str, str]) -> None:
        """Note new stamps of documents, by id: they are as they were in files that have changed. No
        new generation.
        """

    def stats(self) -> Stats: ...

    def trace(self, document_id: str, numbers: Sequence[int] = ()) -> Trace:
        """What there is of a document, or of the passages `numbers` that it had before it was
        deleted.
        """

    def purge(self) -> None:
        """Take what was deleted out of logs, free space and the files of the search indexes, as far
        as that is quick.
        """

    def close(self) -> None: ...


class Speller(Protocol):
    def correct(self, question: str) -> str:
        """The question with its misspelt words corrected; as it was if there are none."""


class Retriever(Protocol):
    def retrieve(
        self, questions: Sequence[str], k: int, filter: Filter | None = None
    ) -> list[list[Hit]]:
        """The `k` best hits of each question, best first."""


class Reader(Protocol):
    @property
    def name(self) -> str: ...

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        """What the hits say to the question, or to a claim in its place."""

    def read_many(self, asked: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        """As `read` for each (question, hits); a model takes them in common batches."""
