"""Tables: CSV, TSV, and the rows of workbooks. A row becomes a section of its own, each value after its header."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence

from rag.loading.blocks import Block, join
from rag.types import Section

_LONG = 160
"""A value of more characters is a paragraph of its own."""
_NUMBER = re.compile(r"[-+(]?[$\u20ac\u00a3]?[\d.,]+\)?\s?%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
_LONGEST_FIELD = 10_000_000


def parse(source: str) -> tuple[str, tuple[Section, ...], dict[str, str]]:
    """(text, sections, no metadata) of a table whose separator is found out."""
    csv.field_size_limit(_LONGEST_FIELD)
    rows = csv.reader(io.StringIO(source, newline=""), delimiter=_separator(source), skipinitialspace=True)
    return *join(table(rows)), {}


def _separator(source: str) -> str:
    """The one of , ; tab | that stands most evenly in the first lines."""
    lines = [line for line in source[:50_000].splitlines()[:20] if line.strip()]
    counts = {mark: sorted(line.count(mark) for line in lines) for mark in ",\t;|"}
    return max(counts, key=lambda mark: (counts[mark][len(lines) // 3], sum(counts[mark]))) if lines else ","


def table(rows: Iterable[Sequence[str]]) -> Iterator[Block]:
    """A block for each row that is not empty, as a section "row n" by its number in the file; headers go into every row."""
    headers: Sequence[str] | None = None
    alone = True
    for number, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        if headers is None:
            headers = cells if _are_headers(cells) else ()
            if headers:
                continue
        alone = False
        yield from _row(number, cells, headers)
    if alone and headers:
        yield Block(" | ".join(filter(None, headers)))


def _are_headers(cells: Sequence[str]) -> bool:
    """Whether the first row names its columns: several different short texts, none a number."""
    filled = [cell for cell in cells if cell]
    several = len(filled) > 1 and len(filled) == len(set(filled))
    return several and not any(_NUMBER.fullmatch(cell) or len(cell) > 60 for cell in filled)


def _row(number: int, cells: Sequence[str], headers: Sequence[str]) -> Iterator[Block]:
    named = [(headers[at] if at < len(headers) else "", cell) for at, cell in enumerate(cells) if cell]
    values = [(f"{name}: {cell}" if name else cell, len(cell) > _LONG) for name, cell in named]
    short = " | ".join(value for value, long in values if not long)
    yield Block(short, section=f"row {number}")
    for value, long in values:
        if long:
            yield Block(value, section="" if short else f"row {number}")
            short = short or value
