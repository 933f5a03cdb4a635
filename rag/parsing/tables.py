"""Tables as text: each value after its column's header, so that a row is clear by itself."""

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rag.meaning.periods import periods
from rag.parsing.base import GAP, Part
from rag.types import Block, BlockCell, BlockKind, Column

MOST_SPANNED = 100
"""Maximum number of rows or columns that a cell spans."""
BETWEEN = " | "
"""Between two cells, for people."""
_LONG = 100
"""Maximum length of a header or cell to repeat in every row, so that pages stay small."""
_LONGEST_NAME = 160
_LONGEST_HEADER = 60
"""Characters of a header, in a table that marks no headers."""
_ROWS_SEEN = 20
"""Rows of such a table that are looked at."""
_NUMBER = re.compile(r"[-+(]?[$\u20ac\u00a3]?[\d.,]+\)?\s?%?|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}.*")
_NUMBER_PART = re.compile(r"(?:US)?[$\u20ac\u00a3\u00a5]?[-+(\u2013]?\d[\d.,]*\)?|[\u2014\u2013-]")
"""A figure that may lack its sign, or the end of its brackets; or a dash."""
_NAME = re.compile(r"\W*[^\W\d]|%")
UNIT = re.compile(
    r"(?i)\(?\b(?:\w++ ){0,3}(?:in|expressed in) (?:[$\u20ac\u00a3] ?|U\.?S\.? dollars |euros )?"
    r"(?:thousands|millions|billions)"
)
"""The unit of a table's figures, as in "(in millions, except per share amounts)"."""
_YEAR = re.compile(r"(?:1\d|20)\d\d")
_VALUE = re.compile(
    r"[Xx\u2022\u25cf\u2713\u2714\u221a]|\d{1,2}[:.]\d\d(?: ?[ap]m)?"
    r"|[<>\u2264\u2265~]? ?[-\u2212+]?\d[\d.,]* ?%?"
    r"(?: ?[(\[][-\u2212\d.,;%\u2013 to]+[)\]]| ?\u00b1 ?[\d.,]+)?"
)
"""What else says that a row has values: a mark, a clock time, a figure with its range."""

LabelledCell = tuple[int, str, str]
"""Column, the column's name if it is written before the text, else "", and text."""


