"""The prompt on a terminal: editing, history, completion and a status line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, ThreadedCompleter
from prompt_toolkit.document import Document as Line
from prompt_toolkit.filters import Condition
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.history import History
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from rag.repl.session_engine import SessionEngine

_STYLE = {
    "prompt": "bold ansicyan",
    "bottom-toolbar": "noreverse ansibrightblack",
    "completion-menu": "bg:default default",
    "completion-menu.completion": "bg:ansiblack ansiwhite",
    "completion-menu.completion.current": "noreverse bg:ansicyan ansiblack",
    "completion-menu.meta.completion": "bg:ansiblack ansibrightblack",
    "completion-menu.meta.completion.current": "bg:ansicyan ansiblack",
}


class Prompt:
    """Reads lines; `foot` is the text of the status line."""

    def __init__(
        self, service: SessionEngine, history: History, foot: Callable[[], str], colour: bool
    ) -> None:
        self._service = service
        depth = None if colour else ColorDepth.DEPTH_1_BIT
        self._typing: PromptSession[str] = PromptSession(
            history=history,
            completer=ThreadedCompleter(_Completer(service)),
            complete_while_typing=Condition(
                lambda: self._typing.default_buffer.text.startswith("/")
            ),
            bottom_toolbar=lambda: [("class:bottom-toolbar", f" {foot()}")],
            style=Style.from_dict(_STYLE),
            color_depth=depth,
            reserve_space_for_menu=6,
            enable_history_search=False,
        )
        self._sign = "\u203a " if (sys.stdout.encoding or "").lower().startswith("utf") else "> "
        self._typing.app.after_render += self._begin

    def _begin(self, _: object) -> None:
        """Start loading after the prompt has appeared."""
        self._typing.app.after_render -= self._begin
        self._service.start(self._typing.app.invalidate)

    def read(self) -> Iterator[list[str]]:
        """Yield input until Ctrl-D; Ctrl-C clears the line. Only pasted text has several lines."""
        message: StyleAndTextTuples = [("class:prompt", self._sign)]
        while True:
            try:
                typed = self._typing.prompt(message)
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            yield questions(typed)

    def confirm(self, question: str) -> bool:
        """Whether the user typed y."""
        session: PromptSession[str] = PromptSession()
        return session.prompt(f"  {question} [y/N] ").strip().lower() in ("y", "yes")


def questions(typed: str) -> list[str]:
    """Pasted lines are several questions if more than one ends like one or is a command."""
    lines = [line.strip() for line in typed.splitlines() if line.strip()]
    if sum(line.endswith("?") or line.startswith("/") for line in lines) > 1:
        return lines
    return [" ".join(lines)] if lines else []


@contextmanager
def quiet() -> Iterator[None]:
    """Hide what is typed between two prompts and keep it for the next; Ctrl-C still stops."""
    try:
        import termios

        before = termios.tcgetattr(sys.stdin)
    except (ImportError, OSError, ValueError):
        yield
        return
    hushed = [*before[:3], before[3] & ~(termios.ECHO | termios.ICANON), *before[4:]]
    termios.tcsetattr(sys.stdin, termios.TCSANOW, hushed)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, before)


class _Completer(Completer):
    def __init__(self, service: SessionEngine) -> None:
        self._service = service

    def get_completions(
        self, document: Line, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        from rag.repl.complete import suggest

        for suggestion in suggest(document.text_before_cursor, self._service.documents):
            yield Completion(suggestion.text, -suggestion.back, display_meta=suggestion.about)
