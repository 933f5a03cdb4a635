"""Rows of a PDF page: its words in cells, which are labels, figures, dates or names of columns."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import inf
from statistics import median

from rag.meaning.periods import periods
from rag.parsing.pdf.marks import EdgePair, Extent, Line, PdfCell, Word, height_of

_CELL_GAP = 0.9
"""Minimum gap between two cells, in font heights."""
_HEADER_GAP = 0.4
"""Minimum gap between a header that ends with a date and the next header, in font heights."""
_FIGURE = re.compile(
    r"(?:[-\u2013\u2014\u2212+]|\((?!\w\)\Z))*+\s*+(?:[$\u20ac\u00a3\u00a5]|US\$|USD|EUR)?\s*+"
    r"(?:[-\u2212]|\((?!\w\)\Z))*+\s*+(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?"
    r"(?:\s*+[%)$\u20ac\u00a3\u00a5])*+\s*+(?:\(\w\))?"
    r"|(?:[$\u20ac\u00a3\u00a5]\s*+)?[\u2014\u2013-]+|N/?[AM]|n/?[am]|\*"
)
_NUMBER = r"[-\u2212]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?%?"
_WITH_RANGE = re.compile(
    rf"[<>\u2264\u2265] ?{_NUMBER}"
    rf"|{_NUMBER} ?(?:[(\[][-\u2212\d.,;%\u2013 to]+[)\]]|\u00b1 ?[\d.,]+)"
    rf"|{_NUMBER} [^\W\d_]{{1,2}}"
)
"""A figure with its share, range, deviation or short unit, or a bound: "88 (62.0)", "<0.001"."""
_UNIT = re.compile(r"(?:[$\u20ac\u00a3\u00a5]|US\$)\s?['\u2019]?000s?")
"""A unit over figures: thousands of a currency."""
YEAR = re.compile(r"(?:FY ?|fiscal )?(?:19|20)\d\d(?: ?\(\w\))?\*?", re.IGNORECASE)
_DAY = re.compile(r"(?:[A-Z][a-z]{2,8}\.? )?[0-3]?\d,?(?: (?:19|20)\d\d)?")
"""A date of a header, or the part of it on one line."""
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d{1,2}([./])\d{1,2}\1(?:\d\d){1,2}")
_ENDS_WITH_DATE = re.compile(
    r"(?:[A-Z][a-z]{2,8}\.? \d{1,2}, |\d{1,2}\.? [A-Z][a-z]{2,8}\.? )(?:19|20)\d\d$"
)
_LONGEST_DATE = 25
_BEGINS_HEADER = re.compile(
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\b|\d{1,2}\.?(?: [A-Z]|$)|"
    r"(?:Three|Six|Nine|Twelve|Thirteen|Quarter|Half|Year|Period|Change)\b"
)
"""How a column's header begins that may be close to one before it that ends with a date."""
_SIGN = re.compile(r"[$\u20ac\u00a3\u00a5(]|US\$|\$ ?\(")
_CURRENCY_SIGN = re.compile(r"[$\u20ac\u00a3\u00a5]|US\$")
_TAIL = re.compile(r"[)%]+|\)%|pts?\.?")
_LOOSE = re.compile(r"(?<=[$\u20ac\u00a3\u00a5(])\s+|(?<!\s)\s++(?=[)%])")
"""Space between a figure and its sign, bracket or per cent sign."""
WORD = re.compile(r"\(?[^\W\d_]{2}")
MARKER = re.compile(
    r"[\u2022\u2023\u25aa\u25cf\u25e6\u2013\u2713\uf0b7*-]|\(?\d{1,3}[.)]|\(?[a-z][.)]"
)
"""The marker of an item of a list."""
BULLET = re.compile(rf"(?:{MARKER.pattern})\s")
_CLOCK_TIME = re.compile(r"[0-2]?\d:[0-5]\d(?: ?[ap]\.?m\.?)?")
_MARK = re.compile(r"[Xx\u2022\u25cf\u2713\u2714\u221a]")
"""A mark that says that the row's label applies to the column."""
_CROSS = re.compile(r"[X\u2713\u2714\u221a]")
_TEXTS_KEPT = 4096
"""Texts of which it is kept whether they are figures: those of a page are asked for many times."""
_MAX_ROW_CELLS = 60
PROSE = 14
"""A line with more words is prose, not a label."""


@dataclass(slots=True)
class PdfRow:
    """The cells at one height of a page, outside ruled tables."""

    cells: list[PdfCell]
    top: float
    bottom: float
    size: float
    bold: bool = False

    @property
    def text(self) -> str:
        """The text of all cells."""
        return " ".join(cell.text for cell in self.cells)

    @property
    def figures(self) -> list[PdfCell]:
        """The cells that are figures, or marks in place of one."""
        return [cell for cell in self.cells if is_figure(cell.text)]

    @property
    def values(self) -> list[PdfCell]:
        """The figures after the first cell."""
        return [cell for cell in self.cells[1:] if is_figure(cell.text)]


Cells = Sequence[PdfCell]
Rows = Sequence[PdfRow]
EdgePairs = Sequence[EdgePair]
Extents = Sequence[Extent]


def row_of(lines: Sequence[Line]) -> PdfRow:
    """Group the words of a row's lines, from the left, into cells. Currency signs are joined to the
    next figure, brackets and per cent signs to the previous one.
    """
    size = median(line.size for line in lines)
    words: list[Word] = []
    for line in lines:
        words += [word for word in line.known_words if word.text.strip(" |")]
    cells = _with_signs(_cells(words, size))
    for cell in cells:
        cell.text = tight_figure(cell.text)

    top, bottom = height_of(lines)
    is_bold = all(line.bold for line in lines)
    return PdfRow(
        cells=cells,
        top=top,
        bottom=bottom,
        size=size,
        bold=is_bold,
    )


