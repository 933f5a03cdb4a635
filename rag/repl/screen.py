"""Shows answers, lists and progress at the prompt, in colour and columns or as plain text.

Plain text is for terminals that cannot move the cursor and for screen readers: it uses words
instead of symbols and layout, and puts the quote in [[brackets]].
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, repeat
from typing import Any

from rich.console import Console
from rich.text import Text

from rag.errors import RagError
from rag.render import view
from rag.render.status import PATIENCE, Status, clean
from rag.render.view import GLUE
from rag.types import Alternative, Answer, Citation, Hit, Passage, Piece, plain, title_and_headings

WIDEST = 100
"""Maximum line width; longer lines are hard to read."""
_SLACK = 16
"""Characters that two lines lose where words do not end at the margin."""


class Screen:
    """Prints to one console. For `plain` see the module's docstring."""

    def __init__(self, console: Console, plain: bool = False) -> None:
        self.console = console
        self.plain = plain
        self._span = "bold underline" if console.no_color else "bold green"
        self._indent = 0 if plain else 2
        self.signs = not plain and console.encoding.startswith("utf")
        self._into, self._dot = (" \u203a ", " \u00b7 ") if self.signs else (" > ", "; ")

    @property
    def width(self) -> int:
        return max(20, min(self.console.width, WIDEST))

    def aside(self, text: str, style: str = "dim") -> None:
        """A wrapped line of lesser importance."""
        self.wrapped(Text(text, style), self._indent)

    def note(self, text: str) -> None:
        """A message beside the answers."""
        self.aside(clean(text))

    def error(self, error: RagError) -> None:
        """The message, and its hint with commands of the prompt in place of the shell's."""
        self.aside(clean(error.message), "red")
        hint = error.hint.replace("rag ask ", "")
        for command in ("ingest", "search", "delete", "list"):
            hint = hint.replace(f"rag {command}", f"/{command}")
        if hint:
            self.note(hint)

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
            line, style = Text("  "), chain(styles, repeat(""))

            for cell, width in zip(row[:-1], widths, strict=False):
                cell.truncate(width, overflow="ellipsis", pad=True)
                line.append(cell.plain, next(style)).append("  ")

            row[-1].truncate(max(8, self.width - line.cell_len), overflow="ellipsis")
            line.append(row[-1].plain, next(style))
            self.line(line)

    def line(self, text: str | Text) -> None:
        """Print a line and let the terminal wrap it."""
        text = Text(text) if isinstance(text, str) else text
        text.rstrip()
        self.console.print(text, soft_wrap=True)

    def wrapped(self, text: Text, indent: int, lead: Text | None = None) -> None:
        """Wrap text at words, by display width; `lead` starts the first line."""
        line_start = lead or Text(" " * indent)
        for line in _single(text).wrap(self.console, self.width - indent, overflow="fold"):
            line.rstrip()
            line.plain = line.plain.replace(GLUE, " ")
            self.console.print(line_start + line, soft_wrap=True)
            line_start = Text(" " * indent)

    def label(self, word: str) -> None:
        """The title of the list that follows."""
        self.gap()
        self.aside(f"{word.capitalize()}:" if self.plain else word)

    def gap(self) -> None:
        """An empty line, except in plain output."""
        if not self.plain:
            self.console.print()

    def answer(self, answer: Answer) -> None:
        """The answer, its citations, conflicts and other candidates; or why rag refuses."""
        self.gap()
        if answer.understood:
            self.aside(f"Understood as: {clean(answer.understood)}")
        if answer.text is None:
            self._refused(answer)
            return
        if answer.form == "span":
            self._head(answer)
            for number, citation in enumerate(answer.citations, 1):
                self.gap()
                self._citation(number, citation)
        else:
            self._formed(answer)
        self._conflicts(answer.conflicts, len(answer.citations))
        if answer.form == "span" and (others := view.others(answer)):
            texts = (
                f"{clean(view.shortened(other.text, 80))} {other.confidence:.0%}"
                for other in others
            )
            self.gap()
            self.aside(("Also considered: " if self.plain else "also ") + self._dot.join(texts))

    def _formed(self, answer: Answer) -> None:
        """An answer that is not a span: its numbered pieces, the confidence, then their sources."""
        if lead := view.lead(answer):
            self.line(f"Answer: {lead}" if self.plain else Text("  ").append(clean(lead), "bold"))

        running = Text()

        for number, piece in enumerate(answer.pieces, 1):
            mark = "" if piece.heading or answer.form == "catalogue" else f"{GLUE}[{number}]"
            if piece.heading:
                self.gap()
                self.wrapped(Text(clean(piece.text), "bold"), self._indent)
            elif answer.form in view.LINED_FORMS:
                self._piece(piece, answer.form, mark)
            else:
                gap = " [\u2026] " if piece.gap else " " if running else ""
                running.append(gap, "dim").append(clean(piece.text)).append(mark, "dim")

        if running:
            self.wrapped(running, self._indent)

        if answer.more:
            self.aside(f"and {answer.more} more")
        self.gap()
        if self.plain:
            self.line(f"Confidence {answer.confidence:.0%}.")
        else:
            self.wrapped(self._confidence(answer), 2)
        self.gap()

        for citation, numbers in view.sources(answer.pieces):
            mark = f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else str(numbers[0])

            path = clean(view.path_to(citation, self._into))
            document_id = clean(citation.document_id)
            if self.plain:
                self.line(f"Source {mark}: {document_id}, {path}.")
            else:
                source = Text(path, "cyan").append(f"{self._dot}{document_id}", "dim")
                self.wrapped(source, 5, Text(f"  {mark:<2} ", "cyan"))

        self._grid(answer)

    def _grid(self, answer: Answer) -> None:
        """What the documents say that are not quoted."""
        lines = view.grid_lines(answer)
        if not lines:
            return
        self.gap()
        for line in lines:
            if answer.grid and not answer.grid.rows:  # a file, whose lines stay as they are
                self.line(clean(line))
            else:
                self.wrapped(Text(clean(line), "dim"), self._indent)

    def _piece(self, piece: Piece, form: str, mark: str) -> None:
        if piece.label and form in ("comparison", "catalogue", "grid"):
            self.wrapped(Text(f"{clean(piece.label)}:", "yellow"), self._indent)
        *lines, last_line = piece.text.splitlines() if form in ("steps", "list") else [piece.text]
        for line, end in (*((line, "") for line in lines), (last_line, mark)):
            deeper = min(len(line) - len(line.lstrip()), 12)
            self.wrapped(Text(clean(line)).append(end, "dim"), self._indent + 2 + deeper)

    def _head(self, answer: Answer) -> None:
        text = " ".join(clean(answer.text or "").split())
        value = f"  = {clean(typed)}" if (typed := view.typed(answer.value)) else ""
        if self.plain:
            documents = f" In {answer.documents} documents." if answer.documents > 1 else ""
            self.line(f"Answer: {text}{value}. Confidence {answer.confidence:.0%}.{documents}")
            return
        head = Text("  ").append(text, "bold").append(value, "dim")
        tail = self._confidence(answer)
        room = self.width - head.cell_len - tail.cell_len
        if room >= 2:
            self.line(head + Text(" " * room) + tail)
        else:
            self.wrapped(head[2:], 2)
            self.wrapped(tail, 2)

    def _confidence(self, answer: Answer) -> Text:
        filled = round(answer.confidence * 5)
        filled_sign, empty_sign = "\u25b0\u25b1" if self.signs else "#."
        bar = filled_sign * filled + empty_sign * (5 - filled)
        documents = f"in {answer.documents} documents  " if answer.documents > 1 else ""
        colour = "yellow" if answer.confidence >= 0.4 else "red"
        colour = "green" if answer.confidence >= 0.75 else colour
        return (
            Text().append(documents, "dim").append(bar, colour).append(f" {answer.confidence:.0%}")
        )

    def _refused(self, answer: Answer) -> None:
        if reply := view.reply(answer):
            for line in reply:
                self.wrapped(Text(clean(line)), 2)
            return
        reason = clean(answer.abstention_reason or "")
        if self.plain:
            self.line(f"Not found: {reason}.")
        else:
            self.wrapped(Text().append("Not found", "bold yellow").append(f": {reason}"), 2)
        self._grid(answer)
        if answer.hits:
            self.label("nearest")
        for number, place in enumerate(view.nearest(answer), 1):
            self._near(number, place)

    def _near(self, number: int, place: Citation | Hit) -> None:
        """A passage of a refusal: its source, and two lines of it around the quote."""
        parts = ("", "", view.body(place)) if isinstance(place, Hit) else view.marked(place)
        source = place.passage if isinstance(place, Hit) else place
        room = view.NEAREST_LINES * (self.width - 5) - _SLACK
        text_before, quote, text_after = map(clean, view.excerpt(*parts, room))
        body = self._marked(text_before, quote, text_after) if quote else Text(text_after.strip())
        self._entry(number, source, body)

    def _conflicts(self, conflicts: Sequence[Alternative], cited: int) -> None:
        """Conflicting answers, each with its best citation, numbered after those `cited`."""
        if conflicts:
            self.label("conflicting")
        for number, conflict in enumerate(conflicts[: view.MOST_CONFLICTS], cited + 1):
            documents = f" in {conflict.documents} documents" if conflict.documents > 1 else ""
            title = f"{clean(conflict.text)}, {conflict.confidence:.0%}{documents}"
            self._citation(number, conflict.citations[0], title)
        if len(conflicts) > view.MOST_CONFLICTS:
            self.aside(f"and {len(conflicts) - view.MOST_CONFLICTS} more")

    def _citation(self, number: int, citation: Citation, title: str = "") -> None:
        body = self._marked(*map(clean, view.marked(citation)))
        self._entry(number, citation, body, title=title)

    def _marked(self, text_before: str, quote: str, text_after: str) -> Text:
        marked = f"[[{quote}]]" if self.plain else quote
        return Text(text_before).append(marked, self._span).append(text_after)

    def paragraph(self, text_before: str, quote: str, text_after: str) -> None:
        """Text with a highlighted quote."""
        self.wrapped(self._marked(clean(text_before), clean(quote), clean(text_after)), 2)

    def _entry(
        self,
        number: int,
        cited: Citation | Passage,
        body: Text,
        about: str = "",
        title: str = "",
    ) -> None:
        """A numbered passage below its source, or between its `title` and its source."""
        path = clean(view.path_to(cited, self._into))
        foot = clean(cited.document_id)
        if self.plain:
            title_part = f"{title}. " if title else ""
            remark = f" {about}." if about else ""
            self.line(f"Source {number}: {title_part}{foot}, {path}.{remark}")
            self.wrapped(body, 2)
            return
        if about:
            foot += f", {about}"
        elif title:
            innermost = title_and_headings(cited.title, cited.headings)[-1:]
            foot += "".join(f"{self._into}{clean(part)}" for part in innermost)
        head = Text(title, "yellow") if title else Text(path, "cyan")
        self.wrapped(head, 5, Text(f"  {number}  ", "cyan"))
        self.wrapped(body, 5)
        self.wrapped(Text(foot, "dim"), 5)

    def hits(self, hits: Sequence[Hit]) -> None:
        for number, hit in enumerate(hits, 1):
            self.gap()
            self._hit(number, hit, f"score {hit.score:.3f}")

    def _hit(self, number: int, hit: Hit, about: str = "") -> None:
        self._entry(number, hit.passage, Text(clean(view.body(hit))), about)


def _single(text: Text) -> Text:
    """Collapse white space and keep the highlights."""
    words = list(re.finditer(r"\S+", text.plain))
    if text.plain.split(" ") == [word.group() for word in words]:
        return text
    return Text(" ").join(text[word.start() : word.end()] for word in words)
