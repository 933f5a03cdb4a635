"""Finds the tables of a PDF page: ruled ones by the lines drawn around their cells, and others by
figures that are aligned in columns.

Both become one `Table`: header rows name the columns, labels above indented rows name those, and
each value keeps its column. A row is written as "Net sales | Three Months Ended July 1, 2023:
$81,797 | ...": its label, and each value after the headers above it.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise, takewhile
from math import inf
from statistics import median
from typing import NamedTuple

from rag.meaning.periods import periods
from rag.parsing.base import Part
from rag.parsing.pdf.marks import (
    Box,
    Colour,
    Extent,
    Line,
    PdfCell,
    RuledGrid,
    Rules,
    Span,
    Word,
    grouped,
    height_of,
    rows_of,
    united,
)
from rag.parsing.tables import UNIT, TableText, labelled

# Words and cells

_CELL_GAP, _HEADER_GAP = 0.9, 0.4
"""Minimum gap between two cells in font heights, and between a date and the next header."""
_FIGURE = re.compile(
    r"(?:[-\u2013\u2014\u2212+]|\((?!\w\)\Z))*+\s*+(?:[$\u20ac\u00a3\u00a5]|US\$|USD|EUR)?\s*+"
    r"(?:[-\u2212]|\((?!\w\)\Z))*+\s*+(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?"
    r"(?:\s*+[%)])*+\s*+(?:\(\w\))?|[\u2014\u2013-]+|N/?[AM]|n/?[am]|\*"
)
_YEAR = re.compile(r"(?:FY ?|fiscal )?(?:19|20)\d\d(?: ?\(\w\))?\*?", re.IGNORECASE)
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
_TAIL = re.compile(r"[)%]+|\)%|pts?\.?")
_LOOSE = re.compile(r"(?<=[$\u20ac\u00a3\u00a5(])\s+|(?<!\s)\s++(?=[)%])")
"""Space between a figure and its sign, bracket or per cent sign."""
_LOOSE_IN_TEXT = re.compile(r"(?<=\d) (?=\))|(?<=[$\u20ac\u00a3]) (?=[\d(])")
_WORD = re.compile(r"\(?[^\W\d_]{2}")
_BEGINS_WITH_WORD = re.compile(r"\W*[^\W\d]|%")
MARKER = re.compile(
    r"[\u2022\u2023\u25aa\u25cf\u25e6\u2013\u2713\uf0b7*-]|\(?\d{1,3}[.)]|\(?[a-z][.)]"
)
"""The marker of an item of a list."""
BULLET = re.compile(rf"(?:{MARKER.pattern})\s")
_MARK = re.compile(r"[Xx\u2022\u25cf\u2713\u2714\u221a]")
"""A mark that says that the row's label applies to the column."""
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
        return " ".join(cell.text for cell in self.cells)

    @property
    def figures(self) -> list[PdfCell]:
        return [cell for cell in self.cells if is_figure(cell.text)]

    @property
    def values(self) -> list[PdfCell]:
        """The figures after the first cell."""
        return [cell for cell in self.cells[1:] if is_figure(cell.text)]


Cells = Sequence[PdfCell]
Rows = Sequence[PdfRow]
Spans = Sequence[Span]
Extents = Sequence[Extent]


def row_of(lines: Sequence[Line]) -> PdfRow:
    """Group the words of a row's lines, from the left, into cells. Currency signs are joined to the
    next figure, brackets and per cent signs to the previous one.
    """
    size = median(line.size for line in lines)
    cells: list[PdfCell] = []
    words = (word for line in lines for word in line.known_words if word.text.strip(" |"))
    for text, left, _, right, _, _ in words:
        last = cells[-1] if cells else None
        before = last.text[-_LONGEST_DATE:] if last else ""
        is_header = _BEGINS_HEADER.match(text) and _ENDS_WITH_DATE.search(before)
        if last and left - last.right < (_HEADER_GAP if is_header else _CELL_GAP) * size:
            last.text += f" {text}"
            last.right = max(right, last.right)
        else:
            cells.append(PdfCell(text, left, right))
    joined: list[PdfCell] = []
    for cell in cells:
        last = joined[-1] if joined else None
        is_tail = last and _TAIL.fullmatch(cell.text) and last.text[-1:].isdigit()
        if last and (is_tail or _SIGN.fullmatch(last.text)):
            last.text += cell.text
            last.right = cell.right
        else:
            joined.append(cell)
    for cell in joined:
        cell.text = _tight(cell.text)
    return PdfRow(joined, *height_of(lines), size, all(line.bold for line in lines))


def is_figure(text: str) -> bool:
    return _FIGURE.fullmatch(text) is not None and any(
        c.isdigit() or c in "\u2014\u2013-AaMm*" for c in text
    )


def _is_value(text: str) -> bool:
    """Whether the text is a date, a mark or a figure, but not a year, which may be a header."""
    is_date_or_mark = _DATE.fullmatch(text) or _MARK.fullmatch(text)
    return bool(is_date_or_mark) or (is_figure(text) and not _YEAR.fullmatch(text))


