"""Small files that only their owner may read, changed by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rag.errors import BusyError, StoreError

_PATIENCE = 5.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the file's lock. Raises BusyError after 5 s, StoreError if the folder is read-only."""
    lock = FileLock(path.with_suffix(".lock"), timeout=_PATIENCE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise BusyError(f"{path} is being changed by another process", "try again") from error
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}", "make its folder writable"
        ) from error
    try:
        yield
    finally:
        lock.release()


def replace_file(path: Path, text: str) -> None:
    """Replace the file atomically. Raises OSError."""
    partial = path.with_suffix(".partial")
    number = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(number, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
