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
from rag.fusion import Candidates, Fusion, PassageScores, Vocabulary, shipped
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

_MOST_NAMED_DOCUMENTS = 12
"""Maximum number of documents that a question may name."""
_SEARCHED = 3
"""Maximum number of these that are searched separately."""
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


DatedPart = Literal["document", "opening", "section"]
"""What is of a day: a document, one whose opening has the date, or a section; the first counts."""


@dataclass(frozen=True, slots=True)
class NamedDocuments:
    """Ids of the documents that a question names: by an identifier or a quarter, also a labelled
    one in their opening; and by one of its `days`, which have the question's words for them.
    `by_day` says what is of that day.
    """

    by_identifier: frozenset[str] = frozenset()
    by_day: Mapping[str, DatedPart] = field(default_factory=dict)
    days: Mapping[str, str] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        return sorted(self.by_identifier | self.by_day.keys())

    def is_of_day(self, passage: Passage) -> bool:
        """Whether the passage is of a day that the question names: by its nearest heading with a
        day, its title, or its document.
        """
        dated = self.by_day.get(passage.document_id)
        if dated is None:
            return False
        stated = _days_above(passage)
        if stated:
            return share_day(stated, self.days)
        return dated != "section"

    def with_day(self, passage: Passage) -> Passage:
        """The passage; if its section or document is of a day that the question names, the title
        gets the question's words for the day, which search and reader look for.
        """
        if not self.is_of_day(passage):
            return passage
        stated = _days_above(passage)
        is_document = self.by_day[passage.document_id] == "document"
        if not stated and not is_document:
            return passage

        written = self._words_for(stated)
        if written.lower() in passage.context.lower():
            return passage
        return replace(passage, title=f"{passage.title} ({written})")

    def _words_for(self, stated: Collection[str]) -> str:
        """The question's words for the first of its days that is among those stated, or for its
        first day if none is stated.
        """
        for day, words in self.days.items():
            if not stated or share_day([day], stated):
                return words
        raise ValueError("the passage is of no day that the question names")


def _days_above(passage: Passage) -> frozenset[str]:
    """The days in the nearest heading that has one, or else in the title."""
    for name in (*reversed(passage.headings), passage.title):
        stated = _days_of_name(name)
        if stated:
            return stated
    return frozenset()


_days_of_name = functools.lru_cache(maxsize=4096)(named_days)
"""The same headings and titles are found again and again."""
_days_of_text = functools.lru_cache(maxsize=1024)(days)


def _dated(passage: Passage, day: str) -> DatedPart | None:
    """What is of the day, as far as the passage says: its document by a line of its own, as in a
    letter, or by another date in the opening; or a section. None if nothing is.
    """
    if passage.start < _OPENING:
        own_day = document_date({}, passage.text)
        if own_day and share_day([day], [own_day.isoformat()]):
            return "document"
        if day in _days_of_text(passage.text):
            return "opening"

    if share_day([day], _days_above(passage)):
        return "section"
    return None


@functools.lru_cache(maxsize=1024)
def _stems(text: str) -> Sequence[str]:
    """The stems of a text; those of texts that were found lately are kept, some 7 MB of them."""
    return tuple(stem_words(text))