def _is_period(text: str) -> bool:
    """Whether the text names a day or a quarter, or is a year."""
    if _YEAR.fullmatch(text):
        return True
    times = periods(text)
    is_year = bool(times.years) and sum(map(str.isalpha, text)) < 3
    return is_year or bool(times.days or times.quarters)


def _tight(text: str) -> str:
    """A figure without space beside its signs and brackets; other text unchanged."""
    return _LOOSE.sub("", text) if is_figure(text) else text


def _is_body(row: PdfRow) -> bool:
    """Whether the row has several figures, or one after a label, and not only years."""
    figures = row.figures
    if not figures or not 1 < len(row.cells) <= _MAX_ROW_CELLS:
        return False
    if len(row.cells[0].text.split()) > PROSE and len(figures) < 2:
        return False
    texts = [cell for cell in row.cells if cell not in figures]
    labels = [cell for cell in texts if not _DAY.fullmatch(cell.text)]
    if all(_YEAR.fullmatch(cell.text) for cell in figures) and _are_years(figures, labels):
        return False
    return bool(row.values) and not (len(texts) > 1 and len(figures) < len(texts))


def _are_years(years: Cells, labels: Cells) -> bool:
    """Whether years are column names: without a label before them, or consecutive."""
    if not labels or labels[0].left > years[0].left:
        return True
    numbers = [int(match.group()) for cell in years if (match := re.search(r"\d{4}", cell.text))]
    return len(numbers) > 1 and all(abs(a - b) == 1 for a, b in pairwise(numbers))


def _is_prose(row: PdfRow) -> bool:
    return len(row.cells) == 1 and len(row.cells[0].text.split()) > PROSE


# Tables and their rows

_LONGEST_LABEL = 300
"""Maximum length of a cell over several rows to repeat in every row."""
_LONGEST_TITLE = 100
_LONGEST_GROUP, _LONGEST_GROUPS = 100, 60
"""Maximum length of a group's label to repeat before a row's own, and of those of all groups."""
_SAME_EDGE = 1.0
"""Tolerance for equal left edges, in points."""


@dataclass(slots=True)
class Columns:
    """The columns of a table from the left: their edges and names. Column 0 holds the labels; its
    edges are 0 if there are no rules.
    """

    spans: list[Span]
    names: list[str] = field(default_factory=list)
    caption: tuple[str, ...] = ()
    """the title and unit of the table"""

    def agree(self, before: "Columns") -> bool:
        """Whether both have the same columns, as a table and its continuation do."""
        pairs = zip(self.spans, before.spans, strict=False)
        is_as_wide = len(self.spans) == len(before.spans)
        return is_as_wide and all(abs(span[1] - above[1]) < 12 for span, above in pairs)


@dataclass(frozen=True, slots=True)
class Table:
    """A table as a part of a document, named by its caption; in rows `[first, last)` of the column
    of text if it has no rules. `columns` is None if they were not recognised.
    """

    part: Part
    columns: Columns | None = None
    first: int = 0
    last: int = 0


@dataclass(slots=True)
class _Entry:
    """A row of a table's body before its label is completed by its groups; `left` is the label's
    edge. A `title` spans all columns, a `group` may name the rows below it. The label of a `row`
    may be empty, as that of a sum; that of a `part` of the row above is among the values, if any.
    """

    kind: str
    label: str
    left: float
    values: dict[int, str]


def _write_header(text: TableText, cells: Sequence[tuple[int, str]], names: Sequence[str]) -> None:
    """Write a header row from its cells, (column, text), above columns of these names."""
    columns = [column for column, _ in cells]
    ends = [*columns[1:], max(len(names), columns[-1] + 1)]
    spans = [max(end - start, 0) for start, end in zip(columns, ends, strict=True)]
    text.header([cell for _, cell in cells], names, spans, columns[0])


class _Group(NamedTuple):
    label: str
    left: float
    rows_left: float
    """edge of its first row; the group's own if its rows are not indented"""


def _write_body(text: TableText, entries: Sequence[_Entry], names: Sequence[str]) -> None:
    """Write the rows with values, each label after those of its groups, and the groups' labels.

    A group names the rows that are indented below it, or with a colon also those at its own edge,
    up to another group there. A sum closes the group whose rows it is indented from. A label of
    several rows is named by the row that it is indented under.
    """
    counts = Counter(entry.label for entry in entries if entry.kind == "row")
    title, groups, above = "", list[_Group](), ("", 0.0)
    for entry, below in zip(entries, [*entries[1:], None], strict=True):
        kind, label, left = entry.kind, entry.label, entry.left
        if kind == "title":
            is_name = len(label) <= _LONGEST_TITLE and "__" not in label  # a blank to fill in
            title, groups, above = label.rstrip(":") if is_name else "", [], ("", 0.0)
            text.row([(0, "", label)])
            continue
        while groups and kind != "part" and left <= _reach(groups[-1], kind):
            groups.pop()
        if kind == "group" and below:
            if below.left > left + _SAME_EDGE or label.endswith(":"):
                groups.append(_Group(label.rstrip(":"), left, max(left, below.left)))
                above = "", 0.0
        elif kind == "row":
            is_past = groups and left > groups[-1].rows_left + _SAME_EDGE
            if label and groups and (is_past or label.lower().startswith("total")):
                groups.pop()
            is_under = counts[label] > 1 and above[0] and left > above[1] + _SAME_EDGE
            path = _path(groups, [above[0], label] if is_under else [label])
            above = above if is_under else (label, left)
            label = f"{title}: {path}" if title and label else path
        if list(names) != text.names:
            text.name_columns(names)
        cells = ({0: label} if label else {}) | entry.values
        text.row(labelled(sorted(cells.items()), names))


