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
CELL_SEPARATOR = " | "
"""Between two cells, for people."""
_AFTER_LABEL = ": "
"""Between the name of a column and the text of its cell."""
_LONGEST_REPEATED = 100
"""Maximum length of a header or cell to repeat in every row, so that pages stay small."""
_LONGEST_NAME = 160
"""Characters of a header, over short values."""
_LONGEST_HEADER_OF_TEXTS = 60
"""Characters of a header over a text that is longer than this."""
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
    r"|yes|no|Yes"
    r"|[<>\u2264\u2265~]? ?[-\u2212+]?\d[\d.,]* ?%?(?: [^\W\d_]{1,2})?"
    r"(?: ?[(\[][-\u2212\d.,;%\u2013 to]+[)\]]| ?\u00b1 ?[\d.,]+)?"
)
"""What else says that a row has values: a mark, a clock time, a figure with its range or a short
unit, yes or no; but a column may be called "No"."""

LabelledCell = tuple[int, str, str]
"""Column, the column's name if it is written before the text, else "", and text."""


class TableText:
    """Writes a table line by line, with its blocks at their offsets in the text.

    Rows belong to the columns that the header rows above them name; header rows below rows begin
    another table. `separator` is between rows.
    """

    def __init__(self, separator: str = "\n") -> None:
        self.names: list[str] = []
        """names of the columns"""
        self._places: list[tuple[int, int]] = []
        """where the columns' lowest header cells are"""
        self._between = separator
        self.lines: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0
        self._table = -1
        """index of the open table"""
        self._has_rows = False

    def name_columns(self, names: Iterable[str]) -> None:
        """Begin a table whose columns no row names."""
        self._end()
        self.names = list(names)
        self._places = []

    def caption(self, text: str) -> None:
        """Add a caption to the open table."""
        self._line("caption", text)

    def header(
        self,
        cells: Sequence[str],
        names: Sequence[str],
        spans: Sequence[int] = (),
        first_column: int = 0,
    ) -> None:
        """Add a header row, after which the columns have these names. A cell names as many columns
        as its span, or one, from column `first_column` on.
        """
        if self._has_rows:
            self._end()

        start = self._length
        self._places = [(-1, -1)] * first_column
        placed_cells: list[BlockCell] = []
        for number, text in enumerate(cells):
            end = start + len(text)
            if text:
                placed_cells.append(BlockCell(len(self._places), start, end))
            columns = spans[number] if spans else 1
            self._places += [(start, end)] * columns
            start = end + len(CELL_SEPARATOR)

        self._line("header", CELL_SEPARATOR.join(cells), cells=tuple(placed_cells))
        self.names = list(names)

    def row(self, cells: Sequence[LabelledCell], name: str = "", length_limit: int = 0) -> None:
        """Add a row with its name; texts above `length_limit`, if not 0, follow as paragraphs."""
        line = _line_of(cells)
        long_cells: list[LabelledCell] = []
        if 0 < length_limit < len(line):
            long_cells = [cell for cell in cells if len(cell[2]) > length_limit]
            cells = [cell for cell in cells if len(cell[2]) <= length_limit]
            line = _line_of(cells)

        start = self._length
        placed_cells: list[BlockCell] = []
        for column, label, text in cells:
            if label:
                start += len(label) + len(_AFTER_LABEL)
            if text:
                placed_cells.append(BlockCell(column, start, start + len(text)))
            start += len(text) + len(CELL_SEPARATOR)

        for cell in long_cells:
            column, _, text = cell
            if line:
                line += GAP
            line += _labelled_text(cell)
            end = self._length + len(line)
            placed_cells.append(BlockCell(column, end - len(text), end))

        self._line("row", line, name, tuple(placed_cells))
        self._has_rows = True

    def part(self, context: tuple[str, ...] = ()) -> Part:
        """The table as a part of a document; what is written later is another one."""
        self._end()
        text = self._between.join(self.lines)
        blocks = tuple(self._blocks)
        self.lines = []
        self._blocks = []
        self._length = 0
        return Part(text, context=context, blocks=blocks)

    def _line(
        self,
        kind: BlockKind,
        text: str,
        name: str = "",
        cells: tuple[BlockCell, ...] = (),
    ) -> None:
        """Add a line of the open table; a line with text opens one."""
        indent = len(text) - len(text.lstrip())
        start = self._length + indent
        end = self._length + len(text.rstrip())
        self.lines.append(text)
        self._length += len(text) + len(self._between)
        if start >= end:  # a row without text
            return

        if self._table < 0:
            self._table = len(self._blocks)
            self._blocks.append(Block("table", start, end))
        block = Block(
            kind=kind,
            start=start,
            end=end,
            parent=self._table,
            name=name,
            cells=cells,
        )
        self._blocks.append(block)

    def _end(self) -> None:
        """Close the open table: it ends with its last row, and has the columns named so far."""
        if self._table >= 0:
            columns: list[Column] = []
            for number, name in enumerate(self.names):
                column = Column(name)
                if number < len(self._places):
                    start, end = self._places[number]
                    column = Column(name, start, end)
                columns.append(column)

            last = self._blocks[-1]
            self._blocks[self._table] = self._blocks[self._table]._replace(
                end=last.end,
                columns=tuple(columns),
            )
        self._table = -1
        self._has_rows = False


