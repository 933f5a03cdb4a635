"""An answer as plain text with its evidence: [n] after each quote, and the quoted sentences below.

For programs that show only text (chat front ends, agents): everything in the answer's fields is
also in the text.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rag.render import view
from rag.types import Answer, Citation, Hit, Passage, Piece

_IMAGE, _NO_IMAGE = "![", "\uff01["
"""An image in a document's Markdown would make a chat front end load its URL. A full-width
exclamation mark is not Markdown and keeps all offsets.
"""


@dataclass(frozen=True, slots=True)
class Mark:
    """`text[start:end]` of the cited text quotes `citation`; `number` is that of its [n]."""

    start: int
    end: int
    number: int
    citation: Citation


@dataclass(frozen=True, slots=True)
class CitedText:
    """`text[:body]` is the answer with its marks; the quotes follow. Offsets count code points."""

    text: str
    marks: tuple[Mark, ...]
    body: int


@dataclass
class _Writer:
    """Builds the text and records where quotes are; equal citations share a number."""

    text: str = ""
    marks: list[Mark] = field(default_factory=list)

    def quote(self, words: str, citation: Citation) -> None:
        """Write the quote and its [n]."""
        start = len(self.text)
        numbers = {_sentence(mark.citation): mark.number for mark in self.marks}
        number = numbers.get(_sentence(citation), len(numbers) + 1)
        self.text += words
        self.marks.append(Mark(start, len(self.text), number, citation))
        self.text += f" [{number}]"


def cited(answer: Answer) -> CitedText:
    """The answer with [n] marks and its quotes, or a refusal's reason and closest passages."""
    if answer.text is None:
        text = _without_images(refusal(answer))
        return CitedText(text, (), len(text))
    writer = _Writer()
    _write_answer(writer, answer)
    for conflict in answer.conflicts[: view.MOST_CONFLICTS]:
        day = conflict.citations[0].date
        writer.text += f"\n\nAnother document{f' of {day}' if day else ''} disagrees: "
        writer.quote(conflict.text, conflict.citations[0])
    body = len(writer.text)
    first_marks = {mark.number: mark.citation for mark in reversed(writer.marks)}
    lines = [source_line(number, citation) for number, citation in sorted(first_marks.items())]
    text = _without_images(writer.text + "\n\n" + "\n".join(lines))
    return CitedText(text, tuple(writer.marks), body)


def _without_images(text: str) -> str:
    return text.replace(_IMAGE, _NO_IMAGE)


def _write_answer(writer: _Writer, answer: Answer) -> None:
    """Write the text with an [n] after each piece; pieces not found in it are appended."""
    text, position = answer.text or "", 0
    left: list[Citation] = []
    for piece in answer.pieces or [Piece(citation) for citation in answer.citations]:
        words = piece.label if answer.form == "catalogue" and piece.label else piece.text
        start = text.find(words, position) if words else -1
        if piece.heading:
            continue
        if start < 0:
            left.append(piece.citation)
            continue
        side = f"{piece.label}: " if piece.label and answer.form == "comparison" else ""
        writer.text += text[position:start] + side
        writer.quote(words, piece.citation)
        position = start + len(words)
    writer.text += text[position:]
    for citation in left:
        writer.quote("", citation)
    if answer.more:
        writer.text += f"\n… and {answer.more} more"


def _sentence(cited: Citation) -> tuple[str, int, int]:
    return cited.document_id, cited.sentence_start, cited.sentence_end


def source_line(number: int, citation: Citation) -> str:
    """`[1] Title > Heading, page 3 (lease.md): “the sentence”`."""
    return f"[{number}] {where(citation)}: “{view.shortened(citation.sentence or citation.quote)}”"


def where(place: Citation | Passage) -> str:
    """Title, headings that do not repeat it, page, and document id."""
    path = view.place_of(place).path()
    return f"{path} ({place.document_id})" if path != place.document_id else path


def refusal(answer: Answer) -> str:
    """The reason for a refusal, and the closest passages."""
    if reply := view.reply(answer):
        return "\n".join(reply)
    text = f"Not found in the documents: {answer.abstention_reason or 'no answer'}."
    if not answer.hits:
        return text
    nearest = "\n".join(f"- {passage_line(hit)}" for hit in answer.hits[: view.NEAREST])
    return f"{text}\n\nThe closest passages, which do not answer the question:\n{nearest}"


def passage_line(hit: Hit) -> str:
    return f"{where(hit.passage)}: “{view.shortened(hit.passage.text, 200)}”"
