"""Parses CSV, TSV, and the rows of workbooks, with each value after its column's header."""

import csv
import io
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile

from rag.parsing.base import GAP, Parsed, Part, join
from rag.parsing.tables import TableText, are_headers, headers_over_values, stacked_names

_LONG = 160
"""Values longer than this become separate paragraphs."""
_SAMPLE, _ROWS = 50_000, 50
"""Number of characters, and of rows, used to detect the separator."""
_NEXT_ROWS = 8
"""Rows below an empty one that are looked at for the headers of another table."""
_LONGEST_FIELD = 10_000_000
"""Characters of a cell."""


def parse(source: str) -> Parsed:
    """A table; its separator is detected."""
    rows = csv_rows(io.StringIO(source, newline=""), _separator(source))
    return Parsed(*join(table_parts(rows)))


def csv_rows(lines: Iterable[str], separator: str) -> Iterator[list[str]]:
    """Rows of cells; `lines` have their line ends. Raises csv.Error."""
    csv.field_size_limit(_LONGEST_FIELD)
    return csv.reader(lines, delimiter=separator, skipinitialspace=True)


def _separator(source: str) -> str:
    """The character that splits most of the first rows into equally many cells."""
    lines = [line for line in source[:_SAMPLE].splitlines(keepends=True) if line.strip()]
    is_cut = len(source) > _SAMPLE and len(lines) > 1
    sample = "".join(lines[:-1] if is_cut else lines)
    decimal = not re.search(r",(?!\d)|(?<!\d),", sample)  # perhaps every comma is a decimal one

    def likelihood(mark: str) -> tuple[float, bool, int]:
        """First the share of rows with the most common number of cells, if that is above 1."""
        try:
            rows = csv_rows(io.StringIO(sample, newline=""), mark)
            widths = Counter(len(row) for row in islice(rows, _ROWS) if row)
        except csv.Error:
            widths = Counter()
        width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
        evenness = count / widths.total() if width > 1 else 0.0
        return evenness, mark == "\t" or (decimal and mark == ";"), sample.count(mark)

    return max("\t|;,", key=likelihood)


NumberedRow = tuple[int, list[str]]
"""Its number in the file, from 1, and its cells."""


def table_parts(rows: Iterable[Sequence[str]]) -> Iterator[Part]:
    """Title rows, and the tables of the other rows that are not empty. Each is named "row n" by its
    number in the file, and repeats the headers; long values are paragraphs of their row. Below an
    empty row, header rows begin another table.
    """
    stripped = ((number, [cell.strip() for cell in row]) for number, row in enumerate(rows, 1))
    reader = _Ahead((number, cells) for number, cells in stripped if any(cells))
    while top := reader.peek(_ROWS):
        titles = _title_rows([cells for _, cells in top])
        for number, cells in reader.take(titles):
            yield Part(" ".join(filter(None, cells)), name=f"row {number}")
        yield _table(reader)


class _Ahead:
    """Rows, of which the next ones can be seen before they are taken."""

    def __init__(self, rows: Iterator[NumberedRow]) -> None:
        self._rows = rows
        self._seen: deque[NumberedRow] = deque()

    def peek(self, most: int) -> list[NumberedRow]:
        """The next rows, at most `most`."""
        self._seen.extend(islice(self._rows, max(0, most - len(self._seen))))
        return list(islice(self._seen, most))

    def take(self, most: int) -> list[NumberedRow]:
        return [self._seen.popleft() for _ in self.peek(most)]


def _table(reader: _Ahead) -> Part:
    """The table of the next rows."""
    top = [cells for _, cells in reader.peek(_ROWS)]
    depth = headers_over_values(top)
    if not depth and top and are_headers(top[0], top[1] if top[1:] else ()):
        depth = 1
    headers = stacked_names([cells for _, cells in reader.take(depth)])

    table = TableText(between=GAP)
    if headers and not reader.peek(1):
        table.header([*filter(None, headers)], [*filter(None, headers)])
    else:
        table.name_columns(headers)

    last = 0
    while row := reader.peek(1):
        ((number, cells),) = row
        if 0 < last < number - 1 and _begins_table(reader.peek(_NEXT_ROWS)):
            break
        reader.take(1)
        names = [*headers, *[""] * (len(cells) - len(headers))]
        columns = [(n, names[n], cell) for n, cell in enumerate(cells) if cell]
        table.row(columns, f"row {number}", _LONG)
        last = number

    return table.part()


def _title_rows(rows: Sequence[Sequence[str]]) -> int:
    """Number of rows at the top with one text, in the first column that has any; 0 without others
    below.
    """
    begin = min((n for row in rows for n, cell in enumerate(row) if cell), default=0)
    for number, row in enumerate(rows):
        if any(row[:begin]) or any(row[begin + 1 :]) or not row[begin]:
            return number
    return 0


def _begins_table(rows: Sequence[NumberedRow]) -> bool:
    """Whether the rows, up to an empty one, are a title or none, header rows, and values."""
    run = list(takewhile(lambda row: row[1][0] - row[0] == rows[0][0], enumerate(rows)))
    cells = [row for _, (_, row) in run]
    titles = _title_rows(cells)
    return headers_over_values(cells[titles:]) > 0
