"""Retrieval: passages for questions, each result from one generation of the index.

A fitted fusion (`rag.fusion`) orders the passages that are found by meaning and by words; documents
that the question names by an identifier, a quarter or a date are searched too. In a follow-up,
passages of the previous answer's documents are preferred. Passages with equal text become one hit.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from rag.errors import EmptyError
from rag.filters import Condition, check_keys, matches, of_documents
from rag.fusion import Candidates, Fusion, Scores, Vocabulary, shipped
from rag.meaning import identifiers
from rag.meaning.dates import days, days_as_written, named_days, share_day
from rag.meaning.relative_dates import document_date
from rag.meaning.stems import stem_words
from rag.protocols import Embedder, Filter, Speller, Store, Vectors
from rag.query import Query, check_question
from rag.settings import Settings
from rag.structure import with_structure
from rag.types import Document, Hit, Passage

TRIES = 20
"""Attempts to retrieve from an unchanged index. Changes and retrievals each take milliseconds; if
changes never pause, outdated passages are left out instead.
"""
_PREFERRED = 3.0
"""Factor on the probability of passages of the previous answer's documents, in a follow-up."""

_DEEPER = 4
"""Factor for the number of candidates if copies of one text crowd out others."""

_FEW, _SEARCHED = 12, 3
"""Maximum number of documents that a question may name, and of those searched separately."""
_OPENING = 2000
"""Opening characters in which a letter, a report or minutes usually state date and number."""

_DAY = len("2024-07-24")

_TELLING = 200
"""Texts of at least this many characters are independent of their heading; shorter ones with equal
text count as copies only under the same heading.
"""


@dataclass(frozen=True, slots=True)
class RetrievalResult:
    """The best hits from one generation of the index, best first, and their documents, by id.

    `question` is the question after spelling correction; `vector` is its embedding, shape (dim,).
    """

    question: str
    vector: Vectors = field(compare=False, repr=False)
    hits: list[Hit]
    documents: Mapping[str, Document]
    generation: int


Dated = Literal["document", "opening", "section"]
"""What is of a day: a document, one whose opening has the date, or a section; the first counts."""