def _reach(group: _Group, kind: str) -> float:
    """Rows further right are in the group, and other groups that are."""
    has_indent = group.rows_left > group.left + _SAME_EDGE
    return group.left + (_SAME_EDGE if has_indent or kind == "group" else -_SAME_EDGE)


def _path(groups: Sequence[_Group], labels: Sequence[str]) -> str:
    """The labels after those of the inner groups, as many as are short enough."""
    names, length = list(filter(None, labels)), 0
    for number, group in enumerate(reversed(groups)):
        length += len(group.label)
        if length > (_LONGEST_GROUPS if number else _LONGEST_GROUP):
            break
        names.insert(0, group.label)
    return ": ".join(names)


# Headers and captions

_MAX_HEADERS, _MAX_RULED_HEADERS = 8, 4
_ROW_GAP = 3.2
"""Maximum distance between rows, including header rows, in font heights."""
_CAPTION_LINES, _SAME_PARAGRAPH = 6, 0.4
"""Maximum number of lines of a caption, and distance between them in font heights."""
_LONGEST_CAPTION = 120
_SENTENCE_END = re.compile(r"(?<=[.!?]) +(?=[A-Z])")
_CUT_CAPTION = 100
"""Length of a caption whose end, with the unit, may be cut off."""
_IN_BRACKETS = re.compile(r"\(.*\)")
"""A remark such as "(unaudited)"."""
_UNCLEAR = "table whose columns are not clear"
_FARTHEST, _LEFT_OVER, _UNUSED = 0.75, 0.4, 2.0
"""Maximum distance of a header from the centre of its columns; and the distances that a column
without a header, and a header without columns, count. All in distances between columns."""
_Place = tuple[int, int]
"""The columns `[begin, end)` of a header; empty if it has none."""


def _stacked(headers: Sequence[Sequence[str]]) -> list[str]:
    """The name of each column by the texts of all header rows over it, from the top."""
    return [" ".join(filter(None, dict.fromkeys(texts))) for texts in zip(*headers, strict=True)]


def _named_columns(
    rows: Rows, first: int, limit: int, spans: Spans, rules: Extents
) -> tuple[int, list[str]]:
    """The first header row between `limit` and `first`, and the names of the figures' columns."""
    headers: list[list[str]] = []
    extents, bounds = spans, set(range(len(spans) + 1))
    top = first
    for number in range(first - 1, max(limit, first - _MAX_HEADERS) - 1, -1):
        row, below = rows[number], rows[number + 1]
        if below.top - row.bottom > _ROW_GAP * row.size or _is_prose(row):
            break
        over = _cells_over(row, spans)
        if row.cells and not over and not headers:  # the label of the first row, on its own line
            continue
        if not over or not _are_headers(over, row, spans, rules):
            break
        is_remark = len(over) == 1 and _IN_BRACKETS.fullmatch(over[0].text)
        if headers and is_remark and len(spans) > 1:
            break
        names = _names(over, row, extents, bounds, rules)
        if not any(names):
            break
        if len(over) == len(extents):
            extents = [(cell.left, cell.right) for cell in over]
        headers.insert(0, names)
        top = number
    return top, _stacked(headers) if headers else [""] * len(spans)


def _cells_over(row: PdfRow, spans: Spans) -> list[PdfCell]:
    """The cells over the columns: all if they are several years, one a column, which may be centred
    over wider cells than the figures; else those that are not left of the first column.
    """
    are_years = all(_YEAR.fullmatch(cell.text) for cell in row.cells)
    if are_years and 1 < len(row.cells) == len(spans):
        return row.cells
    left = spans[0][0]
    return [cell for cell in row.cells if cell.center > left - 2 * row.size and cell.right > left]


def _are_headers(over: Cells, row: PdfRow, spans: Spans, rules: Extents) -> bool:
    """Whether the cells over the columns are neither values nor the title of the whole table."""
    if any(is_figure(cell.text) and not _YEAR.fullmatch(cell.text) for cell in over):
        return False
    is_far = over[0].left < spans[0][0] - 30 and len(spans) > 1
    is_title = len(over) == 1 and is_far and not _underline(over[0], row, over, rules)
    return not _is_body(row) and not is_title


def _underline(cell: PdfCell, row: PdfRow, headers: Cells, rules: Extents) -> Span | None:
    """Extent of the rule under a header; None without one, or if several headers share it."""
    under = [
        (right - left, left, right)
        for y, left, right in rules
        if -0.4 * row.size <= y - row.bottom <= 0.8 * row.size
        and left - 3 <= cell.left
        and cell.right <= right + 3
    ]
    _, left, right = min(under, default=(0.0, 0.0, 0.0))
    is_shared = any(left < header.center < right for header in headers if header is not cell)
    return (left, right) if under and not is_shared else None


