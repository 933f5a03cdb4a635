"""That a client has hung up, for whoever works on its request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any


class ClientDisconnect:
    """That the client is gone: what is to be done then, told by any thread. And who the client is:
    `caller`, an id of a key or "", and `charge`, which takes from its rate and raises
    ServiceError."""

    def __init__(self) -> None:
        self.caller = ""
        self.works: list[Any] = []
        """The questions that the client has asked, as `rag.server.model_worker` has them."""
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
