"""Access to a running service for its endpoints, through the model thread: answers, hits and checks
of `rag.types`; and follow-up questions, completed from the earlier turns that a client sends with
them. At the prompt and in Python, `rag.repl.session` remembers the turns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.answering.searcher import check_question
from rag.claims.checker import Checker
from rag.claims.results import CheckReport
from rag.filters import parse
from rag.meaning.followups import PreviousTurn, names_something, understand
from rag.server.caller import Caller, PendingQuestion
from rag.server.schemas import Options, Turn
from rag.server.state import Service
from rag.settings import Settings
from rag.types import Answer, Hit

_MOST_TURNS = 8
"""Number of turns to consider, newest first."""


@dataclass(frozen=True, slots=True)
class Understood:
    """A completed question. `note` says if it may refer to the last turn but is asked as typed;
    `preferred` are the documents of the last answer, if it follows up on that; `others` are other
    meanings, as in `Rewrite`.
    """

    question: str
    note: str = ""
    preferred: tuple[str, ...] = ()
    others: tuple[tuple[str, float], ...] = ()

    def answered(self, answer: Answer) -> Answered:
        """The answer with the meaning that it has; another one needs no note."""
        is_other = answer.question in (text for text, _ in self.others)
        question, note = (answer.question, "") if is_other else (self.question, self.note)
        return Answered(answer, question, note)


def in_context(question: str, turns: Sequence[Turn]) -> Understood:
    """The question understood after earlier turns, oldest first. Raises InputError if it is empty
    or too long.

    Turns without a question, or with one that is too long, are skipped.
    """
    question = check_question(question, Settings.max_question)
    last: PreviousTurn | None = None
    for turn in turns[-_MOST_TURNS:]:
        if not turn.question.strip() or len(turn.question) > Settings.max_question:
            continue
        complete = understand(turn.question, last).question
        if names_something(complete):
            last = PreviousTurn(complete, turn.answer)
    rewrite = understand(question, last)
    preferred = tuple(turns[-1].documents) if turns and rewrite.is_about_the_last else ()
    return Understood(rewrite.question, rewrite.note, preferred, rewrite.others)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and the completed question; `note` as in `Understood`."""

    answer: Answer
    question: str
    note: str = ""


@dataclass(frozen=True)
class ServiceLibrary:
    """A service's index for one client; its questions are cancelled when it disconnects."""

    service: Service
    caller: Caller

    def submit(
        self, question: str, turns: Sequence[Turn], options: Options
    ) -> tuple[PendingQuestion, Understood]:
        """Queue a question, after `turns`. Raises InputError, StoreError, ServiceError."""
        understood = in_context(question, turns)
        (pending,) = self.service.submit(
            [understood.question],
            options,
            self.caller,
            preferred=understood.preferred,
            others=understood.others,
        )
        return pending, understood

    def ask(self, question: str, turns: Sequence[Turn], options: Options) -> Answered:
        """Raises as `submit` does."""
        pending, understood = self.submit(question, turns, options)
        return understood.answered(pending.wait(pending.answer))

    def search(self, question: str, options: Options) -> list[Hit]:
        """The best passages, best first. Raises as `submit` does."""
        (pending,) = self.service.submit([question], options, self.caller, search=True)
        return pending.wait(pending.found).hits

    def check(
        self,
        text: str,
        filters: Sequence[str],
        sources: Mapping[int, str] | None = None,
        seconds: float = 0.0,
    ) -> CheckReport:
        """Check a text in the model thread, between questions of other clients, for at most
        `seconds`; 0 uses the default. Raises as `Checker.check`, and ServiceError.
        """
        proceed = self.service.deadline(self.caller, seconds)
        run = self.service.runner(self.caller, proceed)
        checker = Checker(self.service.engine)
        return checker.check(text, parse(filters) or None, sources, run=run, proceed=proceed)
