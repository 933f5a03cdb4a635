"""Names the columns of a PDF's tables by the headers above them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

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
from rag.parsing.pdf_rules import Extent

_MOST_HEADERS = 6


def name_columns(
    rows: Sequence[PdfRow], first: int, least: int, columns: Columns, rules: Sequence[Extent]
) -> int:
    """Name the columns by the headers above their first row. Returns the index of the first header
    row.
    """
    left = columns.spans[0][0]
    names: list[list[str]] = [[] for _ in columns.spans]
    top = first
    for number in range(first - 1, max(least, first - _MOST_HEADERS) - 1, -1):
        row, below = rows[number], rows[number + 1]
        if below.top - row.bottom > MAX_GAP * row.size or is_prose(row):
            break
        over = [
            cell for cell in row.cells if cell.center > left - 2 * row.size and cell.right > left
        ]
        label = [cell for cell in row.cells if cell not in over]
        if not over and label and not any(names) and not (top < first and _is_short(label[0])):
            continue  # the label of the first row, on a line of its own
        if not over or not _are_headers(over, row, columns, rules):
            break
        reach = [_underline(cell, row, over, rules) for cell in over]
        for column, name in enumerate(_over(over, columns, reach)):
            if name:
                names[column].insert(0, name)
        top = number
    columns.names = [" ".join(parts) for parts in names]
    return top


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
    cells: Sequence[PdfCell], columns: Columns, reach: Sequence[tuple[float, float] | None]
) -> list[str]:
    """The header of each column: one to one if there are as many, else the one whose underline
    spans the column, or the nearest.
    """
    centers = [(left + right) / 2 for left, right in columns.spans]
    if len(cells) == len(centers):
        return [cell.text for cell in cells]
    if len(cells) > len(centers):
        return _to_nearest(cells, centers)
    pitch = median(b - a for a, b in pairwise(centers)) if len(centers) > 1 else 0.0
    found = []
    for center in centers:
        ways = [
            (max(left - center, center - right, 0.0), 0.0 if ends else pitch, cell)
            for cell, ends in zip(cells, reach, strict=True)
            for left, right in [ends or (cell.left, cell.right)]
        ]
        gap, most, nearest_cell = min(ways, key=lambda way: way[0])
        found.append(nearest_cell.text if gap <= most else "")
    return found


def _to_nearest(cells: Sequence[PdfCell], centers: Sequence[float]) -> list[str]:
    """The headers of each column if there are more headers than columns."""
    texts: list[list[str]] = [[] for _ in centers]
    for cell in cells:
        nearest = min(range(len(centers)), key=lambda at: abs(centers[at] - cell.center))
        texts[nearest].append(cell.text)
    return [" ".join(words) for words in texts]


def caption(rows: Sequence[PdfRow], top: int, first: int) -> Iterator[str]:
    """The short lines directly above the headers, and the unit."""
    above: list[str] = []
    for number in range(top - 1, max(-1, top - 4), -1):
        row, below = rows[number], rows[number + 1]
        text = " ".join(cell.text for cell in row.cells)
        if (
            below.top - row.bottom > MAX_GAP * row.size
            or len(text) > 120
            or is_body(row)
            or text.endswith((".", ";", ","))
        ):
            break
        above.insert(0, text)
    yield from above
    headers = " ".join(cell.text for row in rows[top:first] for cell in row.cells)
    unit = UNIT.search(headers)
    if unit and not any(UNIT.search(text) for text in above):
        yield unit.group().strip(" (")
