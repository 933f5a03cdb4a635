"""Input history in a prompt_toolkit file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory


def history(environ: Mapping[str, str] = os.environ) -> History:
    """The history in the user's state folder, or in memory if its file cannot be used."""
    path = place(environ)
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        path.open("a+b").close()
    except OSError:
        return InMemoryHistory()
    return _FileHistory(path)


class _FileHistory(FileHistory):
    def store_string(self, string: str) -> None:
        with suppress(OSError, UnicodeError):  # a full disk, or a byte that is not UTF-8
            super().store_string(string)


def place(environ: Mapping[str, str]) -> Path | None:
    """The file in the user's state folder; None without a home folder."""
    try:
        state = Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    except RuntimeError:  # there is no home folder
        return None
    return state / "rag" / "history"
