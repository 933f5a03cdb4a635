"""A session with fake models, as it looks on a screen of a given width."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

from rich.console import Console

from rag.background import BackgroundIndex
from rag.repl.commands import Context
from rag.repl.run import converse
from rag.repl.screen import Screen
from rag.repl.session import ReplSession
from rag.repl.terminals import PlainTerminal
from rag.settings import Settings

CALIBRATION = {"weights": {"gap": 0.2}, "bias": 0, "threshold": 0.55, "retrieval": 0.1, "type": 1}
"""A separate calibration, so that the shown confidences change only with the fake reader."""
OWN_SETTINGS = {"RAG_EMBEDDER": "bag-of-words", "XDG_STATE_HOME": "/dev/null"}


class Talk:
    """Types lines and returns what the screen shows."""

    def __init__(
        self, settings: Settings, width: int = 60, in_words: bool = True, agree: bool = True
    ) -> None:
        self._out = io.StringIO()
        print_options: dict[str, Any] = dict.fromkeys(("markup", "emoji", "highlight"), False)
        self.screen = Screen(
            Console(file=self._out, width=width, color_system=None, **print_options), in_words
        )
        self.session = ReplSession(BackgroundIndex(settings))
        show = PlainTerminal(self.session.service, self.screen).open
        self.desk = Context(self.session, self.screen, show, lambda question: agree)

    def __call__(self, *lines: str) -> str:
        def echoed() -> Iterator[list[str]]:
            for line in lines:
                self._out.write(f"> {line}\n")
                yield [line]

        printed = len(self._out.getvalue())
        converse(self.desk, echoed())
        return self._out.getvalue()[printed:]
