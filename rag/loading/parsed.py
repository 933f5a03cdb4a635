"""What a parser makes of a file, and why it may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from rag.loading.blocks import Block, join
from rag.types import Section


class Unreadable(Exception):
    """Why one file cannot be a document. The others go on."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document's text with its structure; as in `rag.types.Document`. "title" in `metadata` becomes the title."""

    text: str
    sections: tuple[Section, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    pages: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """A file inside another: its path there; `read(most)` gives its bytes, or raises Unreadable for more than `most`."""

    name: str
    read: Callable[[int], bytes]


def of_pages(pages: Iterable[Iterable[Block]], metadata: dict[str, str]) -> Parsed:
    """Blocks page by page, numbered from 1, as one text. A page without text starts where the next one with text does."""
    counts: list[int] = []

    def counted() -> Iterator[Block]:
        for page in pages:
            kept = [block for block in page if block.text.strip()]
            counts.append(len(kept))
            yield from kept

    blocks = list(counted())
    text, sections = join(blocks)
    return Parsed(text, sections, metadata, tuple(_starts(blocks, counts, len(text))))


def _starts(blocks: list[Block], counts: list[int], length: int) -> Iterator[int]:
    offsets = [0]
    for block in blocks:
        offsets.append(offsets[-1] + len(block.text.strip()) + 2)
    first = 0
    for count in counts:
        yield min(offsets[first], length)
        first += count