def _line_of(cells: Sequence[LabelledCell]) -> str:
    """The cells of a row in one line."""
    return CELL_SEPARATOR.join(map(_labelled_text, cells))


def _labelled_text(cell: LabelledCell) -> str:
    """The text of a cell after the name of its column."""
    _, label, text = cell
    if label:
        return f"{label}{_AFTER_LABEL}{text}"
    return text


# Rows whose cells span others


@dataclass(slots=True)
class SpanningCell:
    """The words of a cell, and the numbers of rows and columns that it spans."""

    words: list[str]
    is_header: bool = False
    rows: int = 1
    columns: int = 1

    @property
    def text(self) -> str:
        """The words in one line."""
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
        """Add a row."""
        is_header = self._is_header(cells)
        if is_header:
            self._add_header(cells)
        else:
            self._add_values(cells)
        self._has_values = not is_header

    def _add_header(self, cells: Sequence[SpanningCell]) -> None:
        """Add a row that names the columns, together with header rows directly above it."""
        row = self.texts(cells, repeat=True)
        names_above = [] if self._has_values else self.table.names
        self.table.header(
            cells=[cell.text for cell in cells],
            names=_names_below(names_above, row),
            spans=[cell.columns for cell in cells],
        )

    def _add_values(self, cells: Sequence[SpanningCell]) -> None:
        """Add a row of values, each after the name of its column if there are names."""
        row = self.texts(_with_signs(cells), repeat=False)
        if any(self.table.names):
            self.table.row(labelled(enumerate(row), self.table.names))
        else:
            self.table.row(_unlabelled(row))

    def _is_header(self, cells: Sequence[SpanningCell]) -> bool:
        """Whether the row names the columns; below rows with values it must have only names and
        periods, and no total, as "9 kg". The corner above the labels may be an ordinary cell.
        """
        if len(cells) < 2:
            return False
        corner = cells[0]
        other_cells = cells[1:]
        filled_cells = [cell for cell in other_cells if cell.words]
        if not all(cell.is_header for cell in filled_cells or cells):
            return False
        if not self._has_values:
            return True
        if not corner.is_header:
            return False
        return all(_is_name_or_period(cell.text) for cell in other_cells)

    def texts(self, cells: Sequence[SpanningCell], repeat: bool) -> list[str]:
        """One text per column; a spanning cell is in the first, or with `repeat` in each."""
        has_columns = repeat or bool(self.table.names)
        row: list[str] = []
        for cell in cells:
            self._from_above(row)
            first_column = len(row)
            text = cell.text
            row.append(text)
            if has_columns:
                other_text = text if repeat else ""
                row += [other_text] * (cell.columns - 1)

            if cell.rows > 1:
                for column in range(first_column, len(row)):
                    is_short = len(row[column]) <= _LONGEST_REPEATED
                    text_below = row[column] if is_short else ""
                    self._down[column] = text_below, cell.rows - 1
        self._from_above(row)
        return row

    def _from_above(self, row: list[str]) -> None:
        """Add the texts of the cells that reach down into the next columns of a row."""
        while len(row) in self._down:
            text, left = self._down.pop(len(row))
            if left > 1:
                self._down[len(row)] = text, left - 1
            row.append(text)


def _is_name_or_period(text: str) -> bool:
    """Whether the text begins with a word, or names a year or another period."""
    return bool(_NAME.match(text)) or any(periods(text))


def _names_below(names: Sequence[str], row: Sequence[str]) -> list[str]:
    """The names of columns after another header row, whose texts follow those above."""
    names_below: list[str] = []
    for name, text in zip_longest(names, row, fillvalue=""):
        different_texts = dict.fromkeys((name, text))
        names_below.append(" ".join(filter(None, different_texts)))
    return names_below


_SIGN_BEFORE = ("$", "€", "£", "¥", "US$", "(", "$(")
_SIGN_AFTER = (")", "%", ")%", "%)")
"""Parts of a figure for which companies' reports have cells of their own."""


