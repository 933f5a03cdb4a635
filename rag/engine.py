"""The engine: retrieves passages, reads them and composes answers. All interfaces use it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from rag.answering.asked_days import is_asked_as_a_whole, may_ask_of_a_day
from rag.answering.candidate import Candidate, TableFindings
from rag.answering.compose import (
    MOST_ALTERNATIVES,
    Ranked,
    Ruling,
    compose,
    is_one_sided,
    joint_candidate,
    lone_part,
    rank,
    with_candidate,
)
from rag.answering.forms import CLASSES, FORMS, FormClassifier
from rag.answering.judge import Ranks
from rag.answering.proofs import PROOFS, with_proofs
from rag.answering.question_parts import compared_sides, halves
from rag.answering.reading import Reading
from rag.answering.receipts import AskedQuestion
from rag.errors import InputError
from rag.filters import matches, of_documents
from rag.models.cascade import BudgetedReader, Cascade, ReadState
from rag.protocols import Filter, Reader, ReaderOutput, Store
from rag.query import Query
from rag.retrieval import TRIES, RetrievalResult, Retriever
from rag.settings import Settings
from rag.types import GRID, TALK, Answer, Document, Hit, Place

if TYPE_CHECKING:
    from rag.answering.shelf import ShelfQuestion
    from rag.answering.suggestions import Suggestions

FindFigures = Callable[[str, Sequence[Document], Mapping[str, float], Store | None], TableFindings]
"""What the tables of the documents, best first, say to a question."""
_TALK = 0.6
"""Probability of talk to rag itself from which on no document is asked."""
_PROPOSED = 0.05
"""Probability of an overview or a catalogue from which on one is made and judged."""


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to read and to judge for a question: the passages, the probability of each
    form, candidates that come from whole documents instead of passages, and the rows of tables that
    hardly answer. Or `shelf`, the question as a grid over the documents.
    """

    retrieved: RetrievalResult
    form_odds: Mapping[str, float]
    proposed: tuple[Candidate, ...] = ()
    unlikely_rows: tuple[Place, ...] = ()
    shelf: ShelfQuestion | None = None

    @property
    def hits(self) -> list[Hit]:
        return self.retrieved.hits

    def reading(self, output: ReaderOutput) -> Reading:
        """What a reader says about the passages, ready for ranking."""
        return Reading(
            question=self.retrieved.question,
            hits=self.hits,
            output=output,
            documents=self.retrieved.documents,
            form_odds=self.form_odds,
        )

    def is_talk(self, query: Query) -> bool:
        """Whether the question is to rag itself."""
        odds = self.form_odds
        by_form = odds.get(TALK, 0.0) >= max(_TALK, *odds.values(), 0.0)
        return not query.form and (query.is_talk or by_form)


class Shelf(Protocol):
    """Answers questions that need one cell for each of many documents, as
    `rag.desk.shelf.WholeShelf` does.
    """

    def plan(
        self, engine: Engine, query: Query, result: RetrievalResult
    ) -> ShelfQuestion | None: ...

    def answer(
        self, engine: Engine, asked: AskedQuestion, question: ShelfQuestion
    ) -> Answer | None: ...


