"""The prompt's two terminals, which read lines, open sources and ask for confirmation.
`FullTerminal` has editing, completion and a status line. `PlainTerminal` works line by line, for
terminals that cannot move the cursor and for screen readers. Both keep a history of what
was typed.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import click
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion, ThreadedCompleter
from prompt_toolkit.document import Document as Line
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.output import ColorDepth
from prompt_toolkit.styles import Style

from rag.background import BackgroundIndex
from rag.render.status import clean
from rag.repl.complete import suggest
from rag.repl.screen import Screen
from rag.types import Citation, Document

AROUND = 300
"""Characters that a plain terminal shows on either side of a source."""
_STYLE = {
    "prompt": "bold ansicyan",
    "bottom-toolbar": "noreverse ansibrightblack",
    "completion-menu": "bg:default default",
    "completion-menu.completion": "bg:ansiblack ansiwhite",
    "completion-menu.completion.current": "noreverse bg:ansicyan ansiblack",
    "completion-menu.meta.completion": "bg:ansiblack ansibrightblack",
    "completion-menu.meta.completion.current": "bg:ansicyan ansiblack",
}


class FullTerminal:
    """`foot` is the text of the status line."""

    def __init__(self, service: BackgroundIndex, foot: Callable[[], str], colour: bool) -> None:
        self._service = service
        self._typing: PromptSession[str] = PromptSession(
            history=history(),
            completer=ThreadedCompleter(_Completer(service)),
            complete_while_typing=Condition(
                lambda: self._typing.default_buffer.text.startswith("/")
            ),
            bottom_toolbar=lambda: [("class:bottom-toolbar", f" {foot()}")],
            style=Style.from_dict(_STYLE),
            color_depth=None if colour else ColorDepth.DEPTH_1_BIT,
            reserve_space_for_menu=6,
        )
        self._sign = "\u203a " if (sys.stdout.encoding or "").lower().startswith("utf") else "> "
        self._typing.app.after_render += self._begin

    def _begin(self, _: object) -> None:
        """Start loading after the prompt has appeared."""
        self._typing.app.after_render -= self._begin
        self._service.start(self._typing.app.invalidate)

    def read(self) -> Iterator[list[str]]:
        """Yield input until Ctrl-D; Ctrl-C clears the line. Only pasted text has several lines."""
        while True:
            try:
                typed = self._typing.prompt([("class:prompt", self._sign)])
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            yield questions(typed)

    def confirm(self, question: str) -> bool:
        """Whether the user typed y."""
        session: PromptSession[str] = PromptSession()
        return session.prompt(f"  {question} [y/N] ").strip().lower() in ("y", "yes")

    def open(self, document: Document, place: Citation) -> None:
        """The document in $PAGER, by default less, which opens at the place and marks it."""
        text = folded(clean(document.text), shutil.get_terminal_size().columns)

        pager = shlex.split(os.environ.get("PAGER", "")) or ["less"]
        is_less = Path(pager[0]).name == "less"
        if not is_less or not shutil.which(pager[0]):
            click.echo_via_pager(text)
            return

        lines = text[place.start : place.end].split("\n")
        marked = "\n".join(f"\x1b[7m{line}\x1b[27m" for line in lines)
        with_mark = text[: place.start] + marked + text[place.end :]

        first_line = max(1, text.count("\n", 0, place.start) - 4)  # with what comes before it
        command = [*pager, "-R", f"+{first_line}"]

        handler = signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the pager's
        try:
            subprocess.run(
                command,
                input=with_mark.encode("utf-8", "replace"),
                check=False,
            )
        finally:
            signal.signal(signal.SIGINT, handler)


def folded(text: str, width: int) -> str:
    """The text with line ends in place of spaces, so that lines have at most `width` characters if
    their words allow it; offsets stay.
    """
    lines = []
    for line in text.split("\n"):
        start = 0
        while len(line) - start > width:
            space = line.rfind(" ", start + 1, start + width + 1)
            space = space if space > 0 else line.find(" ", start + width)
            if space < 0:
                break
            line = f"{line[:space]}\n{line[space + 1 :]}"
            start = space + 1
        lines.append(line)
    return "\n".join(lines)


class _Completer(Completer):
    def __init__(self, service: BackgroundIndex) -> None:
        self._service = service

    def get_completions(self, document: Line, _: CompleteEvent) -> Iterable[Completion]:
        return suggest(document.text_before_cursor, self._service.documents)


def questions(typed: str) -> list[str]:
    """Pasted lines are several questions if more than one ends like one or is a command."""
    stripped = [line.strip() for line in typed.splitlines()]
    lines = [line for line in stripped if line]
    if not lines:
        return []

    own_inputs = [line for line in lines if line.endswith("?") or line.startswith("/")]
    if len(own_inputs) > 1:
        return lines
    return [" ".join(lines)]


@contextmanager
def quiet() -> Iterator[None]:
    """Hide what is typed between two prompts and keep it for the next; Ctrl-C still stops."""
    try:
        import termios

        attributes = termios.tcgetattr(sys.stdin)
    except (ImportError, OSError, ValueError):
        yield
        return
    hushed = list(attributes)
    hushed[3] &= ~(termios.ECHO | termios.ICANON)  # the local modes
    termios.tcsetattr(sys.stdin, termios.TCSANOW, hushed)
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSANOW, attributes)


class PlainTerminal:
    """Reads with `input`, and with readline where there is one; shows on `screen`."""

    def __init__(self, service: BackgroundIndex, screen: Screen) -> None:
        self._service = service
        self._screen = screen

    def read(self) -> Iterator[list[str]]:
        """Yield typed lines until the end of input; Ctrl-C discards the line."""
        self._service.start()
        typed = history()
        with suppress(ImportError):
            self._readline(typed)
        while True:
            try:
                line = input("> ")
            except KeyboardInterrupt:
                print()
                continue
            except EOFError:
                print()
                return
            typed.store_string(line)
            yield [line]

    def _readline(self, typed: History) -> None:
        import readline

        for line in reversed(list(typed.load_history_strings())):
            readline.add_history(line)
        suggestions: list[Completion] = []

        def complete(text: str, state: int) -> str | None:
            if state == 0:
                suggestions[:] = suggest(text, self._service.documents)
            if state >= len(suggestions):
                return None
            suggestion = suggestions[state]
            return text[: len(text) + suggestion.start_position] + suggestion.text

        readline.set_completer_delims("\n")
        readline.set_completer(complete)
        readline.parse_and_bind("tab: complete")

    def confirm(self, question: str) -> bool:
        """Whether the user typed yes."""
        return input(f"{question} Type yes or no: ").strip().lower() in ("y", "yes")

    def open(self, document: Document, place: Citation) -> None:
        """Show the quote with its surroundings."""
        text = document.text
        start = place.start
        end = place.end

        text_start = max(0, start - AROUND)
        text_before = text[text_start:start]
        if text_start > 0:
            text_before = f"...{text_before}"

        text_after = text[end : end + AROUND]
        if end + AROUND < len(text):
            text_after += "..."

        self._screen.line(f"{document.id}, characters {start} to {end} of {len(text)}:")
        self._screen.paragraph(text_before, place.quote, text_after)


class _FileHistory(FileHistory):
    def store_string(self, string: str) -> None:
        with suppress(OSError, UnicodeError):  # a full disk, or a byte that is not UTF-8
            super().store_string(string)


def history(environ: Mapping[str, str] = os.environ) -> History:
    """The history in the user's state folder, or in memory if its file cannot be used."""
    try:
        state = Path(environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        path = state / "rag" / "history"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
        path.open("a+b").close()
    except (OSError, RuntimeError):  # such as a missing home folder
        return InMemoryHistory()
    return _FileHistory(path)
