"""Puts the lines of a page into reading order, and groups them into paragraphs and tables.

Columns are found by the recursive X-Y cut (Nagy & Seth 1984): a block is cut at a gutter with prose
on both sides, or else at its widest horizontal gap; blocks that cannot be cut are read from the
top.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from rag.parsing.pdf_aligned_tables import tables
from rag.parsing.pdf_cells import PROSE, Columns, PdfRow, is_figure, row_of
from rag.parsing.pdf_grids import ruled_table
from rag.parsing.pdf_ruled_tables import BULLET, Extent, Grid, Rules, Word, grids

_MOST_CUTS = 40
_MOST_LINES = 4000
"""A page with more lines is a drawing and is read in file order."""
_FIGURES = 3
"""A side on which one line in this many is a figure is a part of a table."""
_PAIR = re.compile(r": \| (?=[^|]*[^|:\s] *(?:\||\Z))")
"""Separator between a form's label and its value, which is not a label itself."""
_END = re.compile(r"[.!?:;\u2026][\"'\u201d\u2019)\]]*\Z")


@dataclass(frozen=True, slots=True)
class Line:
    """A run of text without a wide gap. Coordinates are points from the page's top left corner;
    `size` is the font's height.
    """

    left: float
    top: float
    right: float
    bottom: float
    text: str
    size: float = 10.0
    bold: bool = False
    words: tuple[tuple[str, float, float], ...] = ()
    """each word with its left and right edges; () if unknown"""
    grid: Grid | None = None
    """the ruled table, if this line is a placeholder for one"""
    form: bool = False
    """whether this is a row of a form, with labels"""


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A paragraph, or a table with one line per row."""

    lines: tuple[str, ...]
    size: float
    bold: bool
    table: bool = False
    columns: Columns | None = None
    """a table's columns, if they were recognised; each row names them"""


Region = list[Line]


def with_grids(lines: Sequence[Line], rules: Rules) -> list[Line]:
    """The lines, with one line in place of each ruled table."""
    if not rules.down or len(lines) > _MOST_LINES:
        return list(lines)
    words: list[Word] = [
        (text, left, line.top, right, line.bottom, line.bold)
        for line in lines
        for text, left, right in line.words or ((line.text, line.left, line.right),)
    ]
    rest = list(lines)
    for grid in grids(rules, words):
        within = [line for line in rest if _is_within(line, grid)]
        if within and ruled_table(grid) and not any(line.grid for line in within):
            size = median(line.size for line in within)
            rest = [line for line in rest if not _is_within(line, grid)]
            box = grid.left, grid.top, grid.right, grid.bottom
            rest.append(Line(*box, " ", size, grid=grid))
    return rest


def _is_within(line: Line, grid: Grid) -> bool:
    x, y = (line.left + line.right) / 2, (line.top + line.bottom) / 2
    return grid.left <= x <= grid.right and grid.top <= y <= grid.bottom


def regions(lines: Sequence[Line]) -> list[Region]:
    """The lines of a page as blocks, in reading order; each block is one column."""
    if len(lines) > _MOST_LINES:
        return [list(lines)]
    return _cut(list(lines), 0)


def _cut(lines: Region, depth: int) -> list[Region]:
    if len(lines) < 2 or depth > _MOST_CUTS:
        return [lines] if lines else []
    if at := _gutter(lines):
        left = [line for line in lines if line.left < at]
        return _cut(left, depth + 1) + _cut([line for line in lines if line.left >= at], depth + 1)
    at = _widest_gap(lines)
    if not at:
        return [lines]
    above = _cut([line for line in lines if line.top < at], depth + 1)
    below = _cut([line for line in lines if line.top >= at], depth + 1)
    return [lines] if len(above) == len(below) == 1 else above + below


def _gutter(lines: Region) -> float:
    """Right edge of a vertical gap between two columns of prose, or 0. Columns of a table are not
    prose.
    """
    least = 0.9 * median(line.size for line in lines)
    found = [
        gap
        for gap in _gaps([(line.left, line.right) for line in lines])
        if gap[1] - gap[0] >= least
    ]
    for _, at in sorted(found, key=lambda gap: gap[0] - gap[1]):
        left, right = (
            [line for line in lines if (line.left < at) is side] for side in (True, False)
        )
        if _is_prose(left, lines) and _is_prose(right, lines) and _beside(left, right):
            return at
    return 0.0


