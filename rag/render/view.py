"""What is shown of an answer, in the same words everywhere: at the terminal, at the prompt, in a
saved session and in a chat.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rag.types import (
    LEAST_SHOWN,
    TALK,
    Alternative,
    Answer,
    Citation,
    Hit,
    Passage,
    Piece,
    Value,
    title_and_headings,
)

MOST_CONFLICTS = 3
"""Maximum number of conflicting answers shown."""
GLUE = "\ue000"
"""The space before a citation mark while text is wrapped: a mark never has a line of its own."""
NEAREST = 3
"""Maximum number of candidates or passages shown with a refusal."""
LINED_FORMS = frozenset(("steps", "list", "comparison", "overview", "catalogue"))
"""Forms whose pieces have lines of their own; others are running text."""


class CitedPlace(NamedTuple):
    """A document, its title and headings, outermost first, and the page, or None."""

    document_id: str
    parts: tuple[str, ...]
    page: int | None

    def path(self, separator: str = " > ") -> str:
        """Title, headings and page."""
        return separator.join(self.parts) + (f", page {self.page}" if self.page else "")


def place_of(cited: Citation | Passage) -> CitedPlace:
    parts = title_and_headings(cited.title, cited.heading)
    return CitedPlace(cited.document_id, parts, cited.page if isinstance(cited, Citation) else None)


def marked(citation: Citation) -> tuple[str, str, str]:
    """The cited sentence: what is before the quote, the quote, and what is after it."""
    start, end = citation.start - citation.sentence_start, citation.end - citation.sentence_start
    return citation.sentence[:start], citation.sentence[start:end], citation.sentence[end:]


def lead(answer: Answer) -> str:
    """What is shown before the pieces: "Yes.", "No.", what a catalogue counts, or ""."""
    if answer.value is not None and answer.value.yes is not None:
        return "Yes." if answer.value.yes else "No."
    titles = "\n".join(piece.label for piece in answer.pieces)
    return "" if answer.form != "catalogue" or answer.text == titles else answer.text or ""


def typed(value: Value | None) -> str:
    """The value in words if it says more than the answer, or ""."""
    from rag.answering.explain import in_words  # here, because it loads the date parser

    is_more = value is not None and (
        value.resolved or value.yes is not None or value.iso not in (None, value.text)
    )
    return in_words(value) if value and is_more else ""


def others(answer: Answer) -> list[Alternative]:
    """Further candidates that are worth showing."""
    conflicting = {conflict.text for conflict in answer.conflicts}
    return [
        other
        for other in answer.alternatives
        if other.confidence >= LEAST_SHOWN and other.text not in conflicting
    ]


def near_citations(answer: Answer) -> list[Citation]:
    """The best candidates of a refusal."""
    near = [other for other in answer.alternatives if other.confidence >= LEAST_SHOWN]
    return [other.citations[0] for other in near[:NEAREST]]


def near_hits(answer: Answer) -> Sequence[Hit]:
    """The best passages of a refusal without candidates."""
    return () if near_citations(answer) else answer.hits[:NEAREST]


def reply(answer: Answer) -> list[str]:
    """The lines of a reply to talk: the reply, and questions to ask instead; [] for an answer."""
    if answer.form != TALK:
        return []
    offered = ["You can ask, for example:"] if answer.suggestions else []
    return [f"{answer.abstention_reason}.", *offered, *(f"- {q}" for q in answer.suggestions)]


def numbered(answer: Answer) -> list[Citation]:
    """The citations that are shown with a number, in order; for a refusal, the nearest."""
    if answer.text is None:
        return near_citations(answer)
    conflicting = [other.citations[0] for other in answer.conflicts[:MOST_CONFLICTS]]
    return [*answer.citations, *conflicting]


def sources(pieces: Sequence[Piece]) -> list[tuple[CitedPlace, list[int]]]:
    """The pieces' places with their numbers; neighbours from one place share an entry."""
    shared: list[tuple[CitedPlace, list[int]]] = []
    for number, piece in enumerate(pieces, 1):
        place = place_of(piece.citation)
        if piece.heading:
            continue
        if shared and shared[-1][0] == place:
            shared[-1][1].append(number)
        else:
            shared.append((place, [number]))
    return shared


def count_of_documents(count: int) -> str:
    return f"{count} document{'' if count == 1 else 's'}"
