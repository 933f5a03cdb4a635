"""Names the columns of a PDF's tables by the headers above them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from rag.parsing.pdf_cells import (
    MAX_GAP,
    UNIT,
    YEAR,
    Columns,
    PdfCell,
    PdfRow,
    is_body,
    is_figure,
    is_prose,
)
from rag.parsing.pdf_ruled_tables import Extent
from rag.parsing.pdf_spanning import Spanning

_MOST_HEADERS = 8
_MOST_LINES, _SAME_PARAGRAPH = 6, 0.4
"""Maximum number of lines of a caption, and distance between them in font heights."""
_SENTENCE_END = re.compile(r"(?<=[.!?]) +(?=[A-Z])")
_LONG = 100
"""Length of a caption whose end, with the unit, may be cut off."""
_IN_BRACKETS = re.compile(r"\(.*\)")
"""A remark such as "(unaudited)"."""


def name_columns(
    rows: Sequence[PdfRow], first: int, least: int, columns: Columns, rules: Sequence[Extent]
) -> int:
    """Name the columns by the headers above their first row. Returns the index of the first header
    row.
    """
    names: list[list[str]] = [[] for _ in columns.spans]
    extents, bounds = columns.spans, set(range(len(names) + 1))
    top = first
    for number in range(first - 1, max(least, first - _MOST_HEADERS) - 1, -1):
        row, below = rows[number], rows[number + 1]
        if below.top - row.bottom > MAX_GAP * row.size or is_prose(row):
            break
        over = _cells_over(row, columns)
        label = [cell for cell in row.cells if cell not in over]
        if not over and label and not any(names) and not (top < first and _is_short(label[0])):
            continue  # the label of the first row, on a line of its own
        if not over or not _are_headers(over, row, columns, rules):
            break
        if top < first and _is_remark(over) and len(names) > 1:
            break
        found = _over(over, row, extents, bounds, rules)
        if not any(found):
            break
        if len(over) == len(extents):
            extents = [(cell.left, cell.right) for cell in over]
        for column, name in enumerate(found):
            if name:
                names[column].insert(0, name)
        top = number
    columns.names = [" ".join(parts) for parts in names]
    return top


def _cells_over(row: PdfRow, columns: Columns) -> list[PdfCell]:
    """The cells over the columns: all if they are several years, one a column, which may be centred
    over wider cells than the figures; else those that are not left of the first column.
    """
    are_years = all(YEAR.fullmatch(cell.text) for cell in row.cells)
    if are_years and 1 < len(row.cells) == len(columns.spans):
        return row.cells
    left = columns.spans[0][0]
    least = left - 2 * row.size
    return [cell for cell in row.cells if cell.center > least and cell.right > left]


def _is_remark(over: Sequence[PdfCell]) -> bool:
    """Whether it is a remark above the headers, such as "(unaudited)" or the unit."""
    return len(over) == 1 and _IN_BRACKETS.fullmatch(over[0].text) is not None


def _is_short(label: PdfCell) -> bool:
    return len(label.text) < 60 and not label.text.endswith(":")


def _are_headers(
    over: Sequence[PdfCell], row: PdfRow, columns: Columns, rules: Sequence[Extent]
) -> bool:
    """Whether the cells over the columns are neither values nor the table's title."""
    if any(is_figure(cell.text) and not YEAR.fullmatch(cell.text) for cell in over):
        return False
    return not is_body(row) and not (len(over) == 1 and _is_title(over[0], columns, row, rules))


def _is_title(cell: PdfCell, columns: Columns, row: PdfRow, rules: Sequence[Extent]) -> bool:
    """Whether a single cell is the title of the whole table, not a header of its figures."""
    far = cell.left < columns.spans[0][0] - 30 and len(columns.spans) > 1
    return far and not _underline(cell, row, [cell], rules)


def _underline(
    cell: PdfCell, row: PdfRow, others: Sequence[PdfCell], rules: Sequence[Extent]
) -> tuple[float, float] | None:
    """Extent of the rule under a header; None without one, or if several headers share it."""
    under = [
        (left, right)
        for y, left, right in rules
        if -0.4 * row.size <= y - row.bottom <= 0.8 * row.size
        and left - 3 <= cell.left
        and cell.right <= right + 3
    ]
    if not under:
        return None
    left, right = min(under, key=lambda rule: rule[1] - rule[0])
    alone = not any(other is not cell and left < other.center < right for other in others)
    return (left, right) if alone else None


def _over(
    cells: Sequence[PdfCell],
    row: PdfRow,
    extents: Sequence[tuple[float, float]],
    bounds: set[int],
    rules: Sequence[Extent],
) -> list[str]:
    """The header of each column, or "". Removes from `bounds` those within a header's columns."""
    if len(cells) > len(extents):
        return _to_nearest(cells, extents)
    reach = [_underline(cell, row, cells, rules) for cell in cells]
    places = Spanning(cells, extents, frozenset(bounds), reach).places()
    names = [""] * len(extents)
    for cell, (begin, end) in zip(cells, places, strict=True):
        names[begin:end] = [cell.text] * (end - begin)
        bounds -= set(range(begin + 1, end))
    return names


def _to_nearest(cells: Sequence[PdfCell], extents: Sequence[tuple[float, float]]) -> list[str]:
    """The headers of each column if there are more headers than columns."""
    centers = [(left + right) / 2 for left, right in extents]
    texts: list[list[str]] = [[] for _ in centers]
    for cell in cells:
        nearest = min(range(len(centers)), key=lambda at: abs(centers[at] - cell.center))
        texts[nearest].append(cell.text)
    return [" ".join(words) for words in texts]


def caption(rows: Sequence[PdfRow], top: int, first: int) -> Iterator[str]:
    """The short lines directly above the headers, or the sentence that ends there with a colon; and
    the unit.
    """
    above = _lines_above(rows, top)
    yield from above
    unit = UNIT.search(" ".join(_text(row) for row in rows[top:first]))
    if unit and not any(UNIT.search(text) for text in above):
        yield unit.group().strip(" (")


def _lines_above(rows: Sequence[PdfRow], top: int) -> list[str]:
    """The short lines above a row, or the sentence that ends there with a colon."""
    above: list[str] = []
    for number in range(top - 1, max(-1, top - 4), -1):
        row, below = rows[number], rows[number + 1]
        text = _text(row)
        if below.top - row.bottom > MAX_GAP * row.size or is_body(row):
            break
        if text.endswith(":"):
            return [*_introduction(_sentence(rows, number)), *above]
        if len(text) > 120 or text.endswith((".", ";", ",")):
            break
        above.insert(0, text)
    return above


def _introduction(sentence: str) -> Iterator[str]:
    """The sentence, and its unit if that may be cut off."""
    yield sentence
    unit = UNIT.search(sentence)
    if unit and len(sentence) > _LONG:
        yield unit.group().strip(" (")


def _text(row: PdfRow) -> str:
    """The text of the row's cells."""
    return " ".join(cell.text for cell in row.cells)


def _sentence(rows: Sequence[PdfRow], last: int) -> str:
    """The sentence that ends in the row, from the lines of its paragraph."""
    first = last
    while first > max(0, last - _MOST_LINES) and _is_close(rows[first - 1], rows[first]):
        first -= 1
    return _SENTENCE_END.split(" ".join(_text(row) for row in rows[first : last + 1]))[-1]


def _is_close(above: PdfRow, below: PdfRow) -> bool:
    """Whether both are lines of one paragraph."""
    return below.top - above.bottom < _SAME_PARAGRAPH * below.size