def check_askable(store: Store, *filters: Filter) -> None:
    """Raises EmptyError if the index is empty, and InputError for a filter with a key that no
    document has.
    """
    if not store.stats().passages:
        raise EmptyError("the index is empty", "add documents with: rag ingest PATH")
    for conditions in filters:
        check_keys(conditions, store.metadata_keys)


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

        understood = [self._with_spelling(query) for query in queries]
        check_askable(self.store, *(query.filter or () for query in understood))

        vectors = self.embedder.embed_queries([query.question for query in understood])
        embedded = list(zip(understood, vectors, strict=True))
        results = self._find(embedded)
        if results:
            return results
        return [self._find_patiently(query, vector) for query, vector in embedded]

    def _with_spelling(self, query: Query) -> Query:
        """The question with its spelling corrected, at most once."""
        question = check_question(query.question, self.settings.max_question)
        if self.speller and self.settings.spelling and not query.as_typed:
            question = self.speller.correct(question)
        return replace(query, question=question, as_typed=True)

    def _find_patiently(self, query: Query, vector: Vectors) -> RetrievalResult:
        """The result of one question, if need be while the index is changing."""
        embedded = [(query, vector)]
        for _ in range(TRIES):
            results = self._find(embedded)
            if results:
                return results[0]
        return self._find(embedded, changing=True)[0]

    def _find(
        self, embedded: Sequence[tuple[Query, Vectors]], changing: bool = False
    ) -> list[RetrievalResult]:
        """One attempt to retrieve. Returns [] if the index changed meanwhile; with `changing`,
        returns the passages that are still valid instead.
        """
        generation_before = self.store.stats().generation
        hits_by_query = [self._preferred_hits(query, vector) for query, vector in embedded]
        documents = self._documents(hits_by_query)
        generation = self.store.stats().generation
        changed = generation != generation_before
        if changed and not changing:
            return []

        results = []
        for (query, vector), hits in zip(embedded, hits_by_query, strict=True):
            result = RetrievalResult(
                question=query.question,
                vector=vector,
                hits=_valid_hits(hits, documents, changed),
                documents=documents,
                generation=generation,
            )
            results.append(result)
        return results

    def _documents(self, hits_by_query: Sequence[Sequence[Hit]]) -> dict[str, Document]:
        """The documents of the hits, by id, as far as they are still in the index."""
        document_ids: set[str] = set()
        for hits in hits_by_query:
            document_ids.update(hit.passage.document_id for hit in hits)

        documents = {}
        for document_id in sorted(document_ids):
            document = self.store.document(document_id)
            if document:
                documents[document_id] = document
        return documents

    def _preferred_hits(self, query: Query, vector: Vectors) -> list[Hit]:
        """The query's hits; those of documents that it prefers are also found further down, and
        get a bonus.
        """
        k = query.k or self.settings.top_k
        if not query.preferred:
            return self.hits(query.question, vector, k, query.filter)

        factors = dict.fromkeys(query.preferred, _PREFERRED)

        def likelihood(hit: Hit) -> float:
            return hit.score * factors.get(hit.passage.document_id, 1.0)

        hits = self.hits(query.question, vector, 2 * k, query.filter)
        hits.sort(key=lambda hit: -likelihood(hit))
        return hits[:k]

    def hits(self, question: str, vector: Vectors, k: int, filter: Filter | None) -> list[Hit]:
        """The `k` best hits, best first. `vector` is the question's, shape (dim,)."""
        named = self.named(question, filter)
        vocabulary = self.vocabulary()
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
        dense_ranks = _ranks(dense)
        lexical_ranks = _ranks(lexical)

        for document_id in named.ids[:_SEARCHED]:
            is_document = Condition("document", "=", document_id)
            within = (*(filter or ()), is_document)
            dense |= self.store.dense(vector, k, within)
            lexical |= self.store.lexical(question, k, within)
        only_by_words = [number for number in lexical if number not in dense]
        dense |= self.store.cosines(vector, only_by_words)

        passages = self.store.passages(list(dense))
        numbers = [number for number in dense if number in passages]
        dated = [number for number in numbers if named.is_of_day(passages[number])]
        cosines = [dense[number] for number in numbers]
        lexical_scores = [lexical.get(number, 0) for number in numbers]
        return Candidates(
            numbers=numbers,
            passages=[named.with_day(passages[number]) for number in numbers],
            dense=np.array(cosines, dtype=np.float32),
            lexical=np.array(lexical_scores, dtype=np.float32),
            dense_ranks=np.array([dense_ranks.get(number, 0) for number in numbers]),
            lexical_ranks=np.array([lexical_ranks.get(number, 0) for number in numbers]),
            named=named.by_identifier,
            dated=frozenset(dated),
        )

    def vocabulary(self) -> Vocabulary:
        return Vocabulary(_stems, self.store.word_counts, self.store.stats().passages)

    def named(self, question: str, filter: Filter | None) -> NamedDocuments:
        """The documents that the question names, none if there are too many to be useful."""
        asked_days = days_as_written(question)
        by_identifier = self._by_identifier(question, filter)
        by_day = self._by_day(asked_days, filter)
        if len(by_day) > _MOST_NAMED_DOCUMENTS:
            by_day = {}
        if len(by_identifier | by_day.keys()) > _MOST_NAMED_DOCUMENTS:
            return NamedDocuments()
        return NamedDocuments(by_identifier, by_day, asked_days)

    def _by_identifier(self, question: str, filter: Filter | None) -> frozenset[str]:
        """Ids of the documents that have an identifier of the question as their name, or labelled
        in their opening.
        """
        asked = identifiers.identifiers(question)
        document_ids: set[str] = set()
        for words in asked:
            for passage in self._words(words, filter):
                called = identifiers.identifiers_of_document(passage.document_id, passage.title)
                is_opening = passage.start < _OPENING
                if asked & called or (is_opening and words in identifiers.labelled(passage.text)):
                    document_ids.add(passage.document_id)
        return frozenset(document_ids)

    def _by_day(self, asked: Mapping[str, str], filter: Filter | None) -> dict[str, DatedPart]:
        """Ids of the documents that say that they, or parts of them, are of one of the days."""
        by_day: dict[str, DatedPart] = {}
        for day, written in asked.items():
            words = f"{identifiers.day_in_words(day)} {written}"
            for passage in self._words(words, filter):
                dated = _dated(passage, day)
                if dated:
                    # the values are in the order of the alphabet, the first one counts
                    earlier = by_day.get(passage.document_id, dated)
                    by_day[passage.document_id] = min(dated, earlier)

        if asked:
            for document_id in self._by_metadata(asked, filter):
                by_day[document_id] = "document"
        return by_day

    def _by_metadata(self, asked: Collection[str], filter: Filter | None) -> list[str]:
        """Ids of the documents whose metadata has one of the days."""
        conditions = of_documents(filter or ())
        document_ids = []
        for document in self._dated_documents():
            is_of_day = share_day(asked, [document.metadata["date"]])
            if is_of_day and matches(conditions, document):
                document_ids.append(document.id)
        return document_ids

    def _dated_documents(self) -> list[Document]:
        """Documents with a day in their metadata, remembered until the index changes."""
        generation = self.store.stats().generation
        remembered_generation, dated = self._dated
        if remembered_generation != generation:
            dated = []
            for document in self.store.documents():
                if len(document.metadata.get("date", "")) == _DAY:
                    dated.append(document)
            self._dated = (generation, dated)
        return dated

    def _words(self, words: str, filter: Filter | None) -> Collection[Passage]:
        """The passages that share most words with these."""
        found = self.store.lexical(words, self.candidates, filter)
        numbers = [number for number, _ in found]
        return self.store.passages(numbers).values()


