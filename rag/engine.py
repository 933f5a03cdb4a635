"""The one door: every face asks here, and a document comes in here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from rag.composing.compose import Rule, compose
from rag.composing.confidence import Confidence
from rag.composing.features import Asked as About
from rag.composing.features import features
from rag.errors import EmptyError, InputError
from rag.protocols import Filter, Reader, Retriever, Store
from rag.receipts import receipt
from rag.rounds import Reading, Rounds
from rag.settings import Settings
from rag.types import Answer, Document, Hit, Span

_TRIES = 20
"""A change takes milliseconds, as does a retrieval; where changes come without a pause, what no longer stands is left out."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as it is put; `k`: how many passages are wanted, None: as many as the settings say are read.

    `deadline`: a moment of `time.monotonic` after which no further passage is read.
    """

    question: str
    k: int | None = None
    filter: Filter | None = None
    deadline: float | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What one generation of the index holds for a question: the best hits and, by id, the documents they stand in."""

    hits: list[Hit]
    documents: Mapping[str, Document]
    generation: int


class Searcher:
    """Finds passages."""

    def __init__(self, settings: Settings, store: Store, retriever: Retriever) -> None:
        self.settings = settings
        self.store = store
        self.retriever = retriever

    def search(self, question: str, k: int = 10, filter: Filter | None = None) -> list[Hit]:
        """The `k` best passages, best first.

        Raises InputError for a question that is empty or too long, EmptyError if there is nothing to ask.
        """
        return self.find_many([Asked(question, k, filter)])[0].hits

    def find_many(self, asked: Sequence[Asked]) -> list[Found]:
        """As `search` for each, embedded together. Each from one generation, whatever is written meanwhile."""
        checked = [Asked(check_question(one.question, self.settings.max_question), one.k, one.filter) for one in asked]
        return self._find(checked) or [self._find_patiently(one) for one in checked]

    def _find_patiently(self, one: Asked) -> Found:
        for _ in range(_TRIES):
            if found := self._find([one]):
                return found[0]
        return self._find([one], changing=True)[0]

    def _find(self, asked: Sequence[Asked], changing: bool = False) -> list[Found]:
        """Nothing if the index has changed meanwhile; or, with `changing`, what stands in it all the same."""
        before = self.store.stats()
        if not before.passages:
            raise EmptyError("the index is empty", "put documents in: rag ingest PATH")
        hits = self._retrieve(asked)
        ids = {hit.passage.document_id for found in hits for hit in found}
        documents = {i: document for i in sorted(ids) if (document := self.store.document(i))}
        generation = self.store.stats().generation
        changed = generation != before.generation
        if changed and not changing:
            return []
        return [Found(_standing(found, documents, changed), documents, generation) for found in hits]

    def _retrieve(self, asked: Sequence[Asked]) -> list[list[Hit]]:
        """Questions with the same `k` and filter go together."""
        groups: dict[tuple[int, str], list[int]] = {}
        for row, one in enumerate(asked):
            groups.setdefault((one.k or self.settings.read, repr(one.filter)), []).append(row)
        hits: dict[int, list[Hit]] = {}
        for (k, _), rows in groups.items():
            found = self.retriever.retrieve([asked[row].question for row in rows], k, asked[rows[0]].filter)
            hits |= zip(rows, found, strict=True)
        return [hits[row] for row in range(len(asked))]


