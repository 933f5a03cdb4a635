"""Ruled tables of a PDF as rows that name their columns, like tables of HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise, takewhile

from rag.parsing.pdf_aligned_tables import Table
from rag.parsing.pdf_cells import UNIT, YEAR, Columns, PdfRow, is_figure, is_period
from rag.parsing.pdf_groups import Groups
from rag.parsing.pdf_headers import caption
from rag.parsing.pdf_ruled_tables import BULLET, Grid, RuledCell, joined
from rag.parsing.tables import Cell, Rows

_MOST_HEADERS = 4
_LONGEST_GROUP = 100
_INDENT = 2.0
"""Points by which a row's label begins further right than that of its group."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}([./])\d{1,2}\1(?:\d\d){1,2}")


def ruled_table(
    grid: Grid, above: Sequence[PdfRow] = (), before: Columns | None = None
) -> Table | None:
    """The lines of a ruled table; None if some rows of figures have no rules between them. `above`
    are the rows of text above it, `before` the columns of the table that it may continue.
    """
    if any(_holds_rows(cell) for row in grid.rows for cell in row):
        return None
    columns = Columns(
        list(pairwise(grid.edges)),
        caption=tuple(caption(_close(above, grid), len(above), len(above))),
    )
    rows, width = [row for row in grid.rows if any(cell.lines for cell in row)], len(columns.spans)
    titles = list(takewhile(lambda row: _fills(row, width), rows))
    body = rows[len(titles) :]
    heads = _headers(body)
    of_figures = any(_is_value(cell) for row in body[heads:] for cell in row if cell.column)
    read = Rows()
    lines = [_text(row) for row in titles]
    for row in body[:heads]:
        lines.append(_without_gaps(read.line([_cell(cell, True) for cell in row])))
    names, stub = read.names, ""
    if names and of_figures:
        stub, names[0] = names[0], ""
        read.name(names)
    elif not names and before and before.agree(columns) and any(before.names):
        read.name(before.names)
        columns.caption = before.caption
    unit = [stub] if UNIT.search(stub) else []
    columns.caption += (
        *(line for line in lines[: len(titles)] if len(line) < 120 and " " in line),
        *unit,
    )
    may_head = of_figures and any(read.names) and not all(map(_is_bold, body))
    lines += _body(body[heads:], read, width, may_head)
    columns.names = read.names
    return Table(0, 0, lines, columns)


def _close(above: Sequence[PdfRow], grid: Grid) -> list[PdfRow]:
    size = above[-1].size if above else 1.0
    edge = PdfRow([], grid.top, grid.top, size)
    return [*above, edge]


def _holds_rows(cell: RuledCell) -> bool:
    """Whether the cell contains several rows of figures without rules between them."""
    return len(cell.lines) > 1 and all(map(is_figure, cell.lines))


def _fills(row: Sequence[RuledCell], width: int) -> bool:
    return len(row) == 1 and row[0].columns == width


def _headers(rows: Sequence[list[RuledCell]]) -> int:
    """Number of header rows: those in bold, without a row of figures below headers without, or
    those above the first figures.
    """
    if _has_labels(rows):
        return 0
    bold = sum(1 for _ in takewhile(_is_bold, rows))
    if bold and not _has_values(rows[0]):
        bold = next((n for n in range(1, bold) if _is_labelled(rows[n])), bold)
    if not 0 < bold < min(len(rows), _MOST_HEADERS + 1):
        plain = sum(1 for _ in takewhile(_may_be_header, _with_next(rows)))
        bold = plain if 0 < plain < min(len(rows), _MOST_HEADERS) else 0
    return bold


def _is_labelled(row: Sequence[RuledCell]) -> bool:
    """Whether the row has a label and figures."""
    return row[0].column == 0 and bool(row[0].lines) and _has_values(row)


def _with_next(rows: Sequence[list[RuledCell]]) -> Iterator[tuple[list[RuledCell], ...]]:
    """Each row with the one below it, which is empty for the last."""
    return zip(rows, [*rows[1:], []], strict=True)


