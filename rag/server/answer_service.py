"""Access to a running service for its endpoints: answers, hits and documents of `rag.types`,
through the model thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.claims.checker import Checker
from rag.claims.results import CheckReport
from rag.filters import parse
from rag.server.caller import Caller
from rag.server.conversation import Exchanged, Understood, in_context
from rag.server.pending_question import PendingQuestion
from rag.server.schemas import Options
from rag.server.state import Service, wait
from rag.types import Answer, Hit


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
        self, question: str, turns: Sequence[Exchanged], options: Options
    ) -> tuple[PendingQuestion, Understood]:
        """Queue a question, understood after earlier turns. Raises InputError, StoreError,
        ServiceError.
        """
        understood = in_context(question, turns)
        (pending,) = self.service.submit(
            [understood.question], options, self.caller, preferred=understood.preferred
        )
        return pending, understood

    def ask(self, question: str, turns: Sequence[Exchanged], options: Options) -> Answered:
        """Raises as `submit` does."""
        pending, understood = self.submit(question, turns, options)
        return Answered(wait(pending, pending.answer), understood.question, understood.note)

    def search(self, question: str, options: Options) -> list[Hit]:
        """The best passages, best first. Raises as `submit` does."""
        (pending,) = self.service.submit([question], options, self.caller, search=True)
        return wait(pending, pending.found).hits

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
