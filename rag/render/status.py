"""Says on stderr what a command is doing: a line that changes on a terminal, lines elsewhere.

Also makes text safe to print.
"""

from __future__ import annotations

import itertools
import os
import queue
import re
import shutil
import sys
import threading
from collections.abc import Callable
from typing import Self, TextIO

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """Remove control and direction characters, so that a document cannot control the terminal."""
    return _CONTROL.sub("\ufffd", text)


def one_line(text: str) -> str:
    """Clean text on one line; file names may contain line breaks."""
    return clean(" ".join(text.split()))


def plural(count: int, noun: str) -> str:
    """The count with its noun: "1 document", "2,000 documents"."""
    ending = "" if count == 1 else "s"
    return f"{count:,} {noun}{ending}"


def takes_all(stream: TextIO) -> bool:
    """Whether the stream's encoding has every character; if not, JSON is escaped."""
    encoding = stream.encoding or "utf-8"
    return encoding.lower().startswith("utf")


PATIENCE = 0.3
"""Seconds before a terminal shows anything."""
INTERVAL = 10.0
"""Seconds between lines where stderr is not a terminal."""
_FRAMES = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN_FRAMES = "|/-\\"


class Status:
    """Shows `text`, or what it returns, while the `with` block runs. Without a terminal, or if
    `moves` is false, it prints nothing, or with `log` a line every INTERVAL seconds.
    """

    def __init__(
        self, text: str | Callable[[], str], log: bool = False, moves: bool = True
    ) -> None:
        self._text = text
        self._stream = sys.stderr
        is_dumb = os.environ.get("TERM", "dumb") == "dumb"
        self._moves = moves and self._stream.isatty() and not is_dumb
        self._log = log
        # not an Event: its lock stays locked if Ctrl-C arrives while it is being set
        self._end = queue.SimpleQueue[None]()
        self._thread = threading.Thread(
            target=self._run,
            name="status",
            daemon=True,
        )

    def show(self, text: str) -> None:
        """Show another text from now on."""
        self._text = text

    def __enter__(self) -> Self:
        if self._moves or self._log:
            try:
                self._thread.start()
            except BaseException:  # Ctrl-C: the thread may have begun
                self._end.put(None)
                raise
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._end.put(None)
        except BaseException:  # Ctrl-C
            self._end.put(None)
            raise
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        if self._moves:
            self._show_frames()
            return
        while not self._has_ended(INTERVAL):
            print(f"rag: {self._line()}", file=self._stream, flush=True)

    def _show_frames(self) -> None:
        """Show the line and change the sign before it, until it is over; then clear the line."""
        if self._has_ended(PATIENCE):
            return
        frames = _FRAMES if takes_all(self._stream) else _PLAIN_FRAMES
        for frame in itertools.cycle(frames):
            width = shutil.get_terminal_size().columns - 5
            line = self._line()
            if len(line) > width:
                line = f"{line[: width - 3]}..."
            self._stream.write(f"\r\x1b[2K  {frame} {line}")
            self._stream.flush()
            if self._has_ended(0.1):
                break
        self._stream.write("\r\x1b[2K")
        self._stream.flush()

    def _has_ended(self, seconds: float) -> bool:
        """Wait that long; whether the block ended meanwhile."""
        try:
            self._end.get(timeout=seconds)
        except queue.Empty:
            return False
        return True

    def _line(self) -> str:
        text = self._text
        if not isinstance(text, str):
            text = text()
        return one_line(text)
