"""Reads a document's structure: headings, lists and tables around an offset.

`Block` says what blocks are. All functions take the blocks of one document; they cost the logarithm
of their number, and the size of what they return.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import NamedTuple

from rag.meaning.sentences import Offsets, around, split_sentences
from rag.types import Block, BlockCell, Column, Document

_START = attrgetter("start")


@dataclass(frozen=True, slots=True)
class TableRows:
    """A table, or the part of a long one around an offset; `header` is the lowest header row."""

    block: Block
    header: Block | None
    rows: tuple[Block, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        return self.block.columns

    def column_name(self, cell: BlockCell) -> str:
        """Name of a cell's column, or ""."""
        return self.columns[cell.column].name if 0 <= cell.column < len(self.columns) else ""


class Section(NamedTuple):
    """Where the heading path becomes `path`, up to the next section."""

    start: int
    path: tuple[str, ...]

    @property
    def heading(self) -> str:
        """For people."""
        return " > ".join(self.path)


def sections(blocks: Sequence[Block]) -> tuple[Section, ...]:
    """Where the heading path of a document changes, and each of its headings."""
    paths: list[tuple[str, ...]] = []
    result: list[Section] = []
    before: tuple[str, ...] = ()
    for block in blocks:
        path = paths[block.parent] if block.parent >= 0 else ()
        path = (*path, block.name) if block.name else path
        paths.append(path)
        if path != before or block.name:
            if result and result[-1].start == block.start:
                result.pop()
            result.append(Section(block.start, path))
        before = path
    return tuple(result)


def block_at(blocks: Sequence[Block], offset: int) -> int | None:
    """Index of the innermost block that contains the character at `offset`; None between blocks."""
    return next((i for i in _around(blocks, offset) if offset < blocks[i].end), None)


def enclosing(blocks: Sequence[Block], offset: int, *kinds: str) -> int | None:
    """Index of the innermost block of one of the kinds that contains the character at `offset`."""
    within = (i for i in _around(blocks, offset) if offset < blocks[i].end)
    return next((i for i in within if blocks[i].kind in kinds), None)


def heading_path(blocks: Sequence[Block], offset: int) -> tuple[str, ...]:
    """Names of the headings, groups and rows above and around an offset, outermost first. A place
    in a heading has its name, a place between blocks that of the block before it.
    """
    names = [blocks[i].name for i in _around(blocks, offset)]
    return tuple(name for name in reversed(names) if name)


def children(blocks: Sequence[Block], index: int) -> Iterator[int]:
    """Indices of the blocks whose parent is `index`, in order."""
    below = index + 1
    while below < len(blocks) and blocks[below].parent >= index:
        if blocks[below].parent == index:
            yield below
        below += 1


def items(blocks: Sequence[Block], index: int) -> tuple[Block, ...]:
    """The items of the list at `index`, without those of inner lists."""
    return tuple(blocks[i] for i in children(blocks, index) if blocks[i].kind == "item")


def table_around(blocks: Sequence[Block], offset: int, reach: int = 30_000) -> TableRows | None:
    """The table that contains `offset`, with its rows within `reach` characters; None elsewhere."""
    index = enclosing(blocks, offset, "table")
    if index is None:
        return None
    last = min(bisect_right(blocks, offset + reach, key=_START), len(blocks))
    first = max(bisect_right(blocks, offset - reach, key=_START) - 1, index + 1)
    near = (blocks[i] for i in range(first, last))
    rows = tuple(block for block in near if block.kind == "row" and block.parent == index)
    return TableRows(blocks[index], _header(blocks, index), rows)


def row_at(blocks: Sequence[Block], offset: int) -> Block | None:
    """The row of a table that contains the character at `offset`."""
    index = enclosing(blocks, offset, "row")
    return None if index is None else blocks[index]


def within(blocks: Sequence[Block], start: int, end: int) -> list[Block]:
    """Blocks with a part in `text[start:end]`, and their parents; `parent` refers to the result."""
    return list(iterate_within(blocks, start, end))


