"""Reads uploads in processes that keys take in turn, so that a slow file of one key holds up only
its own.
"""

from __future__ import annotations

import time

from rag.parsing.load import Loaded
from rag.parsing.pool import IsWanted, Pool, always
from rag.server.work import WorkPlaces

AT_ONCE, OF_ONE_KEY = 2, 1
"""Files that are read at a time, by the processes of the pool."""


class Readers:
    """The processes of a service, which its collections share. Thread-safe."""

    def __init__(self, pool: Pool) -> None:
        """`pool` has AT_ONCE processes."""
        self._pool = pool
        self._places = WorkPlaces(AT_ONCE, OF_ONE_KEY)

    def load_data(
        self, name: str, data: bytes, key_id: str = "", is_wanted: IsWanted = always
    ) -> Loaded:
        """`Pool.load_data`, in the key's turn."""
        self._places.enter(key_id)
        started = time.monotonic()
        try:
            return self._pool.load_data(name, data, is_wanted)
        finally:
            self._places.leave(key_id, time.monotonic() - started)

    @property
    def is_closed(self) -> bool:
        return self._pool.is_closed

    def close(self) -> None:
        """End the processes at once, whatever they read. May be called twice."""
        self._pool.close()