def _names(cells: Cells, row: PdfRow, edges: Spans, bounds: set[int], rules: Extents) -> list[str]:
    """The header of each column, or "". Removes from `bounds` those within a header's columns."""
    names = [""] * len(edges)
    if len(cells) > len(edges):  # each to the nearest
        for cell in cells:
            nearest = min(range(len(edges)), key=lambda n: abs(sum(edges[n]) - 2 * cell.center))
            names[nearest] = f"{names[nearest]} {cell.text}".strip()
        return names
    underlines = [_underline(cell, row, cells, rules) for cell in cells]
    places = spanned(cells, edges, bounds, underlines)
    for cell, (begin, end) in zip(cells, places, strict=True):
        names[begin:end] = [cell.text] * (end - begin)
        bounds -= set(range(begin + 1, end))
    return names


def spanned(
    cells: Cells, extents: Spans, bounds: set[int], underlines: Sequence[Span | None]
) -> Sequence[_Place]:
    """The columns of each header, from the left: one to one if there are as many; else those that
    its underline spans, or that it is centred over, so that few are left over.

    `extents` are the edges of the figures, or of the headers in the row below. Headers begin and
    end at `bounds`, which are not inside the columns of a header below.
    """
    width = len(extents)
    if len(cells) == width:
        return [(column, column + 1) for column in range(width)]
    centers = [(left + right) / 2 for left, right in extents]
    pitch = median(b - a for a, b in pairwise(centers))

    def distance(number: int, place: _Place) -> float:
        """Distance of a header from the centre of the columns; 0 for those over its underline."""
        if underline := underlines[number]:
            left, right = underline
            under = [n for n, center in enumerate(centers) if left - 3 <= center <= right + 3]
            if under:
                return 0.0 if (under[0], under[-1] + 1) == place else inf
        if not bounds.issuperset(place):
            return inf
        middle = (extents[place[0]][0] + extents[place[1] - 1][1]) / 2
        return abs(cells[number].center - middle)

    @cache
    def best(number: int, column: int) -> tuple[float, tuple[_Place, ...]]:
        """The best way to place the headers from `number` over the columns from `column`."""
        if number == len(cells):
            return _LEFT_OVER * pitch * (width - column), ()
        ways: list[tuple[float, tuple[_Place, ...]]] = []
        if column < width:
            cost, places = best(number, column + 1)
            ways.append((cost + _LEFT_OVER * pitch, places))
        for end in range(column, width + 1):
            gap = distance(number, (column, end)) if column < end else _UNUSED * pitch
            if column == end or gap <= _FARTHEST * pitch:
                cost, places = best(number + 1, end)
                ways.append((cost + gap, ((column, end), *places)))
        return min(ways)

    return best(0, 0)[1]


def _caption(rows: Rows, top: int, first: int) -> tuple[str, ...]:
    """The short lines directly above the headers in rows `[top, first)`, or the sentence that ends
    there with a colon; and the unit.
    """
    above: list[str] = []
    for number in range(top - 1, max(-1, top - 4), -1):
        row, below = rows[number], rows[number + 1]
        if below.top - row.bottom > _ROW_GAP * row.size or _is_body(row):
            break
        if row.text.endswith(":"):
            sentence = _sentence(rows, number)
            above[:0] = [sentence, *(_unit(sentence) if len(sentence) > _CUT_CAPTION else [])]
            break
        if len(row.text) > _LONGEST_CAPTION or row.text.endswith((".", ";", ",")):
            break
        above.insert(0, row.text)
    if not any(map(UNIT.search, above)):
        above += _unit(" ".join(row.text for row in rows[top:first]))
    return tuple(above)


def _unit(text: str) -> list[str]:
    unit = UNIT.search(text)
    return [unit.group().strip(" (")] if unit else []


def _sentence(rows: Rows, last: int) -> str:
    """The sentence that ends in the row, from the lines of its paragraph."""
    lines = [rows[last]]
    for row in reversed(rows[max(0, last - _CAPTION_LINES) : last]):
        if lines[0].top - row.bottom >= _SAME_PARAGRAPH * lines[0].size:
            break
        lines.insert(0, row)
    return _SENTENCE_END.split(" ".join(row.text for row in lines))[-1]


# Tables without rules, by aligned figures

_MAX_BETWEEN, _MAX_LABELS = 3, 8
"""Maximum number of rows without figures within a table, and of those that are only labels."""
_MAX_APART = 4
"""Maximum number of rows between two parts of a table if the second part has no headers."""
_MAX_COLUMNS = 30
_WRAPPED = 0.15
"""Lines of one label are closer than rows by this many font heights."""


def aligned_tables(
    rows: Rows, before: Columns | None = None, rules: Extents = ()
) -> Iterator[Table]:
    """The tables in the rows of a column of text, from the top. `before` are the columns of the
    previous page's last table, which a table without headers at the top continues. `rules` are
    horizontal: a header applies to the columns that its underline spans.
    """
    end = 0
    for first, last in _runs(rows):
        table = _aligned_table(rows, max(first, end), last, end, before, rules)
        if table:
            before, end = table.columns, table.last
            yield table


