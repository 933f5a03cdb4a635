"""Reads a document's structure: headings, lists and tables around an offset.

`Block` says what blocks are. All functions take the blocks of one document; they cost the logarithm
of their number, and the size of what they return.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from operator import attrgetter
from typing import NamedTuple

from rag.meaning.sentences import Offsets, around, sentences_between, split_sentences, trim
from rag.types import Block, BlockCell, Column, Document, Passage

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
    previous_path: tuple[str, ...] = ()
    for block in blocks:
        path = paths[block.parent] if block.parent >= 0 else ()
        path = (*path, block.name) if block.name else path
        paths.append(path)
        if block.kind == "sentence":
            continue
        if path != previous_path or block.name:
            if result and result[-1].start == block.start:
                result.pop()
            result.append(Section(block.start, path))
        previous_path = path
    return tuple(result)


def block_at(blocks: Sequence[Block], offset: int) -> int | None:
    """Index of the innermost block, but no sentence, that contains the character at `offset`; None
    between blocks.
    """
    within = (i for i in _around(blocks, offset) if offset < blocks[i].end)
    return next((i for i in within if blocks[i].kind != "sentence"), None)


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
    child = index + 1
    while child < len(blocks) and blocks[child].parent >= index:
        if blocks[child].parent == index:
            yield child
        child += 1


def next_block(blocks: Sequence[Block], index: int) -> int | None:
    """Index of the first block after the one at `index`, with all that it contains."""
    following = bisect_left(blocks, blocks[index].end, key=_START)
    return following if following < len(blocks) else None


def items(blocks: Sequence[Block], index: int) -> tuple[Block, ...]:
    """The items of the list at `index`, without those of inner lists."""
    return tuple(blocks[i] for i in children(blocks, index) if blocks[i].kind == "item")


def table_around(blocks: Sequence[Block], offset: int, reach: int = 30_000) -> TableRows | None:
    """The table that contains `offset`, with its rows within `reach` characters; None elsewhere."""
    index = enclosing(blocks, offset, "table")
    if index is None:
        return None

    begin = bisect_right(blocks, offset - reach, key=_START) - 1
    end = bisect_right(blocks, offset + reach, key=_START)
    nearby = (blocks[i] for i in range(max(begin, index + 1), min(end, len(blocks))))
    rows = tuple(block for block in nearby if block.kind == "row" and block.parent == index)
    return TableRows(blocks[index], _header(blocks, index), rows)


def rows_of(blocks: Sequence[Block], index: int, most: int) -> Iterator[Block]:
    """The first `most` rows of the table at `index`, in order."""
    rows = (blocks[child] for child in children(blocks, index) if blocks[child].kind == "row")
    yield from islice(rows, most)


def row_at(blocks: Sequence[Block], offset: int) -> Block | None:
    """The row of a table that contains the character at `offset`."""
    index = enclosing(blocks, offset, "row")
    return None if index is None else blocks[index]


def list_at(document: Document, start: int, end: int) -> list[Offsets]:
    """The items of the innermost list that contains the character at `start`, or that a sentence up
    to `end` introduces with a colon, each with its marker and everything below it; [] for fewer
    than two items.
    """
    item = enclosing(document.blocks, start, "item")
    index = _introduced(document, end) if item is None else document.blocks[item].parent
    if index is None:
        return []

    offsets = [(item.start, item.end) for item in items(document.blocks, index)]
    return offsets if len(offsets) > 1 else []


def rows_at(document: Document, start: int) -> list[Offsets]:
    """The rows of the table that contains the offset, if each of their cells follows the name of
    its column, up to the nearest rows that do not; [] for another place.
    """
    table = table_around(document.blocks, start)
    if table is None:
        return []
    number = next((n for n, row in enumerate(table.rows) if row.start <= start < row.end), None)
    if number is None or not _is_named(table, table.rows[number]):
        return []

    first_row = number
    while first_row > 0 and _is_named(table, table.rows[first_row - 1]):
        first_row -= 1

    last_row = number
    while last_row + 1 < len(table.rows) and _is_named(table, table.rows[last_row + 1]):
        last_row += 1

    rows = [(row.start, row.end) for row in table.rows[first_row : last_row + 1]]
    return rows if len(rows) > 1 else []


def _is_named(table: TableRows, row: Block) -> bool:
    """Whether the row has several cells, all of columns with names."""
    return len(row.cells) > 1 and all(map(table.column_name, row.cells))


def lead_in(document: Document, start: int) -> Offsets | None:
    """The last sentence of the paragraph right above the list that begins at `start`; None if
    something else is above it.
    """
    blocks = document.blocks
    index = enclosing(blocks, start, "list")
    if not index:
        return None

    sentence = blocks[index - 1]
    if sentence.kind != "sentence" or sentence.parent < 0:
        return None

    paragraph = blocks[sentence.parent]
    if paragraph.kind != "paragraph" or paragraph.parent != blocks[index].parent:
        return None
    return sentence.start, sentence.end


_SEE = re.compile(
    r"\b(?:see|refer to|described (?:in|under)|set out in) (?:also )?(?:the )?"
    r"(?:(?:section|chapter|part|clause|heading) )?[\"“‘']?",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"(?:(\d+(?:\.\d+)*)[.)]?\s+)?(.*)")


def pointed_to(document: Document, start: int, end: int) -> list[Offsets]:
    """The sentences of the first paragraph or list below the heading to which `text[start:end]`
    points, as in "see Reporting" and "see section 4.2"; [] without one of the document's headings.
    """
    pointers = [match.end() for match in _SEE.finditer(document.text, start, end)]
    if not pointers:
        return []
    for index, block in enumerate(document.blocks):
        if block.kind != "heading" or block.start <= start < block.end:
            continue
        names = _NUMBERED.fullmatch(block.name.casefold())
        named = (name for name in (names.groups() if names else ()) if name)
        said = [
            f"{document.text[pointer:end]} ".casefold().startswith(name)
            and not document.text[pointer + len(name) : pointer + len(name) + 1].isalnum()
            for name in named
            for pointer in pointers
        ]
        texts = (i for i in children(document.blocks, index))
        below = next((i for i in texts if document.blocks[i].kind in ("paragraph", "list")), None)
        if any(said) and below is not None:
            part = document.blocks[below]
            return sentences_in(document.blocks, part.start, part.end)
    return []


def list_of(blocks: Sequence[Block], offset: int) -> int | None:
    """Index of the innermost list that contains the character at `offset`."""
    return enclosing(blocks, offset, "list")


def introduction(document: Document, start: int) -> Offsets | None:
    """The lead-in with a colon of the list around `start`; None without one."""
    index = list_of(document.blocks, start)
    lead = None if index is None else lead_in(document, document.blocks[index].start)
    return lead if lead and document.text[lead[1] - 1] == ":" else None


def _introduced(document: Document, end: int) -> int | None:
    """Index of the list after the paragraph with a sentence up to `end`, if a colon is between."""
    paragraph = enclosing(document.blocks, end - 1, "paragraph")
    if paragraph is None or document.text[document.blocks[paragraph].end - 1] != ":":
        return None

    following = next_block(document.blocks, paragraph)
    if following is None or document.blocks[following].kind != "list":
        return None
    return following


def within(blocks: Sequence[Block], start: int, end: int) -> list[Block]:
    """Blocks with a part in `text[start:end]`, and their parents; `parent` refers to the result."""
    return list(iterate_within(blocks, start, end))


def iterate_within(
    blocks: Sequence[Block], start: int, end: int, after: int = 0
) -> Iterator[Block]:
    """The blocks of `within` but the first `after` ones, one by one."""
    enclosing_blocks = [*_around(blocks, start)][::-1]
    places = {-1: -1} | {index: place for place, index in enumerate(enclosing_blocks)}

    begin = bisect_right(blocks, start, key=_START)
    following = range(begin, max(begin, bisect_left(blocks, end, key=_START)))
    rest = following[max(0, after - len(enclosing_blocks)) :]
    for index in chain(enclosing_blocks[after:], rest):
        block = blocks[index]
        is_parent_inside = block.parent >= begin
        inner_place = block.parent - begin + len(enclosing_blocks)
        yield block._replace(parent=inner_place if is_parent_inside else places[block.parent])


def rows_within(blocks: Sequence[Block], start: int, end: int) -> tuple[Block, ...]:
    """The rows and header rows of tables of which a part is in `text[start:end]`, cut to it, with
    offsets from `start`.
    """
    rows: list[Block] = []
    for row in within(blocks, start, end):
        reached = start + rows[-1].end if rows else 0
        row_start = max(start, row.start, reached)
        row_end = min(row.end, end)
        if row.kind not in ("row", "header") or row_start >= row_end:
            continue

        cells = tuple(BlockCell(c.column, c.start - start, c.end - start) for c in row.cells)
        rows.append(row._replace(start=row_start - start, end=row_end - start, cells=cells))
    return tuple(rows)


def with_sentences(text: str, blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The blocks, each with its sentences. A text is split once, when its document is parsed: none
    of its sentences crosses the border of a block, and a row of a table is one.
    """
    if not blocks:
        return tuple(Block("sentence", *place) for place in split_sentences(text))
    made: list[Block] = []
    places: dict[int, int] = {-1: -1}
    """indices in `made` by those in `blocks`"""
    opened: list[int] = []
    """indices in `made` of the blocks around `reached`, outermost first"""
    reached = 0

    def split(end: int) -> None:
        """Add the sentences up to `end`, which are in the innermost open block."""
        nonlocal reached
        parent = opened[-1] if opened else -1
        is_row = opened and made[parent].kind in ("row", "header")
        found = (trim if is_row else sentences_between)(text, reached, end)
        made.extend([Block("sentence", *place, parent=parent) for place in found])
        reached = max(reached, end)

    def go_to(offset: int) -> None:
        while opened and made[opened[-1]].end <= offset:
            split(made[opened[-1]].end)
            opened.pop()
        split(offset)

    for index, block in enumerate(blocks):
        go_to(block.start)
        places[index] = len(made)
        opened.append(len(made))
        made.append(block._replace(parent=places[block.parent]))
    go_to(len(text))
    return tuple(made)


