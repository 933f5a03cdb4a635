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

    from_top = sorted(_with_whole_labels(lines), key=lambda line: line.top)
    entries = _entries(from_top)
    if not entries:
        return list(lines)

    pairs: list[Line] = []
    in_forms: set[int] = set()
    for entry in entries:
        entry_lines = [entry, *_values(entry, from_top, entries)]
        pairs.append(_joined_line(entry_lines, " "))
        in_forms.update(map(id, entry_lines))

    other_lines = [line for line in from_top if id(line) not in in_forms]
    return other_lines + _rows(pairs)


def _rows(pairs: Sequence[Line]) -> list[Line]:
    """The rows of a form; each is one line of the pairs of label and value beside each other."""
    from_top = sorted(pairs, key=lambda pair: pair.top)
    rows: list[Line] = []
    for row in grouped(from_top, lambda row, pair: _on_one_row(row[0], pair)):
        row.sort(key=lambda pair: pair.left)
        rows.append(_joined_line(row, CELL_BREAK))
    return rows


def _with_whole_labels(lines: Sequence[Line]) -> Iterator[Line]:
    """The lines, with labels of two lines joined."""
    bold = [line for line in lines if line.bold]
    second_lines: dict[int, Line] = {}
    """by the `id` of the first line"""
    for line in bold:
        if not _is_label(line):
            continue
        for line_above in bold:
            if _goes_on(line_above, line):
                second_lines[id(line_above)] = line
                break

    joined_lines = set(map(id, second_lines.values()))
    for line in lines:
        if id(line) in joined_lines:
            continue
        second = second_lines.get(id(line))
        if second is None:
            yield line
        else:
            yield _joined_line([line, second], " ")


def _goes_on(line_above: Line, line: Line) -> bool:
    """Whether the line is directly below another, which is not a label itself."""
    if line_above.text.endswith(":"):
        return False
    has_same_size = abs(line_above.size - line.size) < 0.1
    if not has_same_size or not _have_one_edge(line_above, line):
        return False
    gap = line.top - line_above.bottom
    return -line.size < gap < 0.1 * line.size


def _have_one_edge(line: Line, other_line: Line) -> bool:
    """Whether two lines begin at one place."""
    return abs(line.left - other_line.left) < _SAME_EDGE


def _is_label(line: Line) -> bool:
    """Whether a line is bold and ends with its only colon."""
    return line.bold and bool(_LABEL.match(line.text))


def _entries(lines: Sequence[Line]) -> list[Line]:
    """The labels of forms, and the lines that begin with a label."""
    labels = [line for line in lines if _is_label(line)]
    filled_labels = [label for label in labels if _line_beside(label, lines)]
    aligned_labels: list[Line] = []
    for label in labels:
        below_each_other = sum(
            _have_one_edge(label, filled_label) for filled_label in filled_labels
        )
        if below_each_other >= _MIN_LABELS:
            aligned_labels.append(label)
    return [line for line in lines if _is_entry(line, aligned_labels)]


def _is_entry(line: Line, labels: Sequence[Line]) -> bool:
    """Whether a line is one of the labels of a form, or on a row with one, or has a label and a
    value below or above one.
    """
    if _is_label(line):
        return any(line is label or _on_one_row(line, label) for label in labels)
    if not _LABEL_AND_VALUE.match(line.text):
        return False

    for label in labels:
        distance = abs(line.top - label.top)
        if distance < _NEXT_ROW * label.size and _have_one_edge(line, label):
            return True
    return False


def _on_one_row(line: Line, other_line: Line) -> bool:
    """Whether two lines begin at about one height."""
    return abs(line.top - other_line.top) < _SAME_ROW * line.size


def _line_beside(label: Line, lines: Sequence[Line]) -> Line | None:
    """The nearest line to the right on the label's row, unless it is a label or a table."""
    nearest_line: Line | None = None
    for line in lines:
        if line.left <= label.right or not _on_one_row(label, line):
            continue
        if nearest_line is None or line.left < nearest_line.left:
            nearest_line = line

    if nearest_line is None or nearest_line.bold or nearest_line.grid:
        return None
    return nearest_line


def _values(entry: Line, lines: Sequence[Line], entries: Sequence[Line]) -> Iterator[Line]:
    """The other lines of the entry's value; `lines` are sorted by their top."""
    value: Line | None = None
    is_label = entry.text.endswith(":")
    if is_label:
        value = _line_beside(entry, lines)
        if value is None or value in entries:
            return

    left = value.left if value else entry.left + entry.size
    right = inf
    """where the next column of the form begins"""
    next_top = inf
    """the top of the next entry"""
    for other_entry in entries:
        if other_entry.left > left:
            right = min(right, other_entry.left)
        elif other_entry.left < left and other_entry.top > entry.top + 1:
            next_top = min(next_top, other_entry.top)

    bottom = entry.top if value else entry.bottom
    for line in lines:
        if line.bold or line.grid or line.top >= next_top - 1:
            continue
        is_in_column = left - _SAME_EDGE < line.left < right
        if not is_in_column:
            continue
        distance = (line.top - bottom) / entry.size
        is_next = -_SAME_ROW < distance < _SAME_ROW
        if is_next and line not in entries:
            yield line
            bottom = line.bottom


def _joined_line(lines: Sequence[Line], separator: str) -> Line:
    """Join the lines into one form line on the row of the first."""
    return replace(
        lines[0],
        text=separator.join(line.text for line in lines),
        right=max(line.right for line in lines),
        words=(),
        bold=all(line.bold for line in lines),
        form=True,
    )
