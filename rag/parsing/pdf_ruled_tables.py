"""Finds ruled tables from the lines drawn on a page of a PDF; cells may span rows and columns.

Rules separate cells, wherever the text is: places without a rule between them are one cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rag.parsing.pdf_cells import tight

_NEAR = 2.5
"""Maximum gap in points between pieces of one rule, or between a rule's end and the rule it
meets.
"""
_MOST = 1500
"""Maximum number of rules in one direction; a page with more is a drawing."""
_MOST_CELLS = 4000
_MOST_COLUMNS = 40
_SHORTEST = 6.0
"""Length in points above which a horizontal line is a rule; half of it if it is vertical."""
_LONGEST_CELL = 1500
"""Maximum number of characters; a box with more is a frame around text."""

BULLET = re.compile(
    r"(?:[\u2022\u2023\u25aa\u25cf\u25e6\u2013\uf0b7*-]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s"
)

Extent = tuple[float, float, float]
"""A rule's position across its direction, its start and its end."""
Word = tuple[str, float, float, float, float, bool]
"""Text, left, top, right, bottom, and whether it is bold."""


@dataclass(slots=True)
class Rules:
    """Rules in points from the page's top left corner. `across` are horizontal, (y, left, right);
    `down` vertical, (x, top, bottom).
    """

    across: list[Extent] = field(default_factory=list)
    down: list[Extent] = field(default_factory=list)

    def box(self, left: float, top: float, right: float, bottom: float, drawn: bool) -> None:
        """Add a shape by its bounds: a thin shape is a rule or a piece of one; any other adds four
        if its outline is `drawn`.
        """
        width, height = right - left, bottom - top
        if height <= _NEAR and width > height:
            middle = (top + bottom) / 2
            self.across.append((middle, left, right))
        elif width <= _NEAR and height > width:
            middle = (left + right) / 2
            self.down.append((middle, top, bottom))
        elif drawn and width > _SHORTEST and height > _SHORTEST:
            self.across.append((top, left, right))
            self.across.append((bottom, left, right))
            self.down.append((left, top, bottom))
            self.down.append((right, top, bottom))

    def merged(self) -> Rules:
        """The rules, with touching pieces joined, without short lines."""
        return Rules(_merged(self.across, _SHORTEST), _merged(self.down, _SHORTEST / 2))


@dataclass(slots=True)
class RuledCell:
    """The content of a cell, its place, the number of rows and columns that it spans, and where its
    text begins in points from the left.
    """

    row: int
    column: int
    rows: int
    columns: int
    lines: list[str]
    bold: bool
    left: float = 0.0

    @property
    def text(self) -> str:
        return tight(joined(self.lines))


@dataclass(slots=True)
class Grid:
    """A ruled table: its bounds, the edges of its columns, and its rows of cells."""

    left: float
    top: float
    right: float
    bottom: float
    edges: list[float]
    rows: list[list[RuledCell]]


def joined(lines: Sequence[str]) -> str:
    text = ""
    for line in lines:
        text += line if text.endswith("-") else f" {line}"
    return text.strip()


def _merged(rules: Sequence[Extent], shortest: float) -> list[Extent]:
    """Join rules on one line whose pieces touch, and leave out those up to `shortest`."""
    rows: list[list[Extent]] = []
    for rule in sorted(rules):
        if rows and rule[0] - rows[-1][0][0] <= _NEAR:
            rows[-1].append(rule)
        else:
            rows.append([rule])
    joint = [rule for row in rows for rule in _on_one_line(row)]
    whole = [rule for rule in joint if rule[2] - rule[1] > shortest]
    return whole if len(whole) <= _MOST else []


def _on_one_line(rules: Sequence[Extent]) -> list[Extent]:
    at = sum(rule[0] for rule in rules) / len(rules)
    merged: list[Extent] = []
    for _, start, end in sorted(rules, key=lambda rule: rule[1]):
        if merged and start - merged[-1][2] <= _NEAR:
            merged[-1] = at, merged[-1][1], max(merged[-1][2], end)
        else:
            merged.append((at, start, end))
    return merged


def grids(rules: Rules, words: Sequence[Word]) -> Iterator[Grid]:
    """The ruled tables of a page, from the top, without drawings and boxes around text."""
    for across, down in _connected(rules):
        xs, ys = _edges(down, across), sorted({rule[0] for rule in across})
        may_be = 2 < len(xs) <= _MOST_COLUMNS and len(ys) > 2 and len(xs) * len(ys) <= _MOST_CELLS
        if may_be and (grid := _grid(xs, ys, Rules(across, down), words)):
            yield grid


def _connected(rules: Rules) -> Iterator[tuple[list[Extent], list[Extent]]]:
    """Groups of rules that meet, directly or through other rules."""
    group = list(range(len(rules.across)))

    def root(number: int) -> int:
        while group[number] != number:
            group[number] = number = group[group[number]]
        return number

    met: dict[int, list[Extent]] = {}
    for rule in rules.down:
        x, top, bottom = rule
        touched = [
            number
            for number, (y, left, right) in enumerate(rules.across)
            if top - _NEAR <= y <= bottom + _NEAR and left - _NEAR <= x <= right + _NEAR
        ]
        for number in touched[1:]:
            group[root(number)] = root(touched[0])
        if touched:
            met.setdefault(touched[0], []).append(rule)
    across: dict[int, list[Extent]] = {}
    for number, rule in enumerate(rules.across):
        across.setdefault(root(number), []).append(rule)
    down: dict[int, list[Extent]] = {}
    for number, some in met.items():
        down.setdefault(root(number), []).extend(some)
    yield from ((across[number], down[number]) for number in across if number in down)


