"""Rows and cells of a PDF's tables: which words form a cell, and which cells are figures."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rag.meaning.periods import periods

_GAP = 0.9
"""Minimum gap between two cells of a table, in font heights."""
_GAP_OF_HEADERS = 0.4
"""The same between a date and the beginning of another header."""
_FIGURE = re.compile(
    r"[-\u2013\u2014\u2212+(]*\s*(?:[$\u20ac\u00a3\u00a5]"
    r"|US\$|USD|EUR)?\s*[-\u2212(]*\s*(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?"
    r"(?:\s*[%)])*\s*(?:\(\w\))?|[\u2014\u2013-]+|N/?[AM]|n/?[am]|\*"
)
_LONGEST_FIGURE = 60
"""Maximum length in characters, because matching a run of dashes takes quadratic time."""
YEAR = re.compile(r"(?:FY ?|fiscal )?(?:19|20)\d\d(?: ?\(\w\))?\*?", re.IGNORECASE)
_DAY = re.compile(r"(?:[A-Z][a-z]{2,8}\.? )?[0-3]?\d,?(?: (?:19|20)\d\d)?")
"""A date of a header, or the part of it on one line."""
_DATE_LAST = re.compile(
    r"(?:[A-Z][a-z]{2,8}\.? \d{1,2}, |\d{1,2}\.? [A-Z][a-z]{2,8}\.? )(?:19|20)\d\d$"
)
_LONGEST_DATE = 25
_FIRST_OF_HEADER = re.compile(
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\b|\d{1,2}\.?(?: [A-Z]|$)|"
    r"(?:Three|Six|Nine|Twelve|Thirteen|Quarter|Half|Year|Period|Change)\b"
)
"""How a column's header begins that may be close to one before it that ends with a date."""
_SIGN = re.compile(r"[$\u20ac\u00a3\u00a5(]|US\$|\$ ?\(")
_LOOSE = re.compile(r"(?<=[$\u20ac\u00a3\u00a5(])\s+|\s+(?=[)%])")
"""Space between a figure and its sign, bracket or per cent sign."""
_TAIL = re.compile(r"[)%]+|\)%|pts?\.?")
UNIT = re.compile(
    r"\(?\b(?:\w++ ){0,3}(?:in|expressed in) (?:[$\u20ac\u00a3] ?|U\.?S\.? dollars |euros "
    r")?(?:thousands|millions|billions)",
    re.I,
)
_MOST_CELLS = 60
MAX_GAP = 3.2
"""Maximum distance between rows, including header rows, in font heights."""
PROSE = 14
"""A line with more words is prose, not a label."""


@dataclass(slots=True)
class PdfCell:
    text: str
    left: float
    right: float

    @property
    def center(self) -> float:
        return (self.left + self.right) / 2


@dataclass(slots=True)
class PdfRow:
    """The cells at one height of a page. `place` is the row's index in the column of text."""

    cells: list[PdfCell]
    top: float
    bottom: float
    size: float
    place: int = 0
    bold: bool = False


@dataclass(slots=True)
class Columns:
    """The extents of a table's columns and their names."""

    spans: list[tuple[float, float]]
    names: list[str] = field(default_factory=list)
    caption: tuple[str, ...] = ()
    """title and unit of the table"""

    def at(self, cell: PdfCell) -> int | None:
        """Index of the column that contains the cell."""
        for number, (left, right) in enumerate(self.spans):
            if cell.left <= right and cell.right >= left:
                return number
        return None

    def agree(self, other: Columns) -> bool:
        """Whether both have the same columns, as a table and its continuation do."""
        if len(self.spans) != len(other.spans):
            return False
        return all(
            abs(mine[1] - its[1]) < 12 for mine, its in zip(self.spans, other.spans, strict=True)
        )


def row_of(
    words: Sequence[tuple[str, float, float]], top: float, bottom: float, size: float
) -> PdfRow:
    """Group the words of a row, from the left, into cells."""
    cells: list[PdfCell] = []
    for text, left, right in words:
        least = _GAP_OF_HEADERS if _begins_header(cells, text) else _GAP
        if cells and left - cells[-1].right < least * size:
            cells[-1] = PdfCell(
                f"{cells[-1].text} {text}", cells[-1].left, max(right, cells[-1].right)
            )
        else:
            cells.append(PdfCell(text, left, right))
    fused = _fused(cells)
    for cell in fused:
        cell.text = tight(cell.text)
    return PdfRow(fused, top, bottom, size)


def _begins_header(cells: Sequence[PdfCell], text: str) -> bool:
    """Whether the text begins another column's header, as the one before ends with a date."""
    if not cells or not _FIRST_OF_HEADER.match(text):
        return False
    return bool(_DATE_LAST.search(cells[-1].text[-_LONGEST_DATE:]))


def _fused(cells: Sequence[PdfCell]) -> list[PdfCell]:
    """Join currency signs to the next figure, and brackets and per cent signs to the
    previous one.
    """
    fused: list[PdfCell] = []
    for cell in cells:
        last = fused[-1] if fused else None
        if last and (
            _SIGN.fullmatch(last.text) or (_TAIL.fullmatch(cell.text) and last.text[-1:].isdigit())
        ):
            fused[-1] = PdfCell(last.text + cell.text, last.left, cell.right)
        else:
            fused.append(cell)
    return fused


def is_figure(text: str) -> bool:
    if len(text) > _LONGEST_FIGURE or not _FIGURE.fullmatch(text):
        return False
    return any(c.isdigit() or c in "\u2014\u2013-AaMm*" for c in text)


def is_period(text: str) -> bool:
    """Whether the text names a day or a quarter, or is a year."""
    if YEAR.fullmatch(text):
        return True
    found = periods(text)
    if found.days or found.quarters:
        return True
    letters = sum(map(str.isalpha, text))
    return bool(found.years) and letters < 3


def tight(text: str) -> str:
    """A figure without space beside its currency sign, brackets and per cent sign; other text
    unchanged.
    """
    return _LOOSE.sub("", text) if is_figure(text) else text


def figures_in(row: PdfRow) -> list[PdfCell]:
    return [cell for cell in row.cells if is_figure(cell.text)]


def is_body(row: PdfRow) -> bool:
    """Whether the row contains values: several figures, or one after a label, and not only
    years.
    """
    figures = figures_in(row)
    if not figures or not 1 < len(row.cells) <= _MOST_CELLS:
        return False
    if len(row.cells[0].text.split()) > PROSE and len(figures) < 2:
        return False
    others = [cell for cell in row.cells if cell not in figures]
    named = [cell for cell in others if not _DAY.fullmatch(cell.text)]
    if all(YEAR.fullmatch(cell.text) for cell in figures) and _are_headers(figures, named):
        return False
    after = [cell for cell in row.cells[1:] if is_figure(cell.text)]
    return bool(after) and not (len(others) > 1 and len(figures) < len(others))


def _are_headers(years: Sequence[PdfCell], others: Sequence[PdfCell]) -> bool:
    """Whether the row's years are column names: without a label before them, or consecutive."""
    if not others or others[0].left > years[0].left:
        return True
    numbers = [int(match.group()) for cell in years if (match := re.search(r"\d{4}", cell.text))]
    return len(numbers) > 1 and all(abs(a - b) == 1 for a, b in pairwise(numbers))


def is_prose(row: PdfRow) -> bool:
    return len(row.cells) == 1 and len(row.cells[0].text.split()) > PROSE
