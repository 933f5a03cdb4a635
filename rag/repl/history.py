"""What was typed before, kept in a file: one entry a line, the newest last."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

MOST = 5000
"""Entries kept; the file may grow to twice as many before it is cut."""


class Past:
    """`path` None keeps nothing beyond the process. A file that cannot be read or written is done
    without.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lines = self._read()

    def lines(self) -> list[str]:
        """Oldest first."""
        return list(self._lines)

    def add(self, line: str) -> None:
        if self._lines[-1:] == [line]:
            return
        self._lines.append(line)
        if self._path:
            with suppress(OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
                with open(
                    os.open(self._path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600), "ab"
                ) as file:
                    file.write(_escaped(line))

    def _read(self) -> list[str]:
        if not self._path:
            return []
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError:
            return []
        kept = [_unescaped(line) for line in lines[-MOST:]]
        if len(lines) > 2 * MOST:
            with suppress(OSError):
                partial = self._path.with_suffix(".partial")
                with open(
                    os.open(partial, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "wb"
                ) as file:
                    file.writelines(map(_escaped, kept))
                partial.replace(self._path)
        return kept


def _escaped(line: str) -> bytes:
    return (
        line.replace("\\", "\\\\")
        .replace("\r", "\\r")
        .replace("\n", "\\n")
        .encode("utf-8", "surrogateescape")
        + b"\n"
    )


def _unescaped(line: bytes) -> str:
    text = line.decode("utf-8", "surrogateescape").replace("\\\\", "\0")
    return text.replace("\\n", "\n").replace("\\r", "\r").replace("\0", "\\")


def place(setting: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The file of a `history` setting: "off" is none, "auto" one in the person's state folder,
    anything else a path.
    """
    if setting == "off":
        return None
    if setting != "auto":
        return Path(setting).expanduser()
    try:
        state = Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    except RuntimeError:  # no home
        return None
    return state / "rag" / "history"