@dataclass(frozen=True, slots=True)
class NamedDocuments:
    """Ids of the documents that a question names: by an identifier or a quarter, also a labelled
    one in their opening; and by one of its `days`, which have the question's words for them.
    `by_day` says what is of that day.
    """

    by_identifier: frozenset[str] = frozenset()
    by_day: Mapping[str, Dated] = field(default_factory=dict)
    days: Mapping[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        return sorted(self.by_identifier | self.by_day.keys())

    def is_of_day(self, passage: Passage) -> bool:
        """Whether the passage is of a day that the question names: by its nearest heading with a
        day, its title, or its document.
        """
        if passage.document_id not in self.by_day:
            return False
        stated = _days_above(passage)
        is_section = self.by_day[passage.document_id] == "section"
        return share_day(stated, self.days) if stated else not is_section

    def with_day(self, passage: Passage) -> Passage:
        """The passage; if its section or document is of a day that the question names, the title
        gets the question's words for the day, which search and reader look for.
        """
        stated = _days_above(passage)
        is_document = self.by_day.get(passage.document_id) == "document"
        if not self.is_of_day(passage) or not (stated or is_document):
            return passage
        fitting = (
            word for day, word in self.days.items() if not stated or share_day([day], stated)
        )
        written = next(fitting)
        if written.lower() in passage.context.lower():
            return passage
        return replace(passage, title=f"{passage.title} ({written})")


def _days_above(passage: Passage) -> frozenset[str]:
    """The days in the nearest heading that has one, or else in the title."""
    days_by_heading = (_days_of_name(name) for name in (*reversed(passage.headings), passage.title))
    return next(filter(None, days_by_heading), frozenset())


_days_of_name = functools.lru_cache(maxsize=4096)(named_days)
"""The same headings and titles are found again and again."""
_days_of_text = functools.lru_cache(maxsize=1024)(days)


def _dated(passage: Passage, day: str) -> Dated | None:
    """What is of the day, as far as the passage says: its document by a line of its own, as in a
    letter, or by another date in the opening; or a section. None if nothing is.
    """
    is_opening = passage.start < _OPENING
    own_day = document_date({}, passage.text) if is_opening else None
    if own_day and share_day([day], [own_day.isoformat()]):
        return "document"
    if is_opening and day in _days_of_text(passage.text):
        return "opening"
    return "section" if share_day([day], _days_above(passage)) else None


@functools.lru_cache(maxsize=1024)
def _stems(text: str) -> Sequence[str]:
    """The stems of a text; those of texts that were found lately are kept, some 7 MB of them."""
    return tuple(stem_words(text))


class Retriever:
    """Finds passages by meaning and by words."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        embedder: Embedder,
        speller: Speller | None = None,
        fusion: Fusion | None = None,
    ) -> None:
        """A `speller` corrects questions unless the settings or the question turn it off; `fusion`
        is the shipped one by default.
        """
        self.settings = settings
        self.store = store
        self.embedder = embedder
        self.speller = speller
        self.fusion = fusion or shipped()
        self.candidates = settings.first_stage_k
        """Number of candidates of each search, by meaning and by words."""
        self._dated: tuple[int, list[Document]] = (-1, [])
        """A generation, and its documents with a day, without text."""

    def search(self, question: str, k: int = 10, filter: Filter | None = None) -> list[Hit]:
        """The `k` best passages, best first.

        Raises InputError for a question that is empty or too long and for a filter with a key that
        no document has, EmptyError if the index is empty.
        """
        return self.find_many([Query(question, k, filter)])[0].hits

    def find_many(self, queries: Sequence[Query]) -> list[RetrievalResult]:
        """`search` for several questions, which are embedded together. Each result is from one
        generation of the index, whatever is written meanwhile.
        """
        if not queries:
            return []
        understood = [self._understood(query) for query in queries]
        if not self.store.stats().passages:
            raise EmptyError("the index is empty", "add documents with: rag ingest PATH")
        for query in understood:
            check_keys(query.filter or (), self.store.metadata_keys)
        vectors = self.embedder.embed_queries([query.question for query in understood])
        embedded = list(zip(understood, vectors, strict=True))
        return self._find(embedded) or [self._find_patiently(*one) for one in embedded]

    def _understood(self, query: Query) -> Query:
        """The question with its spelling corrected, at most once."""
        question = check_question(query.question, self.settings.max_question)
        if self.speller and self.settings.spelling and not query.as_typed:
            question = self.speller.correct(question)
        return replace(query, question=question, as_typed=True)

    def _find_patiently(self, query: Query, vector: Vectors) -> RetrievalResult:
        embedded = [(query, vector)]
        for _ in range(TRIES):
            if results := self._find(embedded):
                return results[0]
        return self._find(embedded, changing=True)[0]

    def _find(
        self, embedded: Sequence[tuple[Query, Vectors]], changing: bool = False
    ) -> list[RetrievalResult]:
        """One attempt to retrieve. Returns [] if the index changed meanwhile; with `changing`,
        returns the passages that are still valid instead.
        """
        generation_before = self.store.stats().generation
        hits = [self._preferred_hits(query, vector) for query, vector in embedded]
        ids = {hit.passage.document_id for query_hits in hits for hit in query_hits}
        documents = {i: document for i in sorted(ids) if (document := self.store.document(i))}
        generation = self.store.stats().generation
        changed = generation != generation_before
        if changed and not changing:
            return []
        return [
            RetrievalResult(
                question=query.question,
                vector=vector,
                hits=_valid(query_hits, documents, changed),
                documents=documents,
                generation=generation,
            )
            for (query, vector), query_hits in zip(embedded, hits, strict=True)
        ]

    def _preferred_hits(self, query: Query, vector: Vectors) -> list[Hit]:
        """The query's hits; those of documents that it prefers are also found further down, and
        get a bonus.
        """
        k = query.k or self.settings.top_k
        if not query.preferred:
            return self.hits(query.question, vector, k, query.filter)
        hits = self.hits(query.question, vector, 2 * k, query.filter)
        factors = dict.fromkeys(query.preferred, _PREFERRED)
        hits.sort(key=lambda hit: -hit.score * factors.get(hit.passage.document_id, 1.0))
        return hits[:k]

    def hits(self, question: str, vector: Vectors, k: int, filter: Filter | None) -> list[Hit]:
        """The `k` best hits, best first. `vector` is the question's, shape (dim,)."""
        named, vocabulary = self.named(question, filter), self.vocabulary()
        least = max(k, self.candidates)
        for depth in (least, least * _DEEPER):
            found = self.candidates_of(question, vector, k, depth, filter, named)
            if not found.numbers:
                return []
            scores = self.fusion.probabilities(question, found, vocabulary)
            order = np.lexsort((np.array(found.numbers), -scores)).tolist()
            groups = fold(order, found.passages)
            # else copies of one text have filled the candidate list
            deepest = max(found.dense_ranks.max(), found.lexical_ranks.max())
            if len(groups) >= k or deepest < depth:
                break
        return [_hit(found, scores, rows) for rows in groups[:k]]

    def candidates_of(
        self,
        question: str,
        vector: Vectors,
        k: int,
        depth: int,
        filter: Filter | None,
        named: NamedDocuments,
    ) -> Candidates:
        """The `depth` best passages by meaning and by words; the `k` best of named documents."""
        dense = dict(self.store.dense(vector, depth, filter))
        lexical = dict(self.store.lexical(question, depth, filter))
        dense_ranks, lexical_ranks = _ranks(dense), _ranks(lexical)
        for document_id in named.ids[:_SEARCHED]:
            within = (*(filter or ()), Condition("document", "=", document_id))
            dense |= self.store.dense(vector, k, within)
            lexical |= self.store.lexical(question, k, within)
        dense |= self.store.cosines(vector, [i for i in lexical if i not in dense])

        passages = self.store.passages(list(dense))
        numbers = [number for number in dense if number in passages]
        return Candidates(
            numbers=numbers,
            passages=[named.with_day(passages[number]) for number in numbers],
            dense=np.array([dense[number] for number in numbers], dtype=np.float32),
            lexical=np.array([lexical.get(number, 0) for number in numbers], dtype=np.float32),
            dense_ranks=np.array([dense_ranks.get(number, 0) for number in numbers]),
            lexical_ranks=np.array([lexical_ranks.get(number, 0) for number in numbers]),
            named=named.by_identifier,
            dated=frozenset(number for number in numbers if named.is_of_day(passages[number])),
        )

    def vocabulary(self) -> Vocabulary:
        return Vocabulary(_stems, self.store.word_counts, self.store.stats().passages)

    def named(self, question: str, filter: Filter | None) -> NamedDocuments:
        """The documents that the question names, none if there are too many to be useful."""
        question_identifiers, asked = identifiers.identifiers(question), days_as_written(question)
        by_identifier = set[str]()
        for words in question_identifiers:
            by_identifier |= {
                p.document_id
                for p in self._words(words, filter)
                if question_identifiers & identifiers.called(p.document_id, p.title)
                or (p.start < _OPENING and words in identifiers.labelled(p.text))
            }

        by_day: dict[str, Dated] = {}
        for day, written in asked.items():
            words = f"{identifiers.day_in_words(day)} {written}"
            for p in self._words(words, filter):
                if what := _dated(p, day):
                    earlier = by_day.get(p.document_id, what)
                    by_day[p.document_id] = min(what, earlier)
        if asked:
            by_day |= dict.fromkeys(self._by_metadata(asked, filter), "document")

        if len(by_day) > _FEW:
            by_day = {}
        if len(by_identifier | by_day.keys()) > _FEW:
            return NamedDocuments()
        return NamedDocuments(frozenset(by_identifier), by_day, asked)

    def _by_metadata(self, asked: Collection[str], filter: Filter | None) -> list[str]:
        """Ids of the documents whose metadata has one of the days."""
        generation = self.store.stats().generation
        if self._dated[0] != generation:
            dated = [d for d in self.store.documents() if len(d.metadata.get("date", "")) == _DAY]
            self._dated = generation, dated
        return [
            document.id
            for document in self._dated[1]
            if share_day(asked, [document.metadata["date"]])
            and matches(of_documents(filter or ()), document)
        ]

    def _words(self, words: str, filter: Filter | None) -> Collection[Passage]:
        return self.store.passages(
            [i for i, _ in self.store.lexical(words, self.candidates, filter)]
        ).values()


def _ranks(scores: Mapping[int, float]) -> dict[int, int]:
    """Rank of each id, from 1, in a retriever's results."""
    return {passage: rank for rank, passage in enumerate(scores, 1)}


def _hit(found: Candidates, scores: Scores, rows: Sequence[int]) -> Hit:
    """The hit of passages with equal text, the best first."""
    best_row, *copies = rows
    return Hit(
        passage=found.passages[best_row],
        score=float(scores[best_row]),
        dense=float(found.dense[best_row]),
        lexical=float(found.lexical[best_row]),
        dense_rank=int(found.dense_ranks[best_row]) or None,
        lexical_rank=int(found.lexical_ranks[best_row]) or None,
        copies=tuple(found.passages[row] for row in copies),
    )


def fold(order: Sequence[int], passages: Sequence[Passage]) -> list[list[int]]:
    """Rows of passages with equal text, the best group first; `order` has all rows, best first."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row in order:
        passage = passages[row]
        heading = passage.innermost_heading if len(passage.text) < _TELLING else ""
        groups.setdefault((passage.text, heading), []).append(row)
    return list(groups.values())


def _valid(hits: Sequence[Hit], documents: Mapping[str, Document], changed: bool) -> list[Hit]:
    """Hits whose text still matches their document, with its sentences and rows. If the index has
    changed, without their copies, which are not checked.
    """
    valid = [
        _with_structure(hit, document)
        for hit in hits
        if (document := documents.get(hit.passage.document_id)) and hit.passage.is_in(document)
    ]
    return [replace(hit, copies=()) for hit in valid] if changed else valid


def _with_structure(hit: Hit, document: Document) -> Hit:
    return replace(hit, passage=with_structure(hit.passage, document))