class Engine(Searcher):
    """Finds passages, reads them, composes the answer."""

    def __init__(self, settings: Settings, store: Store, retriever: Retriever, reader: Reader, confidence: Confidence) -> None:
        super().__init__(settings, store, retriever)
        self.reader = reader
        self._rounds = Rounds(reader, self._is_enough if settings.enough < 1 else None)
        self.confidence = confidence

    def ask(self, question: str, read: int | None = None, filter: Filter | None = None, deadline: float | None = None) -> Answer:
        """The answer that stands in the documents, or why there is none. `read`: how many passages are read.

        After `deadline`, a moment of `time.monotonic`, the answer is that of the passages read so far, the best one at least;
        `Answer.read` says how many they were. Raises as `search` does.
        """
        return self.ask_many([Asked(question, read, filter, deadline)])[0]

    def ask_many(self, asked: Sequence[Asked]) -> list[Answer]:
        """As `ask` for each, embedded and read in common batches; `timings` are those of the batch."""
        timings: dict[str, float] = {}
        with _timed(timings, "retrieve"):
            found = self.find_many(asked)
        return self.answer_many(asked, found, timings)

    def answer_many(
        self,
        asked: Sequence[Asked],
        found: Sequence[Found],
        timings: Mapping[str, float],
        seen: Callable[[int], object] = lambda row: None,
    ) -> list[Answer]:
        """The answers from what was found for each; `timings`: what the search took. `seen` is called with a question's number
        when passages of it have been read."""
        timings = dict(timings)
        readings = [Reading(one.question.strip(), at.hits, one.deadline) for one, at in zip(asked, found, strict=True)]
        with _timed(timings, "read"):
            self._rounds.run(readings, seen)
        with _timed(timings, "compose"):
            return [self._compose(*parts, timings) for parts in zip(asked, found, readings, strict=True)]

    def _is_enough(self, question: str, spans: Sequence[Span]) -> bool:
        asked = About.of(question)
        ranked = self.confidence.rank(asked, spans)
        return bool(ranked) and self.confidence(features(asked, ranked[0], ranked)) >= self.settings.enough

    def _compose(self, asked: Asked, found: Found, reading: Reading, timings: Mapping[str, float]) -> Answer:
        """From the documents as they were when the passages were found, so that an answer never mixes two states."""
        used = replace(self.settings, threshold=self.threshold)
        rule = Rule(self.confidence, self.threshold, self.settings.alternatives)
        answer = compose(reading.question, found.hits, reading.spans, found.documents.get, rule, timings)
        answer = replace(answer, read=reading.read)
        documents = [found.documents[name] for name in sorted({hit.passage.document_id for hit in answer.hits_read})]
        k = reading.read if answer.partial else asked.k or self.settings.read  # so that it can be made again
        filter, digest = asked.filter or (), self.confidence.digest
        made = receipt(used, digest, reading.question, k, filter, found.generation, documents, answer)
        return replace(answer, receipt=made)

    @property
    def threshold(self) -> float:
        """The least confidence at which an answer is given: the setting's or, where it is negative, the calibration's."""
        return self.settings.threshold if self.settings.threshold >= 0 else self.confidence.threshold


def _standing(hits: Sequence[Hit], documents: Mapping[str, Document], changed: bool) -> list[Hit]:
    """Those whose text is in its document; without their copies, which nobody has looked at, if the index has changed since."""
    standing = [hit for hit in hits if _stands(hit, documents)]
    return [replace(hit, copies=()) for hit in standing] if changed else standing


def _stands(hit: Hit, documents: Mapping[str, Document]) -> bool:
    document = documents.get(hit.passage.document_id)
    return document is not None and document.text[hit.passage.start : hit.passage.end] == hit.passage.text


def check_question(question: str, most: int) -> str:
    """The question without space around it. Raises InputError if nothing is left, it is too long, or it is not text."""
    question = question.strip()
    if not question:
        raise InputError("the question is empty", 'ask one: rag ask "When was the JCPOA signed?"')
    if len(question) > most:
        message = f"the question has {len(question):,} characters, at most {most:,} are read"
        raise InputError(message, "shorten it, or raise RAG_MAX_QUESTION")
    try:
        question.encode()
    except UnicodeEncodeError as error:
        raise InputError("the question is not valid UTF-8", "check the terminal's encoding") from error
    return question


@contextmanager
def _timed(timings: dict[str, float], stage: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    timings[stage] = time.perf_counter() - begun