def sentenced(document: Document) -> Document:
    """The document with its sentences, which one that was not parsed from a file may lack."""
    if any(block.kind == "sentence" for block in document.blocks):
        return document
    return replace(document, blocks=with_sentences(document.text, document.blocks))


def sentences_in(blocks: Sequence[Block], start: int, end: int) -> list[Offsets]:
    """The sentences of `text[start:end]`, cut to it."""
    return [
        (max(start, blocks[i].start), min(end, blocks[i].end)) for i in _touched(blocks, start, end)
    ]


def sentence_around(blocks: Sequence[Block], start: int, end: int) -> Offsets:
    """The whole sentences that `text[start:end]` touches; (start, end) between sentences."""
    touched = list(_touched(blocks, start, max(end, start + 1)))
    if not touched:
        return start, end
    return blocks[touched[0]].start, blocks[touched[-1]].end


def part_at(blocks: Sequence[Block], offset: int) -> Block | None:
    """The outermost block around the character at `offset` that is a text of its own: a paragraph,
    a whole list or table, a heading's line.
    """
    enclosing_blocks = [blocks[i] for i in _around(blocks, offset) if offset < blocks[i].end]
    texts = [block for block in enclosing_blocks if block.kind not in ("group", "sentence")]
    return texts[-1] if texts else None


