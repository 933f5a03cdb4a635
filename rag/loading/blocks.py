"""Text and sections out of a structured source, block by block."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rag.types import Section

DEEPEST_INDENT = 8
"""Levels of nested lists that are told apart; thousands would make a page of spaces out of each line."""


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list, table or code block; with `level` 1 to 6 it is a heading.

    With `section` it opens a section of that name below the present headings, a name that does not stand in the text.
    """

    text: str
    level: int = 0
    section: str = ""


def join(blocks: Iterable[Block]) -> tuple[str, tuple[Section, ...]]:
    """Blocks as one text with blank lines between them, and the sections that its headings open."""
    parts: list[str] = []
    sections: list[Section] = []
    path: list[tuple[int, str]] = []
    length = 0
    for block in blocks:
        text = block.text.strip()
        if not text:
            continue
        if block.level:
            path = [(level, heading) for level, heading in path if level < block.level]
            path.append((block.level, " ".join(text.split()).replace(" > ", " › ")))  # the path's own mark parts headings
        if block.level or block.section:
            names = [heading for _, heading in path] + ([block.section] if block.section else [])
            sections.append(Section(length, " > ".join(names)))
        parts.append(text)
        length += len(text) + 2
    return "\n\n".join(parts), tuple(sections)
