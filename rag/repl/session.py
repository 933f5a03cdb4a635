"""A conversation, in which questions may refer to the answers before, for the prompt and for Python
(`rag.server.state` gets the turns from its client); and the state of a session at the
prompt: questions and answers, filter, and numbered sources.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rag.answering.verification import Cited
from rag.filters import Filter
from rag.meaning.followups import PreviousTurn, Rewrite, names_something, understand
from rag.render import view
from rag.repl.session_engine import SessionEngine
from rag.types import TALK, Answer, Citation, Hit

if TYPE_CHECKING:
    from rag.engine import Engine


class Conversation:
    """Keeps the last answer, and the last about a topic: "thanks" does not change the topic."""

    def __init__(self) -> None:
        self._last: Answer | None = None
        self._topic: PreviousTurn | None = None

    def understand(self, question: str) -> Rewrite:
        """The completed question."""
        return understand(question, self._topic)

    def ask(self, engine: Engine, rewrite: Rewrite, top_k: int | None, filter: Filter) -> Answer:
        """Ask a completed question; documents of the last answer are preferred if it follows up."""
        last = self._last.citations if self._last and rewrite.is_about_the_last else ()
        preferred = [citation.document_id for citation in last]
        answer = engine.ask(
            rewrite.question, top_k, filter, preferred=preferred, others=rewrite.others
        )
        if answer.form != TALK:
            self._last = answer
            if names_something(rewrite.question):
                self._topic = PreviousTurn(rewrite.question, answer.text)
        return answer


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

    service: SessionEngine
    filter: Filter = ()
    top_k: int | None = None
    as_json: bool = False
    follow: bool = True
    working: Working = nullcontext
    exchanges: list[Exchange] = field(default_factory=list)
    places: list[Cited] = field(default_factory=list)
    """The numbered sources that were shown last."""
    saved: str = ""
    _conversation: Conversation = field(default_factory=Conversation)

    @property
    def conditions(self) -> str:
        return " and ".join(f"{c.key}{c.op}{c.value}" for c in self.filter)

    def understand(self, question: str) -> Rewrite:
        """The question, completed if follow-ups are on."""
        return self._conversation.understand(question) if self.follow else Rewrite(question.strip())

    def ask(self, question: str, rewrite: Rewrite) -> Answer:
        """Answer the completed question and record it as it was typed. Raises RagError."""
        started = time.perf_counter()
        with self.working("loading the models" if self.service.loading else "reading"):
            engine = self.service.engine()
            answer = self._conversation.ask(engine, rewrite, self.top_k, self.filter)
        self.exchanges.append(Exchange(question.strip(), answer, time.perf_counter() - started))
        self.places = list(map(_place, view.numbered(answer)))
        return answer

    def search(self, words: str, top_k: int) -> list[Hit]:
        with self.working("loading the models" if self.service.loading else "searching"):
            hits = self.service.engine().search(words, top_k, self.filter)
        self.places = list(map(_place, hits))
        return hits


def _place(shown: Citation | Hit) -> Cited:
    place = shown if isinstance(shown, Citation) else shown.passage
    quote = shown.quote if isinstance(shown, Citation) else shown.passage.text
    return Cited(place.document_id, place.start, place.end, quote)
