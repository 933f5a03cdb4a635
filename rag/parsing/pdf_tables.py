"""Recognises tables of figures by the alignment of their columns; each row names its columns.

A row becomes "Net sales | Three Months Ended July 1, 2023: $81,797 | ...": its label, and each
figure after the headers above it. Stacked headers are joined; a header that spans several columns
applies to each. Figures that do not align in columns get no headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from rag.parsing.pdf_cells import (
    MAX_GAP,
    Columns,
    PdfCell,
    PdfRow,
    figures_in,
    is_body,
    is_figure,
    is_prose,
)
from rag.parsing.pdf_headers import caption, name_columns
from rag.parsing.pdf_rules import Extent

_UNCLEAR = "table whose columns are not clear"
_MOST_BETWEEN = 3


@dataclass(slots=True)
class Table:
    """A table in rows `[first, last)` of the column of text."""

    first: int
    last: int
    lines: list[str]
    columns: Columns


def tables(
    rows: Sequence[PdfRow], before: Columns | None = None, rules: Sequence[Extent] = ()
) -> Iterator[Table]:
    """The tables in the rows of a column of text, from the top. `before` are the columns of the
    previous page's last table, which a table without headers at the top continues. `rules` are
    drawn lines: a header applies to the columns that its underline spans.
    """
    for number, row in enumerate(rows):
        row.place = number
    end = 0
    for first, last in _runs(rows):
        found = _table(rows, max(first, end), last, end, before, rules)
        if found:
            before, end = found.columns, found.last
            yield found


def _runs(rows: Sequence[PdfRow]) -> Iterator[tuple[int, int]]:
    """Runs of rows with figures, including the few labels between them."""
    bodies = [number for number, row in enumerate(rows) if is_body(row)]
    begin = last = -1
    count = 0
    for number in bodies:
        if begin >= 0 and _goes_on(rows, last, number):
            count, last = count + 1, number
            continue
        if count > 1:
            yield begin, last + 1
        begin, last, count = number, number, 1
    if count > 1:
        yield begin, last + 1


def _goes_on(rows: Sequence[PdfRow], last: int, here: int) -> bool:
    between = rows[last + 1 : here]
    if len(between) > _MOST_BETWEEN or any(is_prose(row) for row in between):
        return False
    steps = zip(rows[last:here], rows[last + 1 : here + 1], strict=True)
    return all(below.top - above.bottom < MAX_GAP * above.size for above, below in steps)


def _table(
    rows: Sequence[PdfRow],
    first: int,
    last: int,
    least: int,
    before: Columns | None,
    rules: Sequence[Extent],
) -> Table | None:
    body = [row for row in rows[first:last] if is_body(row)]
    spans = _spans([cell for row in body for cell in figures_in(row) if cell is not row.cells[0]])
    if not spans or len(spans) > 30:
        return None
    columns = Columns(spans, caption=tuple(caption(rows, first, first)))
    if sum(map(_has_digits, rows[first:last])) < 2:
        return None
    if any(_is_ambiguous(row, columns) for row in body):
        return _unclear(rows, first, last, columns.caption)
    top = name_columns(rows, first, least, columns, rules)
    columns.caption = tuple(caption(rows, top, first))
    if not any(columns.names) and before and columns.agree(before) and first - least <= 2:
        columns.names, columns.caption = before.names, before.caption
    if len(spans) > 1 and not any(columns.names):
        return _unclear(rows, first, last, columns.caption)
    begin = first
    while begin > top and all(cell.right < spans[0][0] for cell in rows[begin - 1].cells):
        begin -= 1  # the label of the first rows
    lines = [_plain(row) for row in rows[top:begin]]
    lines += _body(rows[begin:last], columns)
    return Table(top, last, lines, columns)


def _has_digits(row: PdfRow) -> bool:
    return any(c.isdigit() for figure in figures_in(row)[:9] for c in figure.text)


def _unclear(
    rows: Sequence[PdfRow], first: int, last: int, caption: tuple[str, ...]
) -> Table | None:
    """A table whose columns are unclear: its lines unchanged, and marked."""
    if sum(len(figures_in(row)) > 1 for row in rows[first:last]) < 2:
        return None  # no table, perhaps
    columns = Columns([], caption=(*caption, _UNCLEAR))
    return Table(first, last, [_plain(row) for row in rows[first:last]], columns)


def _plain(row: PdfRow) -> str:
    return " | ".join(_close(cell.text) for cell in row.cells)


def _close(text: str) -> str:
    """Remove the space between a figure and its currency sign or closing bracket."""
    return re.sub(r"(?<=\d) (?=\))|(?<=[$\u20ac\u00a3]) (?=[\d(])", "", text)


def _spans(figures: Sequence[PdfCell]) -> list[tuple[float, float]]:
    """Extents of the columns that aligned figures occupy."""
    spans: list[tuple[float, float]] = []
    for cell in sorted(figures, key=lambda cell: cell.left):
        if spans and cell.left <= spans[-1][1]:
            spans[-1] = spans[-1][0], max(spans[-1][1], cell.right)
        else:
            spans.append((cell.left, cell.right))
    return spans


def _is_ambiguous(row: PdfRow, columns: Columns) -> bool:
    places = [columns.at(cell) for cell in figures_in(row) if cell is not row.cells[0]]
    known = [place for place in places if place is not None]
    return len(known) != len(set(known))


def _body(rows: Sequence[PdfRow], columns: Columns) -> Iterator[str]:
    group, edge, pending, is_indented = "", 0.0, "", False
    for row in rows:
        values = {at: cell for cell in row.cells if (at := _place(cell, row, columns)) is not None}
        label = " ".join(cell.text for cell in row.cells if cell not in values.values())
        left = row.cells[0].left
        if not values:
            if label.endswith(":"):
                if pending:
                    yield pending
                group, edge, pending, is_indented = label.rstrip(":"), left, "", False
                yield label
            else:
                pending = f"{pending} {label}".strip()
            continue
        if pending and not (label[:1].islower() or not label):
            yield pending
            pending = ""
        label = f"{pending} {label}".strip()
        pending = ""
        is_indented = is_indented or left > edge + 1
        if left < edge - 1 or (is_indented and left < edge + 1):
            group = ""
        if label.lower().startswith("total"):
            group = ""
        named = f"{group}: {label}" if group and label else label
        yield " | ".join(filter(None, [named, *_named_figures(values, columns)]))
    if pending:
        yield pending


def _named_figures(values: Mapping[int, PdfCell], columns: Columns) -> Iterator[str]:
    for at, cell in sorted(values.items()):
        name = columns.names[at]
        yield f"{name}: {_close(cell.text)}" if name else _close(cell.text)


def _place(cell: PdfCell, row: PdfRow, columns: Columns) -> int | None:
    return (
        columns.at(cell)
        if is_figure(cell.text) and (cell is not row.cells[0] or len(row.cells) > 1)
        else None
    )
