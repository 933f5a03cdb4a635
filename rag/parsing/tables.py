"""Table rows as text: each value after its column's header, so that a row can be understood by
itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rag.meaning.periods import periods

MOST_SPANNED = 100
"""Maximum number of rows or columns that a cell spans."""
_LONG = 100
"""Maximum length of a header or cell to repeat in every row; otherwise a page could grow without
limit.
"""
_LONGEST_NAME = 160
_NUMBER = re.compile(r"[-+(]?[$\u20ac\u00a3]?[\d.,]+\)?\s?%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
_NAME = re.compile(r"\W*[^\W\d]|%")
_YEAR = re.compile(r"(?:1\d|20)\d\d")


@dataclass(slots=True)
class Cell:
    words: list[str]
    is_header: bool = False
    rows: int = 1
    columns: int = 1


class Rows:
    """Rows of one table in order. Header rows name the columns of the rows below them, up to the
    next header rows.
    """

    def __init__(self) -> None:
        self._headers: list[str] = []
        self._begun = False
        """whether a row with values has been added below the headers"""
        self._down: dict[int, tuple[str, int]] = {}
        """by column, the text of a cell that spans rows, and the number of rows left"""

    def line(self, cells: Sequence[Cell]) -> str:
        names = self._are_headers(cells)
        row = self._row(cells, names)
        if names:
            above = [] if self._begun else self._headers
            self._headers = _stacked(above, row)
            self._begun = False
            return " | ".join(" ".join(cell.words) for cell in cells)
        self._begun = True
        return " | ".join(named(row, self._headers) if any(self._headers) else row)

    def _are_headers(self, cells: Sequence[Cell]) -> bool:
        """Whether the row names the columns; below rows with values it must have no values."""
        if len(cells) < 2:
            return False
        if not all(cell.is_header for cell in cells):
            return False
        return not self._begun or all(map(_can_only_head, cells[1:]))

    def name(self, headers: Sequence[str]) -> None:
        """Set the column names."""
        self._headers = list(headers)

    @property
    def names(self) -> list[str]:
        return list(self._headers)

    def _row(self, cells: Sequence[Cell], repeat: bool) -> list[str]:
        """One text per column; a cell that spans several columns goes into the first, or with
        `repeat` into each.
        """
        row: list[str] = []
        for cell in cells:
            self._from_above(row)
            text, first = " ".join(cell.words), len(row)
            row += [
                text,
                *[text if repeat else ""] * (cell.columns - 1 if repeat or self._headers else 0),
            ]
            if cell.rows > 1:
                self._down |= {
                    at: (row[at] if len(row[at]) <= _LONG else "", cell.rows - 1)
                    for at in range(first, len(row))
                }
        self._from_above(row)
        return row

    def _from_above(self, row: list[str]) -> None:
        while len(row) in self._down:
            text, left = self._down.pop(len(row))
            if left > 1:
                self._down[len(row)] = text, left - 1
            row.append(text)


def _can_only_head(cell: Cell) -> bool:
    """Whether a header cell below values names a column: it begins with a word or is a period. A
    total, such as "9 kg", is a value.
    """
    text = " ".join(cell.words)
    if _NAME.match(text):
        return True
    return any(periods(text))


def _stacked(above: Sequence[str], below: Sequence[str]) -> list[str]:
    """Two header rows as one: spanning headers come before column names."""
    pairs = zip_longest(above, below, fillvalue="")
    return [" ".join(filter(None, dict.fromkeys(pair))) for pair in pairs]


def lines(rows: Sequence[Sequence[str]], headed: bool) -> str:
    """One line per row. If the first row contains headers, the other rows repeat them, except rows
    of another length.
    """
    headers, rows = (rows[0], rows[1:]) if headed and rows else ((), rows)
    if not any(headers):
        return "\n".join(map(" | ".join, rows))
    read = [named(row, headers) if len(row) == len(headers) else row for row in rows]
    return "\n".join(map(" | ".join, [headers, *read]))


def named(row: Sequence[str], headers: Sequence[str]) -> list[str]:
    """Non-empty cells, each after its header if it has one."""
    names = [*(name if len(name) <= _LONG else "" for name in headers), *[""] * len(row)]
    return [
        f"{name}: {cell}" if name and name != cell else cell
        for name, cell in zip(names, row, strict=False)
        if cell
    ]


def are_headers(cells: Sequence[str], below: Sequence[str]) -> bool:
    """Whether the first row contains headers: several different short texts without numbers, or
    years above values that are not years.
    """
    filled = [cell for cell in cells if cell]
    several = len(filled) > 1 and len(filled) == len(set(filled))
    under = dict(enumerate(below))
    numbers = [at for at, cell in enumerate(cells) if _NUMBER.fullmatch(cell)]
    years = [
        at
        for at in numbers
        if _YEAR.fullmatch(cells[at]) and not _YEAR.fullmatch(under.get(at, cells[at]))
    ]
    named = numbers == years and len(numbers) < len(filled)
    long = [
        at
        for at, cell in enumerate(cells)
        if len(cell) > (60 if len(under.get(at, "")) > 60 else _LONGEST_NAME)
    ]
    return several and named and not long