class TableText:
    """Writes a table line by line, with its blocks at their offsets in the text.

    Rows belong to the columns that the header rows above them name; header rows below rows begin
    another table. `between` separates rows.
    """

    def __init__(self, between: str = "\n") -> None:
        self.names: list[str] = []
        """names of the columns"""
        self._places: list[tuple[int, int]] = []
        """where the columns' lowest header cells are"""
        self._between = between
        self.lines: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0
        self._table = -1
        """index of the open table"""
        self._has_rows = False

    def name_columns(self, names: Iterable[str]) -> None:
        """Begin a table whose columns no row names."""
        self._end()
        self.names, self._places = list(names), []

    def caption(self, text: str) -> None:
        self._line("caption", text)

    def header(
        self, cells: Sequence[str], names: Sequence[str], spans: Sequence[int] = (), first: int = 0
    ) -> None:
        """Add a header row, after which the columns have these names. A cell names as many columns
        as its span, or one, from column `first` on.
        """
        if self._has_rows:
            self._end()

        start = self._length
        self._places = [(-1, -1)] * first
        placed: list[BlockCell] = []
        for number, text in enumerate(cells):
            end = start + len(text)
            if text:
                placed.append(BlockCell(len(self._places), start, end))
            self._places += [(start, end)] * (spans[number] if spans else 1)
            start = end + len(BETWEEN)

        self._line("header", BETWEEN.join(cells), cells=tuple(placed))
        self.names = list(names)

    def row(self, cells: Sequence[LabelledCell], name: str = "", longest: int = 0) -> None:
        """Add a row with its own name; texts above `longest`, if not 0, follow as paragraphs."""
        line = _line_of(cells)
        long_cells: list[LabelledCell] = []
        if 0 < longest < len(line):
            long_cells = [cell for cell in cells if len(cell[2]) > longest]
            cells = [cell for cell in cells if len(cell[2]) <= longest]
            line = _line_of(cells)

        start = self._length
        placed: list[BlockCell] = []
        for column, label, text in cells:
            start += len(f"{label}: ") if label else 0
            if text:
                placed.append(BlockCell(column, start, start + len(text)))
            start += len(text) + len(BETWEEN)

        for column, label, text in long_cells:
            gap = GAP if line else ""
            line += f"{gap}{label}: {text}" if label else f"{gap}{text}"
            end = self._length + len(line)
            placed.append(BlockCell(column, end - len(text), end))

        self._line("row", line, name, tuple(placed))
        self._has_rows = True

    def part(self, context: tuple[str, ...] = ()) -> Part:
        """The table as a part of a document; what is written later is another one."""
        self._end()
        text, blocks = self._between.join(self.lines), tuple(self._blocks)
        self.lines, self._blocks, self._length = [], [], 0
        return Part(text, context=context, blocks=blocks)

    def _line(
        self, kind: BlockKind, text: str, name: str = "", cells: tuple[BlockCell, ...] = ()
    ) -> None:
        start = self._length + len(text) - len(text.lstrip())
        end = self._length + len(text.rstrip())
        self.lines.append(text)
        self._length += len(text) + len(self._between)
        if start >= end:  # a row without text
            return
        if self._table < 0:
            self._table = len(self._blocks)
            self._blocks.append(Block("table", start, end))
        self._blocks.append(Block(kind, start, end, self._table, name=name, cells=cells))

    def _end(self) -> None:
        if self._table >= 0:
            pairs = zip_longest(self.names, self._places[: len(self.names)], fillvalue=(-1, -1))
            columns = tuple(Column(str(name), *place) for name, place in pairs)
            table, last = self._blocks[self._table], self._blocks[-1]
            self._blocks[self._table] = table._replace(end=last.end, columns=columns)
        self._table, self._has_rows = -1, False


def _line_of(cells: Sequence[LabelledCell]) -> str:
    return BETWEEN.join([f"{label}: {text}" if label else text for _, label, text in cells])


@dataclass(slots=True)
class SpanningCell:
    words: list[str]
    is_header: bool = False
    rows: int = 1
    columns: int = 1

    @property
    def text(self) -> str:
        return " ".join(self.words)


class SpanningRows:
    """Writes rows whose cells may span rows and columns. Header rows name the columns of the rows
    below them, up to the next header rows.
    """

    def __init__(self) -> None:
        self.table = TableText()
        self._has_values = False
        """whether a row with values has been added below the headers"""
        self._down: dict[int, tuple[str, int]] = {}
        """by column, the text of a cell that spans rows, and the number of rows left"""

    def add(self, cells: Sequence[SpanningCell]) -> None:
        is_header = self._is_header(cells)
        cells = cells if is_header else _with_signs(cells)
        row = self.texts(cells, is_header)
        if is_header:
            above = [] if self._has_values else self.table.names
            pairs = zip_longest(above, row, fillvalue="")
            names = [" ".join(filter(None, dict.fromkeys(pair))) for pair in pairs]
            texts, spans = [cell.text for cell in cells], [cell.columns for cell in cells]
            self.table.header(texts, names, spans)
        elif any(self.table.names):
            self.table.row(labelled(enumerate(row), self.table.names))
        else:
            self.table.row([(column, "", text) for column, text in enumerate(row)])
        self._has_values = not is_header

    def _is_header(self, cells: Sequence[SpanningCell]) -> bool:
        """Whether the row names the columns; below rows with values it must have only names and
        periods, and no total, as "9 kg". The corner above the labels may be an ordinary cell.
        """
        named = [cell for cell in cells[1:] if cell.words]
        if len(cells) < 2 or not all(cell.is_header for cell in named or cells):
            return False
        if self._has_values and not cells[0].is_header:
            return False
        texts = [cell.text for cell in cells[1:]] if self._has_values else []
        return all(_NAME.match(text) or any(periods(text)) for text in texts)

    def texts(self, cells: Sequence[SpanningCell], repeat: bool) -> list[str]:
        """One text per column; a spanning cell is in the first, or with `repeat` in each."""
        row: list[str] = []
        for cell in cells:
            self._from_above(row)
            text, first = cell.text, len(row)
            has_columns = repeat or bool(self.table.names)
            row += [text, *[text if repeat else ""] * (cell.columns - 1 if has_columns else 0)]
            if cell.rows > 1:
                self._down |= {
                    column: (row[column] if len(row[column]) <= _LONG else "", cell.rows - 1)
                    for column in range(first, len(row))
                }
        self._from_above(row)
        return row

    def _from_above(self, row: list[str]) -> None:
        while len(row) in self._down:
            text, left = self._down.pop(len(row))
            if left > 1:
                self._down[len(row)] = text, left - 1
            row.append(text)


