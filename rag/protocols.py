"""Interfaces between the parts, and what they return. `rag.build` chooses the implementations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rag.filters import Filter as Filter  # part of the seam
from rag.types import Document, Hit, Passage, Span

Vectors = NDArray[np.float32]
ScoredIds = list[tuple[int, float]]
"""(passage id, score) pairs, best first; higher scores are better."""
Proceed = Callable[[], object]
"""Called between steps of long work; raises an error to end the work."""
RunWork = Callable[[Callable[[], Any]], Any]
"""Calls a function, of a service in the thread of its models, and returns its result."""


@dataclass(frozen=True, slots=True)
class Stats:
    """Size of an index. `generation` increases with every committed change."""

    documents: int
    passages: int
    generation: int
    embedder: str
    dim: int
    passage_tokens: int
    dense: str = ""
    """Type of the dense index, such as "flat"."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """How much of one document each part of an index holds.

    `numbers` are its passage ids. `unmerged` counts deleted passages of all documents whose words
    remain in the full-text files until the next merge; searches do not return them. `snapshots` are
    files that contain the document, `cells` those of grids that quote it. `originals` is 1 if its
    uploaded file is kept.
    """

    documents: int
    passages: int
    vectors: int
    words: int
    log_bytes: int = 0
    unmerged: int = 0
    snapshots: tuple[str, ...] = ()
    numbers: tuple[int, ...] = ()
    originals: int = 0
    cells: int = 0


class CellRow(NamedTuple):
    """A version of a grid's cell, as a store keeps it.

    `row` and `column` are names within the grid; `documents` are the ids of those it quotes, or of
    its row. `record` is a JSON object without these ids; after one of the documents was deleted,
    the time of that as a JSON string. `number` grows with every version of any cell, from 0.
    """

    row: str
    column: str
    documents: tuple[str, ...]
    record: str
    number: int = 0


class Embedder(Protocol):
    """Turns n texts into unit vectors: float32, shape (n, dim)."""

    @property
    def name(self) -> str: ...

    @property
    def dim(self) -> int: ...

    def embed_queries(self, texts: Sequence[str]) -> Vectors: ...

    def embed_passages(self, texts: Sequence[str]) -> Vectors: ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]: ...


class Store(Protocol):
    """Documents, passages, vectors and both retrievers, changed together in transactions.

    Passage ids are positive integers and never reused.
    """

    def writing(self) -> AbstractContextManager[None]:
        """Hold the write lock for several changes; searches see them when it ends, if not before.
        Raises BusyError if another process holds the lock.
        """

    def put(
        self,
        document: Document,
        passages: Sequence[Passage],
        vectors: Vectors,
        instead_of: str | None = None,
    ) -> None:
        """Add a document, or replace the one with its id, atomically. `instead_of` is the id of
        another document to delete in the same transaction.
        """

    def delete(self, document_id: str) -> bool:
        """Delete a document. Returns False if the id is unknown."""

    def dense(self, vector: Vectors, k: int, filter: Filter | None = None) -> ScoredIds:
        """The `k` passages with the highest cosine to `vector`, shape (dim,)."""

    def lexical(self, question: str, k: int, filter: Filter | None = None) -> ScoredIds:
        """The `k` passages with the highest BM25 score."""

    def word_counts(self, words: Sequence[str]) -> dict[str, int]:
        """Document frequency, approximate, of stems (`rag.meaning.stems`); absent ones are left
        out.
        """

    def cosines(self, vector: Vectors, ids: Sequence[int]) -> dict[int, float]:
        """Cosine of `vector` to each of these passages; deleted passages are left out."""

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """The passages with these ids; deleted ones are left out."""

    def embedded(self, document_id: str) -> tuple[list[Passage], Vectors]:
        """Its passages in order and their vectors, shape (n, dim); n is 0 for an unknown id."""

    def document(self, document_id: str) -> Document | None: ...

    def documents(self, after: str = "", limit: int | None = None) -> list[Document]:
        """Documents in order of id, without their text: all, or up to `limit` ids after `after`."""

    def metadata_keys(self) -> frozenset[str]:
        """The keys of all documents' metadata."""

    def update_digests(self, stamps: Mapping[str, str]) -> None:
        """Set container digests by id, after only the archive changed. Starts no new generation."""

    def keep_original(self, document_id: str, content: bytes) -> None:
        """Keep a document's file until the document changes or goes. Starts no new generation."""

    def original(self, document_id: str) -> bytes | None:
        """The document's file, if it is kept."""

    def grids(self) -> dict[str, str]:
        """The definitions of grids as JSON, by name."""

    def put_grid(self, name: str, record: str) -> None:
        """Keep the definition of a grid, or replace it; its cells stay."""

    def delete_grid(self, name: str) -> bool:
        """Delete a grid with its cells. Returns False if the name is unknown."""

    def cells(self, grid: str) -> list[CellRow]:
        """All versions of a grid's cells, oldest first."""

    def cell_states(self, grid: str) -> list[tuple[str, str, str, str]]:
        """(row, column, state, time) of these versions, without damaged ones; a person's verdict
        takes the place of the state, which is "" after a document was deleted.
        """

    def put_cells(self, grid: str, rows: Sequence[CellRow]) -> int:
        """Add versions of cells in one transaction; those with a number replace that version.
        Cells of absent documents or grids are left out. Returns how many were written. Does not
        start a new generation.
        """

    def stats(self) -> Stats: ...

    def trace(self, document_id: str, numbers: Sequence[int] = ()) -> Footprint:
        """Count what the index holds of a document and, once deleted, of its passages `numbers`."""

    def erasing(self) -> AbstractContextManager[None]:
        """Space for deletions on a full disk, as long as it is open."""

    def vacuum(self) -> None:
        """Erase deleted data from logs, free space and search files, as far as that is quick."""

    def close(self) -> None: ...


class Speller(Protocol):
    def correct(self, question: str) -> str:
        """The question with its misspelled words corrected."""


@dataclass(frozen=True, slots=True)
class SentenceScore:
    """Probability that the sentence `hit.passage.text[start:end]` belongs to the answer.

    `score` is in [0, 1] and comparable across passages.
    """

    hit: Hit
    start: int
    end: int
    score: float

    @property
    def text(self) -> str:
        return self.hit.passage.text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One passage's verdict on a yes/no question, or on a claim in the question's place.

    Probabilities that add up to 1. For a claim, `yes` means supported, `no` contradicted.
    `depends`: yes or no only under a condition that the question leaves open; None if the model
    does not know such a verdict.
    """

    hit: Hit
    yes: float
    no: float
    unsaid: float
    depends: float | None = None


MAX_CONTEXT_CHARACTERS = 200
"""Characters of a passage's title and headings that a reader reads."""


@dataclass(frozen=True, slots=True)
class ReaderOutput:
    """A reader's output for a question's passages.

    `spans` are sorted by score, best first. `sentences` are sorted by passage, in the given order,
    then by offset; there is one verdict per passage. Both are empty if the model lacks that head.
    `first` is the output of the small reader, if one chose the passages, for all of them.
    """

    spans: list[Span]
    sentences: list[SentenceScore] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    first: ReaderOutput | None = None


class Reader(Protocol):
    @property
    def name(self) -> str: ...

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        """Read the hits for a question, or for a claim in its place."""

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        """`read` for several (question, hits) pairs, which share batches."""