def _runs(rows: Rows) -> Iterator[tuple[int, int]]:
    """Runs of rows with figures, including the few labels between them. Headers in a run begin
    another, because they name the columns of the rows below them.
    """
    body = (number for number, row in enumerate(rows) if _is_body(row))
    for run in grouped(body, lambda run, number: _continues(rows, run[-1], number)):
        texts = ("".join(figure.text for figure in rows[number].figures[:9]) for number in run)
        if sum(any(map(str.isdigit, text)) for text in texts) < 2:
            continue
        first = run[0]
        for above, below in pairwise(run):
            between = rows[above + 1 : below]
            is_named = between and _are_names(between[0], rows[above])
            if is_named or any(_are_periods(row, rows[above]) for row in between):
                yield first, above + 1
                first = below
        yield first, run[-1] + 1


def _continues(rows: Rows, last: int, number: int) -> bool:
    """Whether the rows of figures `last` and `number` are of one table."""
    between = rows[last + 1 : number]
    left = rows[last].figures[0].left
    are_labels = all(cell.right < left for row in between for cell in row.cells)
    if len(between) > (_MAX_LABELS if are_labels else _MAX_BETWEEN) or any(map(_is_prose, between)):
        return False
    steps = pairwise(rows[last : number + 1])
    return all(below.top - above.bottom < _ROW_GAP * above.size for above, below in steps)


def _are_periods(row: PdfRow, above: PdfRow) -> bool:
    """Whether several cells over the figures above name periods, or the row's only cell, which is
    not below the labels, where it would name a group of rows.
    """
    count = sum(_is_period(cell.text) for cell in _over(row, above))
    if len(row.cells) == 1:
        return count == 1 and row.cells[0].left > above.cells[0].right
    return count > 1


def _are_names(row: PdfRow, above: PdfRow) -> bool:
    """Whether different words are over all figures above, and have no label or are in bold unlike
    the figures. Other words may be a row of text.
    """
    over = _over(row, above)
    if len(over) < len(row.cells) and (above.bold or not row.bold):
        return False
    texts = {cell.text for cell in over}
    if any(map(is_figure, texts)) or not all(map(_WORD.match, texts)):
        return False
    return 1 < len(texts) == len(over) == len(above.values)


def _over(row: PdfRow, above: PdfRow) -> list[PdfCell]:
    """The row's cells that are over the figures of the row above."""
    left = above.values[0].left
    return [cell for cell in row.cells if cell.right > left]


def _aligned_table(
    rows: Rows, first: int, last: int, limit: int, before: Columns | None, rules: Extents
) -> Table | None:
    """The table with its first figures in row `first`; its headers are not above row `limit`."""
    body = [row for row in rows[first:last] if _is_body(row)]
    spans = united((cell.left, cell.right) for row in body for cell in row.values)
    if not spans or len(spans) > _MAX_COLUMNS:
        return None
    if any(len({_column(cell, spans) for cell in row.values}) < len(row.values) for row in body):
        return _unclear(rows, first, last)
    top, names = _named_columns(rows, first, limit, spans, rules)
    columns = Columns([(0.0, 0.0), *spans], ["", *names], _caption(rows, top, first))
    is_near = first - limit <= _MAX_APART and not any(map(_is_prose, rows[limit:first]))
    if not any(names) and before and is_near and columns.agree(before):
        columns.names, columns.caption = before.names, before.caption
    if len(spans) > 1 and not any(columns.names):
        return _unclear(rows, first, last)
    begin = first
    while begin > top and all(cell.right < spans[0][0] for cell in rows[begin - 1].cells):
        begin -= 1  # the label of the first rows
    text = TableText()
    for row in rows[top:begin]:
        _write_header(text, _header_cells(row, spans), columns.names)
    _write_body(text, list(_entries(rows[begin:last], spans)), columns.names)
    return Table(text.part(columns.caption), columns, top, last)


def _unclear(rows: Rows, first: int, last: int) -> Table | None:
    """The unchanged rows as a table whose columns are unclear; None if it may be no table."""
    if sum(len(row.figures) > 1 for row in rows[first:last]) < 2:
        return None
    columns = Columns([], caption=(*_caption(rows, first, first), _UNCLEAR))
    text = TableText()
    for row in rows[first:last]:
        text.row([(-1, "", _LOOSE_IN_TEXT.sub("", cell.text)) for cell in row.cells])
    return Table(text.part(columns.caption), columns, first, last)


def _header_cells(row: PdfRow, spans: Spans) -> list[tuple[int, str]]:
    """The column of each cell, or the one nearest to it, and its text, with figures tight."""
    edges: Spans = [(0.0, 0.0), *spans]
    cells: list[tuple[int, str]] = []
    for cell in row.cells:
        column = _column(cell, spans) if cell.right >= spans[0][0] else 0
        if column < 0:
            column = min(range(len(edges)), key=lambda n: abs(sum(edges[n]) - 2 * cell.center))
        cells.append((column, _LOOSE_IN_TEXT.sub("", cell.text)))
    return cells


