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


class Screen:
    """Prints to one console. For `plain` see the module's docstring."""

    def __init__(self, console: Console, plain: bool = False) -> None:
        self.console = console
        self.plain = plain
        self._span = "bold underline" if console.no_color else "bold green"
        self._indent = 0 if plain else 2
        self.signs = not plain and console.encoding.startswith("utf")

        if self.signs:
            self._into = " \u203a "
            self._dot = " \u00b7 "
        else:
            self._into = " > "
            self._dot = "; "

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
        texts = [[clean(cell) for cell in row] for row in rows]
        if self.plain:
            for row in texts:
                separator = ", " if len(row) > 2 else ": "
                self.line(separator.join(text.strip() for text in row))
            return

        cells = [[Text(text) for text in row] for row in texts]
        room = max(12, self.width // 2)
        widths = []
        for column in zip(*cells, strict=True):
            widest = max(cell.cell_len for cell in column)
            widths.append(min(room, widest))

        for line_cells in cells:
            self._row(line_cells, widths, styles)

    def _row(self, row: Sequence[Text], widths: Sequence[int], styles: Sequence[str]) -> None:
        """Cells side by side; the last one gets the rest of the line."""
        line = Text("  ")
        *columns, last_cell = row
        all_styles = chain(styles, repeat(""))

        for cell, width in zip(columns, widths, strict=False):
            cell.truncate(width, overflow="ellipsis", pad=True)
            style = next(all_styles)
            line.append(cell.plain, style)
            line.append("  ")

        rest = max(8, self.width - line.cell_len)
        last_cell.truncate(rest, overflow="ellipsis")
        style = next(all_styles)
        line.append(last_cell.plain, style)
        self.line(line)

    def line(self, text: str | Text) -> None:
        """Print a line and let the terminal wrap it."""
        if isinstance(text, str):
            text = Text(text)
        text.rstrip()
        self.console.print(text, soft_wrap=True)

    def wrapped(self, text: Text, indent: int, lead: Text | None = None) -> None:
        """Wrap text at words, by display width; `lead` starts the first line."""
        spaces = Text(" " * indent)
        line_start = lead or spaces
        lines = _on_one_line(text).wrap(
            self.console,
            self.width - indent,
            overflow="fold",
        )
        for line in lines:
            line.rstrip()
            line.plain = line.plain.replace(GLUE, " ")
            self.console.print(line_start + line, soft_wrap=True)
            line_start = spaces

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
            self._refusal(answer)
            return

        is_span = answer.form == "span"
        if is_span:
            self._head(answer)
            for number, citation in enumerate(answer.citations, 1):
                self.gap()
                self._citation(number, citation)
        else:
            self._answer_of_pieces(answer)

        self._conflicts(answer.conflicts, len(answer.citations))
        if is_span:
            self._other_candidates(answer)

    def _other_candidates(self, answer: Answer) -> None:
        """Other candidates, with their confidence, on one line."""
        candidates = view.other_candidates(answer)
        if not candidates:
            return

        texts = []
        for candidate in candidates:
            text = clean(view.shortened(candidate.text, 80))
            texts.append(f"{text} {candidate.confidence:.0%}")

        opening = "Also considered: " if self.plain else "also "
        self.gap()
        self.aside(opening + self._dot.join(texts))

    def _answer_of_pieces(self, answer: Answer) -> None:
        """An answer that is not a span: its numbered pieces, the confidence, then their sources."""
        lead = view.lead(answer)
        if lead and self.plain:
            self.line(f"Answer: {lead}")
        elif lead:
            self.line(Text("  ").append(clean(lead), "bold"))

        self._pieces(answer)

        if answer.more:
            self.aside(f"and {answer.more} more")
        self.gap()
        if self.plain:
            self.line(f"Confidence {answer.confidence:.0%}.")
        else:
            self.wrapped(self._confidence(answer), 2)
        self.gap()

        for citation, numbers in view.sources(answer.pieces):
            self._source(citation, numbers)
        self._grid(answer)

    def _pieces(self, answer: Answer) -> None:
        """The pieces with their numbers: on lines of their own, or as running text at the end."""
        is_catalogue = answer.form == "catalogue"
        running = Text()

        for number, piece in enumerate(answer.pieces, 1):
            if piece.heading:
                self.gap()
                self.wrapped(Text(clean(piece.text), "bold"), self._indent)
                continue

            mark = "" if is_catalogue else f"{GLUE}[{number}]"
            if answer.form in view.LINED_FORMS:
                self._piece(piece, answer.form, mark)
                continue

            if piece.gap:
                running.append(" [\u2026] ", "dim")
            elif running:
                running.append(" ", "dim")
            running.append(clean(piece.text))
            running.append(mark, "dim")

        if running:
            self.wrapped(running, self._indent)

    def _source(self, citation: Citation, numbers: Sequence[int]) -> None:
        """A source of pieces, behind the numbers of these pieces."""
        first_number = numbers[0]
        last_number = numbers[-1]
        mark = f"{first_number}-{last_number}" if last_number != first_number else str(first_number)

        path = clean(view.path_to(citation, self._into))
        document_id = clean(citation.document_id)
        if self.plain:
            self.line(f"Source {mark}: {document_id}, {path}.")
            return

        source = Text(path, "cyan")
        source.append(f"{self._dot}{document_id}", "dim")
        lead = Text(f"  {mark:<2} ", "cyan")
        self.wrapped(source, 5, lead)

    def _grid(self, answer: Answer) -> None:
        """What the documents say that are not quoted."""
        lines = view.grid_lines(answer)
        if not lines:
            return

        is_file = answer.grid is not None and not answer.grid.rows
        self.gap()
        for line in lines:
            text = clean(line)
            if is_file:  # the lines of a file stay as they are
                self.line(text)
            else:
                self.wrapped(Text(text, "dim"), self._indent)

    def _piece(self, piece: Piece, form: str, mark: str) -> None:
        """A piece on its own lines, with its mark after the last; lists keep their indentation."""
        has_label = piece.label and form in ("comparison", "catalogue", "grid")
        if has_label:
            label = f"{clean(piece.label)}:"
            self.wrapped(Text(label, "yellow"), self._indent)

        lines = [piece.text]
        if form in ("steps", "list"):
            lines = piece.text.splitlines()

        for number, line in enumerate(lines, 1):
            text = Text(clean(line))
            is_last = number == len(lines)
            if is_last:
                text.append(mark, "dim")
            own_indent = len(line) - len(line.lstrip())
            own_indent = min(own_indent, 12)
            self.wrapped(text, self._indent + 2 + own_indent)

    def _head(self, answer: Answer) -> None:
        """A span, its value in words, and its confidence at the right margin."""
        text = " ".join(clean(answer.text or "").split())
        typed = view.value_in_words(answer.value)
        value = f"  = {clean(typed)}" if typed else ""

        if self.plain:
            line = f"Answer: {text}{value}. Confidence {answer.confidence:.0%}."
            if answer.documents > 1:
                line += f" In {answer.documents} documents."
            self.line(line)
            return

        head = Text("  ")
        head.append(text, "bold")
        head.append(value, "dim")
        tail = self._confidence(answer)
        room = self.width - head.cell_len - tail.cell_len
        if room >= 2:
            self.line(head + Text(" " * room) + tail)
        else:
            self.wrapped(head[2:], 2)
            self.wrapped(tail, 2)

    def _confidence(self, answer: Answer) -> Text:
        """The confidence as a bar and in percent, behind the number of documents that agree."""
        filled_sign, empty_sign = "\u25b0\u25b1" if self.signs else "#."
        filled = round(answer.confidence * 5)
        bar = filled_sign * filled + empty_sign * (5 - filled)

        if answer.confidence >= 0.75:
            colour = "green"
        elif answer.confidence >= 0.4:
            colour = "yellow"
        else:
            colour = "red"

        text = Text()
        if answer.documents > 1:
            text.append(f"in {answer.documents} documents  ", "dim")
        text.append(bar, colour)
        text.append(f" {answer.confidence:.0%}")
        return text

    def _refusal(self, answer: Answer) -> None:
        """A reply to talk, or the reason why there is no answer and the nearest places."""
        reply = view.reply(answer)
        if reply:
            for line in reply:
                self.wrapped(Text(clean(line)), 2)
            return

        reason = clean(answer.abstention_reason or "")
        if self.plain:
            self.line(f"Not found: {reason}.")
        else:
            text = Text()
            text.append("Not found", "bold yellow")
            text.append(f": {reason}")
            self.wrapped(text, 2)

        self._grid(answer)
        if answer.hits:
            self.label("nearest")
        for number, place in enumerate(view.nearest_places(answer), 1):
            self._nearest_place(number, place)

    def _nearest_place(self, number: int, place: Citation | Hit) -> None:
        """A place of a refusal: its source, and some lines of it around the quote."""
        source, parts = view.source_and_text(number, place, self.width - 5)
        text_before, quote, text_after = map(clean, parts)
        if quote:
            body = self._marked(text_before, quote, text_after)
        else:
            body = Text(text_after.strip())
        self._entry(number, source, body)

    def _conflicts(self, conflicts: Sequence[Alternative], cited: int) -> None:
        """Conflicting answers, each with its best citation, numbered after those `cited`."""
        if conflicts:
            self.label("conflicting")

        for number, conflict in enumerate(conflicts[: view.MOST_CONFLICTS], cited + 1):
            documents = ""
            if conflict.documents > 1:
                documents = f" in {conflict.documents} documents"
            text = clean(conflict.text)
            title = f"{text}, {conflict.confidence:.0%}{documents}"
            self._citation(number, conflict.citations[0], title)

        unshown = len(conflicts) - view.MOST_CONFLICTS
        if unshown > 0:
            self.aside(f"and {unshown} more")

    def _citation(self, number: int, citation: Citation, title: str = "") -> None:
        text_before, quote, text_after = map(clean, view.marked_sentence(citation))
        body = self._marked(text_before, quote, text_after)
        self._entry(number, citation, body, title=title)

    def _marked(self, text_before: str, quote: str, text_after: str) -> Text:
        marked = f"[[{quote}]]" if self.plain else quote
        text = Text(text_before)
        text.append(marked, self._span)
        text.append(text_after)
        return text

    def paragraph(self, text_before: str, quote: str, text_after: str) -> None:
        """Text with a highlighted quote."""
        marked = self._marked(
            clean(text_before),
            clean(quote),
            clean(text_after),
        )
        self.wrapped(marked, 2)

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
            for part in innermost:
                foot += f"{self._into}{clean(part)}"

        head = Text(title, "yellow") if title else Text(path, "cyan")
        self.wrapped(head, 5, Text(f"  {number}  ", "cyan"))
        self.wrapped(body, 5)
        self.wrapped(Text(foot, "dim"), 5)

    def hits(self, hits: Sequence[Hit]) -> None:
        for number, hit in enumerate(hits, 1):
            self.gap()
            self._hit(number, hit, f"score {hit.score:.3f}")

    def _hit(self, number: int, hit: Hit, about: str = "") -> None:
        body = Text(clean(view.body(hit)))
        self._entry(number, hit.passage, body, about)


def _on_one_line(text: Text) -> Text:
    """Collapse white space and keep the highlights."""
    matches = list(re.finditer(r"\S+", text.plain))
    words = [match.group() for match in matches]
    if text.plain.split(" ") == words:
        return text

    pieces = [text[match.start() : match.end()] for match in matches]
    return Text(" ").join(pieces)