def sentence_before(blocks: Sequence[Block], start: int) -> Offsets | None:
    """The sentence before the one at `start`, in the same part."""
    part, index = part_at(blocks, start), bisect_left(blocks, start, key=_START) - 1
    while part and index >= 0 and part.start <= blocks[index].start:
        if blocks[index].kind == "sentence":
            return blocks[index].start, blocks[index].end
        index -= 1
    return None


def sentence_after(blocks: Sequence[Block], end: int) -> Offsets | None:
    """The sentence after the one up to `end`, in the same part."""
    part, index = part_at(blocks, end - 1), bisect_left(blocks, end, key=_START)
    while part and index < len(blocks) and blocks[index].start < part.end:
        if blocks[index].kind == "sentence":
            return blocks[index].start, blocks[index].end
        index += 1
    return None


def _touched(blocks: Sequence[Block], start: int, end: int) -> Iterator[int]:
    """Indices of the sentences that have a character in `text[start:end]`."""
    index = max(0, bisect_right(blocks, start, key=_START) - 1)
    while index > 0 and blocks[index].kind != "sentence":
        index -= 1
    while index < len(blocks) and blocks[index].start < end:
        if blocks[index].kind == "sentence" and start < blocks[index].end:
            yield index
        index += 1


def with_structure(passage: Passage, document: Document) -> Passage:
    """The passage with the sentences and rows of its document. A document without structure has
    only sentences.
    """
    blocks, start, end = document.blocks, passage.start, passage.end
    if not blocks:
        return passage
    sentences = tuple((a - start, b - start) for a, b in sentences_in(blocks, start, end))
    rows = None if blocks[0].kind == "sentence" else rows_within(blocks, start, end)
    return replace(passage, sentences=sentences, rows=rows)


