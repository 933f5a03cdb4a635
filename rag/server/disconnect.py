"""Signals that a client has disconnected."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class ClientDisconnect:
    """Callbacks for a client's disconnection, callable from any thread. Also holds the client's
    identity: `caller`, a key's id or "", and `charge`, which takes from its rate and raises
    ServiceError.
    """

    def __init__(self) -> None:
        self.caller = ""
        self.works: list[Any] = []
        """The client's questions, as `rag.server.model_worker` work items."""
        self.charge: Callable[[int], object] = lambda passages: None
        self._lock = threading.Lock()
        self._then: list[Callable[[], object]] = []
        self.happened = False

    def then(self, call: Callable[[], object]) -> None:
        with self._lock:
            self._then.append(call)
            happened = self.happened
        if happened:
            call()

    def happen(self) -> None:
        with self._lock:
            self.happened, calls = True, list(self._then)
        for call in calls:
            call()
