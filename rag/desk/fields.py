"""The labelled fields of a document: "Last medical exam: 06/01/2007", also the empty ones.

A field whose label is what a column asks has its value, and one that is empty says that there is
none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from rag.structure import heading_path
from rag.types import Document, Place

_LONGEST_LABEL = 60
_LONGEST_VALUE = 200
"""Characters of a label, and of a value."""
_MOST_FIELDS = 400
"""Fields of one document that are read."""
_LINE = re.compile(r"[^\n]+")
_BAR = " | "
"""Is between the cells of a row."""
_FIELD = re.compile(
    rf"\s*(?:[-*•>]\s+|\d+[.)]\s+)?[*_]*(?P<label>[^\W\d_][^:|]{{1,{_LONGEST_LABEL}}}?)[*_]*"
    rf"\s*:[*_]*(?=\s|$)\s*(?P<value>.*?)[*_]*\s*"
)
_MOST_WORDS = 8
"""Most words of a label."""


@dataclass(frozen=True, slots=True)
class Field:
    """A label and its value, `document.text[start:end]`, which may be empty."""

    document_id: str
    label: str
    start: int
    end: int
    heading: str = ""

    @property
    def is_empty(self) -> bool:
        return self.start == self.end

    @property
    def place(self) -> Place:
        return Place(self.document_id, self.start, self.end)


def fields(document: Document) -> list[Field]:
    """The fields in order, at most so many."""
    return list(islice(_fields(document), _MOST_FIELDS))


def _fields(document: Document) -> Iterator[Field]:
    """The fields of a document, line by line and cell by cell."""
    for line in _LINE.finditer(document.text):
        start = line.start()
        for part in line[0].split(_BAR):
            field = _field(document, part, start)
            if field:
                yield field
            start += len(part) + len(_BAR)


def _field(document: Document, part: str, start: int) -> Field | None:
    """The field that a line, or a cell of a row, is; `start` is its offset in the text."""
    if len(part) > _LONGEST_LABEL + _LONGEST_VALUE:
        return None
    match = _FIELD.fullmatch(part)
    if match is None:
        return None
    label = match["label"].strip()
    if len(label.split()) > _MOST_WORDS:
        return None

    headings = heading_path(document.blocks, start)
    return Field(
        document.id,
        label,
        start=start + match.start("value"),
        end=start + match.end("value"),
        heading=headings[-1] if headings else "",
    )
