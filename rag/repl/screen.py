"""Shows answers, passages and lists at the prompt, in colour and columns or as plain text.

Plain text is for terminals that cannot move the cursor and for screen readers: it uses words
instead of symbols and layout, and puts the quote in [[brackets]].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from rich.text import Text

from rag.render.sanitize import clean
from rag.repl.printer import Printer
from rag.repl.session import MOST_CONFLICTS, NEAREST
from rag.types import LEAST_SHOWN, Alternative, Answer, Citation, Hit, Passage, Piece, Value

_STRUCTURED = frozenset(("steps", "list", "comparison", "overview", "catalogue"))
"""Forms whose pieces have lines of their own; others are running text."""


@dataclass(frozen=True, slots=True)
class _Where:
    """Title and headings, outermost first; `page` is the suffix with the page number."""

    document_id: str
    parts: tuple[str, ...]
    page: str = ""

    @classmethod
    def of(cls, found: Citation | Passage) -> Self:
        inner = found.heading.removeprefix(found.title).removeprefix(" > ")
        page = found.page if isinstance(found, Citation) else None
        parts = tuple(part for part in (found.title, *inner.split(" > ")) if part)
        return cls(found.document_id, parts, f", page {page}" if page else "")


class Screen(Printer):
    """Prints answers and passages. For `plain` see the module's docstring."""

    def answer(self, found: Answer) -> None:
        """The answer, its citations, conflicts and other candidates; or the reason why there is
        none.
        """
        self.gap()
        if found.understood:
            self.aside(f"Understood as: {clean(found.understood)}")
        self._given(found) if found.text is not None else self._refused(found)

    def _given(self, found: Answer) -> None:
        if found.form != "span":
            self._formed(found)
            return
        self._head(found)
        for number, citation in enumerate(found.citations, 1):
            self.gap()
            self._citation(number, citation)
        self._conflicts(found.conflicts, len(found.citations))
        shown = {conflict.text for conflict in found.conflicts}
        self._others([other for other in found.alternatives if other.text not in shown])

    def _formed(self, found: Answer) -> None:
        """An answer that is not a span: its numbered pieces, then their sources."""
        self._lead(_yes_or_no(found.value) or _counted(found), found)
        running = Text()
        for number, piece in enumerate(found.pieces, 1):
            mark = "" if piece.heading or found.form == "catalogue" else f" [{number}]"
            if piece.heading or found.form in _STRUCTURED:
                self._piece(piece, found.form, mark)
            else:
                gap = " [\u2026] " if piece.gap else " " if running else ""
                running.append(gap, "dim").append(clean(piece.text)).append(mark, "dim")
        if running:
            self.wrapped(running, 0 if self.plain else 2)
        if found.more:
            self.aside(f"and {found.more} more")
        self._sources(found.pieces)

    def _lead(self, lead: str, found: Answer) -> None:
        """The introduction to the pieces, with the confidence."""
        if self.plain:
            answer = f"Answer: {lead} " if lead else ""
            self.line(f"{answer}Confidence {found.confidence:.0%}.")
            return
        head, tail = Text("  ").append(lead, "bold"), self._confidence(found)
        self.line(head + Text(" " * max(2, self.width - head.cell_len - tail.cell_len)) + tail)

    def _piece(self, piece: Piece, form: str, mark: str) -> None:
        indent = 0 if self.plain else 2
        if piece.heading:
            self.gap()
            self.wrapped(Text(clean(piece.text), "bold"), indent)
            return
        if piece.label and form in ("comparison", "catalogue"):
            self.wrapped(Text(f"{clean(piece.label)}:", "yellow"), indent)
        lines = piece.text.splitlines() if form in ("steps", "list") else [piece.text]
        for number, line in enumerate(lines, 1):
            deeper = len(line) - len(line.lstrip())
            self.wrapped(
                Text(clean(line)).append(mark if number == len(lines) else "", "dim"),
                indent + 2 + min(deeper, 12),
            )

    def _sources(self, pieces: Sequence[Piece]) -> None:
        """Sources of the pieces; neighbours from one source share a line."""
        shared: list[tuple[_Where, list[int]]] = []
        for number, piece in enumerate(pieces, 1):
            where = _Where.of(piece.citation)
            if not piece.heading and shared and shared[-1][0] == where:
                shared[-1][1].append(number)
            elif not piece.heading:
                shared.append((where, [number]))
        self.gap()
        for where, numbers in shared:
            mark = f"{numbers[0]}-{numbers[-1]}" if len(numbers) > 1 else str(numbers[0])
            place = clean(self._into.join(where.parts)) + where.page
            if self.plain:
                self.line(f"Source {mark}: {clean(where.document_id)}, {place}.")
            else:
                self.wrapped(
                    Text(place, "cyan").append(f"  {clean(where.document_id)}", "dim"),
                    5,
                    Text(f"  {mark:<2} ", "cyan"),
                )

    def _head(self, found: Answer) -> None:
        text = " ".join(clean(found.text or "").split())
        if self.plain:
            many = f" In {found.documents} documents." if found.documents > 1 else ""
            self.line(
                f"Answer: {text}{_typed(found.value)}. Confidence {found.confidence:.0%}.{many}"
            )
            return
        head = Text("  ").append(text, "bold").append(_typed(found.value), "dim")
        tail = self._confidence(found)
        room = self.width - head.cell_len - tail.cell_len
        if room >= 2:
            self.line(head + Text(" " * room) + tail)
        else:
            self.wrapped(head[2:], 2)
            self.wrapped(tail, 2)

    def _confidence(self, found: Answer) -> Text:
        full = round(found.confidence * 5)
        bar = (
            "\u25b0" * full + "\u25b1" * (5 - full) if self.signs else "#" * full + "." * (5 - full)
        )
        many = f"in {found.documents} documents  " if found.documents > 1 else ""
        return (
            Text()
            .append(many, "dim")
            .append(bar, _colour(found.confidence))
            .append(f" {found.confidence:.0%}")
        )

    def _refused(self, found: Answer) -> None:
        reason = clean(found.abstention_reason or "")
        if self.plain:
            self.line(f"Not found: {reason}.")
        else:
            self.wrapped(Text().append("Not found", "bold yellow").append(f": {reason}"), 2)
        near = [other for other in found.alternatives if other.confidence >= LEAST_SHOWN][:NEAREST]
        if near or found.hits:
            self.label("nearest")
        for number, other in enumerate(near, 1):
            self._citation(number, other.citations[0])
        for number, hit in enumerate(() if near else found.hits[:NEAREST], 1):
            self._hit(number, hit, scores=False)

    def _conflicts(self, others: Sequence[Alternative], cited: int) -> None:
        """Conflicting answers, each with its best citation, numbered after those `cited`."""
        if others:
            self.label("conflicting")
        for number, other in enumerate(others[:MOST_CONFLICTS], cited + 1):
            many = f" in {other.documents} documents" if other.documents > 1 else ""
            self._citation(
                number, other.citations[0], f"{clean(other.text)}, {other.confidence:.0%}{many}"
            )
        if len(others) > MOST_CONFLICTS:
            self.aside(f"and {len(others) - MOST_CONFLICTS} more")

    def _others(self, alternatives: Sequence[Alternative]) -> None:
        shown = [
            f"{clean(other.text)} {other.confidence:.0%}"
            for other in alternatives
            if other.confidence >= LEAST_SHOWN
        ]
        if not shown:
            return
        self.gap()
        self.wrapped(
            Text("Also considered: " if self.plain else "also ", "dim").append(
                self._dot.join(shown), "dim"
            ),
            0 if self.plain else 2,
        )

    def _citation(self, number: int, citation: Citation, title: str = "") -> None:
        at, end = citation.start - citation.sentence_start, citation.end - citation.sentence_start
        sentence = clean(citation.sentence)
        self._entry(
            number,
            _Where.of(citation),
            self._marked(sentence[:at], sentence[at:end], sentence[end:]),
            title=title,
        )

    def _marked(self, before: str, quote: str, after: str) -> Text:
        return (
            Text(before).append(f"[[{quote}]]" if self.plain else quote, self._span).append(after)
        )

    def paragraph(self, before: str, quote: str, after: str) -> None:
        """Text with a highlighted quote."""
        self.wrapped(self._marked(clean(before), clean(quote), clean(after)), 2)

    def _entry(
        self, number: int, where: _Where, body: Text, about: str = "", title: str = ""
    ) -> None:
        """A numbered passage with its source above it; if there is a `title`, that is above and the
        source below.
        """
        place, foot = clean(self._into.join(where.parts)) + where.page, clean(where.document_id)
        if self.plain:
            self.line(
                f"Source {number}: {f'{title}. ' if title else ''}{foot}, "
                f"{place}.{f' {about}.' if about else ''}"
            )
            self.wrapped(body, 2)
            return
        if about:
            foot += f", {about}"
        elif title and where.parts:
            foot += f"{self._into}{clean(where.parts[-1])}"
        self.wrapped(
            Text(title, "yellow") if title else Text(place, "cyan"),
            5,
            Text(f"  {number}  ", "cyan"),
        )
        self.wrapped(body, 5)
        self.wrapped(Text(foot, "dim"), 5)

    def hits(self, hits: Sequence[Hit]) -> None:
        for number, hit in enumerate(hits, 1):
            self.gap()
            self._hit(number, hit)

    def _hit(self, number: int, hit: Hit, scores: bool = True) -> None:
        about = f"score {hit.score:.3f}" if scores else ""
        where = _Where.of(hit.passage)
        text = hit.passage.text.removeprefix(where.parts[-1]) if where.parts else hit.passage.text
        self._entry(number, where, Text(clean(text).strip()), about)


def _yes_or_no(value: Value | None) -> str:
    if value is None or value.yes is None:
        return ""
    return "Yes." if value.yes else "No."


def _counted(found: Answer) -> str:
    """What a catalogue shows besides titles: a count, or a metadata value."""
    titles = "\n".join(piece.label for piece in found.pieces)
    return "" if found.form != "catalogue" or found.text == titles else found.text or ""


def _typed(value: Value | None) -> str:
    """The typed value, if it adds something to the words."""
    from rag.answering.explain import in_words  # here, because it loads the date parser

    if not value or not (
        value.resolved or value.yes is not None or value.iso not in (None, value.text)
    ):
        return ""
    return f"  = {clean(in_words(value))}"


def _colour(confidence: float) -> str:
    return "green" if confidence >= 0.75 else "yellow" if confidence >= 0.4 else "red"
