"""The one door: every face asks here, and a document comes in here."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rag.composing.compose import Rule, compose
from rag.composing.confidence import Confidence
from rag.errors import InputError, StoreError
from rag.protocols import Filter, Reader, Retriever, Store
from rag.settings import Settings
from rag.types import Answer, Hit


class Searcher:
    """Finds passages."""

    def __init__(self, settings: Settings, store: Store, retriever: Retriever) -> None:
        self.settings = settings
        self.store = store
        self.retriever = retriever

    def search(self, question: str, k: int = 10, filter: Filter | None = None) -> list[Hit]:
        """The `k` best passages, best first.

        Raises InputError for a question that is empty or too long, StoreError if there is nothing to ask.
        """
        question = check_question(question, self.settings.max_question)
        if not self.store.stats().passages:
            raise StoreError("the index is empty", "put documents in: rag ingest PATH")
        return self.retriever.retrieve([question], k, filter)[0]


class Engine(Searcher):
    """Finds passages, reads them, composes the answer."""

    def __init__(self, settings: Settings, store: Store, retriever: Retriever, reader: Reader, confidence: Confidence) -> None:
        super().__init__(settings, store, retriever)
        self.reader = reader
        self.confidence = confidence

    def ask(self, question: str, read: int | None = None, filter: Filter | None = None) -> Answer:
        """The answer that stands in the documents, or why there is none. `read`: how many passages are read.

        Raises as `search` does.
        """
        timings: dict[str, float] = {}
        with _timed(timings, "retrieve"):
            hits = self.search(question, read or self.settings.read, filter)
        with _timed(timings, "read"):
            spans = self.reader.read(question.strip(), hits)
        with _timed(timings, "compose"):
            threshold = self.settings.threshold if self.settings.threshold >= 0 else self.confidence.threshold
            rule = Rule(self.confidence, threshold, self.settings.alternatives)
            return compose(question.strip(), hits, spans, self.store.document, rule, timings)


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
