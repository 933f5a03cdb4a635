"""The engine: retrieves passages, reads them and composes answers. All interfaces use it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace

from rag.answering import by_form, comparing, outcome, talk
from rag.answering.answer import AbstentionPolicy
from rag.answering.by_form import Read
from rag.answering.catalogue import Catalogued, catalogue
from rag.answering.comparing import Side
from rag.answering.confidence import Confidence
from rag.answering.features import features
from rag.answering.forms import FORMS, NEEDS_ALL, Choice, FormClassifier
from rag.answering.mention import QuestionAnalysis
from rag.answering.overview import meant, overview
from rag.answering.provenance import receipt
from rag.answering.searcher import TRIES, Query, RetrievalResult, Searcher
from rag.errors import InputError
from rag.filters import matches, of_documents, shown
from rag.models.reading_budget import BudgetedReader, ReadState
from rag.protocols import Embedder, Filter, Reader, Retriever, Speller, Store
from rag.settings import Settings
from rag.types import TALK, Answer, Document, Hit, Receipt, Span

MOST_ALTERNATIVES = 3
"""Maximum number of alternative answers in an answer."""
_RAISED = 0.05
"""Bonus on the fused score for documents of the previous answer, in a follow-up."""


class Engine(Searcher):
    """Retrieves passages, reads them and composes the answer."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        retriever: Retriever,
        reader: Reader,
        confidence: Confidence,
        speller: Speller | None = None,
        forms: FormClassifier | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        """`forms` chooses the form of an answer; without it, answers are spans unless the question
        asks for another form. Overviews need `embedder`.
        """
        super().__init__(settings, store, retriever, speller)
        self.reader = reader
        self._forms = forms
        self._embedder = embedder
        self._rounds = BudgetedReader(reader, self._is_enough if settings.early_exit < 1 else None)
        self.confidence = confidence
        self.alternatives = MOST_ALTERNATIVES
        self._suggestions = talk.Suggestions()

    def ask(
        self,
        question: str,
        read: int | None = None,
        filter: Filter | None = None,
        deadline: float | None = None,
        form: str = "",
        preferred: Sequence[str] = (),
    ) -> Answer:
        """Answer a question, or explain why there is no answer. `read` is the number of passages to
        read; `form` as in `Query`.

        After `deadline`, a `time.monotonic` time, the answer uses the passages read so far, at
        least the best one; `Answer.passages_read` is their number. Raises as `search` does.
        """
        return self.ask_many(
            [Query(question, read, filter, deadline, form, preferred=tuple(preferred))]
        )[0]

    def ask_many(self, asked: Sequence[Query]) -> list[Answer]:
        """`ask` for several questions, which are embedded and read together; `timings` are those of
        the whole batch.
        """
        timings: dict[str, float] = {}
        with _timed(timings, "retrieve"):
            found = self.find_many(asked)
        return self.answer_many(asked, found, timings)

    def find_many(self, asked: Sequence[Query]) -> list[RetrievalResult]:
        """`Searcher.find_many`, plus the form of each answer and what this form needs."""
        asked = [self._understood(one) for one in asked]
        choices = self._choose(asked)
        sides = [
            comparing.named(one.question) if choice.form == "comparison" else ()
            for one, choice in zip(asked, choices, strict=True)
        ]
        searches = [self._searches(*parts) for parts in zip(asked, sides, strict=True)]
        found = iter(super().find_many([search for group in searches for search in group]))
        groups = [[next(found) for _ in group] for group in searches]
        made = [_merged(*parts) for parts in zip(groups, sides, strict=True)]
        made = [self._preferring(one, at) for one, at in zip(asked, made, strict=True)]
        return [self._formed(*parts) for parts in zip(asked, made, choices, strict=True)]

    def _choose(self, asked: Sequence[Query]) -> list[Choice]:
        """Choose the form of each answer. Raises InputError for an unknown form."""
        for one in asked:
            if one.form and one.form not in FORMS:
                raise InputError(f"unknown form {one.form!r}", f"choose one of: {', '.join(FORMS)}")
        open_ones = [one.question for one in asked if not one.form] if self._forms else []
        chosen = iter(self._forms.classify(open_ones) if self._forms and open_ones else [])
        return [
            Choice(one.form or "span", {}) if one.form or not self._forms else next(chosen)
            for one in asked
        ]

    def _searches(self, one: Query, sides: Sequence[Side]) -> list[Query]:
        """The question and, for a comparison, one question per side; together they read about half
        as many passages again.
        """
        k = one.k or self.settings.top_k
        if not sides:
            return [replace(one, k=2 * k) if one.preferred else one]
        questions = (one.question, *(side.question for side in sides))
        return [replace(one, question=question, k=max(2, k // 2)) for question in questions]

    def _preferring(self, one: Query, found: RetrievalResult) -> RetrievalResult:
        """Select from twice as many passages, with a bonus for documents of the previous answer."""
        if not one.preferred:
            return found
        k = one.k or self.settings.top_k
        bonus = dict.fromkeys(one.preferred, _RAISED)
        raised = sorted(
            found.hits, key=lambda hit: -hit.score - bonus.get(hit.passage.document_id, 0.0)
        )
        return replace(found, hits=raised[:k])

    def _formed(self, one: Query, found: RetrievalResult, choice: Choice) -> RetrievalResult:
        """Add the answer to a question about documents, from the same generation. If there is none,
        fall back to another form.
        """
        if choice.form == TALK:
            return replace(found, form=TALK, likely=choice.likely, hits=[])
        if choice.form not in ("overview", "catalogue"):
            return replace(found, form=choice.form, likely=choice.likely)
        for _ in range(TRIES):
            listed = [
                d for d in self.store.documents() if matches(of_documents(one.filter or ()), d)
            ]
            about = (self._overview if choice.form == "overview" else self._catalogue)(
                one, listed, found
            )
            if self.store.stats().generation == found.generation:
                break
            found = super().find_many([one])[0]
        instead = "sentences" if choice.form == "overview" else "span"
        return replace(found, form=choice.form if about else instead, about=about)

    def _overview(
        self, one: Query, listed: Sequence[Document], found: RetrievalResult
    ) -> Catalogued | None:
        name = meant(one.question, listed, found.hits)
        document = self.store.document(name) if name else None
        if document is None or self._embedder is None:
            return None
        pieces = overview(document, *self.store.embedded(document.id), self._embedder)
        return Catalogued("", pieces) if pieces else None

    def _catalogue(
        self, one: Query, listed: Sequence[Document], found: RetrievalResult
    ) -> Catalogued | None:
        return catalogue(one.question, self.store, listed, found.hits)

    def answer_many(
        self,
        asked: Sequence[Query],
        found: Sequence[RetrievalResult],
        timings: Mapping[str, float],
        on_progress: Callable[[int], object] = lambda row: None,
    ) -> list[Answer]:
        """Compose the answers from the retrieval results. `timings` are those of retrieval.
        `on_progress` is called with a question's index after passages of it have been read.
        """
        timings = dict(timings)
        readings = [
            [
                ReadState(question, hits, one.deadline)
                for question, hits in [
                    (at.question, at.hits if _is_read(at) else ()),
                    *((side.question, at.hits) for side in at.sides),
                ]
            ]
            for one, at in zip(asked, found, strict=True)
        ]
        rows = [row for row, group in enumerate(readings) for _ in group]
        with _timed(timings, "read"):
            self._rounds.run(
                [one for group in readings for one in group], lambda n: on_progress(rows[n])
            )
        with _timed(timings, "compose"):
            return [
                self._compose(*parts, timings) for parts in zip(asked, found, readings, strict=True)
            ]

    def _is_enough(self, question: str, spans: Sequence[Span]) -> bool:
        asked = QuestionAnalysis.of(question)
        ranked = self.confidence.rank(asked, spans)
        return (
            bool(ranked)
            and self.confidence(features(ranked[0], ranked)) >= self.settings.early_exit
        )

    def _compose(
        self,
        asked: Query,
        found: RetrievalResult,
        readings: Sequence[ReadState],
        timings: Mapping[str, float],
    ) -> Answer:
        """Compose from the documents as they were at retrieval, so that an answer never mixes two
        states.
        """
        rule = AbstentionPolicy(
            self.confidence, self.threshold, self.alternatives, self.settings.threshold < 0
        )
        reading, *of_sides = readings
        if found.form == TALK:
            answer = talk.reply(asked.question.strip(), self._suggested(asked), timings)
            return replace(answer, receipt=self._receipt(asked, found, answer, reading))
        sides = tuple(
            (side.name, state.output) for side, state in zip(found.sides, of_sides, strict=True)
        )
        read = Read(
            reading.question,
            found.form,
            found.hits,
            reading.output,
            found.documents,
            sides,
            found.likely,
        )
        answer = by_form.answer(read, rule, timings, self.confidence.forms)
        if found.about:
            answer = outcome.of_documents(answer, found.form, found.about)
        if asked.filter and not found.hits and answer.text is None:
            answer = replace(answer, abstention_reason=f"no document matches {shown(asked.filter)}")
        typed = asked.question.strip()
        understood = found.question if found.question != typed else None
        answer = replace(
            answer,
            question=typed,
            understood=understood,
            passages_read=reading.read if _is_read(found) else None,
        )
        return replace(answer, receipt=self._receipt(asked, found, answer, reading))

    def _suggested(self, asked: Query) -> tuple[str, ...]:
        """Questions that the index answers."""
        return self._suggestions.questions(
            self.store, lambda question: self.ask(question, talk.READ, deadline=asked.deadline)
        )

    def _receipt(
        self, asked: Query, found: RetrievalResult, answer: Answer, reading: ReadState
    ) -> Receipt:
        """The receipt needs the number of passages to repeat the answer."""
        return receipt(
            replace(self.settings, threshold=self.threshold),
            self.confidence.digest,
            answer.question,
            reading.read if answer.truncated else asked.k or self.settings.top_k,
            asked.filter or (),
            found.generation,
            self._behind(answer, found),
            answer,
            asked.form,
            asked.preferred,
        )

    def _behind(self, answer: Answer, found: RetrievalResult) -> list[Document]:
        """The documents that were read or are cited."""
        names = {hit.passage.document_id for hit in answer.hits_read} | {
            c.document_id for c in answer.citations
        }
        known = {
            name: found.documents.get(name) or self.store.document(name) for name in sorted(names)
        }
        return [document for document in known.values() if document]

    @property
    def threshold(self) -> float:
        """Minimum confidence for an answer: the setting, or if that is negative, the calibrated
        one.
        """
        return (
            self.settings.threshold if self.settings.threshold >= 0 else self.confidence.threshold
        )


def _is_read(found: RetrievalResult) -> bool:
    return found.about is None and found.form not in (NEEDS_ALL, TALK)


def _merged(found: Sequence[RetrievalResult], sides: Sequence[Side]) -> RetrievalResult:
    """The result for a question, with those of the sides that it compares: all hits interleaved
    rank by rank, each passage once.
    """
    first, *rest = found
    if not rest:
        return first
    by_place: dict[tuple[str, int], Hit] = {}
    for row in itertools.zip_longest(*(one.hits for one in found)):
        for hit in row:
            if hit is not None:
                by_place.setdefault((hit.passage.document_id, hit.passage.start), hit)
    documents = {name: document for one in found[::-1] for name, document in one.documents.items()}
    hits = list(by_place.values())
    return replace(first, hits=hits, documents=documents, sides=tuple(sides))


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    timings[stage] = time.perf_counter() - started
