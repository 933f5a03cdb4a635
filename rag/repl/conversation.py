"""Remembers the last answers, and completes a follow-up question from them, at the prompt and in
Python. `rag.server.conversation` gets the turns from its client.
"""

from __future__ import annotations

from rag.meaning.followups import PreviousTurn, Rewrite, names_something, understand
from rag.types import TALK, Answer


class Conversation:
    """Keeps the last answer, and the last about a topic: "thanks" does not change the topic."""

    def __init__(self) -> None:
        self._last: Answer | None = None
        self._topic: Answer | None = None

    def add(self, answer: Answer) -> None:
        if answer.form == TALK:
            return
        self._last = answer
        if names_something(answer.question):
            self._topic = answer

    def understand(self, question: str) -> Rewrite:
        """The completed question."""
        topic = self._topic
        previous = PreviousTurn(topic.question, topic.text) if topic else None
        return understand(question, previous)

    def preferred(self, rewrite: Rewrite) -> list[str]:
        """Documents of the last answer, if the question refers to it."""
        if not rewrite.is_about_the_last or self._last is None:
            return []
        return [citation.document_id for citation in self._last.citations]
