"""Parts of a PDF page: words, lines, rules and cells, with their places in points."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

CELL_BREAK = "\t"
"""Separates cells in the text of a line, which has no other white space than single spaces."""
_TOUCHING = 2.5
"""Maximum gap between pieces of one rule, and maximum thickness of a rule, in points."""
_MAX_RULES = 1500
"""Maximum number of rules in one direction; a page with more is a drawing."""
_SHORTEST_RULE = 6.0
"""Length in points above which a horizontal line is a rule; half of it if it is vertical."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""
EdgePair = tuple[float, float]
"""The left and right edge, or the top and bottom."""
Extent = tuple[float, float, float]
"""A rule's position across its direction, its start and its end."""
Colour = tuple[int, int, int]
"""Red, green and blue, up to 255."""


class Word(NamedTuple):
    """A word with its edges in points."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    bold: bool = False


@dataclass(slots=True)
class PdfCell:
    """A cell's text with its edges in points. Only in ruled tables it has `lines`, and the row and
    column where it begins, with the number of rows and columns that it spans.
    """

    text: str
    left: float
    right: float
    lines: list[str] = field(default_factory=list)
    bold: bool = False
    row: int = 0
    column: int = 0
    rows: int = 1
    columns: int = 1

    @property
    def center(self) -> float:
        """The place between its left and right edge."""
        return (self.left + self.right) / 2


@dataclass(slots=True)
class RuledGrid:
    """A ruled table: the edges of its columns and rows, and its rows of cells."""

    edges: list[float]
    heights: list[float]
    rows: list[list[PdfCell]]

    @property
    def width(self) -> int:
        """The number of columns."""
        return len(self.edges) - 1


@dataclass(frozen=True, slots=True)
class Line:
    """A run of text without a wide gap; `size` is the font's height."""

    left: float
    top: float
    right: float
    bottom: float
    text: str
    size: float = 10.0
    bold: bool = False
    words: tuple[Word, ...] = ()
    """() if unknown"""
    grid: RuledGrid | None = None
    """the ruled table, if this line is a placeholder for one"""
    form: bool = False
    """whether this is a row of a form, with labels"""

    @property
    def known_words(self) -> tuple[Word, ...]:
        """The words, or the text as one."""
        if self.words:
            return self.words
        whole_line = Word(
            text=self.text,
            left=self.left,
            top=self.top,
            right=self.right,
            bottom=self.bottom,
            bold=self.bold,
        )
        return (whole_line,)


_Grouped = TypeVar("_Grouped")
_Positioned = TypeVar("_Positioned", Line, Word)


def grouped(
    items: Iterable[_Grouped], belongs: Callable[[list[_Grouped], _Grouped], bool]
) -> list[list[_Grouped]]:
    """The items in groups; one that does not belong to the last group begins another."""
    groups: list[list[_Grouped]] = []
    for item in items:
        if not groups or not belongs(groups[-1], item):
            groups.append([])
        groups[-1].append(item)
    return groups


def united(spans: Iterable[EdgePair], gap: float = 0.0) -> list[EdgePair]:
    """What the spans cover, from the left; those at most `gap` apart are one."""
    united_spans: list[EdgePair] = []
    for start, end in sorted(spans):
        if not united_spans:
            united_spans.append((start, end))
            continue
        last_start, last_end = united_spans[-1]
        if start - last_end <= gap:
            united_spans[-1] = last_start, max(last_end, end)
        else:
            united_spans.append((start, end))
    return united_spans


def rows_of(lines: Iterable[_Positioned]) -> list[list[_Positioned]]:
    """The lines or words in rows from the top, each sorted from the left."""
    from_top = sorted(lines, key=lambda line: (line.top + line.bottom, line.left))

    def is_on_row(row: list[_Positioned], line: _Positioned) -> bool:
        middle = (line.top + line.bottom) / 2
        return middle <= row[0].bottom

    rows = grouped(from_top, is_on_row)
    for row in rows:
        row.sort(key=lambda line: line.left)
    return rows


def height_of(lines: Sequence[Line]) -> tuple[float, float]:
    """The top of the highest line, and the bottom of the lowest."""
    top = min(line.top for line in lines)
    bottom = max(line.bottom for line in lines)
    return top, bottom


@dataclass(slots=True)
class Rules:
    """Rules of a page: `across` are horizontal, (y, left, right); `down` vertical, (x, top,
    bottom). `shades` are areas with their colours, the uppermost last.
    """

    across: list[Extent] = field(default_factory=list)
    down: list[Extent] = field(default_factory=list)
    shades: list[tuple[Box, Colour]] = field(default_factory=list)

    def add(self, box: Box, is_outlined: bool, colour: Colour | None) -> None:
        """Add a thin shape as a rule; else four rules if it is outlined, and a shade if filled."""
        left, top, right, bottom = box
        width = right - left
        height = bottom - top
        if height <= _TOUCHING and width > height:
            y = (top + bottom) / 2
            self.across.append((y, left, right))
        elif width <= _TOUCHING and height > width:
            x = (left + right) / 2
            self.down.append((x, top, bottom))
        elif width > _SHORTEST_RULE and height > _SHORTEST_RULE:
            if is_outlined:
                self.across += [(top, left, right), (bottom, left, right)]
                self.down += [(left, top, bottom), (right, top, bottom)]
            if colour:
                self.shades.append((box, colour))

    def merged(self) -> "Rules":
        """The rules, with touching pieces joined, without short lines."""
        across = _merged_rules(self.across, _SHORTEST_RULE)
        down = _merged_rules(self.down, _SHORTEST_RULE / 2)
        has_cells = across and down
        shades = self.shades if has_cells else []
        return Rules(across, down, shades)


def _merged_rules(rules: Sequence[Extent], least_length: float) -> list[Extent]:
    """The rules longer than `least_length`, with those on one line joined whose pieces touch."""
    merged_rules: list[Extent] = []
    for group in grouped(sorted(rules), lambda group, rule: rule[0] - group[0][0] <= _TOUCHING):
        position = sum(position for position, _, _ in group) / len(group)
        pieces = [(start, end) for _, start, end in group]
        for start, end in united(pieces, _TOUCHING):
            if end - start > least_length:
                merged_rules.append((position, start, end))

    is_drawing = len(merged_rules) > _MAX_RULES
    return [] if is_drawing else merged_rules


@dataclass(frozen=True, slots=True)
class PdfPage:
    """The lines in the page's main writing direction, in file order, and its height in points."""

    lines: list[Line]
    height: float
    aside: list[Line] = field(default_factory=list)
    """lines in other directions, such as a stamp in the margin"""
    rules: Rules = field(default_factory=Rules)