def _edges(down: Sequence[Extent], across: Sequence[Extent]) -> list[float]:
    """Edges of the columns: vertical rules, and the ends of horizontal rules on an open side."""
    found: list[float] = []
    for x in sorted(rule[0] for rule in down):
        if not found or x - found[-1] > 2 * _NEAR:
            found.append(x)
    left, right = min(rule[1] for rule in across), max(rule[2] for rule in across)
    if left < found[0] - 4 * _NEAR:
        found.insert(0, left)
    if right > found[-1] + 4 * _NEAR:
        found.append(right)
    return found


def _grid(
    xs: Sequence[float], ys: Sequence[float], rules: Rules, words: Sequence[Word]
) -> Grid | None:
    columns, rows = len(xs) - 1, len(ys) - 1
    owner = _owners(xs, ys, rules)
    if owner is None:
        return None
    cells = _cells(owner, columns, _words_by_cell(xs, ys, owner, words))
    laid = [
        [cells[p] for p in range(r * columns, (r + 1) * columns) if p in cells] for r in range(rows)
    ]
    grid = Grid(xs[0], ys[0], xs[-1], ys[-1], list(xs), [row for row in laid if row])
    return grid if _is_table(grid) else None


def _words_by_cell(
    xs: Sequence[float], ys: Sequence[float], owner: Sequence[int], words: Sequence[Word]
) -> dict[int, list[Word]]:
    """The words within the grid, by the first place of their cell."""
    held: dict[int, list[Word]] = {}
    for word in words:
        x, y = (word[1] + word[3]) / 2, (word[2] + word[4]) / 2
        if xs[0] <= x <= xs[-1] and ys[0] <= y <= ys[-1]:
            place = _band(ys, y) * (len(xs) - 1) + _band(xs, x)
            held.setdefault(owner[place], []).append(word)
    return held


def _cells(
    owner: Sequence[int], columns: int, held: Mapping[int, list[Word]]
) -> dict[int, RuledCell]:
    cells: dict[int, RuledCell] = {}
    for place, first in enumerate(owner):
        row, column = divmod(place, columns)
        if first == place:
            texts = held.get(place, [])
            bold = bool(texts) and all(word[5] for word in texts)
            left = min((word[1] for word in texts), default=0.0)
            cells[place] = RuledCell(row, column, 1, 1, list(_lines(texts)), bold, left)
        else:
            cell = cells[first]
            cell.rows, cell.columns = row - cell.row + 1, column - cell.column + 1
    return cells


def _band(edges: Sequence[float], at: float) -> int:
    return next(
        (number for number, (a, b) in enumerate(pairwise(edges)) if a <= at <= b), len(edges) - 2
    )


def _owners(xs: Sequence[float], ys: Sequence[float], rules: Rules) -> list[int] | None:
    """For each place of the grid, the first place of its cell; None if a cell is not a
    rectangle.
    """
    columns = len(xs) - 1
    owner = list(range(columns * (len(ys) - 1)))
    for row, (top, bottom) in enumerate(pairwise(ys)):
        for column, (left, right) in enumerate(pairwise(xs)):
            place = row * columns + column
            x, y = (left + right) / 2, (top + bottom) / 2
            if column and not _crossed(rules.down, left, y):
                owner[place] = owner[place - 1]
            elif row and not _crossed(rules.across, top, x):
                owner[place] = owner[place - columns]
    return owner if _are_rectangles(owner, columns) else None


def _are_rectangles(owner: Sequence[int], columns: int) -> bool:
    cells: dict[int, list[int]] = {}
    for place, first in enumerate(owner):
        cells.setdefault(first, []).append(place)
    return all(
        (places[-1] % columns - first % columns + 1)
        * (places[-1] // columns - first // columns + 1)
        == len(places)
        for first, places in cells.items()
    )


def _crossed(rules: Sequence[Extent], at: float, through: float) -> bool:
    return any(
        abs(place - at) <= 2 * _NEAR and start - _NEAR <= through <= end + _NEAR
        for place, start, end in rules
    )


def _lines(words: Sequence[Word]) -> Iterator[str]:
    """The lines of a cell, from the top."""
    line: list[Word] = []
    for word in sorted(words, key=lambda word: (word[2] + word[4], word[1])):
        if line and (word[2] + word[4]) / 2 > line[0][4]:
            yield _text(line)
            line = []
        line.append(word)
    if line:
        yield _text(line)


def _text(line: Sequence[Word]) -> str:
    return " ".join(word[0] for word in sorted(line, key=lambda word: word[1]))


def _is_table(grid: Grid) -> bool:
    """Whether most rows have several non-empty cells, and no cell contains most of the text."""
    filled = [[cell for cell in row if cell.lines] for row in grid.rows]
    several = sum(len(row) > 1 for row in filled)
    cells = [cell for row in filled for cell in row]
    if several < 2 or 2 * several < sum(map(bool, filled)):
        return False
    lengths = [len(cell.text) for cell in cells]
    most = 0.8 if several > 2 and len(grid.edges) > 3 else 0.6
    return max(lengths) <= _LONGEST_CELL and max(lengths) < most * sum(lengths)
