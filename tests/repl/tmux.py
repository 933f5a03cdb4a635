"""A real terminal: tmux with its own server, whose screen is read as text."""

from __future__ import annotations

import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parent.parent.parent


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
        done = subprocess.run(
            ["tmux", "-L", self._server, *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout

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

    def paste(self, text: str, path: Path, bracketed: bool = True) -> None:
        path.write_text(text)
        self._tmux("load-buffer", str(path))
        self._tmux("paste-buffer", *["-p"] * bracketed)

    def resize(self, width: int, height: int) -> None:
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def wait(self, *texts: str, seconds: float = 120) -> str:
        """The screen once it contains all the texts; fails with the screen if it does not."""
        until = time.monotonic() + seconds
        while True:
            shown = self.screen()
            if all(text in shown for text in texts):
                return shown
            if time.monotonic() > until:
                raise AssertionError(f"waited for {texts}, the screen shows:\n{shown}")
            time.sleep(0.05)

    def wait_for(self, line: str, *words: str, seconds: float = 180) -> str:
        """The text below the line, once it contains one of the words and the prompt is back."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            _, typed, shown = self.screen().rpartition(f"› {line}\n")
            if typed and any(word in shown for word in words) and "\n›" in shown:
                return shown.partition("\n›")[0]
            time.sleep(0.05)
        raise AssertionError(
            f"waited for {words} after {line!r}, the screen shows:\n{self.screen()}"
        )

    def ended(self, seconds: float = 120) -> int:
        """The exit code of the command when it has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            state = self._tmux("display-message", "-p", "#{pane_dead} #{pane_dead_status}")
            dead, status = state.rstrip("\n").split(" ")
            if dead == "1" and status:
                return int(status)
            time.sleep(0.05)
        raise AssertionError(f"still running:\n{self.screen()}")


_KEEP = ("set-option", "-g", "remain-on-exit", "on")
