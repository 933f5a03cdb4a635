"""Blocks of a document as a few hundred bytes for each thousand characters, unpacked on first use.

The bytes are zlib data: little-endian numbers in columns of the smallest width, each start as the
distance from the block before, then names, markers and columns as JSON, by index of the block.
"""

from __future__ import annotations

import json
import zlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any, get_args, overload

from rag.types import Block, BlockCell, BlockKind, Column

_KINDS: tuple[BlockKind, ...] = get_args(BlockKind)
_CODES = {kind: code for code, kind in enumerate(_KINDS)}
_WIDTHS = (("B", 1 << 8), ("H", 1 << 16), ("I", 1 << 32))
_FAST = 1
"""Level of zlib; higher ones save a tenth of the bytes and take three times as long."""


@dataclass(frozen=True, slots=True)
class _BlockColumns:
    kinds: Sequence[int]
    levels: Sequence[int]
    starts: Sequence[int]
    lengths: Sequence[int]
    parents: Sequence[int]
    """how many blocks before; the outermost ones have a parent before the first block"""
    cells: Sequence[int]
    """index of each block's first cell, and of one after the last"""
    cell_columns: Sequence[int]
    """from 0 for a cell without a column"""
    cell_starts: Sequence[int]
    cell_lengths: Sequence[int]
    names: Mapping[str, str]
    markers: Mapping[str, str]
    columns: Mapping[str, list[tuple[str, int, int]]]


class PackedBlocks(Sequence[Block]):
    """The blocks that were packed into `data`; equal to any sequence of the same blocks."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._kept: dict[int, Block] = {}
        """blocks that were asked for one by one; passes over all of them keep none"""

    @classmethod
    def of(cls, blocks: Sequence[Block]) -> PackedBlocks:
        if isinstance(blocks, PackedBlocks):
            return blocks
        return cls(_packed_bytes(blocks))

    def __len__(self) -> int:
        return len(self._columns.kinds)

    @overload
    def __getitem__(self, index: int) -> Block: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Block, ...]: ...
    def __getitem__(self, index: int | slice) -> Block | tuple[Block, ...]:
        count = len(self)
        if isinstance(index, slice):
            numbers = range(*index.indices(count))
            return tuple(map(self._unpacked_block, numbers))
        if not -count <= index < count:
            raise IndexError(index)
        index %= count
        if index not in self._kept:
            self._kept[index] = self._unpacked_block(index)
        return self._kept[index]

    def __iter__(self) -> Iterator[Block]:
        return map(self._unpacked_block, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, PackedBlocks) and self.data == other.data:
            return True
        if not isinstance(other, Sequence):
            return False
        return tuple(self) == tuple(other)

    def __repr__(self) -> str:
        return f"PackedBlocks({tuple(self)!r})"

    @cached_property
    def _columns(self) -> _BlockColumns:
        return _unpacked_columns(self.data)

    def _unpacked_block(self, index: int) -> Block:
        packed = self._columns
        key = str(index)
        start = packed.starts[index]

        cells: list[BlockCell] = []
        for number in range(packed.cells[index], packed.cells[index + 1]):
            column = packed.cell_columns[number] - 1
            cell_start = start + packed.cell_starts[number]
            cell_end = cell_start + packed.cell_lengths[number]
            cells.append(BlockCell(column, cell_start, cell_end))

        return Block(
            kind=_KINDS[packed.kinds[index]],
            start=start,
            end=start + packed.lengths[index],
            parent=index - packed.parents[index],
            level=packed.levels[index],
            name=packed.names.get(key, ""),
            marker=packed.markers.get(key, ""),
            cells=tuple(cells),
            columns=tuple(Column(*column) for column in packed.columns.get(key, ())),
        )


class WithoutSentences(Sequence[Block]):
    """The blocks without sentences; `parent` refers to these."""

    def __init__(self, blocks: PackedBlocks) -> None:
        self._blocks = blocks
        sentence = _CODES["sentence"]
        kinds = blocks._columns.kinds
        kept_indices = [index for index, kind in enumerate(kinds) if kind != sentence]
        self._kept = array("I", kept_indices)

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> Block: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Block, ...]: ...
    def __getitem__(self, index: int | slice) -> Block | tuple[Block, ...]:
        if isinstance(index, slice):
            numbers = range(*index.indices(len(self)))
            return tuple(self[number] for number in numbers)
        block = self._blocks[self._kept[index]]
        if block.parent < 0:
            return block
        parent = bisect_left(self._kept, block.parent)
        return block._replace(parent=parent)


def _packed_bytes(blocks: Sequence[Block]) -> bytes:
    kinds: list[int] = []
    levels: list[int] = []
    distances: list[int] = []
    lengths: list[int] = []
    parents: list[int] = []
    counts_of_cells: list[int] = []
    cell_columns: list[int] = []
    cell_starts: list[int] = []
    cell_lengths: list[int] = []
    names: dict[int, str] = {}
    markers: dict[int, str] = {}
    columns: dict[int, tuple[Column, ...]] = {}

    previous_start = 0
    for index, block in enumerate(blocks):
        kinds.append(_CODES[block.kind])
        levels.append(block.level)
        distances.append(block.start - previous_start)
        lengths.append(block.end - block.start)
        parents.append(index - block.parent)
        counts_of_cells.append(len(block.cells))
        for cell in block.cells:
            cell_columns.append(cell.column + 1)
            cell_starts.append(cell.start - block.start)
            cell_lengths.append(cell.end - cell.start)
        if block.name:
            names[index] = block.name
        if block.marker:
            markers[index] = block.marker
        if block.columns:
            columns[index] = block.columns
        previous_start = block.start

    # In the order of the fields of `_Columns`.
    numbers = [
        kinds,
        levels,
        distances,
        lengths,
        parents,
        counts_of_cells,
        cell_columns,
        cell_starts,
        cell_lengths,
    ]
    packed = b"".join(map(_column, numbers))
    texts = json.dumps(
        [names, markers, columns],
        ensure_ascii=False,
        separators=(",", ":"),
    )
    return zlib.compress(packed + texts.encode(), _FAST)


def _column(numbers: Iterable[int]) -> bytes:
    """The numbers after the code of their width and their count."""
    values = array("I", numbers)
    code = _smallest_width(max(values, default=0))
    count = array("I", [len(values)])
    return code.encode() + count.tobytes() + array(code, values).tobytes()


def _smallest_width(largest: int) -> str:
    """The code of the smallest numbers that can be as large."""
    for code, limit in _WIDTHS:
        if largest < limit:
            return code
    raise ValueError(largest)


def _unpacked_columns(data: bytes) -> _BlockColumns:
    data = zlib.decompress(data)
    columns: list[Any] = []
    start = 0
    for _ in range(9):
        code = chr(data[start])
        begin = start + 5
        (count,) = array("I", data[start + 1 : begin])
        end = begin + count * array(code).itemsize
        columns.append(array(code, data[begin:end]))
        start = end

    kinds, levels, distances, lengths, parents, counts, *of_cells = columns
    texts: Any = json.loads(data[start:])
    return _BlockColumns(
        kinds,
        levels,
        array("I", accumulate(distances)),
        lengths,
        parents,
        array("I", accumulate(counts, initial=0)),
        *of_cells,
        *texts,
    )
