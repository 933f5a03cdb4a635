"""The page's suggested questions, asked while nobody else asks, and shown if answered."""

from __future__ import annotations

import logging
import threading
import time

from rag.answering.talk import SUGGESTION_READS
from rag.server.caller import Caller
from rag.server.schemas import Options
from rag.server.state import Service
from rag.types import Answer

_log = logging.getLogger(__name__)
_KEY = "guide"
"""Key id of its questions, so that they take turns with those of people."""
_PAUSE = 0.5
"""Seconds between two looks at the queue."""
_PATIENCE = 600.0
"""Seconds that a question waits for an idle queue."""


class Guide:
    """The questions of one service, for each state of its index once. Thread-safe."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._suggestions = service.engine.suggestions
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def questions(self) -> tuple[tuple[str, ...], bool]:
        """The questions so far, and whether no more will come. Looks for more after a change."""
        generation = self._service.engine.store.stats().generation
        questions = self._suggestions.known(generation)
        with self._lock:
            working = self._thread is not None and self._thread.is_alive()
            if questions is None and not working:
                self._thread = threading.Thread(target=self._look, name="guide", daemon=True)
                self._thread.start()
                working = True
        return questions or (), not working

    def _look(self) -> None:
        try:
            self._suggestions.questions(self._service.engine.store, self._ask)
        except Exception:  # it is closing, or too busy for too long: the next visit tries again
            _log.info("no questions are suggested", exc_info=True)

    def _ask(self, question: str) -> Answer:
        """Ask when nobody else does. Raises RagError."""
        until = time.monotonic() + _PATIENCE
        while self._service.models.depth and time.monotonic() < until:
            time.sleep(_PAUSE)
        options = Options(top_k=SUGGESTION_READS)
        (pending,) = self._service.submit([question], options, Caller(_KEY))
        return pending.wait(pending.answer)
