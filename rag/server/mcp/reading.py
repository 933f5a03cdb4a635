"""Parts of a document by lines, characters or section."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass

from rag.errors import InputError
from rag.structure import Section, sections
from rag.types import Document


@dataclass(frozen=True, slots=True)
class Lines:
    """Start offsets of a text's lines, which are counted from 1."""

    starts: tuple[int, ...]
    length: int

    @classmethod
    def of(cls, text: str) -> Lines:
        starts = (place.end() for place in re.finditer("\n", text) if place.end() < len(text))
        return cls((0, *starts), len(text))

    def line(self, offset: int) -> int:
        return bisect_right(self.starts, offset)

    def span(self, first: int, count: int) -> tuple[int, int]:
        """Offsets of `count` lines starting at line `first`, ending at most at the text's end."""
        start = self.starts[first - 1] if first <= len(self.starts) else self.length
        after = first - 1 + count
        return start, self.starts[after] if after < len(self.starts) else self.length


def excerpt_span(
    document: Document, places: Lines, start_line: int, lines: int, offset: int | None, section: str
) -> tuple[int, int]:
    """Offsets of a section, of lines, or from an offset on. Raises InputError if out of range."""
    if section:
        return section_span(document, section)
    if offset is not None:
        if offset > len(document.text):
            raise InputError(
                f"offset {offset:,} is beyond the {len(document.text):,} characters of "
                f"{document.id}",
                "give a smaller one",
            )
        return offset, len(document.text)
    if start_line > len(places.starts):
        message = f"line {start_line:,} is beyond the {len(places.starts):,} lines of {document.id}"
        raise InputError(message, "give a smaller start_line")
    return places.span(start_line, lines)


def section_span(document: Document, title: str) -> tuple[int, int]:
    """A section's offsets, with its subsections. Raises InputError for an unknown heading."""
    name = title.casefold().strip()
    outline = [section for section in sections(document.blocks) if section.path]
    exact = [place for place, section in enumerate(outline) if name in _names(section)]
    loose = [place for place, section in enumerate(outline) if name in section.heading.casefold()]
    matching = exact or loose
    if not matching:
        message = f"{document.id} has no section {title[:100]!r}"
        raise InputError(message, "see its sections with the tool outline")
    start, path = outline[matching[0]]
    after = (s.start for s in outline[matching[0] + 1 :] if s.path[: len(path)] != path)
    return start, next(after, len(document.text))


def _names(section: Section) -> tuple[str, str]:
    return section.heading.casefold(), section.path[-1].casefold()
