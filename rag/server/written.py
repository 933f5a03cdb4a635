"""Answers that a language model writes for clients of the service: a few at a time, of each key in
turn, since each holds a thread while it is written.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence

from fastapi import Request

from rag import build
from rag.claims.chat_client import WriterError
from rag.claims.checker import Checker
from rag.claims.writer import Writer
from rag.server.caller import Caller
from rag.server.problems import ServiceError
from rag.server.state import ServiceLibrary
from rag.server.work import WorkPlaces, waiting
from rag.settings import Settings
from rag.types import Answer, Json

AT_ONCE, OF_ONE_KEY = 4, 2
_FRESH = 15.0
"""Seconds for which the state of the server counts."""
_log = logging.getLogger(__name__)


class ServedWriter:
    """The service's writer, which its collections share. Thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._places = WorkPlaces(AT_ONCE, OF_ONE_KEY)
        self._lock = threading.Lock()
        self._looked: tuple[float, str] = (0.0, "")

    @property
    def is_set(self) -> bool:
        return bool(self._settings.writer)

    @property
    def name(self) -> str:
        """The model, as it is shown."""
        return self._settings.writer_model or ("a language model" if self.is_set else "")

    def problem(self) -> str:
        """As `ChatServer.problem`; "" without a writer. One request at a time looks."""
        if not self.is_set:
            return ""
        with waiting(), self._lock:
            when, problem = self._looked
            if not when or time.monotonic() - when > _FRESH:
                problem = build.chat_server(self._settings).problem()
                self._looked = time.monotonic(), problem
        return problem

    def complete(self, messages: Sequence[dict[str, str]], caller: Caller) -> str:
        """The text, in the key's turn, and charged to it. Raises WriterError, ServiceError."""
        server = build.chat_server(self._settings)
        with waiting(), caller.charged():
            self._places.enter(caller.key_id, self._settings.writer_seconds)
            started = time.monotonic()
            try:
                return server.complete(messages)
            finally:
                self._places.leave(caller.key_id, time.monotonic() - started)


class _InTurn:
    """The server for one caller."""

    def __init__(self, writer: ServedWriter, caller: Caller) -> None:
        self._writer, self._caller = writer, caller

    def complete(self, messages: Sequence[dict[str, str]]) -> str:
        return self._writer.complete(messages, self._caller)


def ready_writer(request: Request, library: ServiceLibrary) -> Callable[[Answer], Json]:
    """Writes an answer, as JSON; if the server fails, the JSON says so, beside the answer.
    Raises InputError at once if no writer is set.
    """
    served: ServedWriter = request.app.state.writer
    build.chat_server(library.service.settings)

    def write(answer: Answer) -> Json:
        run = library.service.runner(library.caller)
        writer = Writer(_InTurn(served, library.caller), Checker(library.service.engine), run)
        try:
            return writer.write(answer).to_dict()
        except WriterError as error:
            _log.warning("no answer was written: %s", error.message)
            return _nothing(served.problem() or "its answer could not be used")
        except ServiceError as error:
            return _nothing(error.message)

    return write


def _nothing(problem: str) -> Json:
    reason = f"the language model did not write: {problem}"
    return {"text": None, "reason": reason, "sentences": [], "sources": []}