def _cells(words: Sequence[Word], size: float) -> list[PdfCell]:
    """The words of a row in cells; `size` is the font's height. A currency sign begins a cell, but
    not in a row that has signs after its figures.
    """
    are_signs_first = bool(words) and not _CURRENCY_SIGN.fullmatch(words[-1].text)
    cells: list[PdfCell] = []
    for word in words:
        last_cell = cells[-1] if cells else None
        gap = word.left - last_cell.right if last_cell else inf
        is_sign = are_signs_first and _CURRENCY_SIGN.fullmatch(word.text)
        is_next = is_sign and last_cell and is_figure(last_cell.text)
        if last_cell and not is_next and gap < _gap_after(last_cell, word) * size:
            last_cell.text += f" {word.text}"
            last_cell.right = max(word.right, last_cell.right)
        else:
            cells.append(PdfCell(word.text, word.left, word.right))
    return cells


def _gap_after(cell: PdfCell, word: Word) -> float:
    """The gap from which on a word begins another cell, in font heights."""
    begins_header = _BEGINS_HEADER.match(word.text)
    ends_with_date = _ENDS_WITH_DATE.search(cell.text[-_LONGEST_DATE:])
    if begins_header and ends_with_date:
        return _HEADER_GAP
    return _CELL_GAP


def _with_signs(cells: Sequence[PdfCell]) -> list[PdfCell]:
    """The cells, with signs joined to their figures."""
    joined_cells: list[PdfCell] = []
    for cell in cells:
        last_cell = joined_cells[-1] if joined_cells else None
        is_tail = last_cell and _TAIL.fullmatch(cell.text) and last_cell.text[-1:].isdigit()
        if last_cell and (is_tail or _SIGN.fullmatch(last_cell.text)):
            last_cell.text += cell.text
            last_cell.right = cell.right
        else:
            joined_cells.append(cell)
    return joined_cells


@lru_cache(maxsize=_TEXTS_KEPT)
def is_figure(text: str) -> bool:
    """Whether the text is a figure with its signs, a clock time, or what a table has in place of
    one, as "n/a" or a mark; not thousands of a currency, which are a unit.
    """
    if _UNIT.fullmatch(text):
        return False
    has_content = any(sign.isdigit() or sign in "\u2014\u2013-AaMm*" for sign in text)
    is_number = has_content and (_FIGURE.fullmatch(text) or _WITH_RANGE.fullmatch(text))
    return bool(is_number) or is_mark(text) or _CLOCK_TIME.fullmatch(text) is not None


def is_mark(text: str) -> bool:
    """Whether the text is a mark that fills a cell."""
    return _CROSS.fullmatch(text) is not None


def is_value(text: str) -> bool:
    """Whether the text is a date, a mark or a figure, but not a year, which may be a header."""
    if _DATE.fullmatch(text) or _MARK.fullmatch(text):
        return True
    return is_figure(text) and not YEAR.fullmatch(text)


def is_period(text: str) -> bool:
    """Whether the text names a day or a quarter, or is a year."""
    if YEAR.fullmatch(text):
        return True
    times = periods(text)
    letters = sum(map(str.isalpha, text))
    is_year = bool(times.years) and letters < 3
    return is_year or bool(times.days or times.quarters)


def tight_figure(text: str) -> str:
    """A figure without space beside its signs and brackets; other text unchanged."""
    if not is_figure(text):
        return text
    return _LOOSE.sub("", text)


def is_body(row: PdfRow) -> bool:
    """Whether the row has several figures, or one after a label, and not only years."""
    figures = row.figures
    if not figures or not 1 < len(row.cells) <= _MAX_ROW_CELLS:
        return False
    begins_with_prose = len(row.cells[0].text.split()) > PROSE
    if begins_with_prose and len(figures) < 2:
        return False

    texts = [cell for cell in row.cells if cell not in figures]
    labels = [cell for cell in texts if not _DAY.fullmatch(cell.text)]
    may_be_years = all(YEAR.fullmatch(cell.text) for cell in figures)
    if may_be_years and _are_years(figures, labels):
        return False

    is_mostly_text = len(texts) > 1 and len(figures) < len(texts)
    return not is_mostly_text and bool(row.values)


def has_only_years(row: PdfRow) -> bool:
    """Whether all figures of a row are years that rise or fall, as the names of columns do."""
    years: list[str] = []
    for cell in row.values:
        if not YEAR.fullmatch(cell.text):
            return False
        years.append(cell.text)
    are_in_order = sorted(years) in (years, years[::-1])
    return len(years) == len(set(years)) > 1 and are_in_order


def _are_years(years: Cells, labels: Cells) -> bool:
    """Whether years are column names: without a label before them, or consecutive."""
    if not labels or labels[0].left > years[0].left:
        return True
    numbers: list[int] = []
    for cell in years:
        digits = re.search(r"\d{4}", cell.text)
        if digits:
            numbers.append(int(digits[0]))
    if len(numbers) < 2:
        return False
    return all(abs(year - next_year) == 1 for year, next_year in pairwise(numbers))


def is_prose(row: PdfRow) -> bool:
    """Whether the row is one cell of more words than a label has."""
    if len(row.cells) != 1:
        return False
    words = row.cells[0].text.split()
    return len(words) > PROSE