_SIGN_BEFORE = ("$", "€", "£", "¥", "US$", "(", "$(")
_SIGN_AFTER = (")", "%", ")%", "%)")
"""Parts of a figure for which companies' reports have cells of their own."""


def _with_signs(cells: Sequence[SpanningCell]) -> Sequence[SpanningCell]:
    """The cells, a sign before or after a figure with the figure in one cell, which spans both."""
    texts = [cell.text for cell in cells]
    if not any(text in _SIGN_BEFORE or text in _SIGN_AFTER for text in texts):
        return cells
    joined: list[SpanningCell] = []
    for cell, text in zip(cells, texts, strict=True):
        if not (joined and _is_one_figure(joined[-1], cell)):
            joined.append(cell)
            continue
        sign = joined[-1]
        joined[-1] = SpanningCell(
            words=f"{sign.text}{text}".split(),
            is_header=sign.is_header and cell.is_header,
            columns=sign.columns + cell.columns,
        )
    return joined


def _is_one_figure(cell: SpanningCell, following: SpanningCell) -> bool:
    """Whether one of two cells is a figure, and the other its sign."""
    if cell.rows > 1 or following.rows > 1:
        return False
    if cell.text in _SIGN_BEFORE:
        return bool(_NUMBER_PART.fullmatch(following.text))
    return following.text in _SIGN_AFTER and bool(_NUMBER_PART.fullmatch(cell.text))


def header_rows(rows: Sequence[Sequence[SpanningCell]], only_over_values: bool = False) -> int:
    """Number of header rows of a table that marks none: those above figures, or else, unless
    `only_over_values`, one, or as many as the cells of the first row span; 0 if these are no
    headers of the row below, or if the table may be a list of labels and values.
    """
    if not rows:
        return 0
    depth = headers_over_values(_grid(rows[: _DEEPEST_HEADER + _ROWS_SEEN]))
    if depth or only_over_values:
        return depth
    depth = max(cell.rows for cell in rows[0])
    if any(cell.columns > 1 for cell in rows[0]):
        depth = max(depth, 2)
    if depth >= len(rows):
        return 0
    spanning, names = SpanningRows(), list[str]()
    for row in rows[:depth]:
        pairs = zip_longest(names, spanning.texts(row, repeat=True), fillvalue="")
        names = [" ".join(filter(None, dict.fromkeys(pair))) for pair in pairs]
    is_headed = are_headers(names, spanning.texts(rows[depth], repeat=True))
    if not is_headed or max(map(len, names)) > _LONGEST_HEADER:
        return 0
    return depth if len(names) > 2 or _has_figures(rows[depth:]) else 0


