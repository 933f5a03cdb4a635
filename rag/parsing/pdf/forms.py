"""Forms on a page of a PDF: bold labels, each with a value to its right."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import inf

from rag.parsing.pdf.marks import CELL_BREAK, Line, grouped

_MIN_LABELS = 3
"""Minimum number of labels below each other that have values."""
_MAX_LABELS = 300
"""Maximum number of labels on a page to search for forms."""
_MAX_LINES = 4000
"""Maximum number of lines on such a page."""
_LABEL = re.compile(r"[^:]{1,60}:\Z")
_LABEL_AND_VALUE = re.compile(r"[^:]{1,60}: \S")
_SAME_EDGE = 2.0
"""Tolerance for equal left edges, in points."""
_SAME_ROW = 0.5
"""Maximum distance between the lines of a value, in font heights."""
_NEXT_ROW = 2.5
"""Maximum distance from one label to the next, in font heights."""


def with_forms(lines: Sequence[Line]) -> list[Line]:
    """The lines, with each row of a form as one, whose cells are "Engines: 1" and "Seats: 4"."""
    label_count = sum(map(_is_label, lines))
    if not _MIN_LABELS <= label_count <= _MAX_LABELS or len(lines) > _MAX_LINES:
        return list(lines)

    joined = sorted(_with_whole_labels(lines), key=lambda line: line.top)
    entries = _entries(joined)
    if not entries:
        return list(lines)
    values = [list(_values(entry, joined, entries)) for entry in entries]
    in_forms = {id(line) for line in entries} | {id(line) for value in values for line in value}
    pairs = [_joined([entry, *value], " ") for entry, value in zip(entries, values, strict=True)]
    from_top = sorted(pairs, key=lambda pair: pair.top)
    rows = grouped(from_top, lambda row, pair: _on_one_row(row[0], pair))
    rows = [sorted(row, key=lambda pair: pair.left) for row in rows]
    remaining = [line for line in joined if id(line) not in in_forms]
    return remaining + [_joined(row, CELL_BREAK) for row in rows]


def _with_whole_labels(lines: Sequence[Line]) -> Iterator[Line]:
    """The lines, with labels of two lines joined."""
    bold = [line for line in lines if line.bold]
    second_lines: dict[int, Line] = {}
    for line in filter(_is_label, bold):
        above = next((other for other in bold if _goes_on(other, line)), None)
        if above:
            second_lines[id(above)] = line

    joined = set(map(id, second_lines.values()))
    for line in lines:
        if id(line) not in joined:
            second = second_lines.get(id(line))
            yield _joined([line, second], " ") if second else line


def _goes_on(first: Line, line: Line) -> bool:
    """Whether the line is directly below the first, which is not a label itself."""
    return (
        not first.text.endswith(":")
        and abs(first.size - line.size) < 0.1
        and abs(first.left - line.left) < _SAME_EDGE
        and -line.size < line.top - first.bottom < 0.1 * line.size
    )


def _is_label(line: Line) -> bool:
    return line.bold and bool(_LABEL.match(line.text))


def _entries(lines: Sequence[Line]) -> list[Line]:
    """The labels of forms, and the lines that begin with a label."""
    labels = [line for line in lines if _is_label(line)]
    filled = [label for label in labels if _beside(label, lines)]
    aligned = [
        label
        for label in labels
        if sum(abs(label.left - below.left) < _SAME_EDGE for below in filled) >= _MIN_LABELS
    ]

    def is_entry(line: Line) -> bool:
        if _is_label(line):
            return any(line is label or _on_one_row(line, label) for label in aligned)
        return _LABEL_AND_VALUE.match(line.text) is not None and any(
            abs(line.left - label.left) < _SAME_EDGE
            and abs(line.top - label.top) < _NEXT_ROW * label.size
            for label in aligned
        )

    return list(filter(is_entry, lines))


def _on_one_row(first: Line, second: Line) -> bool:
    return abs(first.top - second.top) < _SAME_ROW * first.size


def _beside(label: Line, lines: Sequence[Line]) -> Line | None:
    """The nearest line to the right on the label's row, unless it is a label or a table."""
    row = (line for line in lines if _on_one_row(label, line) and line.left > label.right)
    neighbour = min(row, key=lambda line: line.left, default=None)
    return None if neighbour is None or neighbour.bold or neighbour.grid else neighbour


def _values(entry: Line, lines: Sequence[Line], entries: Sequence[Line]) -> Iterator[Line]:
    """The other lines of the entry's value; `lines` are sorted by their top."""
    is_label = entry.text.endswith(":")
    value = _beside(entry, lines) if is_label else None
    if is_label and (value is None or value in entries):
        return

    left = value.left if value else entry.left + entry.size
    tops_below = [other.top for other in entries if other.left < left and other.top > entry.top + 1]
    below = min(tops_below, default=inf)
    right = min((other.left for other in entries if other.left > left), default=inf)
    bottom = entry.top if value else entry.bottom
    for line in lines:
        is_inside = left - _SAME_EDGE < line.left < right and not (line.bold or line.grid)
        is_next = -_SAME_ROW < (line.top - bottom) / entry.size < _SAME_ROW
        if is_inside and is_next and line.top < below - 1 and line not in entries:
            yield line
            bottom = line.bottom


def _joined(lines: Sequence[Line], separator: str) -> Line:
    """Join the lines into one form line on the row of the first."""
    return replace(
        lines[0],
        text=separator.join(line.text for line in lines),
        right=max(line.right for line in lines),
        words=(),
        bold=all(line.bold for line in lines),
        form=True,
    )
