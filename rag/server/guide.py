"""The page's suggested questions, asked while nobody else asks, and shown if answered."""

from __future__ import annotations

import logging
import threading
import time
from weakref import WeakKeyDictionary

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
_lock = threading.Lock()
_threads: WeakKeyDictionary[Service, threading.Thread] = WeakKeyDictionary()


def suggested(service: Service) -> tuple[tuple[str, ...], bool]:
    """The questions so far, and whether no more will come. Looks for more, once for each state of
    the index.
    """
    engine = service.engine
    questions = engine.suggestions.known(engine.store.stats().generation)
    with _lock:
        thread = _threads.get(service)
        if questions is None and not (thread and thread.is_alive()):
            thread = threading.Thread(target=_look, args=(service,), name="guide", daemon=True)
            thread.start()
            _threads[service] = thread
        return questions or (), not (thread and thread.is_alive())


def _look(service: Service) -> None:
    def ask(question: str) -> Answer:
        """Ask when nobody else does. Raises RagError."""
        until = time.monotonic() + _PATIENCE
        while service.models.depth and time.monotonic() < until:
            time.sleep(_PAUSE)
        (pending,) = service.submit([question], Options(top_k=SUGGESTION_READS), Caller(_KEY))
        return pending.wait(pending.answer)

    try:
        service.engine.suggestions.questions(service.engine.store, ask)
    except Exception:  # it is closing, or too busy for too long: the next visit tries again
        _log.info("no questions are suggested", exc_info=True)
