"""Parses CSV, TSV, and the rows of workbooks, with each value after its column's header."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from rag.parsing.base import GAP, Part, join
from rag.parsing.tables import TableText, are_headers
from rag.types import Block

_LONG = 160
"""Values longer than this become separate paragraphs."""
_SAMPLE, _ROWS = 50_000, 50
"""Number of characters, and of rows, used to detect the separator."""
Row = tuple[int, list[str]]
_LONGEST_FIELD = 10_000_000


def parse(source: str) -> tuple[str, tuple[Block, ...], dict[str, str]]:
    """(text, blocks, {}) of a table; the separator is detected."""
    csv.field_size_limit(_LONGEST_FIELD)
    rows = csv.reader(
        io.StringIO(source, newline=""), delimiter=_separator(source), skipinitialspace=True
    )
    return *join(table_parts(rows)), {}


def _separator(source: str) -> str:
    """The character that splits most of the first rows into equally many cells, since most
    candidates also occur in texts and numbers.
    """
    lines = [line for line in source[:_SAMPLE].splitlines(keepends=True) if line.strip()]
    # the last row was cut
    lines = lines[:-1] if len(source) > _SAMPLE and len(lines) > 1 else lines
    sample = "".join(lines)
    decimal = not re.search(r",(?!\d)|(?<!\d),", sample)  # perhaps every comma is a decimal one
    return max(
        "\t|;,",
        key=lambda mark: (
            _evenness(sample, mark),
            mark == "\t" or (decimal and mark == ";"),
            sample.count(mark),
        ),
    )


def _evenness(sample: str, mark: str) -> float:
    """Share of rows with the most common number of cells, if that is above 1."""
    try:
        rows = csv.reader(io.StringIO(sample, newline=""), delimiter=mark, skipinitialspace=True)
        widths = Counter(len(row) for row in islice(rows, _ROWS) if row)
    except csv.Error:
        return 0.0
    width, count = max(widths.items(), key=lambda item: (item[1], item[0]), default=(1, 0))
    return count / widths.total() if width > 1 else 0.0


def table_parts(rows: Iterable[Sequence[str]]) -> Iterator[Part]:
    """Title rows, and a table of the other rows that are not empty. Each is named "row n" by its
    number in the file, and repeats the headers; long values are paragraphs of their row.
    """
    stripped = ((number, [cell.strip() for cell in row]) for number, row in enumerate(rows, 1))
    filled = ((number, cells) for number, cells in stripped if any(cells))
    titles, body = _titles(filled)
    yield from (Part(" ".join(filter(None, cells)), name=f"row {n}") for n, cells in titles)
    first, second = list(islice(body, 1)), list(islice(body, 1))
    headers: Sequence[str] = ()
    if first and are_headers(first[0][1], second[0][1] if second else ()):
        headers, first = first[0][1], []
    table = TableText(between=GAP)
    if headers and not second:
        table.header([*filter(None, headers)], [*filter(None, headers)])
    else:
        table.name_columns(headers)
    width = len(headers)
    for number, cells in chain(first, second, body):
        columns = [
            (column, headers[column] if column < width else "", cell)
            for column, cell in enumerate(cells)
            if cell
        ]
        table.row(columns, f"row {number}", _LONG)
    yield table.part()


def _titles(rows: Iterator[Row]) -> tuple[list[Row], Iterator[Row]]:
    """Title rows above the headers (one cell each in a wider table), and the other rows."""
    top = list(islice(rows, _ROWS))
    wide = next((number for number, (_, cells) in enumerate(top) if sum(map(bool, cells)) > 1), 0)
    return top[:wide], chain(top[wide:], rows)
