"""Tables of reStructuredText: grid tables, simple tables and list-tables, as rows of cells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rag.parsing.rst_inline import inline_text

GRID = re.compile(r"\s*\+[-=+]+\+\s*\Z")
SIMPLE = re.compile(r"\s*=+(?:\s+=+)+\s*\Z")


def simple_end(lines: Sequence[str], index: int) -> int:
    """Index after the last rule of a simple table, which may contain empty lines."""
    end, row = index + 1, index + 1
    while row < len(lines) and (lines[row] or (row + 1 < len(lines) and lines[row + 1])):
        if SIMPLE.match(lines[row]) and len(lines[row].split()) == len(lines[index].split()):
            end = row + 1
            if end >= len(lines) or not lines[end]:
                break
        row += 1
    return max(end, index + 1)


def grid_rows(lines: Sequence[str]) -> Iterator[list[str]]:
    """Rows of a grid table; the lines of a cell are joined."""
    cells: list[list[str]] = []
    for line in lines:
        if GRID.match(line):
            if any(map(any, cells)):
                yield [" ".join(filter(None, cell)) for cell in cells]
            cells = []
            continue
        for number, piece in enumerate(line.strip().strip("|").split("|")):
            cells += [[]] if number == len(cells) else []
            cells[number].append(inline_text(piece.strip()))


def simple_rows(lines: Sequence[str]) -> Iterator[list[str]]:
    """Rows of a simple table, by the columns of its first rule; a row with an empty first cell
    continues the previous one.
    """
    starts = [match.start() for match in re.finditer(r"=+", lines[0])]
    row: list[str] = []
    for line in lines:
        if SIMPLE.match(line) or re.fullmatch(r"[\s-]*", line):
            continue
        cells = [
            line[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)
        ]
        if row and not cells[0]:
            row = [f"{before} {cell}".strip() for before, cell in zip(row, cells, strict=True)]
            continue
        if row:
            yield [*map(inline_text, row)]
        row = cells
    if row:
        yield [*map(inline_text, row)]


def list_table_rows(lines: Sequence[str]) -> Iterator[list[str]]:
    """Rows of a list-table: "* -" starts a row, "-" a cell."""
    row: list[str] = []
    for line in lines:
        if begins := re.match(r"\*\s+-(?:\s+|\Z)(.*)", line):
            if row:
                yield [*map(inline_text, row)]
            row = [begins.group(1)]
        elif cell := re.match(r"\s+-(?:\s+|\Z)(.*)", line):
            row.append(cell.group(1))
        elif row and line.strip():
            row[-1] = f"{row[-1]} {line.strip()}".strip()
    if row:
        yield [*map(inline_text, row)]