def _ranks(scores: Mapping[int, float]) -> dict[int, int]:
    """Rank of each id, from 1, in a retriever's results."""
    return {passage: rank for rank, passage in enumerate(scores, 1)}


def _hit(found: Candidates, scores: PassageScores, rows: Sequence[int]) -> Hit:
    """The hit of passages with equal text, the best first."""
    best, *copies = rows
    return Hit(
        passage=found.passages[best],
        score=float(scores[best]),
        dense=float(found.dense[best]),
        lexical=float(found.lexical[best]),
        dense_rank=int(found.dense_ranks[best]) or None,
        lexical_rank=int(found.lexical_ranks[best]) or None,
        copies=tuple(found.passages[row] for row in copies),
    )


def fold(order: Sequence[int], passages: Sequence[Passage]) -> list[list[int]]:
    """Rows of passages with equal text, the best group first; `order` has all rows, best first."""
    groups: dict[tuple[str, str], list[int]] = {}
    for row in order:
        passage = passages[row]
        heading = ""
        if len(passage.text) < _TELLING:
            heading = passage.innermost_heading
        group = groups.setdefault((passage.text, heading), [])
        group.append(row)
    return list(groups.values())


def _valid_hits(hits: Sequence[Hit], documents: Mapping[str, Document], changed: bool) -> list[Hit]:
    """Hits whose text still matches their document, with its sentences and rows. If the index has
    changed, without their copies, which are not checked.
    """
    valid = []
    for hit in hits:
        document = documents.get(hit.passage.document_id)
        if not document or not hit.passage.is_in(document):
            continue
        passage = with_structure(hit.passage, document)
        copies = () if changed else hit.copies
        valid.append(replace(hit, passage=passage, copies=copies))
    return valid
