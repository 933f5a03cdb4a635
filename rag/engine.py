"""The engine: retrieves passages, reads them and composes answers. All interfaces use it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rag.answering.candidate import Candidate
from rag.answering.catalogue import catalogue
from rag.answering.compose import MOST_ALTERNATIVES, Ruling, compose
from rag.answering.forms import CLASSES, FORMS, FormClassifier
from rag.answering.judge import Ranks
from rag.answering.overview import meant, overview
from rag.answering.reading import Reading
from rag.answering.receipts import receipt
from rag.answering.searcher import TRIES, Query, RetrievalResult, Searcher
from rag.answering.talk import SUGGESTION_READS, Suggestions, talk_reply
from rag.errors import InputError
from rag.filters import matches, of_documents, shown
from rag.models.cascade import BudgetedReader, ReadState
from rag.protocols import Embedder, Filter, Reader, Retriever, Speller, Store
from rag.settings import Settings
from rag.types import TALK, Answer, Document, Receipt

_PREFERRED = 0.05
"""Bonus on the fused score for documents of the previous answer, in a follow-up."""
_TALK = 0.6
"""Probability of talk to rag itself from which on no document is asked."""
_PROPOSED = 0.05
"""Probability of an overview or a catalogue from which on one is made and judged."""


class Engine(Searcher):
    """Retrieves passages, reads them and composes the answer."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        retriever: Retriever,
        reader: Reader,
        judge: Ranks,
        speller: Speller | None = None,
        forms: FormClassifier | None = None,
        embedder: Embedder | None = None,
        quick: Engine | None = None,
    ) -> None:
        """`forms` says how likely a question wants each form; without it, answers are spans.
        Overviews need `embedder`. `quick` answers with the small reader of a cascade alone.
        """
        super().__init__(settings, store, retriever, speller)
        self.reader = reader
        self.judge = judge
        self.forms = forms
        self.quick = quick
        self.alternatives = MOST_ALTERNATIVES
        self.embedder = embedder
        self._rounds = BudgetedReader(reader)
        self.suggestions = Suggestions()

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
            results = self.find_many(queries)
        return self.answer_many(queries, results, timings)

    def find_many(self, queries: Sequence[Query]) -> list[RetrievalResult]:
        """`Searcher.find_many`, with the probability of each form, and candidates that come from
        documents instead of passages.
        """
        _check_forms(queries)
        queries = [self._understood(query) for query in queries]
        odds = self._form_odds(queries)
        wide = [self._widened(query) for query in queries]
        results = [
            self._preferring(query, result)
            for query, result in zip(queries, super().find_many(wide), strict=True)
        ]
        return [
            self._with_proposals(query, replace(result, form_odds=by_form))
            for query, result, by_form in zip(queries, results, odds, strict=True)
        ]

    def _form_odds(self, queries: Sequence[Query]) -> list[Mapping[str, float]]:
        """The probability of each form; one that a person chose is certain."""
        questions = [query.question for query in queries]
        classified = self.forms.probabilities(questions) if self.forms else [{} for _ in questions]
        return [
            {name: float(name == query.form) for name in CLASSES} if query.form else by_form
            for query, by_form in zip(queries, classified, strict=True)
        ]

    def _widened(self, query: Query) -> Query:
        """The query with twice as many passages, if documents are preferred."""
        return replace(query, k=2 * self._k(query)) if query.preferred else query

    def _preferring(self, query: Query, result: RetrievalResult) -> RetrievalResult:
        """The best passages, with a bonus for documents of the previous answer."""
        if not query.preferred:
            return result
        bonus = dict.fromkeys(query.preferred, _PREFERRED)
        by_score = sorted(
            result.hits, key=lambda hit: -hit.score - bonus.get(hit.passage.document_id, 0.0)
        )
        return replace(result, hits=by_score[: self._k(query)])

    def _k(self, query: Query) -> int:
        return query.k or self.settings.top_k

    def _with_proposals(self, query: Query, result: RetrievalResult) -> RetrievalResult:
        """Add an overview and a catalogue where the question may want one, from the same generation
        of the index.
        """
        document_ids = {
            form
            for form in ("overview", "catalogue")
            if query.form == form
            or (not query.form and result.form_odds.get(form, 0.0) >= _PROPOSED)
        }
        if not document_ids:
            return result
        for _ in range(TRIES):
            proposals, documents = self._proposals(query, result, document_ids)
            if self.store.stats().generation == result.generation:
                break
            (fresh,) = super().find_many([query])
            result = replace(fresh, form_odds=result.form_odds)
        return replace(result, proposed=proposals, documents={**result.documents, **documents})

    def _proposals(
        self, query: Query, result: RetrievalResult, document_ids: set[str]
    ) -> tuple[tuple[Candidate, ...], dict[str, Document]]:
        """The candidates, and the documents that they quote."""
        listed = [
            document
            for document in self.store.documents()
            if matches(of_documents(query.filter or ()), document)
        ]
        proposals: list[Candidate | None] = []
        if "overview" in document_ids and (name := meant(query.question, listed, result.hits)):
            document = self.store.document(name)
            if document and self.embedder:
                embedded = self.store.embedded(document.id)
                proposals.append(overview(document, *embedded, self.embedder))
        if "catalogue" in document_ids:
            is_alone = any(part.key == "document" and part.op == "=" for part in query.filter or ())
            proposals.append(catalogue(query.question, self.store, listed, result.hits, is_alone))
        present = tuple(proposal for proposal in proposals if proposal is not None)
        names = {place.document_id for proposal in present for place in proposal.places}
        documents = {name: found for name in names if (found := self.store.document(name))}
        return present, documents

    def answer_many(
        self,
        queries: Sequence[Query],
        results: Sequence[RetrievalResult],
        timings: Mapping[str, float],
        on_progress: Callable[[int], object] = lambda row: None,
    ) -> list[Answer]:
        """Compose the answers from the retrieval results. `timings` are those of retrieval.
        `on_progress` is called with a question's index after passages of it have been read.
        """
        timings = dict(timings)
        states = [
            ReadState(
                result.question, () if _is_talk(query, result) else result.hits, query.deadline
            )
            for query, result in zip(queries, results, strict=True)
        ]
        with _timed(timings, "read"):
            self._rounds.run(states, on_progress)
        with _timed(timings, "compose"):
            answers = [
                self._compose(query, result, state, timings)
                for query, result, state in zip(queries, results, states, strict=True)
            ]
        return [self._of_likeliest(query, one) for query, one in zip(queries, answers, strict=True)]

    def _of_likeliest(self, query: Query, answer: Answer) -> Answer:
        """The answer, or if a follow-up gets none, the likeliest one to its other meanings: its
        confidence times the weight of the meaning must reach the threshold.
        """
        in_time = query.deadline is None or time.monotonic() < query.deadline
        if answer.text is not None or answer.form == TALK or not query.others or not in_time:
            return answer
        meanings = [replace(query, question=text, others=()) for text, _ in query.others]
        likeliest, best = self.threshold, answer
        for other, (_, weight) in zip(self.ask_many(meanings), query.others, strict=True):
            likely = other.confidence * weight
            if other.text is not None and other.form != TALK and likely >= likeliest:
                likeliest, best = likely, other
        return best

    def _compose(
        self,
        query: Query,
        result: RetrievalResult,
        state: ReadState,
        timings: Mapping[str, float],
    ) -> Answer:
        """Compose from the documents as they were at retrieval, so that an answer never mixes two
        states.
        """
        if _is_talk(query, result):
            answer = talk_reply(query.question.strip(), self._suggested(query), timings)
            return replace(answer, receipt=self._receipt(query, result, answer, state))
        reading = Reading(
            state.question, result.hits, state.output, result.documents, result.form_odds
        )
        answer = compose(
            reading,
            Ruling(self.judge, self.threshold, self.alternatives),
            timings,
            query.form,
            result.proposed,
        )
        if query.filter and not result.hits and answer.text is None:
            answer = replace(answer, abstention_reason=f"no document matches {shown(query.filter)}")
        typed = query.question.strip()
        answer = replace(
            answer,
            question=typed,
            understood=result.question if result.question != typed else None,
            passages_read=state.read,
        )
        return replace(answer, receipt=self._receipt(query, result, answer, state))

    def _suggested(self, query: Query) -> tuple[str, ...]:
        """Questions that the index answers."""
        return self.suggestions.questions(
            self.store,
            lambda text: self.ask(text, SUGGESTION_READS, deadline=query.deadline),
        )

    def _receipt(
        self, query: Query, result: RetrievalResult, answer: Answer, state: ReadState
    ) -> Receipt:
        """The receipt needs the number of passages to repeat the answer."""
        return receipt(
            replace(self.settings, threshold=self.threshold),
            self.judge.digest,
            answer.question,
            state.read if answer.truncated else self._k(query),
            query.filter or (),
            result.generation,
            self._behind(answer, result),
            answer,
            query.form,
            query.preferred,
        )

    def _behind(self, answer: Answer, result: RetrievalResult) -> list[Document]:
        """The documents that were read or are cited."""
        names = {hit.passage.document_id for hit in answer.hits_read} | {
            citation.document_id for citation in answer.citations
        }
        documents = (
            result.documents.get(name) or self.store.document(name) for name in sorted(names)
        )
        return [document for document in documents if document]

    @property
    def threshold(self) -> float:
        """Minimum probability of an answer: the setting, or if that is negative, the fitted one."""
        return self.settings.threshold if self.settings.threshold >= 0 else self.judge.threshold


def _is_talk(query: Query, result: RetrievalResult) -> bool:
    """Whether the question is to rag itself."""
    likely = result.form_odds
    return not query.form and likely.get(TALK, 0.0) >= max(_TALK, *likely.values(), 0.0)


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
