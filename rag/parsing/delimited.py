"""Parses CSV, TSV, and the rows of workbooks, with each value after its column's header."""

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from rag.parsing.base import GAP, Parsed, Part, join
from rag.parsing.tables import (
    LabelledCell,
    TableText,
    are_headers,
    headers_over_values,
    stacked_names,
)

_LONGEST_LINE = 160
"""Values longer than this become separate paragraphs."""
_SAMPLE = 50_000
_ROWS = 50
"""Number of characters, and of rows, used to detect the separator."""
_NEXT_ROWS = 8
"""Rows below an empty one that are looked at for the headers of another table."""
_LONGEST_TITLE = 120
"""Characters of a row above a table that names it."""
_LONGEST_FIELD = 10_000_000
"""Characters of a cell."""
_NO_DECIMAL_COMMA = re.compile(r",(?!\d)|(?<!\d),")
"""A comma that is not between digits; without one, each may be a decimal comma."""


def parse(source: str) -> Parsed:
    """A table; its separator is detected."""
    separator = _separator(source)
    rows = csv_rows(io.StringIO(source, newline=""), separator)
    text, blocks = join(table_parts(rows))
    return Parsed(text, blocks)


def csv_rows(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """Rows of cells; `lines` have their line ends. Raises csv.Error."""
    csv.field_size_limit(_LONGEST_FIELD)
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


# The separator


def _separator(source: str) -> str:
    """The character that splits most of the first rows into equally many cells."""
    lines = [line for line in source[:_SAMPLE].splitlines(keepends=True) if line.strip()]
    is_cut = len(source) > _SAMPLE and len(lines) > 1
    if is_cut:
        lines.pop()
    sample = "".join(lines)
    may_be_decimal = not _NO_DECIMAL_COMMA.search(sample)

    def likelihood(mark: str) -> tuple[float, bool, int]:
        is_preferred = mark == "\t" or (may_be_decimal and mark == ";")
        return _evenness(sample, mark), is_preferred, sample.count(mark)

    return max("\t|;,", key=likelihood)


def _evenness(sample: str, mark: str) -> float:
    """The share of the first rows with the most common number of cells; 0 if that is 1."""
    widths = Counter[int]()
    try:
        rows = csv_rows(io.StringIO(sample, newline=""), mark)
        widths.update(len(row) for row in islice(rows, _ROWS) if row)
    except csv.Error:
        return 0.0
    if not widths:
        return 0.0

    width = max(widths, key=lambda width: (widths[width], width))
    if width == 1:
        return 0.0
    return widths[width] / widths.total()


# Tables in the rows

NumberedRow = tuple[int, list[str]]
"""Its number in the file, from 1, and its cells."""


def table_parts(rows: Iterable[Sequence[str]]) -> Iterator[Part]:
    """The tables of the rows that are not empty, with the title rows above them as captions, of
    which the short ones name the table. Each row is named "row n" by its number in the file, and
    repeats the headers; long values are paragraphs of their row. Below an empty row, header rows
    begin another table.
    """
    reader = _RowReader(_filled_rows(rows))
    while True:
        top = [cells for _, cells in reader.peek(_ROWS)]
        if not top:
            return

        titles = [_only_text(cells) for _, cells in reader.take(_title_rows(top))]
        names = tuple(filter(_is_name, titles))
        for title in titles:
            yield Part(title, context=names, kind="caption")
        yield _table(reader, names)


def _only_text(cells: Sequence[str]) -> str:
    """The text of a row that has one."""
    return next(filter(None, cells))


def _is_name(title: str) -> bool:
    """Whether a title is short enough to name a table, and no sentence."""
    return len(title) <= _LONGEST_TITLE and not title.endswith((".", "!", "?"))


def _filled_rows(rows: Iterable[Sequence[str]]) -> Iterator[NumberedRow]:
    """The rows that have text, without spaces around their cells."""
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if any(cells):
            yield number, cells


class _RowReader:
    """Rows, of which the next ones can be seen before they are taken."""

    def __init__(self, rows: Iterator[NumberedRow]) -> None:
        self._rows = rows
        self._seen: deque[NumberedRow] = deque()

    def peek(self, count: int) -> list[NumberedRow]:
        """The next rows, at most `count`."""
        missing_rows = max(0, count - len(self._seen))
        self._seen.extend(islice(self._rows, missing_rows))
        return list(islice(self._seen, count))

    def take(self, count: int) -> list[NumberedRow]:
        """The next rows, which are then over."""
        return [self._seen.popleft() for _ in self.peek(count)]


def _table(reader: _RowReader, context: tuple[str, ...]) -> Part:
    """The table of the next rows."""
    headers = _headers(reader)
    table = TableText(separator=GAP)
    if headers and not reader.peek(1):
        names = [header for header in headers if header]
        table.header(names, names)
    else:
        table.name_columns(headers)

    last_number = 0
    while True:
        following = reader.peek(1)
        if not following:
            break
        ((number, cells),) = following
        is_after_gap = 0 < last_number < number - 1
        if is_after_gap and _begins_table(reader.peek(_NEXT_ROWS)):
            break
        reader.take(1)
        table.row(_labelled(cells, headers), f"row {number}", _LONGEST_LINE)
        last_number = number

    return table.part(context)


def _headers(reader: _RowReader) -> list[str]:
    """Takes the header rows, and returns the names of the columns."""
    top = [cells for _, cells in reader.peek(_ROWS)]
    depth = headers_over_values(top)
    if not depth and top:
        first_row = top[0]
        second_row = top[1] if len(top) > 1 else ()
        depth = int(are_headers(first_row, second_row))
    return stacked_names([cells for _, cells in reader.take(depth)])


def _labelled(cells: Sequence[str], headers: Sequence[str]) -> list[LabelledCell]:
    """The cells that are not empty, each with the name of its column."""
    labelled: list[LabelledCell] = []
    for column, text in enumerate(cells):
        if text:
            name = headers[column] if column < len(headers) else ""
            labelled.append((column, name, text))
    return labelled


def _title_rows(rows: Sequence[Sequence[str]]) -> int:
    """Number of rows at the top with one text, in the first column that has any; 0 without others
    below.
    """
    first_column = _first_filled_column(rows)
    for number, row in enumerate(rows):
        has_others = any(row[:first_column]) or any(row[first_column + 1 :])
        if has_others or not row[first_column]:
            return number
    return 0


def _first_filled_column(rows: Sequence[Sequence[str]]) -> int:
    """The first column that has a text in any row; 0 if none has."""
    filled: list[int] = []
    for row in rows:
        filled += [column for column, cell in enumerate(row) if cell]
    return min(filled, default=0)


def _begins_table(rows: Sequence[NumberedRow]) -> bool:
    """Whether the rows, up to an empty one, are a title or none, header rows, and values."""
    first_number, _ = rows[0]
    adjacent_rows: list[list[str]] = []
    for number, cells in rows:
        if number != first_number + len(adjacent_rows):
            break
        adjacent_rows.append(cells)
    titles = _title_rows(adjacent_rows)
    return headers_over_values(adjacent_rows[titles:]) > 0
