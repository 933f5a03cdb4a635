"""Input history in a prompt_toolkit file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from prompt_toolkit.history import FileHistory, History, InMemoryHistory


def history(setting: str) -> History:
    """History for a `history` setting; if its file cannot be used, it lasts as long as the
    process.
    """
    path = place(setting)
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


def place(setting: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """File for a `history` setting: None for "off", one in the user's state folder for "auto", else
    the path itself.
    """
    if setting == "off":
        return None
    if setting != "auto":
        return Path(setting).expanduser()
    try:
        state = Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    except RuntimeError:  # there is no home folder
        return None
    return state / "rag" / "history"