def _with_signs(cells: Sequence[SpanningCell]) -> Sequence[SpanningCell]:
    """The cells, a sign before or after a figure with the figure in one cell, which spans both."""
    texts = [cell.text for cell in cells]
    if not any(text in _SIGN_BEFORE or text in _SIGN_AFTER for text in texts):
        return cells

    joined_cells: list[SpanningCell] = []
    for cell in cells:
        if not joined_cells or not _is_one_figure(joined_cells[-1], cell):
            joined_cells.append(cell)
            continue
        last_cell = joined_cells[-1]
        joined_cells[-1] = SpanningCell(
            words=f"{last_cell.text}{cell.text}".split(),
            is_header=last_cell.is_header and cell.is_header,
            columns=last_cell.columns + cell.columns,
        )
    return joined_cells


def _is_one_figure(cell: SpanningCell, following: SpanningCell) -> bool:
    """Whether one of two cells is a figure, and the other its sign."""
    if cell.rows > 1 or following.rows > 1:
        return False
    if cell.text in _SIGN_BEFORE:
        return bool(_NUMBER_PART.fullmatch(following.text))
    if following.text in _SIGN_AFTER:
        return bool(_NUMBER_PART.fullmatch(cell.text))
    return False


# Tables that mark no headers


def header_rows(rows: Sequence[Sequence[SpanningCell]], only_over_values: bool = False) -> int:
    """Number of header rows of a table that marks none: those above figures, or else, unless
    `only_over_values`, one, or as many as the cells of the first row span. 0 if these are no
    headers of the row below, or if the table may be a list of labels and values.
    """
    if not rows:
        return 0
    depth = headers_over_values(_grid(rows[: _DEEPEST_HEADER + _ROWS_SEEN]))
    if depth or only_over_values:
        return depth

    depth = max(cell.rows for cell in rows[0])
    spans_columns = any(cell.columns > 1 for cell in rows[0])
    if spans_columns:
        depth = max(depth, 2)
    if depth >= len(rows):
        return 0

    spanning = SpanningRows()
    names: list[str] = []
    for row in rows[:depth]:
        names = _names_below(names, spanning.texts(row, repeat=True))
    first_row = spanning.texts(rows[depth], repeat=True)
    if not are_headers(names, first_row) or max(map(len, names)) > _LONGEST_HEADER:
        return 0

    may_be_list = len(names) <= 2
    if may_be_list and not _has_figures(rows[depth:]):
        return 0
    return depth


def _grid(rows: Sequence[Sequence[SpanningCell]]) -> list[list[str]]:
    """The text of each column by row; a cell that spans has it in its first row and column."""
    rows_left: dict[int, int] = {}
    grid: list[list[str]] = []
    for row in rows:
        texts: list[str] = []
        for cell in row:
            _skip_covered(texts, rows_left)
            first_column = len(texts)
            for column in range(first_column, first_column + cell.columns):
                rows_left[column] = cell.rows - 1
            texts.append(cell.text)
            texts += [""] * (cell.columns - 1)
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
    stub = _first_filled_column(rows)
    rows = [row[stub:] for row in rows]
    depth = 0
    while depth < min(_DEEPEST_HEADER, len(rows)) and _names_columns(rows, depth):
        depth += 1
    if not depth:
        return 0

    filled_rows = 0
    with_values = 0
    for row in rows[depth : depth + _ROWS_SEEN]:
        texts = [text for text in row[1:] if text]
        if texts:
            filled_rows += 1
            with_values += any(map(_is_value, texts))
    if 2 * with_values <= filled_rows:
        return 0

    is_list = max(map(len, rows)) < 3
    has_only_values = filled_rows >= 3 and with_values == filled_rows
    if is_list and not has_only_values:
        return 0
    return depth


def _first_filled_column(rows: Sequence[Sequence[str]]) -> int:
    """The first column that has a text in any row; 0 if none has."""
    filled: list[int] = []
    for row in rows:
        filled += [column for column, text in enumerate(row) if text]
    return min(filled, default=0)


def _names_columns(rows: Sequence[Sequence[str]], number: int) -> bool:
    """Whether a row below `number` header rows may be another one."""
    row = rows[number]
    columns = _filled_columns(row)
    texts = [row[column] for column in columns]
    if not texts or max(map(len, texts)) > _LONGEST_HEADER:
        return False
    if any(map(_is_value, texts)) or _NUMBER.fullmatch(row[0]):
        return False

    is_first = not number
    has_label = bool(row[0])
    if is_first or not has_label:
        return True
    if any(row_above[0] for row_above in rows[:number] if row_above):
        return False

    named_columns = _filled_columns(rows[number - 1])
    columns_under_name = Counter(bisect_right(named_columns, column) for column in columns)
    return max(columns_under_name.values()) > 1


def _filled_columns(row: Sequence[str]) -> list[int]:
    """The columns after the label that have a text."""
    return [column for column, text in enumerate(row) if text and column]


