"""Hybrid retrieval: dense and lexical results fused by convex combination; passages of documents
that the question names, by an identifier, a quarter or a date, are preferred. Passages with equal
text become one hit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from rag.filters import Condition
from rag.meaning import identifiers
from rag.meaning.dates import days
from rag.protocols import Embedder, Filter, Store, Vectors
from rag.types import Hit, Passage

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


class HybridRetriever:
    """Retrieves candidates with both retrievers, scores each with both, and fuses the scores."""

    def __init__(
        self, store: Store, embedder: Embedder, candidates: int = 100, alpha: float = 0.7
    ) -> None:
        self._store = store
        self._embedder = embedder
        self._candidates = candidates
        self._alpha = alpha

    def retrieve(
        self, questions: Sequence[str], k: int, filter: Filter | None = None
    ) -> list[list[Hit]]:
        """The `k` best hits for each question, best first."""
        vectors = self._embedder.embed_queries(questions)
        return [
            self._one(q, vector, k, filter) for q, vector in zip(questions, vectors, strict=True)
        ]

    def _one(self, question: str, vector: Vectors, k: int, filter: Filter | None) -> list[Hit]:
        named, identified = self._named(question, filter)
        least = max(k, self._candidates)
        for depth in (least, least * _DEEPER):
            dense = dict(self._store.dense(vector, depth, filter))
            lexical = dict(self._store.lexical(question, depth, filter))
            by_dense, by_lexical = _ranks(dense), _ranks(lexical)
            for document_id in named[:_SEARCHED]:
                within = (*(filter or ()), Condition("document", "=", document_id))
                dense |= self._store.dense(vector, k, within)
                lexical |= self._store.lexical(question, k, within)
            dense |= self._store.cosines(vector, [i for i in lexical if i not in dense])
            scores = fuse(dense, lexical, self._alpha)
            passages = self._store.passages(list(scores))
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
        return self._store.passages(
            [i for i, _ in self._store.lexical(words, self._candidates, filter)]
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
