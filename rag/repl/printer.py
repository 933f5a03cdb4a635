"""Prints lines, tables and progress to a console, in colour and columns or as plain text."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from rag.errors import RagError
from rag.render.status import PATIENCE, Status, clean
from rag.render.view import GLUE
from rag.types import plain

WIDEST = 100
"""Maximum line width; longer lines are hard to read."""


class Printer:
    """Prints to one console. `plain` output uses words instead of symbols and layout."""

    def __init__(self, console: Console, plain: bool = False) -> None:
        self.console = console
        self.plain = plain
        self._span = "bold underline" if console.no_color else "bold green"
        self.signs = not plain and console.encoding.startswith("utf")
        self._into, self._dot = (" \u203a ", " \u00b7 ") if self.signs else (" > ", "; ")

    @property
    def width(self) -> int:
        return max(20, min(self.console.width, WIDEST))

    def aside(self, text: str, style: str = "dim") -> None:
        """A wrapped line of lesser importance."""
        self.wrapped(Text(text, style), 0 if self.plain else 2)

    def note(self, text: str) -> None:
        """A message beside the answers."""
        self.aside(clean(text))

    def error(self, error: RagError) -> None:
        self.aside(clean(error.message), "red")
        if error.hint:
            self.note(_here(error.hint))

    def json(self, value: Any) -> None:
        self.line(json.dumps(plain(value), ensure_ascii=False, indent=2))

    @contextmanager
    def working(self, text: str | Callable[[], str]) -> Iterator[None]:
        """Show a text, or what it returns, if the work takes long."""
        if not self.plain or not isinstance(text, str):
            with Status(text, log=True, moves=not self.plain):
                yield
            return
        begin = threading.Timer(PATIENCE, lambda: self.line(f"{text}..."))
        begin.daemon = True
        begin.start()
        try:
            yield
        finally:
            begin.cancel()
            begin.join()

    def table(self, rows: Iterable[Sequence[str]], styles: Sequence[str] = ()) -> None:
        """Columns that fit their widest cells; plain output lists the cells one after another."""
        cells = [[Text(clean(cell)) for cell in row] for row in rows]
        if self.plain:
            for row in cells:
                self.line((", " if len(row) > 2 else ": ").join(cell.plain.strip() for cell in row))
            return
        room = max(12, self.width // 2)
        widths = [
            min(room, max(cell.cell_len for cell in column)) for column in zip(*cells, strict=True)
        ]
        for row in cells:
            self._row(row, widths, styles)

    def _row(self, row: list[Text], widths: list[int], styles: Sequence[str]) -> None:
        line = Text("  ")
        for cell, width, style in zip(row[:-1], widths, styles or [""] * len(row), strict=False):
            cell.truncate(width, overflow="ellipsis", pad=True)
            line.append(cell.plain, style).append("  ")
        last = row[-1]
        last.truncate(max(8, self.width - line.cell_len), overflow="ellipsis")
        line.append(last.plain, styles[len(row) - 1] if len(styles) >= len(row) else "")
        self.line(line)

    def line(self, text: str | Text) -> None:
        """Print a line and let the terminal wrap it."""
        text = Text(text) if isinstance(text, str) else text
        text.rstrip()
        self.console.print(text, soft_wrap=True)

    def wrapped(self, text: Text, indent: int, lead: Text | None = None) -> None:
        """Wrap text at words, by display width; `lead` starts the first line."""
        before = lead or Text(" " * indent)
        for line in _single(text).wrap(self.console, self.width - indent, overflow="fold"):
            line.rstrip()
            line.plain = line.plain.replace(GLUE, " ")
            self.console.print(before + line, soft_wrap=True)
            before = Text(" " * indent)

    def label(self, word: str) -> None:
        """The title of the list that follows."""
        self.gap()
        self.aside(f"{word.capitalize()}:" if self.plain else word)

    def gap(self) -> None:
        """An empty line, except in plain output."""
        if not self.plain:
            self.console.print()


def _single(text: Text) -> Text:
    """Collapse white space and keep the highlights."""
    characters, space = [], True
    for index, character in enumerate(text.plain):
        if not (character.isspace() and space):
            characters.append(index)
        space = character.isspace()
    if len(characters) == len(text.plain) and not any(
        character in "\n\t\r" for character in text.plain
    ):
        return text
    joined = Text()
    for index in characters:
        joined.append(text[index] if not text.plain[index].isspace() else Text(" "))
    return joined


def _here(hint: str) -> str:
    """Rewrite shell commands in a hint as prompt commands."""
    for command in ("ingest", "search", "delete"):
        hint = hint.replace(f"rag {command}", f"/{command}")
    return hint.replace("rag list", "/list").replace("rag ask ", "")
