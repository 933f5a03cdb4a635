"""One kind of candidate for every form of answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rag.answering.citations import quoted
from rag.answering.spans import SpanGroup
from rag.types import Document, Piece


@dataclass(frozen=True, slots=True)
class Place:
    """`document.text[start:end]`. `label` and `heading` as in `Piece`."""

    document_id: str
    start: int
    end: int
    label: str = ""
    heading: bool = False

    def overlaps(self, other: Place) -> bool:
        """Whether both share a character."""
        return (
            self.document_id == other.document_id
            and self.start < other.end
            and other.start < self.end
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """A possible answer: its form, and its places in display order, at least one.

    `generator` names the function that proposed it. `verdict` is None except for yes or no. `span`
    is the group of equal spans that it consists of. `text` replaces the words of the places in a
    catalogue: a count, or a value of the metadata. `more` counts the items that are not shown.
    """

    form: str
    generator: str
    places: tuple[Place, ...]
    verdict: bool | None = None
    span: SpanGroup | None = None
    text: str = ""
    more: int = 0

    @property
    def lead(self) -> str:
        """The only words that an answer may add."""
        return "" if self.verdict is None else "Yes." if self.verdict else "No."

    def overlaps(self, other: Candidate) -> bool:
        """Whether both quote the same words somewhere."""
        return any(one.overlaps(two) for one in self.places for two in other.places)

    def pieces(self, documents: Mapping[str, Document]) -> tuple[Piece, ...]:
        """The places as quotes; `gap` where text between them in one document is left out."""
        return tuple(_pieces(self.places, documents))


def _pieces(places: Sequence[Place], documents: Mapping[str, Document]) -> list[Piece]:
    pieces: list[Piece] = []
    before: Place | None = None
    for place in places:
        document = documents[place.document_id]
        adjacent = (
            before is not None
            and before.document_id == place.document_id
            and not document.text[before.end : place.start].strip()
        )
        pieces.append(
            Piece(
                quoted(document, place.start, place.end),
                gap=before is not None and not adjacent,
                heading=place.heading,
                label=place.label,
            )
        )
        before = place
    return pieces
