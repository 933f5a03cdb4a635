"""Who sent a request, what its work costs, and whether the client still waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rag.server.pending_question import PendingQuestion


class Caller:
    """The client of one request. Its methods may be called from any thread."""

    def __init__(self) -> None:
        self.key_id = ""
        """Id of its key; "" without keys."""
        self.charge: Callable[[float], object] = lambda seconds: None
        """Takes seconds of computing from its rate."""
        self.questions: list[PendingQuestion] = []
        self.disconnected = False
        self._lock = threading.Lock()
        self._on_disconnect: list[Callable[[], object]] = []

    @contextmanager
    def charged(self) -> Iterator[None]:
        """Charge the seconds that the block takes."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.charge(time.monotonic() - started)

    def on_disconnect(self, call: Callable[[], object]) -> None:
        """Call this when the client disconnects, or now if it has."""
        with self._lock:
            self._on_disconnect.append(call)
            disconnected = self.disconnected
        if disconnected:
            call()

    def disconnect(self) -> None:
        with self._lock:
            self.disconnected, calls = True, list(self._on_disconnect)
        for call in calls:
            call()
