"""The labelled fields of a document: "Last medical exam: 06/01/2007", also the empty ones.

A field whose label is what a column asks has its value, and one that is empty says that there is
none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rag.structure import heading_path
from rag.types import Document, Place

_LONGEST_LABEL, _LONGEST_VALUE = 60, 200
_MOST = 400
"""Fields of one document that are read."""
_LINE = re.compile(r"[^\n]+")
_BAR = " | "
"""Is between the cells of a row."""
_FIELD = re.compile(
    rf"\s*(?:[-*•>]\s+|\d+[.)]\s+)?[*_]*(?P<label>[^\W\d_][^:|]{{1,{_LONGEST_LABEL}}}?)[*_]*"
    rf"\s*:[*_]*(?=\s|$)\s*(?P<value>.*?)[*_]*\s*"
)
_WORDS = 8
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
    found: list[Field] = []
    for field in _fields(document):
        found.append(field)
        if len(found) == _MOST:
            break
    return found


def _fields(document: Document) -> Iterator[Field]:
    for line in _LINE.finditer(document.text):
        base = line.start()
        for part in line[0].split(_BAR):
            if found := _field(document, part, base):
                yield found
            base += len(part) + len(_BAR)


def _field(document: Document, part: str, base: int) -> Field | None:
    """The field that a line, or a cell of a row, is; it starts at `base`."""
    if len(part) > _LONGEST_LABEL + _LONGEST_VALUE:
        return None
    match = _FIELD.fullmatch(part)
    if match is None or len(match["label"].split()) > _WORDS:
        return None
    start, end = base + match.start("value"), base + match.end("value")
    heading = "".join(heading_path(document.blocks, base)[-1:])
    return Field(document.id, match["label"].strip(), start, end, heading)
