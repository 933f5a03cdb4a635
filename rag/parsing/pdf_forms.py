"""Forms on a page of a PDF: bold labels, each with a value to its right."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rag.parsing.pdf_layout import Line

_FEWEST = 3
"""Minimum number of labels below each other that have values."""
_MOST, _MOST_LINES = 300, 4000
"""Maximum number of labels and of lines on a page to search for forms."""
_LABEL = re.compile(r"[^:]{1,60}:\Z")
_FILLED = re.compile(r"[^:]{1,60}: \S")
_SAME = 2.0
"""Tolerance for equal left edges, in points."""
_CLOSE = 0.5
"""Maximum distance between the lines of a value, in font heights."""
_NEXT = 2.5
"""Maximum distance from one label to the next, in font heights."""


def with_forms(lines: Sequence[Line]) -> list[Line]:
    """The lines, with each row of a form as one: "Engines: 1 | Seats: 4". Labels and values may
    take several lines.
    """
    if not _FEWEST <= sum(map(_is_label, lines)) <= _MOST or len(lines) > _MOST_LINES:
        return list(lines)
    whole = sorted(_whole_labels(lines), key=lambda line: line.top)
    entries = _entries(whole)
    if not entries:
        return list(lines)
    values = [list(_values(entry, whole, entries)) for entry in entries]
    used = {id(line) for line in (*entries, *(value for some in values for value in some))}
    filled = [_joined([entry, *some], " ") for entry, some in zip(entries, values, strict=True)]
    return [line for line in whole if id(line) not in used] + list(_rows(filled))


def _whole_labels(lines: Sequence[Line]) -> list[Line]:
    """The lines, with labels of two lines joined."""
    bold = [line for line in lines if line.bold]
    second = {
        id(first): line
        for line in bold
        if _is_label(line) and (first := next((b for b in bold if _goes_on(b, line)), None))
    }
    joined_on = {id(line) for line in second.values()}
    whole = ([line, second[id(line)]] if id(line) in second else [line] for line in lines)
    return [
        _joined(some, " ") if some[1:] else some[0]
        for some in whole
        if id(some[0]) not in joined_on
    ]


def _goes_on(last: Line, line: Line) -> bool:
    return (
        last.bold
        and not last.text.endswith(":")
        and abs(last.size - line.size) < 0.1
        and abs(last.left - line.left) < _SAME
        and -line.size < line.top - last.bottom < 0.1 * line.size
    )


def _is_label(line: Line) -> bool:
    return line.bold and bool(_LABEL.match(line.text))


def _entries(lines: Sequence[Line]) -> list[Line]:
    """The labels of forms, and the lines that begin with a label."""
    labels = [line for line in lines if _is_label(line)]
    filled = [label for label in labels if _beside(label, lines)]
    known = [label for label in labels if sum(_is_above(label, one) for one in filled) >= _FEWEST]
    return [
        line
        for line in lines
        if (_is_label(line) and any(line is one or _on_one_row(line, one) for one in known))
        or (_FILLED.match(line.text) and any(_is_next(line, one) for one in known))
    ]


def _is_above(one: Line, other: Line) -> bool:
    return abs(one.left - other.left) < _SAME


def _is_next(line: Line, label: Line) -> bool:
    return _is_above(line, label) and abs(line.top - label.top) < _NEXT * label.size


def _on_one_row(one: Line, other: Line) -> bool:
    return abs(one.top - other.top) < _CLOSE * one.size


def _beside(label: Line, lines: Sequence[Line]) -> Line | None:
    """The nearest line to the right on the label's row, unless it is a label or a table."""
    row = [line for line in lines if _on_one_row(label, line) and line.left > label.right]
    first = min(row, key=lambda line: line.left, default=None)
    return None if first is None or first.bold or first.grid else first


def _values(entry: Line, lines: Sequence[Line], entries: Sequence[Line]) -> Iterator[Line]:
    """The lines of the entry's value, except for the entry itself. `lines` are sorted by
    their top.
    """
    is_label = entry.text.endswith(":")
    first = _beside(entry, lines) if is_label else None
    if is_label and (first is None or first in entries):
        return
    left = first.left if first else entry.left + entry.size
    below = min((e.top for e in entries if e.left < left and e.top > entry.top + 1), default=1e9)
    right = min((e.left for e in entries if e.left > left), default=1e9)
    bottom = entry.top if first else entry.bottom
    for line in lines:
        is_in = left - _SAME < line.left < right and not (line.bold or line.grid)
        is_after = -_CLOSE < (line.top - bottom) / entry.size < _CLOSE
        if is_in and is_after and line.top < below - 1 and line not in entries:
            yield line
            bottom = line.bottom


def _rows(entries: Sequence[Line]) -> Iterator[Line]:
    row: list[Line] = []
    for entry in sorted(entries, key=lambda entry: entry.top):
        if row and not _on_one_row(row[0], entry):
            yield _row(row)
            row = []
        row.append(entry)
    yield _row(row)


def _row(entries: Sequence[Line]) -> Line:
    return _joined(sorted(entries, key=lambda entry: entry.left), " | ")


def _joined(lines: Sequence[Line], between: str) -> Line:
    """Join the lines into one form line on the row of the first."""
    return replace(
        lines[0],
        text=between.join(line.text for line in lines),
        right=max(line.right for line in lines),
        words=(),
        bold=all(line.bold for line in lines),
        form=True,
    )
