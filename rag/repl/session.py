"""The state of a session at the prompt: questions and answers, filter, and numbered sources."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

from rag.background import BackgroundIndex
from rag.filters import Filter
from rag.render import view
from rag.session import Conversation, Understood
from rag.types import Answer, Citation, Hit


class Exchange(NamedTuple):
    """A question as typed, its answer, and the `seconds` between them."""

    asked: str
    answer: Answer
    seconds: float


Working = Callable[[str], AbstractContextManager[object]]
"""Shows a message while the user waits."""


@dataclass
class ReplSession:
    """Mutable and not thread-safe. `follow` turns follow-up questions on."""

    service: BackgroundIndex
    filter: Filter = ()
    top_k: int | None = None
    as_json: bool = False
    follow: bool = True
    working: Working = nullcontext
    exchanges: list[Exchange] = field(default_factory=list)
    places: list[Citation] = field(default_factory=list)
    """The numbered sources that were shown last."""
    saved: str = ""
    _conversation: Conversation = field(default_factory=Conversation)

    @property
    def conditions(self) -> str:
        return " and ".join(f"{c.key}{c.op}{c.value}" for c in self.filter)

    def understand(self, question: str) -> Understood:
        """The question, completed if follow-ups are on."""
        if not self.follow:
            return Understood(question.strip())
        return self._conversation.understand(question)

    def ask(self, question: str, understood: Understood) -> Answer:
        """Answer the completed question and record it as it was typed. Raises RagError."""
        started = time.perf_counter()
        with self.working("loading the models" if self.service.loading else "reading"):
            engine = self.service.engine()
            answer = self._conversation.ask(engine, understood, self.top_k, self.filter)

        exchange = Exchange(
            asked=question.strip(),
            answer=answer,
            seconds=time.perf_counter() - started,
        )
        self.exchanges.append(exchange)
        self.places = [_citation(place) for place in view.numbered_sources(answer)]
        return answer

    def search(self, words: str, top_k: int) -> list[Hit]:
        with self.working("loading the models" if self.service.loading else "searching"):
            hits = self.service.engine().search(words, top_k, self.filter)
        self.places = [_citation(hit) for hit in hits]
        return hits


def _citation(place: Citation | Hit) -> Citation:
    """A passage is cited as a whole."""
    if isinstance(place, Citation):
        return place
    return Citation.of_passage(place.passage)
