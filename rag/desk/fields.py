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
_PART = re.compile(r"(?:(?! \| ).)+")
"""A cell of a row that is written with bars, or a whole line."""
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
        for part in _PART.finditer(line[0]):
            if len(part[0]) > _LONGEST_LABEL + _LONGEST_VALUE:
                continue
            match = _FIELD.fullmatch(part[0])
            if match is None or len(match["label"].split()) > _WORDS:
                continue
            base = line.start() + part.start()
            start, end = base + match.start("value"), base + match.end("value")
            heading = heading_path(document.blocks, base)[-1:]
            yield Field(document.id, match["label"].strip(), start, end, "".join(heading))
