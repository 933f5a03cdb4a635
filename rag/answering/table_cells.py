"""Figures of tables: a span becomes the whole cell, in the column of the period that the question
names, and figures of another period are left out.

The reader finds the right row more reliably than the right column, and it does not see that the
same row of another quarter's report is the wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rag.meaning.identifiers import file_name
from rag.meaning.periods import Periods, of_column, periods, same_season
from rag.meaning.words import MONTH
from rag.structure import row_at, table_around
from rag.types import Document, Passage, Span

_FIGURE = re.compile(
    r"(?:[-\u2013\u2212(]|[$\u20ac\u00a3\u00a5]|US\$)* ?\(?\d[\d,.]*(?: \d{3})*\)? ?"
    r"(?:%|x|[kmb]n?|thousand|million|billion)?\)?",
    re.IGNORECASE,
)
"""A cell that is a figure: with a sign, in brackets if it is negative, or with a unit."""
_PERIOD_NAMES = ("year", "quarter", "period", "date")
"""Names, perhaps after "fiscal", of a column whose cells state the period of their row."""
_PERIOD_WORD = re.compile(
    r"\b(?:FY|Q[1-4]|[1-4]Q|(?:first|second|third|fourth|1st|2nd|3rd|4th) quarter|of|"
    rf"{MONTH})(?=\b|\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class _TableCell:
    """A cell that follows its column's name; `start` and `end` are those of its value."""

    column: str
    value: str
    start: int
    end: int

    @property
    def periods(self) -> Periods:
        """The periods in the column's name."""
        return of_column(self.column)


def in_asked_columns(
    question: str, spans: Sequence[Span], document: Callable[[str], Document | None]
) -> list[Span]:
    """The spans, with each part of a figure in a table replaced by its cell, or by the cell of the
    same row whose column names the question's period while its own column does not; without figures
    of another period than the question's. `document` finds a document by id.
    """
    question_periods = periods(question)
    best_spans: dict[tuple[str, int, int, int], Span] = {}
    for span in spans:
        moved = _moved(question_periods, span, document)
        if moved is None:
            continue
        passage = moved.hit.passage
        place = passage.document_id, passage.start, moved.start, moved.end
        if place not in best_spans or best_spans[place].score < moved.score:
            best_spans[place] = moved
    return list(best_spans.values())


def _moved(
    question_periods: Periods, span: Span, document: Callable[[str], Document | None]
) -> Span | None:
    """The span's cell, or the one in the column that agrees more; outside tables the span. None if
    that cell is of another period than the question's.
    """
    passage = span.hit.passage
    if not any(map(str.isdecimal, span.text)):
        return span
    source = document(passage.document_id)
    if source is None or not passage.is_in(source):
        return span
    cells, labels = _row(source, passage, span.start)
    own = next((cell for cell in cells if cell.start < span.end <= cell.end), None)
    if own is None:
        return span
    best = _best(question_periods, own, cells)
    left = question_periods.besides(periods(" | ".join(labels)))
    if left.differ(_of_label(cells, labels)):
        return None
    if left.differ(best.periods):
        return None
    if left.quarters and left.differ(_of_document(best, cells, passage)):
        return None
    return replace(span, start=best.start, end=best.end, label=labels[0] if labels else "")


def _best(question_periods: Periods, own: _TableCell, cells: Sequence[_TableCell]) -> _TableCell:
    """The only cell whose column agrees better with the question than that of `own`; else `own`. If
    several columns agree equally well, those that state the fewest other periods count.
    """
    agreement = {cell: question_periods.agreement(cell.periods) for cell in cells}
    best_agreement = max(agreement.values())
    if best_agreement <= max(agreement[own], 0):
        return own
    agree = [cell for cell in cells if agreement[cell] == best_agreement]
    besides = {cell: sum(map(bool, cell.periods.besides(question_periods))) for cell in agree}
    plain = [cell for cell in agree if besides[cell] == min(besides.values())]
    return plain[0] if len(plain) == 1 else own


def _of_label(cells: Sequence[_TableCell], labels: Sequence[str]) -> Periods:
    """The periods of a row that is labelled by nothing else: "2023" or "Year: 2023"."""
    for cell in cells:
        name = cell.column.lower().removeprefix("fiscal ").removeprefix("financial ")
        if name in _PERIOD_NAMES:
            return periods(cell.value)
    label = labels[0] if labels else ""
    is_named = any(sign.isalnum() and not sign.isdecimal() for sign in _PERIOD_WORD.sub("", label))
    return Periods() if is_named else periods(label)


def _of_document(cell: _TableCell, cells: Sequence[_TableCell], passage: Passage) -> Periods:
    """The quarter that the document's file name, title or headings state, if the cell is of that
    quarter: the passage must name no quarter, and the column no day except the last one in the row
    and the same one of other years.
    """
    days = [day for row_cell in cells for day in row_cell.periods.days]
    last = max(days, default="")
    if periods(passage.text).quarters or not all(
        same_season(day, last) for day in cell.periods.days
    ):
        return Periods()
    name = file_name(passage.document_id)
    return Periods(quarters=periods(f"{name} {passage.context}").quarters)


def _row(document: Document, passage: Passage, offset: int) -> tuple[list[_TableCell], list[str]]:
    """The figures with a column's name in the row at an offset in the passage, and the texts of its
    other cells.
    """
    first = passage.start
    table = table_around(document.blocks, first + offset, reach=0)
    row = row_at(document.blocks, first + offset)
    figures: list[_TableCell] = []
    labels: list[str] = []
    if table is None or row is None:
        return figures, labels
    for cell in row.cells:
        name, text = table.column_name(cell), document.text[cell.start : cell.end]
        if not (first <= cell.start and cell.end <= passage.end):
            continue
        if name and _FIGURE.fullmatch(text):
            figures.append(_TableCell(name, text, cell.start - first, cell.end - first))
        else:
            labels.append(f"{name}: {text}" if name else text)
    return figures, labels
