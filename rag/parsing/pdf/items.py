"""Items of lists on a PDF page: where one ends, and those whose numbers have no sign."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rag.parsing.pdf.marks import CELL_BREAK, Line
from rag.parsing.pdf.rows import BULLET

_NUMBER = re.compile(r"[1-9]\d?")
_SAME_EDGE = 2.0
"""Tolerance for equal edges, in points."""
_WIDE_SPACE = 0.45
"""Minimum gap between a number and its text, in font heights, that is more than a space."""
_SPACE = 0.2
"""Width of a space, in font heights."""
_FAR_GAP = 2.0
"""Distance between lines, in font heights, from which on a line is no more of an item."""
_FEWEST = 2
"""Minimum number of items from 1."""
_FEWEST_AFTER = 3
"""Minimum number of items from another number, as after the break of a page."""

ItemEdges = frozenset[int]
"""Edges in whole points."""


# Where an item ends


def edges_of_items(lines: Sequence[Line]) -> ItemEdges:
    """Where the text of items begins, if a line below their first one does, too."""
    edges: set[int] = set()
    for line_above, line in pairwise(lines):
        text_edge = _edge_of_text(line_above)
        if text_edge is None:
            continue

        if abs(line.left - text_edge) < _SAME_EDGE:
            edges.add(round(text_edge))
    return frozenset(edges)


def ends_item(item: Sequence[Line], line: Line, edges: ItemEdges, column_right: float) -> bool:
    """Whether an item ends above a line that returns to the margin. It does if the item's other
    lines hang at its text, or those of an item beside it, or if a word of the line would have had
    room above. `column_right` is the edge of the column.
    """
    text_edge = _edge_of_text(item[0])
    if text_edge is None or line.left > text_edge - _SAME_EDGE:
        return False

    text_place = round(text_edge)
    hangs = any(text_place + shift in edges for shift in (-1, 0, 1))
    if hangs:
        return True

    last_line = item[-1]
    return has_room(last_line, line, column_right - last_line.left)


def has_room(line_above: Line, line: Line, width: float) -> bool:
    """Whether the first word of a line would have had room at the end of the line above it, if
    that may be so wide.
    """
    if not line.words:
        return False

    first_word = line.words[0]
    needed_width = (
        line_above.right - line_above.left + _SPACE * line.size + first_word.right - first_word.left
    )
    return needed_width < width


def _edge_of_text(line: Line) -> float | None:
    """Where the text of an item's first line begins, after its marker; None for another line."""
    if len(line.words) < 2 or not BULLET.match(line.text):
        return None

    first_word_of_text = line.words[1]
    return first_word_of_text.left


# Numbers without a sign


@dataclass(slots=True)
class _ListItem:
    """The lines `[begin, end)` of an item with its number; `edge` is where its text begins."""

    begin: int
    end: int
    number: int
    edge: float
    hangs: bool = False


@dataclass(slots=True)
class _ListRun:
    """Items whose numbers are consecutive."""

    items: list[_ListItem] = field(default_factory=list)


def numbered_items(lines: Sequence[Line]) -> Iterator[tuple[int, int, str]]:
    """The lines `[begin, end)` of each item, and its number, which is left of the item's hanging
    text. Numbers rise by one, at one edge.
    """
    for run in _runs(lines):
        if not _is_list(run.items, lines):
            continue
        for item in run.items:
            yield item.begin, item.end, str(item.number)


def _runs(lines: Sequence[Line]) -> Iterator[_ListRun]:
    """The runs of items, from the top. A line between two items ends the upper one, and not the
    run.
    """
    run = _ListRun()
    for index, line in enumerate(lines):
        last_item = run.items[-1] if run.items else None
        number = _number(line)
        if number is not None:
            item = _ListItem(begin=index, end=index + 1, number=number, edge=line.words[1].left)
            if last_item and not _is_next_item(item, last_item, lines):
                yield run
                run = _ListRun()
            run.items.append(item)
            continue

        if last_item is None or last_item.end != index:
            continue
        if _is_hanging_line(line, last_item, lines[index - 1]):
            last_item.end = index + 1
            last_item.hangs = True

    if run.items:
        yield run


def _number(line: Line) -> int | None:
    """The number that a line of text begins with; None for a line of another kind."""
    if line.bold or line.form or len(line.words) < 2:
        return None

    digits = line.words[0].text
    if not _NUMBER.fullmatch(digits):
        return None

    cells = line.text.split(CELL_BREAK)
    has_number_in_cell = len(cells) == 2 and cells[0] == digits
    is_table_row = len(cells) > 1 and not has_number_in_cell
    if is_table_row:
        return None
    return int(digits)


def _is_next_item(item: _ListItem, last_item: _ListItem, lines: Sequence[Line]) -> bool:
    """Whether an item is the next one of a list."""
    if item.number != last_item.number + 1:
        return False
    if abs(item.edge - last_item.edge) >= _SAME_EDGE:
        return False

    number = lines[item.begin].words[0]
    last_number = lines[last_item.begin].words[0]
    has_left_edge = abs(number.left - last_number.left) < _SAME_EDGE
    has_right_edge = abs(number.right - last_number.right) < _SAME_EDGE
    return has_left_edge or has_right_edge


def _is_hanging_line(line: Line, item: _ListItem, line_above: Line) -> bool:
    """Whether a line is more of an item's text, below it."""
    if line.left < item.edge - _SAME_EDGE:
        return False
    if line.form or CELL_BREAK in line.text or BULLET.match(line.text):
        return False

    is_near = line.top - line_above.bottom < _FAR_GAP * line_above.size
    has_same_size = abs(line.size - line_above.size) < 0.12 * line_above.size
    return is_near and has_same_size and line.bold == line_above.bold


def _is_list(items: Sequence[_ListItem], lines: Sequence[Line]) -> bool:
    """Whether items with consecutive numbers are a list, and not numbered lines of one text, of
    which most begin in lower case.
    """
    fewest = _FEWEST if items[0].number == 1 else _FEWEST_AFTER
    if len(items) < fewest:
        return False

    capitals = 0
    are_apart = True
    for item in items:
        line = lines[item.begin]
        number, first_word = line.words[:2]
        if not first_word.text[0].islower():
            capitals += 1

        space = first_word.left - number.right
        if space < _WIDE_SPACE * line.size:
            are_apart = False

    hang = any(item.hangs for item in items)
    are_mostly_capitals = 3 * capitals >= 2 * len(items)
    return (are_apart or hang) and are_mostly_capitals
