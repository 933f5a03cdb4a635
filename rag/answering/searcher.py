"""Retrieves passages for questions, each result from one generation of the index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rag.answering.candidate import Candidate
from rag.errors import EmptyError, InputError
from rag.protocols import Filter, Retriever, Speller, Store
from rag.settings import Settings
from rag.structure import rows_within
from rag.types import Document, Hit

TRIES = 20
"""Attempts to retrieve from an unchanged index. Changes and retrievals each take milliseconds; if
changes never pause, outdated passages are left out instead.
"""


@dataclass(frozen=True, slots=True)
class Query:
    """A question with its options. `k` is the number of passages; None uses the setting.

    `deadline` is a `time.monotonic` time after which no further passage is read. `form` is one of
    `rag.answering.forms.FORMS`, or "" to choose it from the question. `as_typed` turns spelling
    correction off.
    """

    question: str
    k: int | None = None
    filter: Filter | None = None
    deadline: float | None = None
    form: str = ""
    as_typed: bool = False
    preferred: tuple[str, ...] = ()
    """Document ids that a follow-up prefers: those of the previous answer."""
    others: tuple[tuple[str, float], ...] = ()
    """Other meanings of a follow-up, as in `rag.meaning.followups.Rewrite`."""


@dataclass(frozen=True, slots=True)
class RetrievalResult:
    """Retrieval result from one generation of the index: the best hits and their documents, by id.

    `question` is the question after spelling correction. `form_odds` has the probability of each
    form; `proposed` are candidates that come from documents instead of passages.
    """

    question: str
    hits: list[Hit]
    documents: Mapping[str, Document]
    generation: int
    form_odds: Mapping[str, float] = field(default_factory=dict)
    proposed: tuple[Candidate, ...] = ()


class Searcher:
    """Retrieves passages."""

    def __init__(
        self, settings: Settings, store: Store, retriever: Retriever, speller: Speller | None = None
    ) -> None:
        """A `speller` corrects questions unless the settings or the question turn it off."""
        self.settings = settings
        self.store = store
        self.retriever = retriever
        self.speller = speller

    def search(self, question: str, k: int = 10, filter: Filter | None = None) -> list[Hit]:
        """The `k` best passages, best first.

        Raises InputError for a question that is empty or too long, EmptyError if the index is
        empty.
        """
        return self.find_many([Query(question, k, filter, form="span")])[0].hits

    def find_many(self, queries: Sequence[Query]) -> list[RetrievalResult]:
        """`search` for several questions, which are embedded together. Each result is from one
        generation of the index, whatever is written meanwhile.
        """
        checked = [self._understood(query) for query in queries]
        return self._find(checked) or [self._find_patiently(query) for query in checked]

    def _understood(self, query: Query) -> Query:
        """The question with its spelling corrected, at most once."""
        question = check_question(query.question, self.settings.max_question)
        if self.speller and self.settings.spelling and not query.as_typed:
            question = self.speller.correct(question)
        return replace(query, question=question, as_typed=True)

    def _find_patiently(self, query: Query) -> RetrievalResult:
        for _ in range(TRIES):
            if results := self._find([query]):
                return results[0]
        return self._find([query], changing=True)[0]

    def _find(self, queries: Sequence[Query], changing: bool = False) -> list[RetrievalResult]:
        """One attempt to retrieve. Returns [] if the index changed meanwhile; with `changing`,
        returns the passages that are still valid instead.
        """
        before = self.store.stats()
        if not before.passages:
            raise EmptyError("the index is empty", "add documents with: rag ingest PATH")
        hits = self._retrieve(queries)
        ids = {hit.passage.document_id for query_hits in hits for hit in query_hits}
        documents = {i: document for i in sorted(ids) if (document := self.store.document(i))}
        generation = self.store.stats().generation
        changed = generation != before.generation
        if changed and not changing:
            return []
        return [
            RetrievalResult(
                query.question, _valid(query_hits, documents, changed), documents, generation
            )
            for query, query_hits in zip(queries, hits, strict=True)
        ]

    def _retrieve(self, queries: Sequence[Query]) -> list[list[Hit]]:
        """Retrieve questions with the same `k` and filter together."""
        groups: dict[tuple[int, str], list[int]] = {}
        for row, query in enumerate(queries):
            groups.setdefault((query.k or self.settings.top_k, repr(query.filter)), []).append(row)
        hits: dict[int, list[Hit]] = {}
        for (k, _), rows in groups.items():
            retrieved = self.retriever.retrieve(
                [queries[row].question for row in rows], k, queries[rows[0]].filter
            )
            hits |= zip(rows, retrieved, strict=True)
        return [hits[row] for row in range(len(queries))]


def _valid(hits: Sequence[Hit], documents: Mapping[str, Document], changed: bool) -> list[Hit]:
    """Hits whose text still matches their document, with the rows of its tables. If the index has
    changed, without their copies, which are not checked.
    """
    valid = [
        _with_rows(hit, document)
        for hit in hits
        if (document := documents.get(hit.passage.document_id)) and hit.passage.is_in(document)
    ]
    return [replace(hit, copies=()) for hit in valid] if changed else valid


def _with_rows(hit: Hit, document: Document) -> Hit:
    if not document.blocks:
        return hit
    passage = hit.passage
    rows = rows_within(document.blocks, passage.start, passage.end)
    return replace(hit, passage=replace(passage, rows=rows))


def check_question(question: str, limit: int) -> str:
    """The question without surrounding space. Raises InputError if it is empty, too long or not
    valid text.
    """
    question = question.strip()
    if not question:
        raise InputError(
            "the question is empty", 'for example: rag ask "When was the JCPOA signed?"'
        )
    if len(question) > limit:
        message = f"question too long: {len(question):,} characters, limit {limit:,}"
        raise InputError(message, "shorten it")
    try:
        question.encode()
    except UnicodeEncodeError as error:
        raise InputError(
            "the question is not valid UTF-8", "check the terminal's encoding"
        ) from error
    return question
