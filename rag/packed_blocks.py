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
from itertools import accumulate, pairwise
from typing import Any, get_args, overload

from rag.types import Block, BlockCell, BlockKind, Column

_KINDS: tuple[BlockKind, ...] = get_args(BlockKind)
_CODES = {kind: code for code, kind in enumerate(_KINDS)}
_WIDTHS = (("B", 1 << 8), ("H", 1 << 16), ("I", 1 << 32))
_FAST = 1
"""Level of zlib; higher ones save a tenth of the bytes and take three times as long."""


@dataclass(frozen=True, slots=True)
class _Columns:
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
        return blocks if isinstance(blocks, PackedBlocks) else cls(_packed(blocks))

    def __len__(self) -> int:
        return len(self._columns.kinds)

    @overload
    def __getitem__(self, index: int) -> Block: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Block, ...]: ...
    def __getitem__(self, index: int | slice) -> Block | tuple[Block, ...]:
        count = len(self)
        if isinstance(index, slice):
            return tuple(map(self._unpacked_block, range(*index.indices(count))))
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
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __repr__(self) -> str:
        return f"PackedBlocks({tuple(self)!r})"

    @cached_property
    def _columns(self) -> _Columns:
        return _unpacked(self.data)

    def _unpacked_block(self, index: int) -> Block:
        columns, key = self._columns, str(index)
        start = columns.starts[index]
        cells = tuple(
            BlockCell(
                columns.cell_columns[i] - 1,
                cell_start := start + columns.cell_starts[i],
                cell_start + columns.cell_lengths[i],
            )
            for i in range(columns.cells[index], columns.cells[index + 1])
        )
        return Block(
            _KINDS[columns.kinds[index]],
            start,
            start + columns.lengths[index],
            index - columns.parents[index],
            columns.levels[index],
            columns.names.get(key, ""),
            columns.markers.get(key, ""),
            cells,
            tuple(Column(*column) for column in columns.columns.get(key, ())),
        )


class WithoutSentences(Sequence[Block]):
    """The blocks without sentences; `parent` refers to these."""

    def __init__(self, blocks: PackedBlocks) -> None:
        self._blocks = blocks
        sentence = _CODES["sentence"]
        kinds = blocks._columns.kinds
        self._kept = array("I", (row for row, kind in enumerate(kinds) if kind != sentence))

    def __len__(self) -> int:
        return len(self._kept)

    @overload
    def __getitem__(self, index: int) -> Block: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Block, ...]: ...
    def __getitem__(self, index: int | slice) -> Block | tuple[Block, ...]:
        if isinstance(index, slice):
            return tuple(self[row] for row in range(*index.indices(len(self))))
        block = self._blocks[self._kept[index]]
        if block.parent < 0:
            return block
        return block._replace(parent=bisect_left(self._kept, block.parent))


def _packed(blocks: Sequence[Block]) -> bytes:
    starts = [block.start for block in blocks]
    cells = [(cell, block.start) for block in blocks for cell in block.cells]

    numbers: list[Iterable[int]] = [
        [_CODES[block.kind] for block in blocks],
        [block.level for block in blocks],
        [start - previous for previous, start in pairwise([0, *starts])],
        [block.end - block.start for block in blocks],
        [index - block.parent for index, block in enumerate(blocks)],
        [len(block.cells) for block in blocks],
        [cell.column + 1 for cell, _ in cells],
        [cell.start - start for cell, start in cells],
        [cell.end - cell.start for cell, _ in cells],
    ]

    texts = [
        {index: block.name for index, block in enumerate(blocks) if block.name},
        {index: block.marker for index, block in enumerate(blocks) if block.marker},
        {index: block.columns for index, block in enumerate(blocks) if block.columns},
    ]

    encoded = json.dumps(texts, ensure_ascii=False, separators=(",", ":")).encode()
    return zlib.compress(b"".join([*map(_column, numbers), encoded]), _FAST)


def _column(numbers: Iterable[int]) -> bytes:
    """The numbers after the code of their width and their count."""
    values = array("I", numbers)
    code = next(code for code, limit in _WIDTHS if not values or max(values) < limit)
    return code.encode() + array("I", [len(values)]).tobytes() + array(code, values).tobytes()


def _unpacked(data: bytes) -> _Columns:
    data = zlib.decompress(data)
    columns: list[Any] = []
    start = 0
    for _ in range(9):
        count = array("I", data[start + 1 : start + 5])[0]
        code = chr(data[start])
        end = start + 5 + count * array(code).itemsize
        columns.append(array(code, data[start + 5 : end]))
        start = end
    texts: Any = json.loads(data[start:])
    columns[2] = array("I", accumulate(columns[2]))
    columns[5] = array("I", accumulate(columns[5], initial=0))
    return _Columns(*columns, *texts)
