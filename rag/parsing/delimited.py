"""Parses CSV, TSV, and the rows of workbooks, with each value after its column's header."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from rag.parsing.base import GAP, Parsed, Part, join
from rag.parsing.tables import TableText, are_headers

_LONG = 160
"""Values longer than this become separate paragraphs."""
_SAMPLE, _ROWS = 50_000, 50
"""Number of characters, and of rows, used to detect the separator."""
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


def table_parts(rows: Iterable[Sequence[str]]) -> Iterator[Part]:
    """Title rows, and a table of the other rows that are not empty. Each is named "row n" by its
    number in the file, and repeats the headers; long values are paragraphs of their row.
    """
    stripped = ((number, [cell.strip() for cell in row]) for number, row in enumerate(rows, 1))
    filled = ((number, cells) for number, cells in stripped if any(cells))

    top = list(islice(filled, _ROWS + 1))

    widths = (sum(map(bool, cells)) for _, cells in top[:_ROWS])
    titles = next((number for number, width in enumerate(widths) if width > 1), 0)

    for number, cells in top[:titles]:  # one cell each above a wider table
        yield Part(" ".join(filter(None, cells)), name=f"row {number}")
    del top[:titles]

    headers: Sequence[str] = ()
    if top and are_headers(top[0][1], top[1][1] if top[1:] else ()):
        _, headers = top.pop(0)

    table = TableText(between=GAP)
    if headers and not top:
        table.header([*filter(None, headers)], [*filter(None, headers)])
    else:
        table.name_columns(headers)

    width = len(headers)
    for number, cells in chain(top, filled):
        names = [*headers, *[""] * (len(cells) - width)]
        columns = [(n, names[n], cell) for n, cell in enumerate(cells) if cell]
        table.row(columns, f"row {number}", _LONG)

    yield table.part()
