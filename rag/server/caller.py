"""A request's client: what its work costs, whether it still waits, and its questions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from rag.engine import Engine, Found
from rag.query import Query
from rag.server import problems
from rag.server.work import WorkPlaces, waiting
from rag.types import Answer

_GRACE = 2.0
"""Seconds after the deadline to finish the passage being read and compose the answer."""
T = TypeVar("T")


class Caller:
    """The client of one request. Its methods may be called from any thread."""

    def __init__(self, key_id: str = "") -> None:
        self.key_id = key_id
        """Id of its key; "" without keys."""
        self.charge: Callable[[float], object] = lambda seconds: None
        """Takes seconds of computing from its rate."""
        self.places: WorkPlaces | None = None
        """The service's places for work in the threads of requests; None without a service."""
        self.questions: list[PendingQuestion] = []
        self.disconnected = False
        self._lock = threading.Lock()

    @contextmanager
    def charged(self) -> Iterator[None]:
        """Charge the seconds that the block takes."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.charge(time.monotonic() - started)

    def add(self, questions: Sequence[PendingQuestion]) -> None:
        """Its further questions, which are cancelled when it disconnects, or now if it has."""
        with self._lock:
            self.questions += questions
        if self.disconnected:
            self.disconnect()

    def disconnect(self) -> None:
        with self._lock:
            self.disconnected, questions = True, list(self.questions)
        for question in questions:
            question.cancel()


@dataclass(slots=True, eq=False)
class PendingQuestion:
    """A question in progress. `found` is set before `answer`; a `search` needs nothing else.

    `engine` is its collection's. `deadline` is a `time.monotonic` time; `client_deadline` means
    that the client chose it. `cost` is the number of passages to read. `started` is set after the
    first passage was read.
    """

    asked: Query
    engine: Engine
    deadline: float
    cost: int
    search: bool = False
    client_deadline: bool = False
    caller: Caller = field(default_factory=Caller)
    started: threading.Event = field(default_factory=threading.Event)
    found: Future[Found] = field(default_factory=Future)
    answer: Future[Answer] = field(default_factory=Future)

    @property
    def key(self) -> tuple[int, Query]:
        """Equal for equal questions, which are read once per batch."""
        return id(self.engine), self.asked

    @property
    def wanted(self) -> bool:
        """Whether the client still waits for it."""
        return not self.answer.cancelled()

    def wait(self, future: Future[T]) -> T:
        """Wait for `found` or `answer` until the deadline, and slightly longer for an answer from
        the passages read so far. Raises the result's error, or ServiceError.
        """
        with waiting():
            return self._wait(future)

    def _wait(self, future: Future[T]) -> T:
        try:
            try:
                return future.result(max(0.0, self.deadline - time.monotonic()))
            except TimeoutError:
                return future.result(_GRACE if self.started.is_set() else 0.0)
        except TimeoutError:
            self.cancel()
            raise problems.missed_deadline() from None
        except CancelledError:
            raise problems.hung_up() from None

    def cancel(self) -> None:
        """The client has disconnected or stopped waiting."""
        self.answer.cancel()
        self.found.cancel()

    def fail(self, error: BaseException) -> None:
        for future in (self.found, self.answer):
            with suppress(InvalidStateError):  # already set, or no longer wanted
                future.set_exception(error)
