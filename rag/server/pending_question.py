"""A question from its submission to its answer: its deadline, cost and key, and the futures that
its client waits for.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field

from rag.answering.searcher import Query, RetrievalResult
from rag.engine import Engine
from rag.types import Answer


def _free(seconds: float) -> None:
    pass


@dataclass(slots=True, eq=False)
class PendingQuestion:
    """A question in progress. `found` is set before `answer`; a `search` needs nothing else.

    `deadline` is a `time.monotonic` time; `client_deadline` means that the client chose it. `cost`
    is the number of passages to read. `started` is set after the first passage was read. Questions
    of one `key_id` take turns with those of others; `charge` takes the seconds that it computed.
    """

    asked: Query
    deadline: float
    cost: int
    search: bool = False
    client_deadline: bool = False
    key_id: str = ""
    engine: Engine | None = None
    """Engine of its collection; None for the default one."""
    charge: Callable[[float], object] = _free
    started: threading.Event = field(default_factory=threading.Event)
    found: Future[RetrievalResult] = field(default_factory=Future)
    answer: Future[Answer] = field(default_factory=Future)

    @property
    def key(self) -> tuple[int, Query]:
        return id(self.engine), self.asked

    @property
    def wanted(self) -> bool:
        return not self.answer.cancelled()

    def cancel(self) -> None:
        """The client has disconnected or stopped waiting."""
        self.answer.cancel()
        self.found.cancel()

    def fail(self, error: BaseException) -> None:
        for future in (self.found, self.answer):
            with suppress(InvalidStateError):  # already set, or no longer wanted
                future.set_exception(error)
