"""Recognises tables of figures by the alignment of their columns; each row names its columns.

A row becomes "Net sales | Three Months Ended July 1, 2023: $81,797 | ...": its label, and each
figure after the headers above it. Stacked headers are joined; a header that spans several columns
applies to each. Figures that do not align in columns get no headers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median

from rag.parsing.pdf_rules import Extent

_GAP = 0.9
"""Minimum gap between two cells of a table, in font heights."""
_FIGURE = re.compile(
    r"[-\u2013\u2014\u2212+(]*\s*(?:[$\u20ac\u00a3\u00a5]"
    r"|US\$|USD|EUR)?\s*[-\u2212(]*\s*(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?"
    r"\s*[%)]*\s*(?:\(\w\))?|[\u2014\u2013-]+|N/?[AM]|n/?[am]|\*"
)
YEAR = re.compile(r"(?:FY ?|fiscal )?(?:19|20)\d\d(?: ?\(\w\))?\*?", re.IGNORECASE)
_SIGN = re.compile(r"[$\u20ac\u00a3\u00a5(]|US\$|\$ ?\(")
_TAIL = re.compile(r"[)%]+|\)%|pts?\.?")
UNIT = re.compile(
    r"\(?(?:\w+ ){0,3}(?:in|expressed in) (?:[$\u20ac\u00a3] ?|U\.?S\.? dollars |euros "
    r")?(?:thousands|millions|billions)",
    re.I,
)
_UNCLEAR = "table whose columns are not clear"
_MOST_BETWEEN = 3
_MOST_CELLS = 60
_MOST_HEADERS = 6
_MAX_GAP = 3.2
"""Maximum distance between rows, including header rows, in font heights."""
_PROSE = 14
"""A line with more words is prose, not a label."""


@dataclass(slots=True)
class PdfCell:
    text: str
    left: float
    right: float

    @property
    def center(self) -> float:
        return (self.left + self.right) / 2


@dataclass(slots=True)
class PdfRow:
    """The cells at one height of a page. `place` is the row's index in the column of text."""

    cells: list[PdfCell]
    top: float
    bottom: float
    size: float
    place: int = 0


@dataclass(slots=True)
class Columns:
    """The extents of a table's columns and their names."""

    spans: list[tuple[float, float]]
    names: list[str] = field(default_factory=list)
    caption: tuple[str, ...] = ()
    """title and unit of the table"""

    def at(self, cell: PdfCell) -> int | None:
        """Index of the column that contains the cell."""
        for number, (left, right) in enumerate(self.spans):
            if cell.left <= right and cell.right >= left:
                return number
        return None

    def agree(self, other: Columns) -> bool:
        """Whether both have the same columns, as a table and its continuation do."""
        if len(self.spans) != len(other.spans):
            return False
        return all(
            abs(mine[1] - its[1]) < 12 for mine, its in zip(self.spans, other.spans, strict=True)
        )


@dataclass(slots=True)
class Table:
    """A table in rows `[first, last)` of the column of text."""

    first: int
    last: int
    lines: list[str]
    columns: Columns


def row_of(
    words: Sequence[tuple[str, float, float]], top: float, bottom: float, size: float
) -> PdfRow:
    """Group the words of a row, from the left, into cells."""
    cells: list[PdfCell] = []
    for text, left, right in words:
        if cells and left - cells[-1].right < _GAP * size:
            cells[-1] = PdfCell(
                f"{cells[-1].text} {text}", cells[-1].left, max(right, cells[-1].right)
            )
        else:
            cells.append(PdfCell(text, left, right))
    return PdfRow(_fused(cells), top, bottom, size)


def _fused(cells: Sequence[PdfCell]) -> list[PdfCell]:
    """Join currency signs to the next figure, and brackets and per cent signs to the
    previous one.
    """
    fused: list[PdfCell] = []
    for cell in cells:
        last = fused[-1] if fused else None
        if last and (
            _SIGN.fullmatch(last.text) or (_TAIL.fullmatch(cell.text) and last.text[-1:].isdigit())
        ):
            fused[-1] = PdfCell(last.text + cell.text, last.left, cell.right)
        else:
            fused.append(cell)
    return fused


def is_figure(text: str) -> bool:
    return bool(_FIGURE.fullmatch(text)) and any(
        c.isdigit() or c in "\u2014\u2013-AaMm*" for c in text
    )


def _figures(row: PdfRow) -> list[PdfCell]:
    return [cell for cell in row.cells if is_figure(cell.text)]


def _is_body(row: PdfRow) -> bool:
    """Whether the row contains values: several figures, or one after a label, and not only
    years.
    """
    figures = _figures(row)
    if not figures or not 1 < len(row.cells) <= _MOST_CELLS:
        return False
    if len(row.cells[0].text.split()) > _PROSE and len(figures) < 2:
        return False
    others = [cell for cell in row.cells if cell not in figures]
    if all(YEAR.fullmatch(cell.text) for cell in figures) and _are_headers(figures, others):
        return False
    after = [cell for cell in row.cells[1:] if is_figure(cell.text)]
    return bool(after) and not (len(others) > 1 and len(figures) < len(others))


