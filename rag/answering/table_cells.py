"""Figures in rows of tables: the whole cell, in the column of the period that the question names.

A row is "Net sales | Three Months Ended July 1, 2023: $81,797 | Three Months Ended June 25, 2022:
$82,959". The reader finds the row more reliably than the column.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from rag.english.periods import Periods, periods
from rag.types import Span

_BETWEEN = " | "
"""Separates the cells of a row."""
_FIGURE = re.compile(r"(?:[-\u2013\u2212(]|[$\u20ac\u00a3\u00a5]|US\$)* ?\d[\d,.]*\)? ?%?\)?")
"""A cell that is a figure: with a sign, in brackets if it is negative, or in per cent."""


@dataclass(frozen=True, slots=True)
class _TableCell:
    """A cell that follows its column's name; `start` and `end` are those of its value."""

    column: str
    start: int
    end: int

    def agreement(self, asked: Periods) -> int:
        """How well the column's name agrees with the question's periods."""
        return asked.agreement(periods(self.column))


def in_asked_columns(question: str, spans: Sequence[Span]) -> list[Span]:
    """The spans, with each part of a figure in a table replaced by its cell, or by the cell of the
    same row whose column names the question's period while its own column does not.
    """
    asked = periods(question)
    found: dict[tuple[str, int, int, int], Span] = {}
    for span in spans:
        moved = _moved(asked, span)
        passage = moved.hit.passage
        place = passage.document_id, passage.start, moved.start, moved.end
        if place not in found or found[place].score < moved.score:
            found[place] = moved
    return list(found.values())


def _moved(asked: Periods, span: Span) -> Span:
    """The span's cell, or the one in the column that agrees more; outside tables the span."""
    cells = list(_cells(span.hit.passage.text, span.start))
    own = next((cell for cell in cells if cell.start < span.end <= cell.end), None)
    if own is None:
        return span
    agreement = {cell: cell.agreement(asked) for cell in cells}
    best = max(cells, key=agreement.__getitem__)
    if agreement[best] <= agreement[own]:
        best = own
    return replace(span, start=best.start, end=best.end)


def _cells(text: str, at: int) -> Iterator[_TableCell]:
    """The figures with a column's name in the row at an offset."""
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    for cell in text[begin : end if end >= 0 else len(text)].split(_BETWEEN):
        name, colon, value = cell.rpartition(": ")
        if colon and _FIGURE.fullmatch(value):
            yield _TableCell(name, begin + len(name) + len(colon), begin + len(cell))
        begin += len(cell) + len(_BETWEEN)