def _column(cell: PdfCell, spans: Spans) -> int:
    """The first column that the cell reaches into, from 1; -1 if there is none."""
    columns = enumerate(spans, 1)
    return next((n for n, (a, b) in columns if cell.left <= b and cell.right >= a), -1)


def _entries(rows: Rows, spans: Spans) -> Iterator[_Entry]:
    """The rows of the body. The lines of one label are joined: a label without figures continues in
    a row that begins in lower case, or is closer to it than rows of the table are.
    """
    gaps = [below.top - above.bottom for above, below in pairwise(rows)]
    usual = median(gaps) if gaps else 0.0
    label, left = "", 0.0
    for row, gap in zip(rows, [inf, *gaps], strict=True):
        figures = {
            column: cell
            for cell in (row.figures if len(row.cells) > 1 else ())
            if (column := _column(cell, spans)) > 0
        }
        text = " ".join(cell.text for cell in row.cells if cell not in figures.values())
        is_wrapped = gap < usual - _WRAPPED * rows[0].size
        if label and text and not (text[0].islower() or is_wrapped):
            yield _Entry("group", label, left, {})
            label = ""
        left = left if label else row.cells[0].left
        label = f"{label} {text}".strip()
        if figures:
            yield _Entry("row", label, left, {n: cell.text for n, cell in figures.items()})
            label = ""
    if label:
        yield _Entry("group", label, left, {})


# Ruled tables

_NEAR = 2.5
"""Maximum gap in points between a rule's end and the rule it meets."""
_MAX_CELLS, _MAX_RULED_COLUMNS = 4000, 40
_LONGEST_CELL = 1500
"""Maximum number of characters; a box with more is a frame around text."""
_WHITE = (255, 255, 255)
_INDENT = 2.0
"""Points by which a row's label begins further right than that of its group."""


def grids(rules: Rules, words: Sequence[Word]) -> Iterator[RuledGrid]:
    """The ruled tables of a page, from the top, without drawings and boxes around text. Places
    without a rule between them are one cell.
    """
    for across, down in _connected(rules):
        xs, ys = _edges(down, across), sorted({rule[0] for rule in across})
        if not (2 < len(xs) <= _MAX_RULED_COLUMNS and 2 < len(ys) <= _MAX_CELLS / len(xs)):
            continue
        grid = RuledGrid(xs, ys, [])
        grid.rows += _ruled_rows(grid, across, down, words)
        if _is_table(grid):
            _mark_shaded_headers(grid, rules.shades)
            yield grid


def _mark_shaded_headers(grid: RuledGrid, shades: Sequence[tuple[Box, Colour]]) -> None:
    """Make the first rows bold if they are shaded in colours that no other row has."""
    colours: list[Colour | None] = []
    for row in grid.rows:
        y = (grid.heights[row[0].row] + grid.heights[row[0].row + 1]) / 2
        middles = ((grid.edges[c.column] + grid.edges[c.column + c.columns]) / 2 for c in row)
        of_row = {_colour_at(x, y, shades) for x in middles}
        colours.append(of_row.pop() if len(of_row) == 1 else None)
    heads = list(takewhile(lambda colour: colour not in (None, _WHITE), colours))
    if not set(heads) & set(colours[len(heads) :]) and len(heads) < len(colours):
        for cell in (cell for row in grid.rows[: len(heads)] for cell in row):
            cell.bold = True


def _colour_at(x: float, y: float, shades: Sequence[tuple[Box, Colour]]) -> Colour:
    over = (c for box, c in reversed(shades) if box[0] < x < box[2] and box[1] < y < box[3])
    return next(over, _WHITE)


def _connected(rules: Rules) -> list[tuple[list[Extent], list[Extent]]]:
    """Groups of horizontal and vertical rules that meet, directly or through others."""
    groups: list[tuple[set[Extent], list[Extent]]] = []
    for rule in rules.down:
        x, top, bottom = rule
        across = {
            (y, left, right)
            for y, left, right in rules.across
            if top - _NEAR <= y <= bottom + _NEAR and left - _NEAR <= x <= right + _NEAR
        }
        if not across:
            continue
        down = [rule]
        for group in [group for group in groups if group[0] & across]:
            groups.remove(group)
            across |= group[0]
            down = group[1] + down
        groups.append((across, down))
    return sorted((sorted(across), sorted(down)) for across, down in groups)


def _edges(down: Extents, across: Extents) -> list[float]:
    """Edges of the columns: vertical rules, and the ends of horizontal rules on an open side."""
    xs = sorted(rule[0] for rule in down)
    edges = [group[0] for group in grouped(xs, lambda group, x: x - group[0] <= 2 * _NEAR)]
    left, right = min(rule[1] for rule in across), max(rule[2] for rule in across)
    if left < edges[0] - 4 * _NEAR:
        edges.insert(0, left)
    if right > edges[-1] + 4 * _NEAR:
        edges.append(right)
    return edges


