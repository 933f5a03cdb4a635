"""Append-only JSON Lines files for feedback and the audit log. Lines are written atomically."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from rag.errors import StoreError, writing_to
from rag.server.owner_files import locked, replace_file


class JournalFile:
    """Readable by its owner only. Safe to share between threads and processes."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path = path
        self._most_bytes = most_bytes

    def add(self, line: Mapping[str, Any]) -> None:
        """Append a line durably. Raises StoreError, also if the file is full, and BusyError."""
        written = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        with locked(self._path), writing_to(self._path, "free some disk space", StoreError):
            size = self._path.stat().st_size if self._path.exists() else 0
            if size + len(written) > self._most_bytes:
                hint = "move the file away; a new one is started"
                raise StoreError(f"{self._path} is full ({size / 2**20:,.0f} MB)", hint)
            number = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            with open(number, "ab", closefd=True) as file:
                if size and not self._ends_whole():
                    file.write(b"\n")  # a crash has truncated the last line
                file.write(written)
                file.flush()
                os.fsync(file.fileno())

    def lines(self) -> Iterator[dict[str, Any]]:
        """Complete lines, oldest first."""
        try:
            with open(self._path, encoding="utf-8") as file:
                for line in file:
                    try:
                        value = json.loads(line)
                    except ValueError:
                        continue
                    if isinstance(value, dict):
                        yield value
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(
                f"{self._path} cannot be read: {error.strerror}", "make it readable"
            ) from error

    def keep(self, condition: Callable[[Mapping[str, Any]], bool]) -> int:
        """Remove the lines for which `wanted` is false. Returns their number."""
        if not self._path.exists():
            return 0
        with locked(self._path):
            before = list(self.lines())
            after = [line for line in before if condition(line)]
            if len(after) < len(before):
                lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in after)
                replace_file(self._path, "".join(lines))
        return len(before) - len(after)

    def _ends_whole(self) -> bool:
        with open(self._path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