def _may_be_header(pair: Sequence[list[RuledCell]]) -> bool:
    """Whether a row, with the one below it, has several cells but neither figures nor a group's
    label.
    """
    row, below = pair
    if len(row) < 2 or _has_values(row):
        return False
    return not _is_group(row, below)


def _has_labels(rows: Sequence[list[RuledCell]]) -> bool:
    """Whether the table is a form: two columns, the first with bold labels."""
    pairs = [row for row in rows if len(row) == 2]
    labels = [row[0] for row in pairs if row[0].lines]
    return 2 < len(labels) == len(pairs) == len(rows) and all(cell.bold for cell in labels)


def _is_bold(row: Sequence[RuledCell]) -> bool:
    filled = [cell for cell in row if cell.lines]
    return all(cell.bold for cell in filled) and any(cell.column for cell in filled)


def _has_values(row: Sequence[RuledCell]) -> bool:
    return any(_is_value(cell) for cell in row if cell.column)


def _is_value(cell: RuledCell) -> bool:
    if _DATE.fullmatch(cell.text):
        return True
    return is_figure(cell.text) and not YEAR.fullmatch(cell.text)


def _cell(cell: RuledCell, is_header: bool) -> Cell:
    return Cell([cell.text] if cell.lines else [], is_header, cell.rows, cell.columns)


def _body(rows: Sequence[list[RuledCell]], read: Rows, width: int, may_head: bool) -> Iterator[str]:
    """The lines of the rows; with `may_head`, there may be more headers among them."""
    group, indented = "", Groups()
    edges = [row[0].left for row in rows if row[0].column == 0 and row[0].lines]
    for row, below in _with_next(rows):
        first = row[0]
        if _fills(row, width):
            group = first.text.rstrip(":") if len(first.text) <= _LONGEST_GROUP else ""
            indented = Groups()
            yield first.text
            continue
        if may_head and _is_header(row):
            yield _headers_again(row, read)
            continue
        cells = [_cell(cell, False) for cell in row]
        if _is_group(row, below) and _is_common(first.left, edges):
            indented.open(first.text, first.left, below[0].left)
            yield _without_gaps(read.line(cells))
            continue
        if first.column == 0 and first.lines:
            label = indented.named(first.text, first.left)
            cells[0].words = [f"{group}: {label}" if group else label]
        if row[-1].column and len(texts := _items(row[-1])) > 1:  # a list keeps its lines
            cells[-1].words = ["\n".join(texts)]
        yield _without_gaps(read.line(cells))


def _is_header(row: Sequence[RuledCell]) -> bool:
    """Whether the row is in bold without figures, or has only periods and no label."""
    if _is_bold(row):
        return not _has_values(row)
    return not row[0].lines and all(is_period(cell.text) for cell in row[1:])


def _headers_again(row: Sequence[RuledCell], read: Rows) -> str:
    """Name the columns by another header row. The labels get no name, which would be repeated in
    each row.
    """
    line = read.line([_cell(cell, True) for cell in row])
    read.name(["", *read.names[1:]])
    return _without_gaps(line)


def _is_common(edge: float, edges: Sequence[float]) -> bool:
    """Whether another label begins there, so that labels are neither centred nor right-aligned."""
    return sum(abs(other - edge) < _INDENT for other in edges) > 1


def _is_group(row: Sequence[RuledCell], below: Sequence[RuledCell]) -> bool:
    """Whether the row has only a label in words, and that of the row below it is indented."""
    if not below or any(cell.lines for cell in row[1:]) or is_figure(row[0].text):
        return False
    label, next_label = row[0], below[0]
    if label.column or next_label.column or not next_label.lines:
        return False
    return next_label.left > label.left + _INDENT


def _items(cell: RuledCell) -> list[str]:
    """The items of a list in a cell, and the text before them."""
    items: list[list[str]] = []
    for line in cell.lines:
        if not items or BULLET.match(line):
            items.append([])
        items[-1].append(line)
    return [joined(item) for item in items]


def _without_gaps(line: str) -> str:
    return " | ".join(filter(str.strip, line.split(" | ")))


def _text(row: Sequence[RuledCell]) -> str:
    return " | ".join(cell.text for cell in row if cell.lines)
