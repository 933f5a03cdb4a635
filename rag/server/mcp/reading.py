"""Parts of a document by lines, characters or section."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rag.errors import InputError
from rag.structure import sections
from rag.types import Document


def line_starts(text: str) -> list[int]:
    """Offsets of the lines' starts. `bisect_right(starts, offset)` is a line's number, from 1."""
    return [0, *(place.end() for place in re.finditer(r"\n(?!\Z)", text))]


def excerpt_span(
    document: Document,
    starts: Sequence[int],
    start_line: int,
    lines: int,
    offset: int | None,
    section: str,
) -> tuple[int, int]:
    """Offsets of a section, of lines, or from an offset on. Raises InputError if out of range."""
    if section:
        return section_span(document, section)
    length = len(document.text)
    if offset is not None:
        if offset > length:
            message = f"offset {offset:,} is beyond the {length:,} characters of {document.id}"
            raise InputError(message, "give a smaller one")
        return offset, length
    if start_line > len(starts):
        message = f"line {start_line:,} is beyond the {len(starts):,} lines of {document.id}"
        raise InputError(message, "give a smaller start_line")
    return starts[start_line - 1], [*starts, length][min(start_line - 1 + lines, len(starts))]


def section_span(document: Document, title: str) -> tuple[int, int]:
    """A section's offsets, with its subsections. Raises InputError for an unknown heading."""
    name = title.casefold().strip()
    outline = [section for section in sections(document.blocks) if section.path]
    names = [(part.heading.casefold(), part.path[-1].casefold()) for part in outline]
    exact = [place for place, own in enumerate(names) if name in own]
    matching = exact or [place for place, (heading, _) in enumerate(names) if name in heading]
    if not matching:
        message = f"{document.id} has no section {title[:100]!r}"
        raise InputError(message, "see its sections with the tool outline")
    start, path = outline[matching[0]]
    after = (s.start for s in outline[matching[0] + 1 :] if s.path[: len(path)] != path)
    return start, next(after, len(document.text))
