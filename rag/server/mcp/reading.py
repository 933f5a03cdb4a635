"""Parts of a document by lines, characters or section."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from rag.errors import InputError
from rag.types import Document

MOST_CHARACTERS = 20_000
"""Maximum number of characters per call; more would fill an agent's context."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Start offsets of a text's lines, which are counted from 1."""

    starts: tuple[int, ...]
    length: int

    @classmethod
    def of(cls, text: str) -> Lines:
        starts = [0]
        at = text.find("\n")
        while 0 <= at < len(text) - 1:
            starts.append(at + 1)
            at = text.find("\n", at + 1)
        return cls(tuple(starts), len(text))

    def line(self, offset: int) -> int:
        return bisect_right(self.starts, offset)

    def span(self, first: int, count: int) -> tuple[int, int]:
        """Offsets of `count` lines starting at line `first`, ending at most at the text's end."""
        start = self.starts[first - 1] if first <= len(self.starts) else self.length
        after = first - 1 + count
        return start, self.starts[after] if after < len(self.starts) else self.length


def section_span(document: Document, wanted: str) -> tuple[int, int]:
    """Offsets of the section with this heading, including its subsections. Raises InputError if
    there is none.
    """
    name = wanted.casefold().strip()
    headings = [section.heading for section in document.sections]
    exact = [place for place, heading in enumerate(headings) if name in _names(heading)]
    loose = [place for place, heading in enumerate(headings) if name in heading.casefold()]
    found = exact or loose
    if not found:
        raise InputError(
            f"{document.id} has no section {wanted[:100]!r}",
            "see its sections with the tool outline",
        )
    first = found[0]
    after = first + 1
    while after < len(headings) and headings[after].startswith(f"{headings[first]} > "):
        after += 1
    end = document.sections[after].start if after < len(headings) else len(document.text)
    return document.sections[first].start, end


def _names(heading: str) -> tuple[str, str]:
    return heading.casefold(), heading.rpartition(" > ")[2].casefold()
