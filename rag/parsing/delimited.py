"""Parses CSV, TSV, and the rows of workbooks. Each row becomes a section, with each value after its
header.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from rag.parsing.base import Block, join
from rag.parsing.tables import are_headers
from rag.types import Section

_LONG = 160
"""Values longer than this become separate paragraphs."""
_SAMPLE, _ROWS = 50_000, 50
"""Number of characters, and of rows, used to detect the separator."""
Row = tuple[int, list[str]]
_LONGEST_FIELD = 10_000_000


def parse(source: str) -> tuple[str, tuple[Section, ...], dict[str, str]]:
    """(text, sections, {}) of a table; the separator is detected."""
    csv.field_size_limit(_LONGEST_FIELD)
    rows = csv.reader(
        io.StringIO(source, newline=""), delimiter=_separator(source), skipinitialspace=True
    )
    return *join(table(rows)), {}


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


def table(rows: Iterable[Sequence[str]]) -> Iterator[Block]:
    """A block for each non-empty row, as section "row n" by its number in the file; headers are
    repeated in every row.
    """
    stripped = ((number, [cell.strip() for cell in row]) for number, row in enumerate(rows, 1))
    filled = ((number, cells) for number, cells in stripped if any(cells))
    titles, rest = _titles(filled)
    yield from (
        Block(" ".join(filter(None, cells)), section=f"row {number}") for number, cells in titles
    )
    first, second = list(islice(rest, 1)), list(islice(rest, 1))
    headers: Sequence[str] = (
        first[0][1] if first and are_headers(first[0][1], second[0][1] if second else ()) else ()
    )
    if headers and not second:
        yield Block(" | ".join(filter(None, headers)))
    for number, cells in chain([] if headers else first, second, rest):
        yield from _row(number, cells, headers)


def _titles(rows: Iterator[Row]) -> tuple[list[Row], Iterator[Row]]:
    """Title rows above the headers (one cell each in a wider table), and the other rows."""
    top = list(islice(rows, _ROWS))
    wide = next((at for at, (_, cells) in enumerate(top) if sum(map(bool, cells)) > 1), 0)
    return top[:wide], chain(top[wide:], rows)


def _row(number: int, cells: Sequence[str], headers: Sequence[str]) -> Iterator[Block]:
    named = [
        (headers[at] if at < len(headers) else "", cell) for at, cell in enumerate(cells) if cell
    ]
    values = [(f"{name}: {cell}" if name else cell, len(cell) > _LONG) for name, cell in named]
    short = " | ".join(value for value, long in values if not long)
    yield Block(short, section=f"row {number}")
    for value, long in values:
        if long:
            yield Block(value, section="" if short else f"row {number}")
            short = short or value
