"""Recognises tables of figures by the alignment of their columns; each row names its columns.

A row becomes "Net sales | Three Months Ended July 1, 2023: $81,797 | ...": its label, and each
figure after the headers above it. Stacked headers are joined; a header that spans several columns
applies to each. Figures that do not align in columns get no headers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from rag.parsing.pdf_cells import (
    MAX_GAP,
    Columns,
    PdfCell,
    PdfRow,
    figures_in,
    is_body,
    is_figure,
    is_period,
    is_prose,
)
from rag.parsing.pdf_groups import Groups, wrapped
from rag.parsing.pdf_headers import caption, name_columns
from rag.parsing.pdf_ruled_tables import Extent

_WORD = re.compile(r"\(?[^\W\d_]{2}")
_UNCLEAR = "table whose columns are not clear"
_MOST_BETWEEN, _MOST_LABELS = 3, 8
"""Maximum number of rows without figures within a table, and of those that are only labels."""
_MOST_APART = 4
"""Maximum number of rows between two parts of a table if the second part has no headers."""


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
    run: list[int] = []
    for number, row in enumerate(rows):
        if not is_body(row):
            continue
        if run and not _goes_on(rows, run[-1], number):
            yield from _parts(rows, run)
            run = []
        run.append(number)
    yield from _parts(rows, run)


def _parts(rows: Sequence[PdfRow], run: Sequence[int]) -> Iterator[tuple[int, int]]:
    """The parts of a run of rows with figures: headers within it begin another part, because
    they name the columns of the rows below them.
    """
    if len(run) < 2:
        return
    first, last = run[0], run[-1] + 1
    if sum(map(_has_digits, rows[first:last])) < 2:
        return
    for above, below in pairwise(run):
        between = rows[above + 1 : below]
        if _have_headers(between, rows[above]):
            yield first, above + 1
            first = below
    yield first, last


def _goes_on(rows: Sequence[PdfRow], last: int, here: int) -> bool:
    between = rows[last + 1 : here]
    most = _MOST_LABELS if _are_labels(between, rows[last]) else _MOST_BETWEEN
    if len(between) > most or any(map(is_prose, between)):
        return False
    steps = zip(rows[last:here], rows[last + 1 : here + 1], strict=True)
    return all(below.top - above.bottom < MAX_GAP * above.size for above, below in steps)


def _have_headers(between: Sequence[PdfRow], above: PdfRow) -> bool:
    """Whether one of the rows between two rows of figures can only be headers."""
    if not between:
        return False
    if _are_names(between[0], above):
        return True
    return any(_are_periods(row, above) for row in between)


def _are_periods(row: PdfRow, above: PdfRow) -> bool:
    """Whether several cells over the figures above name periods, or the row's only cell, which is
    not below the labels, where it would name a group of rows.
    """
    over = _over(row, above)
    count = sum(is_period(cell.text) for cell in over)
    if len(row.cells) == 1:
        is_beside = row.cells[0].left > above.cells[0].right
        return is_beside and count == 1
    return count > 1


def _are_names(row: PdfRow, above: PdfRow) -> bool:
    """Whether different words are over all figures above, and have no label or are in bold unlike
    the figures. Other words may be a row of text.
    """
    over = _over(row, above)
    has_label = len(over) < len(row.cells)
    if has_label and (above.bold or not row.bold):
        return False
    texts = {cell.text for cell in over}
    if any(map(is_figure, texts)) or not all(map(_WORD.match, texts)):
        return False
    return 1 < len(texts) == len(over) == len(_values_in(above))


def _over(row: PdfRow, above: PdfRow) -> list[PdfCell]:
    """The row's cells that are over the figures of the row above."""
    first = _values_in(above)[0].left
    return [cell for cell in row.cells if cell.right > first]


def _values_in(row: PdfRow) -> list[PdfCell]:
    """The figures after the row's first cell."""
    return [cell for cell in figures_in(row) if cell is not row.cells[0]]


def _are_labels(between: Sequence[PdfRow], above: PdfRow) -> bool:
    """Whether all that is in the rows is left of the figures above."""
    first = min(cell.left for cell in figures_in(above))
    return all(cell.right < first for row in between for cell in row.cells)


def _table(
    rows: Sequence[PdfRow],
    first: int,
    last: int,
    least: int,
    before: Columns | None,
    rules: Sequence[Extent],
) -> Table | None:
    body = [row for row in rows[first:last] if is_body(row)]
    spans = _spans([cell for row in body for cell in _values_in(row)])
    if not spans or len(spans) > 30:
        return None
    columns = Columns(spans, caption=tuple(caption(rows, first, first)))
    if any(_is_ambiguous(row, columns) for row in body):
        return _unclear(rows, first, last, columns.caption)
    top = name_columns(rows, first, least, columns, rules)
    columns.caption = tuple(caption(rows, top, first))
    is_near = _is_near(rows[least:first])
    if not any(columns.names) and before and is_near and columns.agree(before):
        columns.names, columns.caption = before.names, before.caption
    if len(spans) > 1 and not any(columns.names):
        return _unclear(rows, first, last, columns.caption)
    begin = first
    while begin > top and all(cell.right < spans[0][0] for cell in rows[begin - 1].cells):
        begin -= 1  # the label of the first rows
    lines = [_plain(row) for row in rows[top:begin]]
    lines += _body(rows[begin:last], columns)
    return Table(top, last, lines, columns)


def _is_near(between: Sequence[PdfRow]) -> bool:
    """Whether the rows between two parts of a table are few, and not prose."""
    return len(between) <= _MOST_APART and not any(map(is_prose, between))


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
    places = [columns.at(cell) for cell in _values_in(row)]
    known = [place for place in places if place is not None]
    return len(known) != len(set(known))


def _body(rows: Sequence[PdfRow], columns: Columns) -> Iterator[str]:
    values = [_values(row, columns) for row in rows]
    texts = list(map(_label, rows, values))
    groups = Groups(_repeated(texts, values))
    label, begin = "", 0.0
    for row, text, found, goes_on in zip(rows, texts, values, wrapped(rows), strict=True):
        left = row.cells[0].left
        if label and text and not (text[0].islower() or goes_on):
            yield label  # a label of its own, not the first line of this one
            groups.open(label, begin, left)
            label = ""
        if not label:
            begin = left
        label = f"{label} {text}".strip()
        if found:
            named = groups.named(label, begin)
            yield " | ".join(filter(None, [named, *_named_figures(found, columns)]))
            label = ""
    if label:
        yield label


def _label(row: PdfRow, values: Mapping[int, PdfCell]) -> str:
    """The row's text without its figures."""
    return " ".join(cell.text for cell in row.cells if cell not in values.values())


def _repeated(labels: Sequence[str], values: Sequence[Mapping[int, PdfCell]]) -> frozenset[str]:
    """Labels of several rows with figures."""
    counts = Counter(label for label, found in zip(labels, values, strict=True) if found)
    return frozenset(label for label, count in counts.items() if count > 1)


def _values(row: PdfRow, columns: Columns) -> dict[int, PdfCell]:
    """The row's figures by their column."""
    return {at: cell for cell in row.cells if (at := _place(cell, row, columns)) is not None}


def _named_figures(values: Mapping[int, PdfCell], columns: Columns) -> Iterator[str]:
    for at, cell in sorted(values.items()):
        name = columns.names[at]
        yield f"{name}: {cell.text}" if name else cell.text


def _place(cell: PdfCell, row: PdfRow, columns: Columns) -> int | None:
    return (
        columns.at(cell)
        if is_figure(cell.text) and (cell is not row.cells[0] or len(row.cells) > 1)
        else None
    )
