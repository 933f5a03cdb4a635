"""Remembers the last answers, and completes a follow-up question from them, at the prompt and in
Python. `rag.server.answer_service` gets the turns from its client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rag.filters import Filter
from rag.meaning.followups import PreviousTurn, Rewrite, names_something, understand
from rag.types import TALK, Answer

if TYPE_CHECKING:
    from rag.engine import Engine


class Conversation:
    """Keeps the last answer, and the last about a topic: "thanks" does not change the topic."""

    def __init__(self) -> None:
        self._last: Answer | None = None
        self._topic: Answer | None = None

    def understand(self, question: str) -> Rewrite:
        """The completed question."""
        topic = self._topic
        return understand(question, PreviousTurn(topic.question, topic.text) if topic else None)

    def ask(self, engine: Engine, rewrite: Rewrite, top_k: int | None, filter: Filter) -> Answer:
        """Ask a completed question; documents of the last answer are preferred if it follows up."""
        last = self._last.citations if self._last and rewrite.is_about_the_last else ()
        preferred = [citation.document_id for citation in last]
        answer = engine.ask(rewrite.question, top_k, filter, preferred=preferred)
        if answer.form != TALK:
            self._last = answer
            if names_something(answer.question):
                self._topic = answer
        return answer