def _are_headers(years: Sequence[PdfCell], others: Sequence[PdfCell]) -> bool:
    """Whether the row's years are column names: without a label before them, or consecutive."""
    if not others or others[0].left > years[0].left:
        return True
    numbers = [int(match.group()) for cell in years if (match := re.search(r"\d{4}", cell.text))]
    return len(numbers) > 1 and all(abs(a - b) == 1 for a, b in pairwise(numbers))


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
    bodies = [number for number, row in enumerate(rows) if _is_body(row)]
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
    if len(between) > _MOST_BETWEEN or any(_is_prose(row) for row in between):
        return False
    steps = zip(rows[last:here], rows[last + 1 : here + 1], strict=True)
    return all(below.top - above.bottom < _MAX_GAP * above.size for above, below in steps)


def _is_prose(row: PdfRow) -> bool:
    return len(row.cells) == 1 and len(row.cells[0].text.split()) > _PROSE


def _table(
    rows: Sequence[PdfRow],
    first: int,
    last: int,
    least: int,
    before: Columns | None,
    rules: Sequence[Extent],
) -> Table | None:
    spans = _spans(
        [
            cell
            for row in rows[first:last]
            if _is_body(row)
            for cell in _figures(row)
            if cell is not row.cells[0]
        ]
    )
    if not spans or len(spans) > 30:
        return None
    columns = Columns(spans, caption=tuple(caption(rows, first, first)))
    with_digits = [
        row
        for row in rows[first:last]
        if any(c.isdigit() for f in _figures(row)[:9] for c in f.text)
    ]
    if len(with_digits) < 2:
        return None
    if any(_is_ambiguous(row, columns) for row in rows[first:last] if _is_body(row)):
        return _unclear(rows, first, last, columns.caption)
    top = _name(rows, first, least, columns, rules)
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


def _unclear(
    rows: Sequence[PdfRow], first: int, last: int, caption: tuple[str, ...]
) -> Table | None:
    """A table whose columns are unclear: its lines unchanged, and marked."""
    if sum(len(_figures(row)) > 1 for row in rows[first:last]) < 2:
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
    places = [columns.at(cell) for cell in _figures(row) if cell is not row.cells[0]]
    known = [place for place in places if place is not None]
    return len(known) != len(set(known))


def _name(
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
        if below.top - row.bottom > _MAX_GAP * row.size or _is_prose(row):
            break
        over = [
            cell for cell in row.cells if cell.center > left - 2 * row.size and cell.right > left
        ]
        label = [cell for cell in row.cells if cell not in over]
        is_values = any(is_figure(cell.text) and not YEAR.fullmatch(cell.text) for cell in over)
        if (
            not over
            or is_values
            or _is_body(row)
            or (len(over) == 1 and _is_title(over[0], columns, row, rules))
        ):
            if (
                label
                and not over
                and top < first
                and len(label[0].text) < 60
                and not label[0].text.endswith(":")
            ):
                break
            if label and not over and not any(names):
                continue  # the label of the first row, on a line of its own
            break
        reach = [_underline(cell, row, over, rules) for cell in over]
        for column, name in enumerate(_over(over, columns, reach)):
            if name:
                names[column].insert(0, name)
        top = number
    columns.names = [" ".join(parts) for parts in names]
    return top


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
        texts: list[list[str]] = [[] for _ in centers]
        for cell in cells:
            nearest = min(range(len(centers)), key=lambda at: abs(centers[at] - cell.center))
            texts[nearest].append(cell.text)
        return [" ".join(words) for words in texts]
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
        named = (
            f"{group}: {label}"
            if group and label and not label.lower().startswith("total")
            else label
        )
        if label.lower().startswith("total"):
            group = ""
        shown = (
            f"{columns.names[at]}: {_close(cell.text)}" if columns.names[at] else _close(cell.text)
            for at, cell in sorted(values.items())
        )
        yield " | ".join(filter(None, [named, *shown]))
    if pending:
        yield pending


def _place(cell: PdfCell, row: PdfRow, columns: Columns) -> int | None:
    return (
        columns.at(cell)
        if is_figure(cell.text) and (cell is not row.cells[0] or len(row.cells) > 1)
        else None
    )


def caption(rows: Sequence[PdfRow], top: int, first: int) -> Iterator[str]:
    """The short lines directly above the headers, and the unit."""
    above: list[str] = []
    for number in range(top - 1, max(-1, top - 4), -1):
        row, below = rows[number], rows[number + 1]
        text = " ".join(cell.text for cell in row.cells)
        if (
            below.top - row.bottom > _MAX_GAP * row.size
            or len(text) > 120
            or _is_body(row)
            or text.endswith((".", ";", ","))
        ):
            break
        above.insert(0, text)
    yield from above
    headers = " ".join(cell.text for row in rows[top:first] for cell in row.cells)
    unit = UNIT.search(headers)
    if unit and not any(UNIT.search(text) for text in above):
        yield unit.group().strip(" (")
