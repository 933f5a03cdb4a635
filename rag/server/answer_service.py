"""Access to a running service for MCP and the OpenAI endpoints: answers, hits and documents of
`rag.types`, through the model thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rag.answering.searcher import check_question
from rag.server.caller import Caller
from rag.server.conversation import Exchanged, in_context, preferred
from rag.server.schemas import Form, Options
from rag.server.state import Service, wait
from rag.types import Answer, Hit


class AskOptions(Options):
    """Options of a question; by default `form` is chosen from the question."""

    form: Form | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, and the question after follow-up resolution; `note` names what could not be
    resolved.
    """

    answer: Answer
    question: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class ServiceLibrary:
    """A service's index for one client; its questions are cancelled when it disconnects."""

    service: Service
    caller: Caller

    def ask(
        self, question: str, turns: Sequence[Exchanged] = (), options: Options | None = None
    ) -> Answered:
        """Raises InputError, StoreError, ServiceError."""
        chosen = options or Options()
        most = self.service.engine.settings.max_question
        meant = in_context(check_question(question, most), turns, self._evidence, most)
        before = preferred(question, meant, turns)
        (work,) = self.service.submit([meant.question], chosen, self.caller, preferred=before)
        answer = wait(work, work.answer)
        return Answered(answer, meant.question, meant.note)

    def search(self, question: str, options: Options | None = None) -> list[Hit]:
        """The best passages, best first. Raises as `ask` does."""
        (work,) = self.service.submit([question], options or Options(), self.caller, search=True)
        return wait(work, work.found).hits

    def _evidence(self, question: str) -> str:
        return "\n".join(hit.passage.in_context for hit in self.search(question))