def iterate_within(
    blocks: Sequence[Block], start: int, end: int, after: int = 0
) -> Iterator[Block]:
    """The blocks of `within` but the first `after` ones, one by one."""
    around = [*_around(blocks, start)][::-1]
    first = bisect_right(blocks, start, key=_START)
    places = {-1: -1} | {index: place for place, index in enumerate(around)}
    following = range(first, max(first, bisect_left(blocks, end, key=_START)))
    for index in chain(around[after:], following[max(0, after - len(around)) :]):
        block = blocks[index]
        parent = block.parent
        place = parent - first + len(around) if parent >= first else places[parent]
        yield block._replace(parent=place)


def rows_within(blocks: Sequence[Block], start: int, end: int) -> tuple[Block, ...]:
    """The rows and header rows of tables of which a part is in `text[start:end]`, cut to it, with
    offsets from `start`.
    """
    rows: list[Block] = []
    for row in within(blocks, start, end):
        first = max(start, row.start, start + rows[-1].end if rows else 0)
        if row.kind in ("row", "header") and first < min(row.end, end):
            cells = tuple(BlockCell(c.column, c.start - start, c.end - start) for c in row.cells)
            rows.append(
                row._replace(start=first - start, end=min(row.end, end) - start, cells=cells)
            )
    return tuple(rows)


def document_sentences(document: Document, start: int, end: int) -> list[Offsets]:
    """The sentences of `document.text[start:end]`, as offsets in the document; a row of a table is
    one.
    """
    rows = [(row.start, row.end) for row in rows_within(document.blocks, start, end)]
    places = split_sentences(document.text[start:end], rows if document.blocks else None)
    return [(start + first, start + last) for first, last in places]


def sentence_around(document: Document, start: int, end: int, reach: int) -> Offsets:
    """The whole sentences that contain `document.text[start:end]`, looked for within `reach`
    characters of it.
    """
    near = document_sentences(document, max(0, start - reach), end + reach)
    return around(near, start, end)


def parts(blocks: Sequence[Block]) -> Iterator[Block]:
    """The outermost blocks with text of their own: headings, and what they and groups contain."""
    for block in blocks:
        above = blocks[block.parent].kind if block.parent >= 0 else "group"
        if block.kind != "group" and above in ("heading", "group"):
            yield block


def cut(blocks: Sequence[Block], start: int, end: int) -> tuple[Block, ...]:
    """The blocks of `text[start:end]`; what is below a heading that is left out moves up."""
    places: dict[int, int] = {-1: -1}
    blocks_within: list[Block] = []
    for index, block in enumerate(blocks):
        parent = places[block.parent]
        if block.end <= start or end <= block.start:
            places[index] = parent
            continue
        places[index] = len(blocks_within)
        first, last = max(start, block.start) - start, min(end, block.end) - start
        cells = tuple(BlockCell(c.column, c.start - start, c.end - start) for c in block.cells)
        columns = tuple(
            Column(c.name, c.start - start, c.end - start) if c.start >= start else Column(c.name)
            for c in block.columns
        )
        blocks_within.append(
            block._replace(start=first, end=last, parent=parent, cells=cells, columns=columns)
        )
    return tuple(blocks_within)


def _header(blocks: Sequence[Block], table: int) -> Block | None:
    """The lowest of the header rows, which come first in their table, after its caption."""
    header, index = None, table + 1
    while index < len(blocks) and blocks[index].kind in ("caption", "header"):
        header = blocks[index] if blocks[index].kind == "header" else header
        index += 1
    return header


def _around(blocks: Sequence[Block], offset: int) -> Iterator[int]:
    """The last block that starts at or before `offset`, and its parents, innermost first."""
    index = bisect_right(blocks, offset, key=_START) - 1
    while index >= 0:
        yield index
        index = blocks[index].parent