def part_of(passage: Passage, start: int, end: int) -> Passage:
    """The passage with only `[start, end)` of its text."""
    sentences = [
        (max(start, sentence_start) - start, min(end, sentence_end) - start)
        for sentence_start, sentence_end in passage.sentences or ()
        if sentence_start < end and start < sentence_end
    ]
    return replace(
        passage,
        start=passage.start + start,
        end=passage.start + end,
        text=passage.text[start:end],
        rows=None if passage.rows is None else rows_within(passage.rows, start, end),
        sentences=None if passage.sentences is None else tuple(sentences),
    )


def passage_sentences(passage: Passage) -> Sequence[Offsets]:
    """The sentences of a passage, as offsets in its text. A text that is not of a document, such
    as a training example, is split here.
    """
    if passage.sentences is not None:
        return passage.sentences
    return split_sentences(passage.text, passage.row_offsets)


def passage_sentence(passage: Passage, start: int, end: int) -> Offsets:
    """The whole sentences of the passage that `text[start:end]` touches."""
    return around(passage_sentences(passage), start, end)


def parts(blocks: Sequence[Block]) -> Iterator[Block]:
    """The outermost blocks with text of their own: headings, and what they and groups contain."""
    for block in blocks:
        parent_kind = blocks[block.parent].kind if block.parent >= 0 else "group"
        if block.kind not in ("group", "sentence") and parent_kind in ("heading", "group"):
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
        block_start = max(start, block.start) - start
        block_end = min(end, block.end) - start
        cells = tuple(BlockCell(c.column, c.start - start, c.end - start) for c in block.cells)

        columns = tuple(
            Column(c.name, c.start - start, c.end - start) if c.start >= start else Column(c.name)
            for c in block.columns
        )

        blocks_within.append(
            block._replace(
                start=block_start, end=block_end, parent=parent, cells=cells, columns=columns
            )
        )

    return tuple(blocks_within)


def _header(blocks: Sequence[Block], table: int) -> Block | None:
    """The lowest of the header rows, which come first in their table, after its caption."""
    header, index = None, table + 1
    while index < len(blocks) and blocks[index].kind in ("caption", "header", "sentence"):
        header = blocks[index] if blocks[index].kind == "header" else header
        index += 1
    return header


def _around(blocks: Sequence[Block], offset: int) -> Iterator[int]:
    """The last block that starts at or before `offset`, and its parents, innermost first."""
    index = bisect_right(blocks, offset, key=_START) - 1
    while index >= 0:
        yield index
        index = blocks[index].parent