def _is_value(text: str) -> bool:
    """Whether the text is a figure, a mark or a clock time, but no year."""
    if _is_figure(text):
        return True
    return bool(_VALUE.fullmatch(text)) and not _YEAR.fullmatch(text)


def _has_figures(rows: Sequence[Sequence[SpanningCell]]) -> bool:
    """Whether most of the second cells are figures: else two columns may be labels and values."""
    seconds = 0
    figures = 0
    for row in rows[:_ROWS_SEEN]:
        if len(row) > 1:
            seconds += 1
            figures += bool(_NUMBER.fullmatch(row[1].text))
    return 2 * figures > seconds


# Tables that mark their headers


def table_part(rows: Sequence[Sequence[str]], headed: bool, context: tuple[str, ...] = ()) -> Part:
    """A table with a line for each row. If the first row contains headers, the other rows repeat
    them, except rows of another length. More header rows may follow it, and then a cell of an upper
    one names also the columns right of it that it leaves empty.
    """
    table = TableText()
    depth = _header_depth(rows) if headed and rows else 0
    heads = rows[:depth]
    for number, row in enumerate(heads, 1):
        if any(row):
            is_lowest = number == depth
            table.header(row, stacked_names(rows[:number], is_whole=is_lowest))

    headers = stacked_names(heads)
    has_headers = any(headers)
    for row in rows[depth:]:
        if not has_headers:
            table.row(_unlabelled(row))
        elif len(row) == len(headers):
            table.row(labelled(enumerate(row), headers))
        else:
            table.row([(-1, "", text) for text in row])
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

    row = rows[number]
    top = rows[0]
    rows_below = rows[number + 1 : number + 1 + _ROWS_SEEN]
    if not row or len(row) != len(top) or not rows_below:
        return False

    leaves_none_empty = bool(top[0]) or all(top[1:])
    if row[0] and leaves_none_empty:
        return False

    columns = _filled_columns(row)
    if not columns or any(_is_figure(row[column]) for column in columns):
        return False

    filled_rows = 0
    with_figures = 0
    for row_below in rows_below:
        cells = [row_below[column] for column in columns if column < len(row_below)]
        texts = [text for text in cells if text]
        if texts:
            filled_rows += 1
            figures = sum(map(_is_value, texts))
            with_figures += 2 * figures > len(texts)
    return 2 * with_figures > filled_rows


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
        is_lowest = is_whole and number == len(rows)
        texts = row if is_lowest else _with_spanned_names(row, width)
        names = _names_below(names, texts)
    return names


def _with_spanned_names(row: Sequence[str], width: int) -> list[str]:
    """The texts of a header row; one that is empty is that to the left of it."""
    texts: list[str] = []
    for column in range(width):
        text = row[column] if column < len(row) else ""
        if not text and column > 1:
            text = texts[-1]
        texts.append(text)
    return texts


# Cells and headers


def _unlabelled(row: Sequence[str]) -> list[LabelledCell]:
    """The cells of a row whose columns have no names."""
    return [(column, "", text) for column, text in enumerate(row)]


def labelled(cells: Iterable[tuple[int, str]], names: Sequence[str]) -> list[LabelledCell]:
    """The cells, (column, text), that are not empty, each with its column's name, unless that is
    too long to repeat or the text itself.
    """
    with_names: list[LabelledCell] = []
    for column, text in cells:
        if not text:
            continue
        name = names[column] if 0 <= column < len(names) else ""
        if name == text or len(name) > _LONGEST_REPEATED:
            name = ""
        with_names.append((column, name, text))
    return with_names


def are_headers(cells: Sequence[str], row_below: Sequence[str]) -> bool:
    """Whether the first row contains headers: several different short texts without numbers, or
    years above values that are not years.
    """
    names = [cell for cell in cells if cell]
    if len(names) < 2 or len(names) > len(set(names)):
        return False

    numbers = 0
    for column, cell in enumerate(cells):
        value = row_below[column] if column < len(row_below) else None
        if len(cell) > _longest_header_over(value):
            return False
        if cell and _NUMBER.fullmatch(cell):
            numbers += 1
            if not _is_year_over(cell, value):
                return False

    has_names = numbers < len(names)
    has_labels = not cells[0] and any(row_below[:1])
    return has_names or has_labels


def _longest_header_over(value: str | None) -> int:
    """Characters that a header may have: fewer than a long text below it."""
    if value is not None and len(value) > _LONGEST_HEADER_OF_TEXTS:
        return _LONGEST_HEADER_OF_TEXTS
    return _LONGEST_NAME


def _is_year_over(cell: str, value: str | None) -> bool:
    """Whether a number is a year, and the value below it is not."""
    if value is None:
        return False
    return bool(_YEAR.fullmatch(cell)) and not _YEAR.fullmatch(value)
