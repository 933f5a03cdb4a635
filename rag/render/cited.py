"""An answer as plain text with its evidence: [n] after each quote, and the quoted sentences below.

For programs that show only text (chat front ends, agents): everything in the answer's fields is
also in the text.
"""

from __future__ import annotations

from typing import NamedTuple

from rag.render import view
from rag.types import Answer, Citation, Passage, Piece

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


class _Writer:
    """Builds the text and records where quotes are; quotes of one sentence share a number."""

    def __init__(self) -> None:
        self.text = ""
        self.marks: list[Mark] = []
        self.sources: dict[tuple[str, int, int], Citation] = {}

    def quote(self, words: str, citation: Citation) -> None:
        sentence = citation.document_id, citation.sentence_start, citation.sentence_end
        self.sources.setdefault(sentence, citation)
        number, start = list(self.sources).index(sentence) + 1, len(self.text)
        self.marks.append(Mark(start, start + len(words), number, citation))
        self.text += f"{words} [{number}]"

    def answer(self, answer: Answer) -> None:
        """Write the text with an [n] after each piece; pieces not found in it are appended."""
        text, position = answer.text or "", 0
        unwritten: list[Citation] = []
        for piece in answer.pieces or [Piece(citation) for citation in answer.citations]:
            words = piece.label if answer.form == "catalogue" and piece.label else piece.text
            start = text.find(words, position) if words else -1
            if piece.heading:
                continue
            if start < 0:
                unwritten.append(piece.citation)
                continue
            side = f"{piece.label}: " if piece.label and answer.form == "comparison" else ""
            self.text += text[position:start] + side
            self.quote(words, piece.citation)
            position = start + len(words)
        self.text += text[position:]
        for citation in unwritten:
            self.quote("", citation)
        if answer.more:
            self.text += f"\n… and {answer.more} more"


def cited(answer: Answer) -> CitedText:
    """The answer with [n] marks and its quotes, or a refusal's reason and closest passages."""
    if answer.text is None:
        text = _refusal(answer).replace(_IMAGE, _NO_IMAGE)
        return CitedText(text, (), len(text))
    writer = _Writer()
    writer.answer(answer)
    for conflict in answer.conflicts[: view.MOST_CONFLICTS]:
        day = conflict.citations[0].date
        writer.text += f"\n\nAnother document{f' of {day}' if day else ''} disagrees: "
        writer.quote(conflict.text, conflict.citations[0])
    if grid := view.grid_lines(answer):
        writer.text += "\n\n" + "\n".join(grid)
    body = len(writer.text)
    lines = [
        f"[{number}] {where(citation)}: “{view.shortened(citation.sentence or citation.quote)}”"
        for number, citation in enumerate(writer.sources.values(), 1)
    ]
    text = f"{writer.text}\n\n" + "\n".join(lines)
    return CitedText(text.replace(_IMAGE, _NO_IMAGE), tuple(writer.marks), body)


def where(place: Citation | Passage) -> str:
    """Title, headings that do not repeat it, page, and document id."""
    path = view.path_to(place)
    return f"{path} ({place.document_id})" if path != place.document_id else path


def _refusal(answer: Answer) -> str:
    """The reason for a refusal, and the closest passages."""
    if reply := view.reply(answer):
        return "\n".join(reply)
    text = f"Not found in the documents: {answer.abstention_reason or 'no answer'}."
    if grid := view.grid_lines(answer):
        return "\n".join([text, "", *grid])
    if not answer.hits:
        return text
    passages = [hit.passage for hit in answer.hits[: view.NEAREST]]
    lines = [f"- {where(passage)}: “{view.shortened(passage.text, 200)}”" for passage in passages]
    closest = "The closest passages, which do not answer the question:"
    return "\n".join([f"{text}\n", closest, *lines])
