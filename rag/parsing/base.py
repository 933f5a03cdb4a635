"""What a parser makes of a file, and why it may not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from itertools import accumulate

from rag.parsing.blocks import Block, join
from rag.types import Section


class Unreadable(Exception):
    """Why one file cannot be a document. The others go on.

    `passing`: the next time it may be otherwise, though the file is as it was.
    """

    def __init__(self, reason: str, passing: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document's text with its structure; as in `rag.types.Document`. "title" in `metadata`
    becomes the title.
    """

    text: str
    sections: tuple[Section, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    pages: tuple[int, ...] = ()
    left_out: int = 0
    """Characters of furniture that are not in `text`, such as navigation and running heads."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file inside another: its path there; `read(most)` gives its bytes, or raises Unreadable for
    more than `most`.
    """

    name: str
    read: Callable[[int], bytes]


Glue = Callable[[str, str], str | None]
"""Two blocks as one where the second goes on with the first, else None."""


def of_pages(
    pages: Iterable[Iterable[Block]],
    metadata: dict[str, str],
    glue: Glue = lambda first, second: None,
) -> Parsed:
    """Blocks page by page, numbered from 1, as one text. A page without text starts where the next
    one with text does.
    """
    blocks: list[Block] = []
    starts: list[tuple[int, int]] = []
    for page in pages:
        starts.append((len(blocks), 0))
        for number, block in enumerate(block for block in page if block.text.strip()):
            last = blocks[-1] if blocks else Block("", 1)
            apart = last.level or block.level or last.context != block.context
            whole = None if apart else glue(last.text, block.text)
            if whole is None:
                blocks.append(replace(block, text=block.text.strip()))
                continue
            blocks[-1] = replace(last, text=whole)
            if number == 0:  # after the word that stands on both pages
                starts[-1] = (len(blocks) - 1, whole.find(" ", len(last.text)) + 1 or len(whole))
    text, sections = join(blocks)
    offsets = list(accumulate((len(block.text) + 2 for block in blocks), initial=0))
    found = [min(offsets[block] + inside, len(text)) for block, inside in starts]
    return Parsed(text, sections, metadata, tuple(accumulate(reversed(found), min))[::-1])
