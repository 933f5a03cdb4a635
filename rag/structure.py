"""Reads a document's structure: headings, lists and tables around an offset.

`Block` says what blocks are. All functions take the blocks of one document; they cost the logarithm
of their number, and the size of what they return.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from operator import attrgetter
from typing import NamedTuple

from rag.meaning.sentences import (
    Offsets,
    sentences_between,
    split_sentences,
    trim,
    widen_to_sentences,
)
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
        if not 0 <= cell.column < len(self.columns):
            return ""
        return self.columns[cell.column].name


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
        if block.name:
            path = (*path, block.name)
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
    for index in _blocks_around(blocks, offset):
        block = blocks[index]
        if block.kind != "sentence" and offset < block.end:
            return index
    return None


def enclosing(blocks: Sequence[Block], offset: int, *kinds: str) -> int | None:
    """Index of the innermost block of one of the kinds that contains the character at `offset`."""
    for index in _blocks_around(blocks, offset):
        block = blocks[index]
        if block.kind in kinds and offset < block.end:
            return index
    return None


def heading_path(blocks: Sequence[Block], offset: int) -> tuple[str, ...]:
    """Names of the headings, groups and rows above and around an offset, outermost first. A place
    in a heading has its name, a place between blocks that of the block before it.
    """
    names = [blocks[index].name for index in _blocks_around(blocks, offset)]
    names.reverse()
    return tuple(filter(None, names))


def children(blocks: Sequence[Block], index: int) -> Iterator[int]:
    """Indices of the blocks whose parent is `index`, in order."""
    for child in range(index + 1, len(blocks)):
        parent = blocks[child].parent
        if parent < index:  # the next one beside the block
            break
        if parent == index:
            yield child


def next_block(blocks: Sequence[Block], index: int) -> int | None:
    """Index of the first block after the one at `index`, with all that it contains."""
    following = bisect_left(blocks, blocks[index].end, key=_START)
    if following == len(blocks):
        return None
    return following


def items(blocks: Sequence[Block], index: int) -> tuple[Block, ...]:
    """The items of the list at `index`, without those of inner lists."""
    inner_blocks = (blocks[child] for child in children(blocks, index))
    return tuple(block for block in inner_blocks if block.kind == "item")


def table_around(blocks: Sequence[Block], offset: int, reach: int = 30_000) -> TableRows | None:
    """The table that contains `offset`, with its rows within `reach` characters; None elsewhere."""
    index = enclosing(blocks, offset, "table")
    if index is None:
        return None

    begin = bisect_right(blocks, offset - reach, key=_START) - 1
    end = bisect_right(blocks, offset + reach, key=_START)
    rows: list[Block] = []
    for number in range(max(begin, index + 1), end):
        block = blocks[number]
        if block.kind == "row" and block.parent == index:
            rows.append(block)
    return TableRows(blocks[index], _header(blocks, index), tuple(rows))


def rows_of(blocks: Sequence[Block], index: int, limit: int) -> Iterator[Block]:
    """The first `limit` rows of the table at `index`, in order."""
    inner_blocks = (blocks[child] for child in children(blocks, index))
    rows = (block for block in inner_blocks if block.kind == "row")
    yield from islice(rows, limit)


def row_at(blocks: Sequence[Block], offset: int) -> Block | None:
    """The row of a table that contains the character at `offset`."""
    index = enclosing(blocks, offset, "row")
    if index is None:
        return None
    return blocks[index]


def list_at(document: Document, start: int, end: int) -> list[Offsets]:
    """The items of the innermost list that contains the character at `start`, or that a sentence up
    to `end` introduces with a colon. Each has its marker and everything below it. [] for fewer than
    two items.
    """
    inner_item = enclosing(document.blocks, start, "item")
    if inner_item is not None:
        index: int | None = document.blocks[inner_item].parent
    else:
        index = _introduced_list(document, end)
    if index is None:
        return []

    list_items = items(document.blocks, index)
    if len(list_items) < 2:
        return []
    return [(item.start, item.end) for item in list_items]


def rows_at(document: Document, start: int) -> list[Offsets]:
    """The rows of the table that contains the offset, if each of their cells follows the name of
    its column, up to the nearest rows that do not; [] for another place.
    """
    table = table_around(document.blocks, start)
    if table is None:
        return []
    number = _number_of_row(table.rows, start)
    if number is None or not _is_named(table, table.rows[number]):
        return []

    first_row = number
    while first_row > 0 and _is_named(table, table.rows[first_row - 1]):
        first_row -= 1

    end = number + 1
    while end < len(table.rows) and _is_named(table, table.rows[end]):
        end += 1

    named_rows = table.rows[first_row:end]
    if len(named_rows) < 2:
        return []
    return [(row.start, row.end) for row in named_rows]


def _number_of_row(rows: Sequence[Block], offset: int) -> int | None:
    """The number of the row that contains the character at `offset`."""
    for number, row in enumerate(rows):
        if row.start <= offset < row.end:
            return number
    return None


def _is_named(table: TableRows, row: Block) -> bool:
    """Whether the row has several cells, all of columns with names."""
    if len(row.cells) < 2:
        return False
    return all(map(table.column_name, row.cells))


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
    is_beside_list = paragraph.parent == blocks[index].parent
    if paragraph.kind != "paragraph" or not is_beside_list:
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
        is_own_heading = block.start <= start < block.end
        if block.kind != "heading" or is_own_heading:
            continue
        names = _names_of_heading(block)
        if any(_is_said(document.text, pointer, end, names) for pointer in pointers):
            first_text = _first_text(document.blocks, index)
            if first_text is not None:
                return sentences_in(document.blocks, first_text.start, first_text.end)
    return []


def _names_of_heading(heading: Block) -> list[str]:
    """What a text calls a heading: its number, and its words."""
    parts = _NUMBERED.fullmatch(heading.name.casefold())
    if parts is None:
        return []
    return [part for part in parts.groups() if part]


def _is_said(text: str, start: int, end: int, names: Sequence[str]) -> bool:
    """Whether one of the names begins at `start`, and is no part of a longer word."""
    said = f"{text[start:end]} ".casefold()
    for name in names:
        name_end = start + len(name)
        if said.startswith(name) and not text[name_end : name_end + 1].isalnum():
            return True
    return False


def _first_text(blocks: Sequence[Block], index: int) -> Block | None:
    """The first paragraph or list directly below the heading at `index`."""
    for child in children(blocks, index):
        if blocks[child].kind in ("paragraph", "list"):
            return blocks[child]
    return None


def list_of(blocks: Sequence[Block], offset: int) -> int | None:
    """Index of the innermost list that contains the character at `offset`."""
    return enclosing(blocks, offset, "list")


def introduction(document: Document, start: int) -> Offsets | None:
    """The lead-in with a colon of the list around `start`; None without one."""
    index = list_of(document.blocks, start)
    if index is None:
        return None
    sentence = lead_in(document, document.blocks[index].start)
    if sentence is None:
        return None

    _, end = sentence
    if document.text[end - 1] != ":":
        return None
    return sentence


def _introduced_list(document: Document, end: int) -> int | None:
    """Index of the list after the paragraph with a sentence up to `end`, if a colon is between."""
    paragraph = enclosing(document.blocks, end - 1, "paragraph")
    if paragraph is None:
        return None
    last_character = document.blocks[paragraph].end - 1
    if document.text[last_character] != ":":
        return None

    following = next_block(document.blocks, paragraph)
    if following is None or document.blocks[following].kind != "list":
        return None
    return following


def blocks_within(blocks: Sequence[Block], start: int, end: int) -> list[Block]:
    """Blocks with a part in `text[start:end]`, and their parents; `parent` refers to the result."""
    return list(iterate_within(blocks, start, end))


def iterate_within(
    blocks: Sequence[Block], start: int, end: int, skipped_count: int = 0
) -> Iterator[Block]:
    """The blocks of `blocks_within` but the first `after` ones, one by one."""
    parents = [*_blocks_around(blocks, start)]
    parents.reverse()
    places = {-1: -1}
    """by index, the place of each parent in the result"""
    for place, index in enumerate(parents):
        places[index] = place

    begin = bisect_right(blocks, start, key=_START)
    stop = bisect_left(blocks, end, key=_START)
    first_index = begin + max(0, skipped_count - len(parents))
    for index in chain(parents[skipped_count:], range(first_index, stop)):
        block = blocks[index]
        is_parent_after_start = block.parent >= begin
        if is_parent_after_start:
            place = block.parent - begin + len(parents)
        else:
            place = places[block.parent]
        yield block._replace(parent=place)


def rows_within(blocks: Sequence[Block], start: int, end: int) -> tuple[Block, ...]:
    """The rows and header rows of tables of which a part is in `text[start:end]`, cut to it, with
    offsets from `start`. They have no parent: their tables are not among them.
    """
    rows: list[Block] = []
    reached = start
    for row in blocks_within(blocks, start, end):
        if row.kind not in ("row", "header"):
            continue
        row_start = max(row.start, reached)
        row_end = min(row.end, end)
        if row_start >= row_end:
            continue

        reached = row_end
        moved_row = row._replace(
            start=row_start - start,
            end=row_end - start,
            parent=-1,
            cells=_moved_cells(row, -start),
        )
        rows.append(moved_row)
    return tuple(rows)


def _moved_cells(row: Block, offset: int) -> tuple[BlockCell, ...]:
    """The cells of a row, so many characters further on."""
    cells: list[BlockCell] = []
    for column, start, end in row.cells:
        cells.append(BlockCell(column, start + offset, end + offset))
    return tuple(cells)


def with_sentences(text: str, blocks: Sequence[Block]) -> tuple[Block, ...]:
    """The blocks, each with its sentences. A text is split once, when its document is parsed: none
    of its sentences crosses the border of a block, and a row of a table is one.
    """
    if not blocks:
        sentences = split_sentences(text)
        return tuple(Block("sentence", start, end) for start, end in sentences)

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
        find = trim if is_row else sentences_between
        for sentence_start, sentence_end in find(text, reached, end):
            made.append(Block("sentence", sentence_start, sentence_end, parent))
        reached = max(reached, end)

    def go_to(offset: int) -> None:
        while opened:
            innermost = made[opened[-1]]
            if innermost.end > offset:
                break
            split(innermost.end)
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
    sentences: list[Offsets] = []
    for index in _touched_sentences(blocks, start, end):
        sentence = blocks[index]
        cut_start = max(start, sentence.start)
        cut_end = min(end, sentence.end)
        sentences.append((cut_start, cut_end))
    return sentences


def sentence_around(blocks: Sequence[Block], start: int, end: int) -> Offsets:
    """The whole sentences that `text[start:end]` touches; (start, end) between sentences."""
    end_of_first_character = start + 1
    touched = list(_touched_sentences(blocks, start, max(end, end_of_first_character)))
    if not touched:
        return start, end
    first_sentence = blocks[touched[0]]
    last_sentence = blocks[touched[-1]]
    return first_sentence.start, last_sentence.end


def part_at(blocks: Sequence[Block], offset: int) -> Block | None:
    """The outermost block around the character at `offset` that is a text of its own: a paragraph,
    a whole list or table, a heading's line.
    """
    outermost: Block | None = None
    for index in _blocks_around(blocks, offset):
        block = blocks[index]
        if offset < block.end and block.kind not in ("group", "sentence"):
            outermost = block
    return outermost


def sentence_before(blocks: Sequence[Block], start: int) -> Offsets | None:
    """The sentence before the one at `start`, in the same part."""
    part = part_at(blocks, start)
    if part is None:
        return None
    last_index = bisect_left(blocks, start, key=_START) - 1
    for index in range(last_index, -1, -1):
        block = blocks[index]
        if block.start < part.start:
            break
        if block.kind == "sentence":
            return block.start, block.end
    return None


def sentence_after(blocks: Sequence[Block], end: int) -> Offsets | None:
    """The sentence after the one up to `end`, in the same part."""
    part = part_at(blocks, end - 1)
    if part is None:
        return None
    first_index = bisect_left(blocks, end, key=_START)
    for index in range(first_index, len(blocks)):
        block = blocks[index]
        if block.start >= part.end:
            break
        if block.kind == "sentence":
            return block.start, block.end
    return None


def _touched_sentences(blocks: Sequence[Block], start: int, end: int) -> Iterator[int]:
    """Indices of the sentences that have a character in `text[start:end]`."""
    first_index = max(0, bisect_right(blocks, start, key=_START) - 1)
    while first_index > 0 and blocks[first_index].kind != "sentence":
        first_index -= 1
    for index in range(first_index, len(blocks)):
        block = blocks[index]
        if block.start >= end:
            break
        if block.kind == "sentence" and start < block.end:
            yield index


def with_structure(passage: Passage, document: Document) -> Passage:
    """The passage with the sentences and rows of its document. A document without structure has
    only sentences.
    """
    blocks = document.blocks
    start = passage.start
    if not blocks:
        return passage

    sentences: list[Offsets] = []
    for sentence_start, sentence_end in sentences_in(blocks, start, passage.end):
        sentences.append((sentence_start - start, sentence_end - start))

    has_structure = blocks[0].kind != "sentence"
    rows = rows_within(blocks, start, passage.end) if has_structure else None
    return replace(passage, sentences=tuple(sentences), rows=rows)


def part_of(passage: Passage, start: int, end: int) -> Passage:
    """The passage with only `[start, end)` of its text."""
    rows: tuple[Block, ...] | None = None
    if passage.rows is not None:
        rows = rows_within(passage.rows, start, end)
    sentences: tuple[Offsets, ...] | None = None
    if passage.sentences is not None:
        sentences = tuple(_cut_offsets(passage.sentences, start, end))
    return replace(
        passage,
        start=passage.start + start,
        end=passage.start + end,
        text=passage.text[start:end],
        rows=rows,
        sentences=sentences,
    )


def _cut_offsets(sentences: Iterable[Offsets], start: int, end: int) -> Iterator[Offsets]:
    """The parts of the sentences in `text[start:end]`, in offsets from `start`."""
    for sentence_start, sentence_end in sentences:
        if sentence_start < end and start < sentence_end:
            cut_start = max(start, sentence_start)
            cut_end = min(end, sentence_end)
            yield cut_start - start, cut_end - start


def passage_sentences(passage: Passage) -> Sequence[Offsets]:
    """The sentences of a passage, as offsets in its text. A text that is not of a document, such
    as a training example, is split here.
    """
    if passage.sentences is not None:
        return passage.sentences
    return split_sentences(passage.text, passage.row_offsets)


def passage_sentence(passage: Passage, start: int, end: int) -> Offsets:
    """The whole sentences of the passage that `text[start:end]` touches."""
    return widen_to_sentences(passage_sentences(passage), start, end)


def parts(blocks: Sequence[Block]) -> Iterator[Block]:
    """The outermost blocks with text of their own: headings, and what they and groups contain."""
    for block in blocks:
        if block.kind in ("group", "sentence"):
            continue
        is_outermost = block.parent < 0
        if is_outermost or blocks[block.parent].kind in ("heading", "group"):
            yield block


def cut_blocks(blocks: Sequence[Block], start: int, end: int) -> tuple[Block, ...]:
    """The blocks of `text[start:end]`; what is below a heading that is left out moves up."""
    places: dict[int, int] = {-1: -1}
    remaining: list[Block] = []

    for index, block in enumerate(blocks):
        parent = places[block.parent]
        if block.end <= start or end <= block.start:
            places[index] = parent
            continue

        places[index] = len(remaining)
        moved_block = block._replace(
            start=max(start, block.start) - start,
            end=min(end, block.end) - start,
            parent=parent,
            cells=_moved_cells(block, -start),
            columns=_moved_columns(block, start),
        )
        remaining.append(moved_block)

    return tuple(remaining)


def _moved_columns(table: Block, start: int) -> tuple[Column, ...]:
    """The columns with offsets from `start`; those named before it keep only their names."""
    columns: list[Column] = []
    for column in table.columns:
        moved_column = Column(column.name)
        if column.start >= start:
            moved_column = Column(
                name=column.name,
                start=column.start - start,
                end=column.end - start,
            )
        columns.append(moved_column)
    return tuple(columns)


def _header(blocks: Sequence[Block], table: int) -> Block | None:
    """The lowest of the header rows, which come first in their table, after its caption."""
    header: Block | None = None
    for index in range(table + 1, len(blocks)):
        block = blocks[index]
        if block.kind == "header":
            header = block
        elif block.kind not in ("caption", "sentence"):
            break
    return header


def _blocks_around(blocks: Sequence[Block], offset: int) -> Iterator[int]:
    """The last block that starts at or before `offset`, and its parents, innermost first."""
    index = bisect_right(blocks, offset, key=_START) - 1
    while index >= 0:
        yield index
        index = blocks[index].parent