def _ruled_rows(
    grid: RuledGrid, across: Extents, down: Extents, words: Sequence[Word]
) -> Iterator[list[PdfCell]]:
    """The rows of the cells that begin in each; none if not all cells are rectangles."""
    xs, ys, columns = grid.edges, grid.heights, grid.width
    rows: list[list[PdfCell]] = [[] for _ in ys[1:]]
    cells: list[PdfCell] = []
    """the cell of each place, row by row"""
    for place in range(columns * len(rows)):
        row, column = divmod(place, columns)
        x, y = (xs[column] + xs[column + 1]) / 2, (ys[row] + ys[row + 1]) / 2
        if column and not _is_crossed(down, xs[column], y):
            cell = cells[place - 1]
        elif row and not _is_crossed(across, ys[row], x):
            cell = cells[place - columns]
        else:
            cell = PdfCell("", 0.0, 0.0, row=row, column=column)
            rows[row].append(cell)
        cell.rows, cell.columns = row - cell.row + 1, column - cell.column + 1
        cells.append(cell)
    sizes, inside = Counter(map(id, cells)), dict[int, list[Word]]()
    if any(cell.rows * cell.columns != sizes[id(cell)] for cell in cells):
        return
    for word in words:
        x, y = (word.left + word.right) / 2, (word.top + word.bottom) / 2
        if xs[0] <= x <= xs[-1] and ys[0] <= y <= ys[-1]:
            cell = cells[_band(ys, y) * columns + _band(xs, x)]
            inside.setdefault(id(cell), []).append(word)
    for cell in (cell for row_cells in rows for cell in row_cells if id(cell) in inside):
        in_cell = inside[id(cell)]
        cell.lines = [" ".join(word.text for word in line) for line in rows_of(in_cell)]
        cell.text = _tight(_joined(cell.lines))
        cell.left = min(word.left for word in in_cell)
        cell.right = max(word.right for word in in_cell)
        cell.bold = all(word.bold for word in in_cell)
    yield from filter(None, rows)


def _is_crossed(rules: Extents, position: float, through: float) -> bool:
    return any(
        abs(line - position) <= 2 * _NEAR and start - _NEAR <= through <= end + _NEAR
        for line, start, end in rules
    )


def _band(edges: Sequence[float], position: float) -> int:
    """Index of the first two edges that are around the position."""
    return min(max(bisect_left(edges, position) - 1, 0), len(edges) - 2)


def _joined(lines: Sequence[str]) -> str:
    text = ""
    for line in lines:
        text += line if text.endswith("-") else f" {line}"
    return text.strip()


def _is_table(grid: RuledGrid) -> bool:
    """Whether most rows have several cells with text, none of which has most of the text or
    contains several rows of figures without rules between them.
    """
    filled = [[cell for cell in row if cell.lines] for row in grid.rows]
    several = sum(len(row) > 1 for row in filled)
    cells = [cell for row in filled for cell in row]
    if several < 2 or 2 * several < sum(map(bool, filled)):
        return False
    if any(len(cell.lines) > 1 and all(map(is_figure, cell.lines)) for cell in cells):
        return False
    lengths = [len(cell.text) for cell in cells]
    share = 0.8 if several > 2 and grid.width > 2 else 0.6
    return max(lengths) <= _LONGEST_CELL and max(lengths) < share * sum(lengths)


def ruled_table(grid: RuledGrid, above: Rows = (), before: Columns | None = None) -> Table:
    """`above` is the text above; the table may continue one with the columns `before`."""
    edge = PdfRow([], grid.heights[0], grid.heights[0], above[-1].size if above else 1.0)
    caption = _caption([*above, edge], len(above), len(above))
    columns = Columns(list(pairwise(grid.edges)), caption=caption)
    rows = [row for row in grid.rows if any(cell.lines for cell in row)]
    tall = [cell for row in rows for cell in row if cell.rows > 1]
    titles = list(takewhile(lambda row: _fills(row, grid), rows))
    body = rows[len(titles) :]
    count = _count_headers(body)
    heads, body = body[:count], body[count:]
    has_figures = any(_is_value(cell.text) for row in body for cell in row if cell.column)
    names = _stacked([_header_texts(row, tall, grid.width) for row in heads]) if heads else []
    unit: list[str] = []
    if any(names) and has_figures:
        unit, names[0] = [names[0]] if UNIT.search(names[0]) else [], ""
    elif not any(names) and before and before.agree(columns) and any(before.names):
        names, columns.caption = before.names, before.caption
    captions = (row[0].text for row in titles)
    columns.caption += (*(text for text in captions if len(text) < 120 and " " in text), *unit)
    may_head = has_figures and any(names) and not all(map(_is_bold, [*heads, *body]))
    text = TableText()
    for row in (*titles, *heads):
        _write_ruled_header(text, row, names)
    entries: list[_Entry] = []
    has_values = True
    labels = [row[0] for row in body if row[0].column == 0 and row[0].lines]
    if _are_centred(labels):  # their left edges say nothing
        for label in labels:
            label.left = labels[0].left
    for row, below in zip(body, [*body[1:], []], strict=True):
        if _fills(row, grid) or not (may_head and _is_header(row)):
            entries.append(_ruled_entry(row, below, tall, labels, grid))
            has_values = True
            continue
        _write_body(text, entries, names)
        texts = _header_texts(row, tall, grid.width)
        names = ["", *(texts if has_values else _stacked([names, texts]))[1:]]
        _write_ruled_header(text, row, names)
        entries, has_values = [], False
    _write_body(text, entries, names)
    columns.names = names
    return Table(text.part(columns.caption), columns)


