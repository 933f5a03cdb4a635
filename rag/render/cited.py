"""An answer as plain text with its evidence: [n] after each quote, and the quoted sentences below.

For programs that show only text (chat front ends, agents): everything in the answer's fields is
also in the text.
"""

from __future__ import annotations

from typing import NamedTuple

from rag.render import view
from rag.types import Alternative, Answer, Citation, Passage, Piece

_IMAGE, _NO_IMAGE = "![", "\uff01["
"""An image in a document's Markdown would make a chat front end load its URL. A full-width
exclamation mark is not Markdown and keeps all offsets.
"""


class Mark(NamedTuple):
    """`text[start:end]` of the cited text quotes `citation`; `number` is that of its [n]."""

    start: int
    end: int
    number: int
    citation: Citation


class CitedText(NamedTuple):
    """`text[:body]` is the answer with its marks; the quotes follow. Offsets count code points."""

    text: str
    marks: tuple[Mark, ...]
    body: int


class _CitedTextBuilder:
    """Builds the text and records where quotes are; quotes of one sentence share a number."""

    def __init__(self) -> None:
        self.text = ""
        self.marks: list[Mark] = []
        self.sources: dict[tuple[str, int, int], Citation] = {}

    def quote(self, words: str, citation: Citation) -> None:
        """Write the words with the number of their sentence."""
        sentence = (
            citation.document_id,
            citation.sentence_start,
            citation.sentence_end,
        )
        self.sources.setdefault(sentence, citation)
        number = list(self.sources).index(sentence) + 1

        start = len(self.text)
        mark = Mark(
            start=start,
            end=start + len(words),
            number=number,
            citation=citation,
        )
        self.marks.append(mark)
        self.text += f"{words} [{number}]"

    def answer(self, answer: Answer) -> None:
        """Write the text with an [n] after each piece; pieces not found in it are appended."""
        text = answer.text or ""
        position = 0
        unwritten: list[Citation] = []

        pieces = answer.pieces or [Piece(citation) for citation in answer.citations]
        for piece in pieces:
            if piece.heading:
                continue

            words = piece.text
            if answer.form == "catalogue" and piece.label:
                words = piece.label
            start = text.find(words, position) if words else -1
            if start < 0:
                unwritten.append(piece.citation)
                continue

            self.text += text[position:start]
            if answer.form == "comparison" and piece.label:
                self.text += f"{piece.label}: "
            self.quote(words, piece.citation)
            position = start + len(words)

        self.text += text[position:]
        for citation in unwritten:
            self.quote("", citation)
        if answer.more:
            self.text += f"\n… and {answer.more} more"

    def conflict(self, conflict: Alternative) -> None:
        """Write an answer that disagrees, in a paragraph of its own."""
        citation = conflict.citations[0]
        day = f" of {citation.date}" if citation.date else ""
        self.text += f"\n\nAnother document{day} disagrees: "
        self.quote(conflict.text, citation)

    def evidence(self) -> str:
        """A line for each number: where the sentence is, and the sentence."""
        lines = []
        for number, citation in enumerate(self.sources.values(), 1):
            sentence = view.shortened(citation.sentence or citation.quote)
            lines.append(f"[{number}] {place_line(citation)}: “{sentence}”")
        return "\n".join(lines)


def cited(answer: Answer) -> CitedText:
    """The answer with [n] marks and its quotes, or a refusal's reason and closest passages."""
    if answer.text is None:
        text = _refusal(answer).replace(_IMAGE, _NO_IMAGE)
        return CitedText(text, marks=(), body=len(text))

    writer = _CitedTextBuilder()
    writer.answer(answer)
    for conflict in answer.conflicts[: view.MOST_CONFLICTS]:
        writer.conflict(conflict)
    grid = view.grid_lines(answer)
    if grid:
        writer.text += "\n\n" + "\n".join(grid)

    text = f"{writer.text}\n\n{writer.evidence()}"
    return CitedText(
        text=text.replace(_IMAGE, _NO_IMAGE),
        marks=tuple(writer.marks),
        body=len(writer.text),
    )


def place_line(place: Citation | Passage) -> str:
    """Title, headings that do not repeat it, page, and document id."""
    path = view.path_to(place)
    if path == place.document_id:
        return path
    return f"{path} ({place.document_id})"


def _refusal(answer: Answer) -> str:
    """The reason for a refusal, and the nearest sentences, or without any the closest passages."""
    reply = view.reply(answer)
    if reply:
        return "\n".join(reply)

    reason = answer.abstention_reason or "no answer"
    text = f"Not found in the documents: {reason}."
    grid = view.grid_lines(answer)
    if grid:
        return "\n".join([text, "", *grid])
    if not answer.hits:
        return text

    lead = "The closest passages, which do not answer the question:"
    quotes = []
    for place in view.nearest_places(answer):
        if isinstance(place, Citation):
            lead = "The nearest sentences; they may not answer the question:"
            quotes.append(f"- {place_line(place)}: “{view.shortened(place.sentence)}”")
        else:
            excerpt = view.shortened(place.passage.text, 200)
            quotes.append(f"- {place_line(place.passage)}: “{excerpt}”")
    return "\n".join([text, "", lead, *quotes])