def _gaps(spans: list[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    spans.sort()
    end = spans[0][1]
    for start, stop in spans:
        if start > end:
            yield end, start
        end = max(end, stop)


def _is_prose(side: Region, whole: Region) -> bool:
    """Whether the side is wide and has several rows that fill most of its width, but is neither
    headers, which are in bold and centred, nor figures.
    """
    if _are_headers(side) or _FIGURES * sum(is_figure(line.text) for line in side) >= len(side):
        return False
    left, right = min(line.left for line in side), max(line.right for line in side)
    page = max(line.right for line in whole) - min(line.left for line in whole)
    rows = list(_rows(side))
    filled = median(sum(line.right - line.left for line in row) for row in rows)
    return len(rows) >= 3 and right - left > 0.2 * page and filled > 0.6 * (right - left)


def _are_headers(side: Region) -> bool:
    """Whether all lines are in bold, and most begin at different places, as centred ones do."""
    centred = 2 * len({round(line.left) for line in side}) > len(side)
    return centred and all(line.bold for line in side)


def _beside(left: Region, right: Region) -> bool:
    """Whether they overlap in a good part of the height of the shorter one."""
    (top, bottom), (other_top, other_bottom) = _height(left), _height(right)
    return min(bottom, other_bottom) - max(top, other_top) > 0.4 * min(
        bottom - top, other_bottom - other_top
    )


def _height(lines: Region) -> tuple[float, float]:
    return min(line.top for line in lines), max(line.bottom for line in lines)


def _widest_gap(lines: Region) -> float:
    """Lower edge of the widest horizontal gap, or 0 without a gap."""
    gaps = list(_gaps([(line.top, line.bottom) for line in lines]))
    return max(gaps, key=lambda gap: gap[1] - gap[0])[1] if gaps else 0.0


def _rows(lines: Region) -> Iterator[list[Line]]:
    """Rows of lines, from the top, each sorted from the left."""
    row: list[Line] = []
    for line in sorted(lines, key=lambda line: (line.top + line.bottom, line.left)):
        if row and (line.top + line.bottom) / 2 > row[0].bottom:
            yield sorted(row, key=lambda one: one.left)
            row = []
        row.append(line)
    if row:
        yield sorted(row, key=lambda one: one.left)


def paragraphs(
    region: Region, before: Columns | None = None, rules: Sequence[Extent] = ()
) -> Iterator[Paragraph]:
    """The paragraphs and tables of a column. `before` are the columns of the last table above,
    `rules` the page's horizontal rules.
    """
    rest = [line for line in region if not line.grid]
    for line in sorted((line for line in region if line.grid), key=lambda line: line.top):
        above = [other for other in rest if other.top + other.bottom < line.top + line.bottom]
        rest = [other for other in rest if other.top + other.bottom >= line.top + line.bottom]
        for paragraph in _paragraphs(above, before, rules):
            before = columns_below(paragraph, before)
            yield paragraph
        if line.grid and (table := ruled_table(line.grid, _all_cells(above), before)):
            before = table.columns
            yield Paragraph(tuple(table.lines), line.size, False, True, before)
    yield from _paragraphs(rest, before, rules)


def columns_below(paragraph: Paragraph, before: Columns | None) -> Columns | None:
    """The columns that a table below the paragraph may continue: the paragraph's own; none below
    prose; or else those from above it.
    """
    is_prose = sum(len(line.split()) for line in paragraph.lines) > PROSE
    return paragraph.columns or (None if is_prose else before)


def _all_cells(lines: Region) -> list[PdfRow]:
    return [_cells(row) for row in _rows(lines)]


def _paragraphs(
    region: Region, before: Columns | None, rules: Sequence[Extent]
) -> Iterator[Paragraph]:
    rows = list(_rows(region))
    at = 0
    for table in tables([_cells(row) for row in rows], before, rules):
        yield from _prose(rows[at : table.first], region)
        size = median(line.size for row in rows[table.first : table.last] for line in row)
        yield Paragraph(tuple(table.lines), size, False, True, table.columns)
        at = table.last
    yield from _prose(rows[at:], region)


def _cells(row: list[Line]) -> PdfRow:
    words = [
        word
        for line in row
        for word in line.words or ((line.text, line.left, line.right),)
        if word[0].strip(" |")
    ]
    top, bottom = _height(row)
    found = row_of(words, top, bottom, median(line.size for line in row))
    found.bold = all(line.bold for line in row)
    return found


def _prose(lines: Sequence[list[Line]], region: Region) -> Iterator[Paragraph]:
    """Paragraphs, and tables recognised by gaps in their rows."""
    if not lines:
        return
    rows = [_merge(row) for row in lines]
    pitches = [below.top - above.bottom for above, below in pairwise(rows)]
    usual = median(pitches) if pitches else 0.0
    right, left = max(line.right for line in region), min(line.left for line in region)
    group: list[Line] = []
    for row in rows:
        if group and _begins(group[-1], row, usual, left, right):
            yield _paragraph(group)
            group = []
        group.append(row)
    yield _paragraph(group)


def _merge(row: list[Line]) -> Line:
    text = " | ".join(line.text for line in row)
    widest = max(row, key=lambda line: line.right - line.left)
    top, bottom = _height(row)
    bold = all(line.bold for line in row)
    form = any(line.form for line in row)
    right = max(line.right for line in row)
    return Line(row[0].left, top, right, bottom, text, widest.size, bold, form=form)


def _is_row(line: Line) -> bool:
    return line.form or " | " in line.text


def _begins(above: Line, here: Line, usual: float, left: float, right: float) -> bool:
    """Whether a new paragraph begins at the line `here`."""
    size = max(above.size, here.size)
    if (
        here.top - above.bottom > max(usual, 0.0) + 0.35 * size
        or abs(above.size - here.size) > 0.12 * size
    ):
        return True
    if _is_row(above) or _is_row(here):
        return _is_row(above) != _is_row(here)
    if above.bold != here.bold and (above.bold or _END.search(above.text)):
        return True
    if BULLET.match(here.text):
        return True
    short = above.right < right - 0.2 * (right - left)
    indented = (
        here.left > above.left + 0.8 * size
        and above.left < left + 0.5 * size
        and not BULLET.match(above.text)
    )
    return bool(_END.search(above.text)) and (short or indented)


def _paragraph(rows: Sequence[Line]) -> Paragraph:
    size = median(line.size for line in rows)
    table = _is_row(rows[0])
    texts = (_PAIR.sub(": ", line.text) if table and not line.form else line.text for line in rows)
    return Paragraph(tuple(texts), size, all(line.bold for line in rows), table)