def _grid(rows: Sequence[Sequence[SpanningCell]]) -> list[list[str]]:
    """The text of each column by row; a cell that spans has it in its first row and column."""
    rows_left: dict[int, int] = {}
    grid: list[list[str]] = []
    for row in rows:
        texts: list[str] = []
        for cell in row:
            _skip_covered(texts, rows_left)
            for column in range(len(texts), len(texts) + cell.columns):
                rows_left[column] = cell.rows - 1
            texts += [cell.text, *[""] * (cell.columns - 1)]
        _skip_covered(texts, rows_left)
        grid.append(texts)
    return grid


def _skip_covered(texts: list[str], rows_left: dict[int, int]) -> None:
    """Leave the columns empty that a cell of a row above covers."""
    while rows_left.get(len(texts), 0):
        rows_left[len(texts)] -= 1
        texts.append("")


def headers_over_values(rows: Sequence[Sequence[str]]) -> int:
    """Number of header rows at the top of a table that marks none, if most rows below them have
    figures or other values; else 0.

    Header rows have no values, but years, and name columns. Below the first one, a row is another
    one if it has no label, or if it divides the columns that a cell above spans; then no row has a
    label above it. A cell spans the empty columns to its right.
    """
    filled = [column for row in rows for column, text in enumerate(row) if text]
    stub = min(filled, default=0)
    rows = [row[stub:] for row in rows]
    depth = 0
    while depth < min(_DEEPEST_HEADER, len(rows)) and _names_columns(rows, depth):
        depth += 1

    below = [list(filter(None, row[1:])) for row in rows[depth : depth + _ROWS_SEEN]]
    below = [texts for texts in below if texts]
    with_values = sum(any(map(_is_value, texts)) for texts in below)
    if not depth or 2 * with_values <= len(below):
        return 0
    is_list = max(map(len, rows)) < 3
    return 0 if is_list and (len(below) < 3 or with_values < len(below)) else depth


def _names_columns(rows: Sequence[Sequence[str]], number: int) -> bool:
    """Whether a row below `number` header rows may be another one."""
    row = rows[number]
    columns = [column for column, text in enumerate(row) if text and column]
    texts = [row[column] for column in columns]
    is_body = any(map(_is_value, texts)) or bool(_NUMBER.fullmatch(row[0]))
    if not texts or is_body or max(map(len, texts)) > _LONGEST_HEADER:
        return False
    if not number or not row[0]:
        return True
    if any(above[0] for above in rows[:number] if above):
        return False
    named = [column for column, text in enumerate(rows[number - 1]) if text and column]
    spans = Counter(bisect_right(named, column) for column in columns)
    return max(spans.values()) > 1


def _is_value(text: str) -> bool:
    """Whether the text is a figure, a mark or a clock time, but no year."""
    return _is_figure(text) or (bool(_VALUE.fullmatch(text)) and not _YEAR.fullmatch(text))


def _has_figures(rows: Sequence[Sequence[SpanningCell]]) -> bool:
    """Whether most of the second cells are figures: else two columns may be labels and values."""
    seconds = [row[1].text for row in rows[:_ROWS_SEEN] if len(row) > 1]
    return 2 * sum(bool(_NUMBER.fullmatch(text)) for text in seconds) > len(seconds)


def table_part(rows: Sequence[Sequence[str]], headed: bool, context: tuple[str, ...] = ()) -> Part:
    """A table with a line for each row. If the first row contains headers, the other rows repeat
    them, except rows of another length. More header rows may follow it, and then a cell of an upper
    one names also the columns right of it that it leaves empty.
    """
    table = TableText()
    depth = _header_depth(rows) if headed and rows else 0
    for number, row in enumerate(rows[:depth], 1):
        if any(row):
            table.header(row, stacked_names(rows[:number], is_whole=number == depth))
    headers = stacked_names(rows[:depth])
    has_headers, rows = any(headers), rows[depth:]
    for row in rows:
        if has_headers and len(row) == len(headers):
            table.row(labelled(enumerate(row), headers))
        else:
            table.row([(-1 if has_headers else n, "", text) for n, text in enumerate(row)])
    return table.part(context)


