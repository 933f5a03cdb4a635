"""Which columns the headers of one row of a PDF's table span."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from statistics import median

from rag.parsing.pdf_cells import PdfCell

_FARTHEST, _LEFT_OVER, _UNUSED = 0.75, 0.4, 2.0
"""Maximum distance of a header from the centre of its columns; and the distances that a column
without a header, and a header without columns, count. All in distances between columns.
"""
_NEAR = 3.0
"""Tolerance of an underline's ends, in points."""
_Place = tuple[int, int]
"""The columns `[begin, end)` of a header; empty if it has none."""
_Way = tuple[float, tuple[_Place, ...]]


@dataclass(slots=True)
class Spanning:
    """A row of headers over columns with these `extents`, which are those of the figures or of the
    headers in the row below. Headers begin and end at `bounds`, which are not inside the columns of
    a header below; `reach` are the extents of their underlines.
    """

    cells: Sequence[PdfCell]
    extents: Sequence[tuple[float, float]]
    bounds: frozenset[int]
    reach: Sequence[tuple[float, float] | None]

    def places(self) -> list[_Place]:
        """The columns of each header, from the left: one to one if there are as many; else those
        that its underline spans, or that it is centred over, so that few are left over.
        """
        width = len(self.extents)
        if len(self.cells) == width:
            return [(at, at + 1) for at in range(width)]
        centers = self._centers()
        pitch = median(b - a for a, b in pairwise(centers))
        best: list[_Way] = [(_LEFT_OVER * pitch * (width - at), ()) for at in range(width + 1)]
        for number in reversed(range(len(self.cells))):
            best = self._with(number, best, pitch)
        return list(best[0][1])

    def _with(self, number: int, after: Sequence[_Way], pitch: float) -> list[_Way]:
        """The best way to place the header and those `after` it, by the first free column."""
        width = len(self.extents)
        best: list[_Way] = [(inf, ())] * (width + 1)
        for column in reversed(range(width + 1)):
            cost, rest = after[column]
            ways = [(cost + _UNUSED * pitch, ((column, column), *rest))]
            if column < width:
                cost, rest = best[column + 1]
                ways.append((cost + _LEFT_OVER * pitch, rest))
            ways += self._ways(number, column, after, pitch)
            best[column] = min(ways)
        return best

    def _ways(
        self,
        number: int,
        column: int,
        after: Sequence[_Way],
        pitch: float,
    ) -> Iterator[_Way]:
        """The ways in which the header's columns begin at this one."""
        for end in range(column + 1, len(self.extents) + 1):
            gap = self._gap(number, column, end)
            if gap <= _FARTHEST * pitch:
                cost, rest = after[end]
                yield cost + gap, ((column, end), *rest)

    def _gap(self, number: int, begin: int, end: int) -> float:
        """Distance of a header from the centre of the columns; 0 for those over its underline."""
        under = self._underlined(number)
        if under:
            return 0.0 if under == (begin, end) else inf
        if not {begin, end} <= self.bounds:
            return inf
        middle = (self.extents[begin][0] + self.extents[end - 1][1]) / 2
        return abs(self.cells[number].center - middle)

    def _underlined(self, number: int) -> _Place | None:
        """The columns over the header's underline; None without an underline or columns."""
        ends = self.reach[number]
        if ends is None:
            return None
        left, right = ends
        under = [
            at
            for at, center in enumerate(self._centers())
            if left - _NEAR <= center <= right + _NEAR
        ]
        return (under[0], under[-1] + 1) if under else None

    def _centers(self) -> list[float]:
        """The centre of each column."""
        return [(left + right) / 2 for left, right in self.extents]
