"""A real terminal: tmux with its own server, whose screen is read as text."""

from __future__ import annotations

import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self, TypeVar

import pytest

from tests.store.helpers import ROOT

T = TypeVar("T")
with_tmux = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("tmux"), reason="tmux is not installed: apt-get install tmux"
    ),
]
"""Marks of tests with a terminal."""


class Terminal:
    """Runs one command in a screen of `width` by `height`."""

    def __init__(
        self, command: Sequence[str], environ: Mapping[str, str], width: int = 80, height: int = 40
    ) -> None:
        self._server = f"rag-{uuid.uuid4().hex[:12]}"
        variables = [f"{name}={value}" for name, value in {"LC_ALL": "C.UTF-8", **environ}.items()]
        size = ["-x", str(width), "-y", str(height)]
        run = ["new-session", "-d", *size, "-c", str(ROOT), "env", *variables, *command]
        self._tmux("-f", "/dev/null", *run, ";", *_KEEP)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        process = subprocess.run(
            ["tmux", "-L", self._server, *arguments], capture_output=True, text=True, check=True
        )
        return process.stdout

    def screen(self, styled: bool = False, unbroken: bool = False) -> str:
        """The screen's text without empty lines at the end; `unbroken` joins lines that the
        terminal wrapped.
        """
        text = self._tmux("capture-pane", "-p", *["-e"] * styled, *["-J"] * unbroken)
        if unbroken:
            text = "\n".join(line.rstrip() for line in text.split("\n"))
        return text.rstrip("\n")

    def press(self, *keys: str) -> None:
        """Press keys by tmux's names, such as "Enter" and "C-c"; anything else is typed."""
        self._tmux("send-keys", *keys)

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)

    def enter(self, line: str) -> None:
        self.type(line)
        self.press("Enter")

    def paste(self, text: str, path: Path, bracketed: bool = True) -> None:
        """Paste a text, by way of a file, and press Enter."""
        path.write_text(text)
        self._tmux("load-buffer", str(path))
        self._tmux("paste-buffer", *["-p"] * bracketed)
        self.press("Enter")

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def wait(self, *texts: str, seconds: float = 120) -> str:
        """The screen once it contains all the texts; fails with the screen if it does not."""
        return self._until(
            lambda screen_text: screen_text if all(text in screen_text for text in texts) else None,
            texts,
            seconds,
        )

    def clear(self, seconds: float = 120) -> None:
        """Clear the screen, down to an empty prompt on its first line. Otherwise a line that is
        typed once more would be found with its former answer.
        """
        self.press("C-l")

        def is_cleared(screen: str) -> bool | None:
            return screen.partition("\n")[0] == "›" or None

        self._until(is_cleared, ("an empty prompt",), seconds)

    def ask(self, line: str, *words: str, seconds: float = 180) -> str:
        """Type a line: the text below it, once it contains one of the words and the prompt is
        back.
        """

        def below(screen: str) -> str | None:
            _, typed, answer = screen.rpartition(f"› {line}\n")
            is_complete = typed and any(word in answer for word in words) and "\n›" in answer
            return answer.partition("\n›")[0] if is_complete else None

        self.enter(line)
        return self._until(below, words, seconds)

    def ended(self, seconds: float = 120) -> int:
        """The exit code of the command when it has ended."""

        def status(_: str) -> int | None:
            state = self._tmux("display-message", "-p", "#{pane_dead} #{pane_dead_status}")
            dead, code = state.rstrip("\n").split(" ")
            return int(code) if dead == "1" and code else None

        return self._until(status, ("its end",), seconds)

    def _until(self, look: Callable[[str], T | None], words: Sequence[str], seconds: float) -> T:
        """What `look` finds on the screen."""
        until = time.monotonic() + seconds
        while True:
            screen_text = self.screen()
            if (result := look(screen_text)) is not None:
                return result
            if time.monotonic() > until:
                raise AssertionError(f"waited for {words}, the screen shows:\n{screen_text}")
            time.sleep(0.05)


_KEEP = ("set-option", "-g", "remain-on-exit", "on")
