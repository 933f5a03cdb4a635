"""Retrieval: passages for questions, each result from one generation of the index.

Dense and lexical results are fused by convex combination; passages of documents that the question
names, by an identifier, a quarter or a date, are preferred, and in a follow-up those of the
previous answer. Passages with equal text become one hit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from rag.errors import EmptyError
from rag.filters import Condition, check_keys
from rag.meaning import identifiers
from rag.meaning.dates import days
from rag.protocols import Embedder, Filter, Speller, Store, Vectors
from rag.query import Query, check_question
from rag.settings import Settings
from rag.structure import with_structure
from rag.types import Document, Hit, Passage

TRIES = 20
"""Attempts to retrieve from an unchanged index. Changes and retrievals each take milliseconds; if
changes never pause, outdated passages are left out instead.
"""
_PREFERRED = 0.05
"""Bonus on the fused score for documents of the previous answer, in a follow-up."""

_ALWAYS = 2
"""Number of top results of each retriever that are always among the hits."""
_DEEPER = 4
"""Factor for the number of candidates if copies of one text crowd out others."""

_NAMED = 0.5
"""Factor on the distance to the best score for passages of a document that the question names."""
_UNNAMED = 0.8
"""Factor on the score of passages of other documents if the question names one by an identifier."""
_FEW, _SEARCHED = 12, 3
"""Maximum number of documents that a question may name, and of those searched separately."""
_OPENING = 2000
"""Opening characters in which a letter, a report or minutes usually state date and number."""

_TELLING = 200
"""Texts of at least this many characters are independent of their heading; shorter ones with equal
text count as copies only under the same heading.
"""
_CLOSE, _MANY = 0.6, 20
"""Unlike e5 models, all-MiniLM-L6-v2 gives one of `_MANY` candidates a cosine below `_CLOSE`."""


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


class Retriever:
    """Finds passages by meaning and by words."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        embedder: Embedder,
        speller: Speller | None = None,
    ) -> None:
        """A `speller` corrects questions unless the settings or the question turn it off."""
        self.settings = settings
        self.store = store
        self.embedder = embedder
        self.speller = speller
        self.candidates = settings.first_stage_k
        """Number of candidates of each search, by meaning and by words."""

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
        before = self.store.stats().generation
        hits = [self._preferred_hits(query, vector) for query, vector in embedded]
        ids = {hit.passage.document_id for query_hits in hits for hit in query_hits}
        documents = {i: document for i in sorted(ids) if (document := self.store.document(i))}
        generation = self.store.stats().generation
        changed = generation != before
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
        bonus = dict.fromkeys(query.preferred, _PREFERRED)
        hits = self.hits(query.question, vector, 2 * k, query.filter)
        hits = sorted(hits, key=lambda hit: -hit.score - bonus.get(hit.passage.document_id, 0.0))
        return hits[:k]

    def hits(self, question: str, vector: Vectors, k: int, filter: Filter | None) -> list[Hit]:
        """The `k` best hits, best first. `vector` is the question's, shape (dim,)."""
        named, identified = self._named(question, filter)
        least = max(k, self.candidates)
        for depth in (least, least * _DEEPER):
            dense = dict(self.store.dense(vector, depth, filter))
            lexical = dict(self.store.lexical(question, depth, filter))
            by_dense, by_lexical = _ranks(dense), _ranks(lexical)
            for document_id in named[:_SEARCHED]:
                within = (*(filter or ()), Condition("document", "=", document_id))
                dense |= self.store.dense(vector, k, within)
                lexical |= self.store.lexical(question, k, within)
            dense |= self.store.cosines(vector, [i for i in lexical if i not in dense])
            scores = fuse(dense, lexical, self.settings.alpha)
            passages = self.store.passages(list(scores))
            for number, passage in passages.items():
                if passage.document_id in named:
                    scores[number] = 1 - (1 - scores[number]) * _NAMED
                elif identified:
                    scores[number] *= _UNNAMED
            groups = fold(sorted(scores, key=lambda i: (-scores[i], i)), passages)
            # else copies of one text have filled the candidate list
            if len(groups) >= k or max(len(by_dense), len(by_lexical)) < depth:
                break
        always = min(_ALWAYS, k // 4)  # for small k the fused order is better
        ranked = [*by_dense.items(), *by_lexical.items()]
        firsts = {passage for passage, rank in ranked if rank <= always}
        hits = []
        for best, *copies in choose(groups, firsts, k):
            scored = (scores[best], dense[best], lexical.get(best, 0.0))
            ranks = (by_dense.get(best), by_lexical.get(best))
            hits.append(Hit(passages[best], *scored, *ranks, tuple(passages[i] for i in copies)))
        return hits

    def _named(self, question: str, filter: Filter | None) -> tuple[Sequence[str], bool]:
        """The documents that the question names by an identifier, a quarter, or a date or a
        labelled identifier in their opening, none if there are too many to be useful; and whether
        by an identifier, which is stronger evidence than a date.
        """
        question_identifiers, dated = identifiers.identifiers(question), days(question)
        document_ids = set[str]()
        for words in question_identifiers:
            passages = self._words(words, filter)
            document_ids |= {
                p.document_id
                for p in passages
                if question_identifiers & identifiers.called(p.document_id, p.title)
                or (p.start < _OPENING and words in identifiers.labelled(p.text))
            }
        identified = bool(document_ids)
        for day in dated:
            passages = self._words(identifiers.day_in_words(day), filter)
            document_ids |= {
                p.document_id
                for p in passages
                if day in days(p.title) or (p.start < _OPENING and day in days(p.text))
            }
        return (sorted(document_ids), identified) if len(document_ids) <= _FEW else ((), False)

    def _words(self, words: str, filter: Filter | None) -> Collection[Passage]:
        return self.store.passages(
            [i for i, _ in self.store.lexical(words, self.candidates, filter)]
        ).values()


def _ranks(scores: Mapping[int, float]) -> dict[int, int]:
    """Rank of each id, from 1, in a retriever's results."""
    return {passage: rank for rank, passage in enumerate(scores, 1)}


def fuse(
    dense: Mapping[int, float], lexical: Mapping[int, float], alpha: float
) -> dict[int, float]:
    """Fused scores in [0, 1] of all ids in `dense`; an id missing from `lexical` matched no word.

    alpha * dense + (1 - alpha) * lexical, where each is scaled from its theoretical minimum (cosine
    -1, BM25 0) to the best score found (TM2C2; Bruch, Gai & Ingber 2023, "An analysis of fusion
    functions"). If many cosines lie close together, as with e5 models, their minimum replaces -1.
    """
    lowest = min(dense.values(), default=-1.0)
    floor = lowest if lowest > _CLOSE and len(dense) >= _MANY else -1.0
    top_dense = max((score - floor for score in dense.values()), default=0) or 1
    top_lexical = max(lexical.values(), default=0) or 1
    scaled = {
        i: (max(0, score - floor) / top_dense, lexical.get(i, 0) / top_lexical)
        for i, score in dense.items()
    }
    return {i: alpha * meaning + (1 - alpha) * words for i, (meaning, words) in scaled.items()}


def fold(order: Sequence[int], passages: Mapping[int, Passage]) -> list[list[int]]:
    """Passage ids by equal text, best group first; ids missing from `passages` are left out."""
    groups: dict[tuple[str, str], list[int]] = {}
    for number in order:
        if passage := passages.get(number):
            heading = passage.innermost_heading if len(passage.text) < _TELLING else ""
            groups.setdefault((passage.text, heading), []).append(number)
    return list(groups.values())


def choose(groups: Sequence[list[int]], firsts: Collection[int], k: int) -> list[list[int]]:
    """The first `k` groups. Groups with an id in `firsts` replace the last ones without."""
    must = [place for place, group in enumerate(groups) if not set(firsts).isdisjoint(group)][:k]
    others = [place for place in range(len(groups)) if place not in must][: k - len(must)]
    return [groups[place] for place in sorted(must + others)]


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
