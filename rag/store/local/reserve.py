"""Space in the index folder that is given back for a deletion, so that it works on a full disk."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_SMALLEST, _LARGEST, _STEP = 1 << 18, 64 << 20, 1 << 20
"""Bytes; it grows in steps."""
_CHUNK = 1 << 16


class Reserve:
    """A file in the index folder, of random bytes, which no disk compresses. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "reserve"
        self._lock = threading.Lock()
        self._deletions = 0
        self._size = 0

    def grow(self, stored: int, log: int) -> None:
        """Make it large enough to delete a document of `stored` bytes, whose pages are erased in
        SQLite's log, and to copy the log, of `log` bytes, into the database; if the disk has the
        space and no deletion uses it."""
        with self._lock:
            if not self._deletions:
                steps = (_SMALLEST + 2 * stored + log) // _STEP + 1
                self._fill(min(steps * _STEP, _LARGEST))

    @contextmanager
    def given_back(self) -> Iterator[None]:
        """Free the space, and take it again afterwards."""
        with self._lock:
            self._deletions += 1
            with suppress(OSError):
                self._size = self._path.stat().st_size
                self._path.unlink()
        try:
            yield
        finally:
            with self._lock:
                self._deletions -= 1
                if not self._deletions:
                    self._fill(self._size)

    def _fill(self, wanted: int) -> None:
        with suppress(OSError):
            size = self._path.stat().st_size if self._path.exists() else 0
            if size < wanted:
                with open(self._path, "ab", buffering=0) as file:
                    while size < wanted:
                        size += file.write(os.urandom(_CHUNK))
