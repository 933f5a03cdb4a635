"""Figures in rows of tables: the whole cell, in the column of the period that the question names,
and none of another period.

A row is "Net sales | Three Months Ended July 1, 2023: $81,797 | Three Months Ended June 25, 2022:
$82,959". The reader finds the row more reliably than the column, and a row as good in the report on
another quarter.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
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

    periods: Periods
    """Those in the column's name."""
    start: int
    end: int


def in_asked_columns(question: str, spans: Sequence[Span]) -> list[Span]:
    """The spans, with each part of a figure in a table replaced by its cell, or by the cell of the
    same row whose column names the question's period while its own column does not; without figures
    of another period than the question's.
    """
    asked = periods(question)
    found: dict[tuple[str, int, int, int], Span] = {}
    for span in spans:
        moved = _moved(asked, span)
        if moved is None:
            continue
        passage = moved.hit.passage
        place = passage.document_id, passage.start, moved.start, moved.end
        if place not in found or found[place].score < moved.score:
            found[place] = moved
    return list(found.values())


def _moved(asked: Periods, span: Span) -> Span | None:
    """The span's cell, or the one in the column that agrees more; outside tables the span. None if
    that column, or the document's name for a column that names no quarter, is of another period,
    unless another part of the row names the question's.
    """
    passage = span.hit.passage
    cells, others = _row(passage.text, span.start)
    own = next((cell for cell in cells if cell.start < span.end <= cell.end), None)
    if own is None:
        return span
    agreement = {cell: asked.agreement(cell.periods) for cell in cells}
    best = max(cells, key=agreement.__getitem__)
    if agreement[best] <= agreement[own]:
        best = own
    named = best.periods
    if not named.quarters:
        name = f"{passage.document_id} {passage.context}"
        of_document = periods(name)
        named = named._replace(quarters=of_document.quarters)
    if asked.besides(periods(others)).differ(named):
        return None
    return replace(span, start=best.start, end=best.end)


def _row(text: str, at: int) -> tuple[list[_TableCell], str]:
    """The figures with a column's name in the row at an offset, and its other cells."""
    begin = text.rfind("\n", 0, at) + 1
    end = text.find("\n", at)
    figures, others = [], []
    line = text[begin : end if end >= 0 else len(text)]
    for cell in line.split(_BETWEEN):
        name, colon, value = cell.rpartition(": ")
        if colon and _FIGURE.fullmatch(value):
            start = begin + len(name) + len(colon)
            figures.append(_TableCell(periods(name), start, begin + len(cell)))
        else:
            others.append(cell)
        begin += len(cell) + len(_BETWEEN)
    return figures, _BETWEEN.join(others)
