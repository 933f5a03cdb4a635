"""Write lock: one writer at a time, across processes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from rag.errors import BusyError, StoreError


class WriteLock:
    """A lock file in the index folder, released when its process ends. Re-entrant."""

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(folder / "lock", is_singleton=False)
        self._holder = folder / "writer"

    @contextmanager
    def hold(self, wait: float) -> Iterator[None]:
        """Hold the lock. Raises BusyError, naming the holder, if it is not free within `wait`
        seconds.
        """
        try:
            self._lock.acquire(timeout=wait)
        except Timeout as error:
            message = f"index {self._holder.parent} is being written by {self._owner()}"
            raise BusyError(message, "try again when it has finished") from error
        except OSError as error:
            hint = "make it writable, or choose another with --index"
            raise StoreError(
                f"index {self._holder.parent} cannot be written: {error.strerror}", hint
            ) from error
        try:
            if self._lock.lock_counter == 1:
                with suppress(OSError):  # on a full disk the lock works without the name
                    self._holder.write_text(str(os.getpid()))
            yield
        finally:
            self._lock.release()

    def _owner(self) -> str:
        try:
            return f"process {int(self._holder.read_text())}"
        except (OSError, ValueError):
            return "another process"
