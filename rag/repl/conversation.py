"""A conversation: what a follow-up leaves out is filled in from the answers before."""

from __future__ import annotations

from rag.meaning.followups import PreviousTurn, Rewrite, understand
from rag.meaning.noun_phrases import phrases
from rag.types import Answer


class Conversation:
    """Remembers the last answer, and the last one whose question names something: after "and who?"
    the topic is still the one before.
    """

    def __init__(self) -> None:
        self._last: Answer | None = None
        self._topic: Answer | None = None

    def add(self, answer: Answer) -> None:
        self._last = answer
        if phrases(answer.question):
            self._topic = answer

    def understand(self, question: str) -> Rewrite:
        """The question with what it leaves out."""
        return understand(question, self._previous())

    def preferred(self, question: str, understood: str) -> list[str]:
        """Documents of the last answer, if the question was filled in from it."""
        if understood == question.strip() or self._last is None:
            return []
        return [citation.document_id for citation in self._last.citations]

    def _previous(self) -> PreviousTurn | None:
        if self._topic is None:
            return None
        evidence = "\n".join(hit.passage.in_context for hit in self._topic.hits)
        return PreviousTurn(self._topic.question, self._topic.text, evidence)