def _fills(row: Cells, grid: RuledGrid) -> bool:
    return len(row) == 1 and row[0].columns == grid.width


def _write_ruled_header(text: TableText, row: Cells, names: Sequence[str]) -> None:
    cells = [(cell.column, cell.text) for cell in row if cell.lines]
    if len(row) > 1:
        _write_header(text, cells, names)
    else:
        text.caption(cells[0][1])


def _header_texts(row: Cells, tall: Cells, width: int) -> list[str]:
    """The text over each column, of cells that span it in this row."""
    texts = [""] * width
    number = row[0].row
    for cell in (*(cell for cell in tall if cell.row < number < cell.row + cell.rows), *row):
        texts[cell.column : cell.column + cell.columns] = [cell.text] * cell.columns
    return texts


def _ruled_entry(row: Cells, below: Cells, tall: Cells, labels: Cells, grid: RuledGrid) -> _Entry:
    """A row of a ruled table's body. A tall cell is repeated in each of its rows. `labels` are
    those of all rows: one in bold without values is a title if others are not bold, and the
    rows below are not indented.
    """
    first = row[0]
    is_common = sum(abs(label.left - first.left) < _INDENT for label in labels) > 1
    is_group = is_common and _is_group(row, below)
    is_alone = first.column == 0 and not any(cell.lines for cell in row[1:])
    is_heading = is_alone and first.bold and not all(label.bold for label in labels)
    if _fills(row, grid) or (is_heading and not is_group):
        return _Entry("title", first.text, first.left, {})
    values = {
        cell.column: cell.text
        for cell in tall
        if cell.row < first.row < cell.row + cell.rows and 0 < len(cell.text) <= _LONGEST_LABEL
    }
    values |= {cell.column: cell.text for cell in row if cell.lines}
    items = grouped(row[-1].lines, lambda item, line: not BULLET.match(line))
    if row[-1].column and len(items) > 1:  # a list keeps its lines
        values[row[-1].column] = "\n".join(map(_joined, items))
    if first.column or not first.lines:
        return _Entry("part", "", first.left, values)
    return _Entry("group" if is_group else "row", values.pop(0), first.left, values)


def _are_centred(labels: Cells) -> bool:
    """Whether the labels are centred in their column."""
    if len(labels) < 4:
        return False
    middle = median(label.center for label in labels)
    centred = sum(abs(label.center - middle) < _INDENT for label in labels)
    edges = {round(label.left / _INDENT) for label in labels}
    return centred > 0.8 * len(labels) and len(edges) > len(labels) / 2


def _count_headers(rows: Sequence[Cells]) -> int:
    """The rows in bold but for figures below others, or else those above the first figures; none
    of a form, a table of two columns with bold labels.
    """
    if len(rows) > 2 and all(len(r) == 2 and r[0].lines and r[0].bold for r in rows):
        return 0
    count = sum(1 for _ in takewhile(_is_bold, rows))
    if count and not _has_values(rows[0]):
        labelled = (row[0].column == 0 and row[0].lines and _has_values(row) for row in rows)
        count = next((n for n, is_row in enumerate(labelled) if is_row and 0 < n < count), count)
    if not 0 < count <= min(len(rows) - 1, _MAX_RULED_HEADERS):
        pairs = zip(rows, [*rows[1:], []], strict=True)
        begin_body = (len(r) < 2 or _has_values(r) or _is_group(r, below) for r, below in pairs)
        count = sum(1 for _ in takewhile(lambda begins: not begins, begin_body))
        count = count if count < min(len(rows), _MAX_RULED_HEADERS) else 0
    return count


def _is_bold(row: Cells) -> bool:
    filled = [cell for cell in row if cell.lines]
    return all(cell.bold for cell in filled) and any(cell.column for cell in filled)


def _has_values(row: Cells) -> bool:
    return any(_is_value(cell.text) for cell in row if cell.column)


def _is_header(row: Cells) -> bool:
    """Whether a row below values is in bold without figures, or has only periods and no label. A
    total, such as "9 kg", is a value.
    """
    texts = [cell.text for cell in row[1:]]
    if not texts or not all(_BEGINS_WITH_WORD.match(text) or any(periods(text)) for text in texts):
        return False
    if _is_bold(row):
        return not _has_values(row)
    return not row[0].lines and all(_is_period(cell.text) for cell in row[1:])


def _is_group(row: Cells, below: Cells) -> bool:
    """Whether the row has only a label in words, and that of the row below it is indented."""
    if not below or any(cell.lines for cell in row[1:]) or is_figure(row[0].text):
        return False
    if row[0].column or below[0].column or not below[0].lines:
        return False
    return below[0].left > row[0].left + _INDENT