class Engine:
    """Has passages retrieved and read, and composes the answer."""

    def __init__(
        self,
        settings: Settings,
        retriever: Retriever,
        reader: Reader,
        judge: Ranks,
        forms: FormClassifier | None = None,
        quick: Engine | None = None,
        shelf: Shelf | None = None,
        figures: FindFigures | None = None,
    ) -> None:
        """`forms` says how likely a question wants each form; without it, answers are spans.
        `quick` answers with the small reader of a cascade alone; `shelf` answers questions over
        the whole shelf; `figures` proposes what tables answer.
        """
        self.settings = settings
        self.retriever = retriever
        self.store = retriever.store
        self.reader = reader
        self.judge = judge
        self.forms = forms
        self.quick = quick
        self.shelf = shelf
        self.figures = figures
        self.alternatives = MOST_ALTERNATIVES
        self._rounds = BudgetedReader(reader)

    @cached_property
    def suggestions(self) -> Suggestions:
        """Questions that the index answers. Few questions need them."""
        from rag.answering.suggestions import Suggestions

        return Suggestions()

    def search(self, question: str, k: int = 10, filter: Filter | None = None) -> list[Hit]:
        """The `k` best passages, best first. Raises as `Retriever.search` does."""
        return self.retriever.search(question, k, filter)

    def ask(
        self,
        question: str,
        read: int | None = None,
        filter: Filter | None = None,
        deadline: float | None = None,
        form: str = "",
        preferred: Sequence[str] = (),
        others: Sequence[tuple[str, float]] = (),
    ) -> Answer:
        """Answer a question, or explain why there is no answer. `read` is the number of passages to
        read; `form`, `preferred` and `others` as in `Query`.

        After `deadline`, a `time.monotonic` time, the answer uses the passages read so far, at
        least the best one; `Answer.passages_read` is their number. Raises as `search` does.
        """
        query = Query(
            question, read, filter, deadline, form, preferred=tuple(preferred), others=tuple(others)
        )
        return self.ask_many([query])[0]

    def ask_many(self, queries: Sequence[Query]) -> list[Answer]:
        """`ask` for several questions, which are embedded and read together; `timings` are those of
        the whole batch.
        """
        timings: dict[str, float] = {}
        with _timed(timings, "retrieve"):
            found = self.find_many(queries)
        return self.answer_many(queries, found, timings)

    def find_many(self, queries: Sequence[Query]) -> list[Found]:
        """Everything there is to read and to judge, for each query from one generation of the
        index. Raises InputError for an unknown form, and as `Retriever.find_many` does.
        """
        _check_forms(queries)
        results = self.retriever.find_many(queries)
        odds = self.form_odds(queries, results)
        found = [Found(*pair) for pair in zip(results, odds, strict=True)]
        found = [self._with_proposals(*pair) for pair in zip(queries, found, strict=True)]
        found = [self._with_figures(*pair) for pair in zip(queries, found, strict=True)]
        return [self._with_plan(*pair) for pair in zip(queries, found, strict=True)]

    def _with_plan(self, query: Query, found: Found) -> Found:
        """Add the question as a grid, if it is one over the whole shelf."""
        if self.shelf is None or query.form or found.is_talk(query):
            return found
        return replace(found, shelf=self.shelf.plan(self, query, found.retrieved))

    def _with_figures(self, query: Query, found: Found) -> Found:
        """Add what the tables of the documents that were found say."""
        result = found.retrieved
        if self.figures is None:
            return found

        names = dict.fromkeys(hit.passage.document_id for hit in result.hits)
        documents = [result.documents[name] for name in names if name in result.documents]
        beside = None if query.filter else self.store
        tables = self.figures(result.question, documents, found.form_odds, beside)
        return replace(
            found,
            proposed=(*found.proposed, *tables.candidates),
            unlikely_rows=tables.unlikely_rows,
        )

    def form_odds(
        self, queries: Sequence[Query], results: Sequence[RetrievalResult]
    ) -> list[Mapping[str, float]]:
        """The probability of each form; one that a person chose is certain."""
        classified: list[Mapping[str, float]] = [{} for _ in results]
        if self.forms and results:
            questions = [result.question for result in results]
            classified = self.forms.probabilities(questions, [result.vector for result in results])
        return [
            {name: float(name == query.form) for name in CLASSES} if query.form else by_form
            for query, by_form in zip(queries, classified, strict=True)
        ]

    def _with_proposals(self, query: Query, found: Found) -> Found:
        """Add an overview and a catalogue where the question may want one, from the same generation
        of the index.
        """
        forms = {
            form
            for form in ("overview", "catalogue")
            if query.form == form
            or (not query.form and found.form_odds.get(form, 0.0) >= _PROPOSED)
        }
        result = found.retrieved
        may_be_of_a_day = not query.form and may_ask_of_a_day(result.question)
        if not forms and not may_be_of_a_day:
            return found
        understood = replace(query, question=result.question, as_typed=True)
        for _ in range(TRIES):
            proposals, documents = self._proposals(query, result, forms, may_be_of_a_day)
            if self.store.stats().generation == result.generation:
                break
            (result,) = self.retriever.find_many([understood])
        result = replace(result, documents={**result.documents, **documents})
        return Found(result, found.form_odds, proposals)

    def _proposals(
        self, query: Query, result: RetrievalResult, forms: set[str], may_be_of_a_day: bool
    ) -> tuple[tuple[Candidate, ...], dict[str, Document]]:
        """The candidates, and the documents that they quote."""
        from rag.answering.catalogue import catalogue  # few questions need them
        from rag.answering.overview import meant, overview

        question = result.question
        listed = [
            document
            for document in self.store.documents()
            if matches(of_documents(query.filter or ()), document)
        ]
        proposals: list[Candidate | None] = []
        is_meant = "overview" in forms or may_be_of_a_day
        name = meant(question, listed, result.hits) if is_meant else None
        document = self.store.document(name) if name else None
        if name and document and ("overview" in forms or is_asked_as_a_whole(document, question)):
            passages, vectors = self.store.embedded(name)
            proposals.append(overview(document, passages, vectors, self.retriever.embedder))
        if "catalogue" in forms:
            is_alone = any(part.key == "document" and part.op == "=" for part in query.filter or ())
            proposals.append(catalogue(question, self.store, listed, result.hits, is_alone))
        present = tuple(proposal for proposal in proposals if proposal is not None)
        names = {place.document_id for proposal in present for place in proposal.places}
        documents = {name: found for name in names if (found := self.store.document(name))}
        return present, documents

    def answer_many(
        self,
        queries: Sequence[Query],
        found: Sequence[Found],
        timings: Mapping[str, float],
        on_progress: Callable[[int], object] = lambda row: None,
    ) -> list[Answer]:
        """Read what was found and compose the answers. `timings` are those of retrieval.
        `on_progress` is called with a question's index after passages of it have been read.
        """
        timings = dict(timings)
        with _timed(timings, "documents"):
            shelved = [
                self._of_documents(query, one, timings)
                for query, one in zip(queries, found, strict=True)
            ]
        if not any(shelved):
            del timings["documents"]
        states = [
            ReadState(
                question=one.retrieved.question,
                hits=() if one.is_talk(query) or shelf_answer else one.hits,
                deadline=query.deadline,
            )
            for query, one, shelf_answer in zip(queries, found, shelved, strict=True)
        ]
        with _timed(timings, "read"):
            self._rounds.run(states, on_progress)
            to_read = [
                replace(one, retrieved=replace(one.retrieved, hits=[])) if shelf_answer else one
                for one, shelf_answer in zip(found, shelved, strict=True)
            ]
            readings = self.readings(to_read, states)
        with _timed(timings, "compose"):
            answers = [
                replace(shelf_answer, timings=timings)
                if shelf_answer
                else self._compose(query, one, state.read, reading, timings)
                for query, one, state, reading, shelf_answer in zip(
                    queries, found, states, readings, shelved, strict=True
                )
            ]
        return [
            self._of_parts(query, self._of_likeliest(query, answer))
            for query, answer in zip(queries, answers, strict=True)
        ]

    def rank_many(
        self, queries: Sequence[Query], found: Sequence[Found]
    ) -> list[tuple[Reading, list[Ranked]]]:
        """Read what was found, and rank the candidates of each question, the likeliest first; no
        answer is composed.
        """
        states = [ReadState(one.retrieved.question, one.hits) for one in found]
        self._rounds.run(states)
        return [
            (reading, rank(reading, self.judge, query.form, one.proposed, one.unlikely_rows))
            for query, one, reading in zip(
                queries, found, self.readings(found, states), strict=True
            )
        ]

    def readings(self, found: Sequence[Found], states: Sequence[ReadState]) -> list[Reading]:
        """What the reader says about the passages of each question, and then, if it may be a yes/no
        question, about the sentences that would prove a verdict: one of them after the deadline.
        """
        reader = self.reader.reader if isinstance(self.reader, Cascade) else self.reader
        read = [one.reading(state.output) for one, state in zip(found, states, strict=True)]
        return with_proofs(read, reader, [PROOFS if state.in_time else 1 for state in states])

    def _of_documents(
        self, query: Query, found: Found, timings: Mapping[str, float]
    ) -> Answer | None:
        """The answer from the documents one by one, if the question needs them."""
        if self.shelf is None or found.shelf is None:
            return None
        asked = self._asked_question(query, replace(found.retrieved, hits=[]), 0, timings)
        return self.shelf.answer(self, asked, found.shelf)

    def _of_likeliest(self, query: Query, answer: Answer) -> Answer:
        """The answer, or if a follow-up gets none, the likeliest one to its other meanings: its
        confidence times the weight of the meaning must reach the threshold.
        """
        in_time = query.deadline is None or time.monotonic() < query.deadline
        if answer.text is not None or answer.form == TALK or not query.others or not in_time:
            return answer
        meanings = [replace(query, question=text, others=()) for text, _ in query.others]
        threshold, chosen = self.threshold, answer
        for other, (_, weight) in zip(self.ask_many(meanings), query.others, strict=True):
            weighted = other.confidence * weight
            if other.text is not None and other.form != TALK and weighted >= threshold:
                threshold, chosen = weighted, other
        return chosen

    def _of_parts(self, query: Query, answer: Answer) -> Answer:
        """The answer, unless the question has two parts ("When and where is the fair?"), or is a
        comparison and the answer lacks a side. Then it is the sentences that answer both parts, if
        both probabilities together reach the threshold, or those of the one part that has an
        answer, with its name.
        """
        in_time = query.deadline is None or time.monotonic() < query.deadline
        is_whole = query.is_part or query.form or answer.form in (TALK, GRID)
        asked, names = _parts(answer) if in_time and not is_whole else ((), ())
        if not asked:
            return answer
        parts = self._ask_parts(query, asked, names)
        candidate = joint_candidate(parts, names)
        confidence = math.prod(part.confidence for part in parts)
        if candidate is None:
            candidate = lone_part(answer, names or asked, parts)
            confidence = max((part.confidence for part in parts if part.text), default=0.0)
        if candidate is None or confidence < self.threshold:
            return answer
        quoted = dict.fromkeys(place.document_id for place in candidate.places)
        is_scattered = len(quoted) > 1 and not names
        if answer.text and is_scattered and answer.confidence >= confidence:
            return answer

        documents = {name: found for name in quoted if (found := self.store.document(name))}
        cited = {(c.document_id, c.sha256) for part in parts for c in part.citations}
        current = {(name, document.sha256) for name, document in documents.items()}
        if len(current) < len(quoted) or not current <= cited:
            return answer  # a document has changed meanwhile
        disputed = tuple(side for part in parts for side in part.conflicts)
        in_both = with_candidate(answer, candidate, confidence, documents)
        return replace(in_both, conflicts=disputed)

    def _ask_parts(self, query: Query, asked: Sequence[str], names: Sequence[str]) -> list[Answer]:
        """The answers to the parts of a question: to both sides of a comparison, or one after the
        other, where the second prefers the documents of the first.
        """
        queries = [replace(query, question=text, others=(), is_part=True) for text in asked]
        if names:
            return self.ask_many(queries)
        first, second = queries
        (one,) = self.ask_many([first])
        found = tuple(dict.fromkeys(citation.document_id for citation in one.citations))
        (other,) = self.ask_many([replace(second, preferred=(*second.preferred, *found))])
        return [one, other]

    def _compose(
        self,
        query: Query,
        found: Found,
        read: int,
        reading: Reading,
        timings: Mapping[str, float],
    ) -> Answer:
        """Compose from the documents as they were at retrieval, so that an answer never mixes two
        states.
        """
        is_talk = found.is_talk(query)
        retrieved = replace(found.retrieved, hits=[]) if is_talk else found.retrieved
        asked = self._asked_question(query, retrieved, read, timings)
        if is_talk:
            return self._talk(query, asked)
        ranked = rank(reading, self.judge, query.form, found.proposed, found.unlikely_rows)
        alternatives = self.alternatives if query.alternatives is None else query.alternatives
        return compose(asked, reading, ranked, Ruling(self.judge, self.threshold, alternatives))

    def _asked_question(
        self, query: Query, retrieved: RetrievalResult, read: int, timings: Mapping[str, float]
    ) -> AskedQuestion:
        return AskedQuestion(
            query=query,
            retrieved=retrieved,
            read=read,
            settings=replace(self.settings, threshold=self.threshold),
            calibration=self.judge.digest,
            timings=timings,
        )

    def _talk(self, query: Query, asked: AskedQuestion) -> Answer:
        """The reply to talk, with questions that the index answers."""
        from rag.answering.suggestions import SUGGESTION_READS, talk_reply

        def ask(text: str) -> Answer:
            return self.ask(text, SUGGESTION_READS, deadline=query.deadline)

        return talk_reply(asked, self.suggestions.questions(self.store, ask))

    @property
    def threshold(self) -> float:
        """Minimum probability of an answer: the setting, or if that is negative, the fitted one."""
        return self.settings.threshold if self.settings.threshold >= 0 else self.judge.threshold


def _parts(answer: Answer) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The questions for the parts of a question, and the names of the sides if it is a comparison
    and the answer lacks a side; nothing for other questions.
    """
    question = answer.understood or answer.question
    asked = halves(question)
    sides = None if asked else compared_sides(question)
    if sides and (answer.text is None or is_one_sided(answer, sides.names)):
        return sides.questions, sides.names
    return asked, ()


def _check_forms(queries: Sequence[Query]) -> None:
    """Raises InputError for an unknown form."""
    for query in queries:
        if query.form and query.form not in FORMS:
            raise InputError(f"unknown form {query.form!r}", f"choose one of: {', '.join(FORMS)}")


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings[stage] = time.perf_counter() - started