_DEEPEST_HEADER = 4


def _header_depth(rows: Sequence[Sequence[str]]) -> int:
    """Number of header rows of a table whose first row is marked as one."""
    depth = 1
    while depth < _DEEPEST_HEADER and _goes_on(rows, depth):
        depth += 1
    return depth


def _goes_on(rows: Sequence[Sequence[str]], number: int) -> bool:
    """Whether a row below header rows is another one: it names columns that these leave empty, or
    has no label, and says no figures where the rows below it do.
    """
    if number >= len(rows):
        return False
    row, above, below = rows[number], rows[0], rows[number + 1 : number + 1 + _ROWS_SEEN]
    if not row or len(row) != len(above) or not below or (row[0] and (above[0] or all(above[1:]))):
        return False
    columns = [column for column, text in enumerate(row) if text and column]
    if not columns or any(_is_figure(row[column]) for column in columns):
        return False
    values = [
        values_below
        for below_row in below
        if (values_below := [below_row[n] for n in columns if n < len(below_row) and below_row[n]])
    ]
    have_figures = sum(2 * sum(map(_is_figure, texts)) > len(texts) for texts in values)
    return 2 * have_figures > len(values)


def _is_figure(text: str) -> bool:
    """Whether the text is a figure or a dash, but no year."""
    is_number = _NUMBER.fullmatch(text) or _NUMBER_PART.fullmatch(text)
    return bool(is_number) and not _YEAR.fullmatch(text)


def stacked_names(rows: Sequence[Sequence[str]], is_whole: bool = True) -> list[str]:
    """The names of columns by the texts of header rows, from the top. A text of an upper row names
    also the columns right of it that the row leaves empty; the last one is an upper row, too, if
    the headers are not `is_whole`.
    """
    names: list[str] = []
    width = max(map(len, rows), default=0)
    for number, row in enumerate(rows, 1):
        texts = row if is_whole and number == len(rows) else _filled(row, width)
        pairs = zip_longest(names, texts, fillvalue="")
        names = [" ".join(filter(None, dict.fromkeys(pair))) for pair in pairs]
    return names


def _filled(row: Sequence[str], width: int) -> list[str]:
    """The texts of a header row; one that is empty is that to the left of it."""
    texts: list[str] = []
    for column in range(width):
        text = row[column] if column < len(row) else ""
        texts.append(text or (texts[-1] if column > 1 else ""))
    return texts


def labelled(cells: Iterable[tuple[int, str]], names: Sequence[str]) -> list[LabelledCell]:
    """The cells, (column, text), that are not empty, each with its column's name, unless that is
    too long to repeat or the text itself.
    """
    pairs = [(n, names[n] if 0 <= n < len(names) else "", text) for n, text in cells if text]
    return [(n, "" if name == text or len(name) > _LONG else name, text) for n, name, text in pairs]


def are_headers(cells: Sequence[str], below: Sequence[str]) -> bool:
    """Whether the first row contains headers: several different short texts without numbers, or
    years above values that are not years.
    """
    filled = [cell for cell in cells if cell]
    if len(filled) < 2 or len(filled) > len(set(filled)):
        return False
    pairs = list(zip_longest(cells, below[: len(cells)], fillvalue=None))
    numbers = [(cell, value) for cell, value in pairs if cell and _NUMBER.fullmatch(cell)]
    are_years = all(
        _YEAR.fullmatch(cell) and value is not None and not _YEAR.fullmatch(value)
        for cell, value in numbers
    )
    is_short = all(
        len(cell or "") <= (60 if len(value or "") > 60 else _LONGEST_NAME) for cell, value in pairs
    )
    has_labels = not cells[0] and any(below[:1])
    return are_years and is_short and (len(numbers) < len(filled) or has_labels)
