"""A conversation, in which a question may refer to the questions and answers before it.

The prompt and Python keep one `Conversation`. Over HTTP and MCP a client sends the earlier turns
with each question, and `Conversation.of` makes one from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

from rag.filters import Filter
from rag.meaning.followups import PreviousTurn, names_something, understand
from rag.query import Query
from rag.settings import Settings
from rag.types import TALK, Answer, Json

if TYPE_CHECKING:
    from rag.engine import Engine

_MOST_TURNS = 8
"""Number of turns of a client to consider, newest first."""


class EarlierTurn(Protocol):
    """An earlier question as it was typed, the text of its answer, and the documents it cites."""

    @property
    def question(self) -> str: ...

    @property
    def answer(self) -> str | None: ...

    @property
    def documents(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Understood:
    """A completed question. `note` says if it may refer to the last turn but is asked as typed.
    `preferred` are the documents of the last answer, if it follows up on that; `others` are other
    meanings. `is_talk` says whether it is no question, and `keeps_subject` whether its subject is
    that of the last question, as in `Rewrite`.
    """

    question: str
    note: str = ""
    preferred: tuple[str, ...] = ()
    others: tuple[tuple[str, float], ...] = ()
    is_talk: bool = False
    keeps_subject: bool = False

    def query(
        self, k: int | None, filter: Filter | None, form: str = "", as_typed: bool = False
    ) -> Query:
        """The question with these options, as in `Query`."""
        return Query(
            question=self.question,
            k=k,
            filter=filter,
            form=form,
            as_typed=as_typed,
            preferred=self.preferred,
            others=self.others,
            is_talk=self.is_talk,
        )

    def answered(self, answer: Answer) -> Answered:
        """The answer with the meaning that it has; another one needs no note."""
        is_other = answer.question in (text for text, _ in self.others)
        if is_other:
            return Answered(answer, answer.question)
        return Answered(answer, self.question, self.note)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and the completed question; `note` as in `Understood`."""

    answer: Answer
    question: str
    note: str = ""

    def to_dict(self, asked: str = "") -> Json:
        """The answer as JSON, with the question as it was typed, if that was a follow-up."""
        return {**self.answer.to_dict(), "asked": asked, "note": self.note}


class Conversation:
    """Keeps the documents of the last answer, and the last question that names something.

    Words do not pile up: talk changes nothing, nor does a follow-up about the same subject that
    gets no answer.
    """

    def __init__(self) -> None:
        self._documents: tuple[str, ...] = ()
        self._topic: PreviousTurn | None = None

    @classmethod
    def of(cls, turns: Sequence[EarlierTurn]) -> Self:
        """The conversation of a client, oldest turn first. Turns without a question, or with one
        that is too long, are skipped.
        """
        conversation = cls()
        for turn in turns[-_MOST_TURNS:]:
            if turn.question.strip() and len(turn.question) <= Settings.max_question:
                understood = conversation.understand(turn.question)
                if not understood.is_talk:
                    question = understood.question
                    conversation._add(understood, question, turn.answer, turn.documents)
        return conversation

    def understand(self, question: str) -> Understood:
        """The question, completed from the turns before."""
        rewrite = understand(question, self._topic)
        return Understood(
            question=rewrite.question,
            note=rewrite.note,
            preferred=self._documents if rewrite.is_about_the_last else (),
            others=rewrite.others,
            is_talk=rewrite.is_talk,
            keeps_subject=rewrite.keeps_subject,
        )

    def ask(self, engine: Engine, understood: Understood, k: int | None, filter: Filter) -> Answer:
        """Ask a completed question, and remember its answer. Raises as `Engine.ask` does."""
        (answer,) = engine.ask_many([understood.query(k, filter)])
        if answer.form != TALK:  # "thanks" does not change the topic
            cited = [citation.document_id for citation in answer.citations]
            self._add(understood, understood.answered(answer).question, answer.text, cited)
        return answer

    def _add(
        self, understood: Understood, question: str, answer: str | None, documents: Sequence[str]
    ) -> None:
        """Remember a question in the meaning that was answered."""
        if answer is None and understood.keeps_subject and self._topic:
            return
        self._documents = tuple(documents)
        if names_something(question):
            self._topic = PreviousTurn(question, answer)
