"""Files that only their owner may read, changed by one process at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rag.errors import BusyError, StoreError, writing_to

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
        message = f"{path} cannot be written: {error.strerror}"
        raise StoreError(message, "make its folder writable") from error
    try:
        yield
    finally:
        lock.release()


def _private(path: str | Path, flags: int) -> int:
    return os.open(path, flags, 0o600)


def replace_file(path: Path, text: str) -> None:
    """Replace the file atomically. Raises OSError."""
    partial = path.with_suffix(".partial")
    with open(partial, "w", encoding="utf-8", opener=_private) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


class JournalFile:
    """An append-only file of JSON Lines. Lines are written atomically. Safe to share between
    threads and processes.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path = path
        self._most_bytes = most_bytes

    def add(self, line: Mapping[str, Any]) -> None:
        """Append a line durably. Raises StoreError, also if the file is full, and BusyError."""
        written = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        with (
            locked(self._path),
            writing_to(self._path, "free some disk space", StoreError),
            open(self._path, "ab+", opener=_private) as file,
        ):
            size = file.seek(0, os.SEEK_END)
            if size + len(written) > self._most_bytes:
                hint = "move the file away; a new one is started"
                raise StoreError(f"{self._path} is full ({size / 2**20:,.0f} MB)", hint)
            file.seek(max(0, size - 1))
            if file.read(1) not in (b"", b"\n"):  # a crash has truncated the last line
                file.write(b"\n")
            file.write(written)
            file.flush()
            os.fsync(file.fileno())

    def lines(self) -> Iterator[dict[str, Any]]:
        """Complete lines, oldest first. Raises StoreError."""
        if not self._path.exists():
            return
        try:
            with open(self._path, encoding="utf-8") as file:
                for line in file:
                    with suppress(ValueError):
                        if isinstance(value := json.loads(line), dict):
                            yield value
        except OSError as error:
            message = f"{self._path} cannot be read: {error.strerror}"
            raise StoreError(message, "make it readable") from error

    def keep(self, condition: Callable[[Mapping[str, Any]], bool]) -> int:
        """Remove the lines for which `condition` is false. Returns their number."""
        if not self._path.exists():
            return 0
        with locked(self._path):
            before = list(self.lines())
            after = [line for line in before if condition(line)]
            if len(after) < len(before):
                lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in after)
                replace_file(self._path, "".join(lines))
        return len(before) - len(after)
