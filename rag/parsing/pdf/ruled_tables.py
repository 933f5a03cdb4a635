"""Tables with rules: the lines drawn around their cells show which words belong together."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from statistics import median

from rag.meaning.periods import periods
from rag.parsing.pdf.marks import (
    Box,
    Colour,
    Extent,
    PdfCell,
    RuledGrid,
    Rules,
    Word,
    grouped,
    rows_of,
    united,
)
from rag.parsing.pdf.rows import (
    BULLET,
    Cells,
    Extents,
    PdfRow,
    Rows,
    is_figure,
    is_period,
    is_value,
    tight_figure,
)
from rag.parsing.pdf.tables import (
    BEGINS_WITH_WORD,
    PdfColumns,
    PdfTable,
    TableEntry,
    caption,
    name_of_labels,
    stacked,
    write_body,
    write_header,
)
from rag.parsing.tables import UNIT, TableText

_SAME_END = 4.0
"""Tolerance for the ends of rules of one width, in points."""
_WORD_GAP = 0.5
"""Maximum gap between words of a column without rules, in font heights."""
_LEAST_OPEN_COLUMNS = 3
_MOST_GAP = 2.5
"""Maximum gap in points between a rule's end and the rule it meets."""
_MAX_CELLS = 4000
_MAX_COLUMNS = 40
_MAX_HEADERS = 4
_LONGEST_LABEL = 300
"""Maximum length of a cell over several rows to repeat in every row."""
_LONGEST_TITLE = 120
"""A row over the whole table of fewer characters is a part of its caption."""
_LONGEST_CELL = 1500
"""Maximum number of characters; a box with more is a frame around text."""
_WHITE = (255, 255, 255)
_INDENT = 2.0
"""Points by which a row's label begins further right than that of its group."""


def grids(rules: Rules, words: Sequence[Word]) -> Iterator[RuledGrid]:
    """The ruled tables of a page, from the top, without drawings and boxes around text. Places
    without a rule between them are one cell.
    """
    for horizontal, vertical in _groups_that_meet(rules):
        edges = _edges(vertical, horizontal)
        heights = sorted({y for y, _, _ in horizontal})
        has_cells = len(edges) > 2 and len(heights) > 2
        if not has_cells:
            continue
        is_drawing = len(edges) > _MAX_COLUMNS or len(edges) * len(heights) > _MAX_CELLS
        if is_drawing:
            continue

        grid = RuledGrid(edges, heights, [])
        grid.rows += _rows(grid, horizontal, vertical, words)
        if _is_table(grid):
            _mark_shaded_headers(grid, rules.shades)
            yield grid


# Tables between three rules


def open_grids(rules: Rules, words: Sequence[Word]) -> Iterator[RuledGrid]:
    """The tables of words of a page between three rules of one width, above and below the headers
    and at the end. Their columns are separated by gaps that go through all rows; a row begins where
    the first column has text. Tables of figures are read by their alignment.
    """
    for rules_of_width in _of_one_width(rules.across):
        number = 0
        while number + 2 < len(rules_of_width):
            grid = _open_grid(rules_of_width[number : number + 3], words)
            if grid:
                yield grid
                number += 3
            else:
                number += 1


def _of_one_width(rules: Extents) -> list[list[Extent]]:
    """The rules in groups that begin and end at the same places, from the top."""
    groups: list[list[Extent]] = []
    for rule in sorted(rules):
        for group in groups:
            if _end_together(group[0], rule):
                group.append(rule)
                break
        else:
            groups.append([rule])
    return groups


def _end_together(rule: Extent, other_rule: Extent) -> bool:
    """Whether two rules begin at one place and end at one place."""
    _, left, right = rule
    _, other_left, other_right = other_rule
    begin_together = abs(left - other_left) < _SAME_END
    return begin_together and abs(right - other_right) < _SAME_END


def _open_grid(rules: Extents, words: Sequence[Word]) -> RuledGrid | None:
    """The table between three rules; None if there may be none."""
    top_rule, middle_rule, bottom_rule = rules
    top, left, right = top_rule
    middle, _, _ = middle_rule
    bottom, _, _ = bottom_rule
    words_in_table = _words_inside(words, (left, top, right, bottom))
    if not words_in_table:
        return None

    font_height = median(word.bottom - word.top for word in words_in_table)
    extents = ((word.left, word.right) for word in words_in_table)
    spans = united(extents, _WORD_GAP * font_height)
    if not _LEAST_OPEN_COLUMNS <= len(spans) <= _MAX_COLUMNS:
        return None

    starts_of_columns = [start - 1.0 for start, _ in spans[1:]]
    edges = [left, *starts_of_columns, right]
    starts_of_rows = _starts_of_rows(words_in_table, middle, first_column_end=edges[1])
    heights = [top, middle, *starts_of_rows[1:], bottom]
    if len(starts_of_rows) < 2 or len(edges) * len(heights) > _MAX_CELLS:
        return None

    grid = RuledGrid(edges, heights, [])
    cells: list[PdfCell] = []
    for row in range(len(heights) - 1):
        row_cells = [_empty_cell(row, column) for column in range(grid.width)]
        grid.rows.append(row_cells)
        cells += row_cells

    _fill(grid, cells, words_in_table)
    for cell in cells:
        cell.bold = cell.row == 0

    if not _is_table_of_words(grid):
        return None
    return grid


def _words_inside(words: Sequence[Word], box: Box) -> list[Word]:
    """The words whose middle is in the box. They may begin and end a little outside it."""
    left, top, right, bottom = box
    words_in_box: list[Word] = []
    for word in words:
        if word.left <= left - _MOST_GAP or word.right >= right + _MOST_GAP:
            continue
        if top < (word.top + word.bottom) / 2 < bottom:
            words_in_box.append(word)
    return words_in_box


def _starts_of_rows(words: Sequence[Word], middle: float, first_column_end: float) -> list[float]:
    """Where the rows begin that are below the rule at `middle`, from the top."""
    body = [word for word in words if (word.top + word.bottom) / 2 > middle]
    starts: list[float] = []
    for line in rows_of(body):
        if _begins_row(line, first_column_end):
            starts.append(min(word.top for word in line))
    return starts


def _begins_row(line: Sequence[Word], first_column_end: float) -> bool:
    """Whether a line of words begins a row: its first column has text, which is no more of the
    text above.
    """
    if line[0].left >= first_column_end:
        return False

    has_other_columns = line[-1].left >= first_column_end
    return has_other_columns or not line[0].text[0].islower()


def _empty_cell(row: int, column: int) -> PdfCell:
    """A cell that begins at this place, before words are written into it."""
    return PdfCell(
        text="",
        left=0.0,
        right=0.0,
        row=row,
        column=column,
    )


def _is_table_of_words(grid: RuledGrid) -> bool:
    """Whether most headers are named, most rows have several cells, and most of their values are
    short texts, but no figures.
    """
    head = grid.rows[0]
    body = grid.rows[1:]

    values: list[PdfCell] = []
    with_several = 0
    for row in body:
        filled_cells = [cell for cell in row if cell.lines]
        values += [cell for cell in filled_cells if cell.column]
        if len(filled_cells) > 1:
            with_several += 1

    named_headers = sum(bool(cell.lines) for cell in head)
    if not values or 2 * named_headers <= len(head):
        return False

    figures = sum(is_figure(cell.text) for cell in values)
    if 2 * with_several <= len(body) or 2 * figures >= len(values):
        return False

    greatest_length = max(len(cell.text) for cell in values)
    return greatest_length <= _LONGEST_LABEL


# Shaded headers


def _mark_shaded_headers(grid: RuledGrid, shades: Sequence[tuple[Box, Colour]]) -> None:
    """Make the first rows bold if they are shaded in colours that no other row has."""
    colours = [_colour(row, grid, shades) for row in grid.rows]
    head_colours: list[Colour] = []
    for colour in colours:
        if colour is None or colour == _WHITE:
            break
        head_colours.append(colour)

    count = len(head_colours)
    body_colours = colours[count:]
    if not body_colours or not set(head_colours).isdisjoint(body_colours):
        return

    for row in grid.rows[:count]:
        for cell in row:
            cell.bold = True


def _colour(row: Cells, grid: RuledGrid, shades: Sequence[tuple[Box, Colour]]) -> Colour | None:
    """The colour that the middles of a row's cells have; None if they have several."""
    number = row[0].row
    top = grid.heights[number]
    bottom = grid.heights[number + 1]
    y = (top + bottom) / 2
    colours: set[Colour] = set()
    for cell in row:
        left = grid.edges[cell.column]
        right = grid.edges[cell.column + cell.columns]
        colours.add(_colour_at((left + right) / 2, y, shades))
    if len(colours) > 1:
        return None
    return colours.pop()


def _colour_at(x: float, y: float, shades: Sequence[tuple[Box, Colour]]) -> Colour:
    """The colour of the uppermost shade at a place; the page itself is white."""
    for (left, top, right, bottom), colour in reversed(shades):
        if left < x < right and top < y < bottom:
            return colour
    return _WHITE


# Cells between rules


_JoinedRules = tuple[set[Extent], list[Extent]]
"""Horizontal and vertical rules that meet."""


def _groups_that_meet(rules: Rules) -> list[tuple[list[Extent], list[Extent]]]:
    """Groups of horizontal and vertical rules that meet, directly or through others."""
    groups: list[_JoinedRules] = []
    for rule in rules.down:
        horizontal = _met_by(rule, rules.across)
        if not horizontal:
            continue

        vertical = [rule]
        other_groups: list[_JoinedRules] = []
        for group in groups:
            group_across, group_down = group
            if group_across.isdisjoint(horizontal):
                other_groups.append(group)
                continue
            horizontal |= group_across
            vertical = group_down + vertical
        groups = [*other_groups, (horizontal, vertical)]

    from_top: list[tuple[list[Extent], list[Extent]]] = []
    for rules_across, rules_down in groups:
        from_top.append((sorted(rules_across), sorted(rules_down)))
    return sorted(from_top)


def _met_by(rule: Extent, across: Extents) -> set[Extent]:
    """The horizontal rules that a vertical one meets."""
    x, top, bottom = rule
    top_limit = top - _MOST_GAP
    bottom_limit = bottom + _MOST_GAP
    met: set[Extent] = set()
    for rule_across in across:
        y, left, right = rule_across
        if top_limit <= y <= bottom_limit and left - _MOST_GAP <= x <= right + _MOST_GAP:
            met.add(rule_across)
    return met


def _edges(vertical: Extents, horizontal: Extents) -> list[float]:
    """Edges of the columns: vertical rules, and the ends of horizontal rules on an open side."""
    positions = sorted(x for x, _, _ in vertical)
    groups = grouped(positions, lambda group, x: x - group[0] <= 2 * _MOST_GAP)
    edges = [group[0] for group in groups]

    left = min(start for _, start, _ in horizontal)
    if left < edges[0] - 4 * _MOST_GAP:
        edges.insert(0, left)

    right = max(end for _, _, end in horizontal)
    if right > edges[-1] + 4 * _MOST_GAP:
        edges.append(right)
    return edges


def _rows(
    grid: RuledGrid,
    horizontal: Extents,
    vertical: Extents,
    words: Sequence[Word],
) -> Iterator[list[PdfCell]]:
    """The rows of the cells that begin in each, with their words; none if not all cells are
    rectangles.
    """
    cells = _cells(grid, horizontal, vertical)
    places = Counter(map(id, cells))
    for cell in cells:
        is_rectangle = places[id(cell)] == cell.rows * cell.columns
        if not is_rectangle:
            return

    _fill(grid, cells, words)
    rows: list[list[PdfCell]] = [[] for _ in grid.heights[1:]]
    for place, cell in enumerate(cells):
        first_place = cell.row * grid.width + cell.column
        if place == first_place:
            rows[cell.row].append(cell)
    yield from filter(None, rows)


def _cells(grid: RuledGrid, horizontal: Extents, vertical: Extents) -> list[PdfCell]:
    """The cell of each place of a grid, row by row. Places without a rule between them have one
    cell.
    """
    edges = grid.edges
    heights = grid.heights
    cells: list[PdfCell] = []
    for place in range(grid.width * (len(heights) - 1)):
        row, column = divmod(place, grid.width)
        x = (edges[column] + edges[column + 1]) / 2
        y = (heights[row] + heights[row + 1]) / 2
        if column and not _is_crossed(vertical, edges[column], y):
            cell = cells[place - 1]
        elif row and not _is_crossed(horizontal, heights[row], x):
            cell = cells[place - grid.width]
        else:
            cell = _empty_cell(row, column)
        cell.rows = row - cell.row + 1
        cell.columns = column - cell.column + 1
        cells.append(cell)
    return cells


def _fill(grid: RuledGrid, cells: Cells, words: Sequence[Word]) -> None:
    """Write the words into the cells that they are in; `cells` has the cell of each place."""
    words_of = _words_by_cell(grid, cells, words)
    for cell in cells:
        # A cell of several places is filled at the first of them.
        in_cell = words_of.pop(id(cell), None)
        if not in_cell:
            continue
        for line in rows_of(in_cell):
            cell.lines.append(" ".join(word.text for word in line))
        cell.text = tight_figure(_joined_lines(cell.lines))
        cell.left = min(word.left for word in in_cell)
        cell.right = max(word.right for word in in_cell)
        cell.bold = all(word.bold for word in in_cell)


def _words_by_cell(grid: RuledGrid, cells: Cells, words: Sequence[Word]) -> dict[int, list[Word]]:
    """The words inside a grid, by the `id` of the cell that the middle of each is in."""
    edges = grid.edges
    heights = grid.heights
    words_of: dict[int, list[Word]] = {}
    for word in words:
        x = (word.left + word.right) / 2
        if not edges[0] <= x <= edges[-1]:
            continue
        y = (word.top + word.bottom) / 2
        if not heights[0] <= y <= heights[-1]:
            continue
        row = _band(heights, y)
        column = _band(edges, x)
        cell = cells[row * grid.width + column]
        words_of.setdefault(id(cell), []).append(word)
    return words_of


def _is_crossed(rules: Extents, position: float, through: float) -> bool:
    """Whether a rule at `position` goes past the place `through` along it."""
    for line, start, end in rules:
        is_at_position = abs(line - position) <= 2 * _MOST_GAP
        if is_at_position and start - _MOST_GAP <= through <= end + _MOST_GAP:
            return True
    return False


def _band(edges: Sequence[float], position: float) -> int:
    """Index of the first two edges that are around the position."""
    index = bisect_left(edges, position) - 1
    last_index = len(edges) - 2
    return min(max(index, 0), last_index)


def _joined_lines(lines: Sequence[str]) -> str:
    """The lines as one; no space follows a hyphen."""
    text = ""
    for line in lines:
        if not text.endswith("-"):
            text += " "
        text += line
    return text.strip()


def _is_table(grid: RuledGrid) -> bool:
    """Whether most rows have several cells with text, none of which has most of the text or
    contains several rows of figures without rules between them.
    """
    cells: list[PdfCell] = []
    with_text = 0
    with_several = 0
    is_full = True
    for row in grid.rows:
        filled_cells = [cell for cell in row if cell.lines]
        cells += filled_cells
        with_text += len(filled_cells) > 0
        with_several += len(filled_cells) > 1
        if len(filled_cells) < len(row):
            is_full = False

    if with_several < 2 or 2 * with_several < with_text:
        return False

    for cell in cells:
        if len(cell.lines) > 1 and all(map(is_figure, cell.lines)):
            return False

    is_surely_table = grid.width > 2 and (with_several > 2 or is_full)
    share = 0.8 if is_surely_table else 0.6
    lengths = [len(cell.text) for cell in cells]
    greatest_length = max(lengths)
    return greatest_length <= _LONGEST_CELL and greatest_length < share * sum(lengths)


# A grid as text


def ruled_table(
    grid: RuledGrid, rows_above: Rows = (), columns_above: PdfColumns | None = None
) -> PdfTable:
    """`rows_above` is the text above; the table may continue one with `columns_above`."""
    rows = [row for row in grid.rows if _has_text(row)]
    parts = _parts(rows, grid)
    columns = PdfColumns(
        spans=list(pairwise(grid.edges)),
        caption=_caption_above(grid, rows_above),
    )
    names, unit = _names_and_unit(parts, columns, columns_above)
    for title in parts.titles:
        text_of_title = title[0].text
        if len(text_of_title) < _LONGEST_TITLE and " " in text_of_title:
            columns.caption += (text_of_title,)
    columns.caption += unit

    text = TableText()
    for row in (*parts.titles, *parts.heads):
        _write_header(text, row, names)
    columns.names = _write_rows(text, parts, names)
    return PdfTable(text.part(columns.caption), columns)


@dataclass(frozen=True, slots=True)
class _RuledRows:
    """The rows of a ruled table: its titles, its headers and its body. `tall_cells` span
    several rows.
    """

    grid: RuledGrid
    titles: Sequence[Cells]
    heads: Sequence[Cells]
    body: Sequence[Cells]
    tall_cells: Cells

    @property
    def has_figures(self) -> bool:
        """Whether a row of the body has figures or other values."""
        return any(map(_has_values, self.body))

    def texts_over_columns(self, row: Cells) -> list[str]:
        """The text over each column, of cells that span it in this row."""
        texts = [""] * self.grid.width
        for cell in (*self._cells_from_above(row), *row):
            for column in range(cell.column, cell.column + cell.columns):
                texts[column] = cell.text
        return texts

    def values(self, row: Cells) -> dict[int, str]:
        """The text of each column of a row of the body. A tall cell is repeated in its rows."""
        values: dict[int, str] = {}
        for cell in self._cells_from_above(row):
            if 0 < len(cell.text) <= _LONGEST_LABEL:
                values[cell.column] = cell.text
        for cell in row:
            if cell.lines:
                values[cell.column] = cell.text

        last_cell = row[-1]
        items = grouped(last_cell.lines, lambda item, line: not BULLET.match(line))
        if last_cell.column and len(items) > 1:  # a list keeps its lines
            values[last_cell.column] = "\n".join(map(_joined_lines, items))
        return values

    def _cells_from_above(self, row: Cells) -> list[PdfCell]:
        """The cells that begin above a row and span it."""
        number = row[0].row
        from_above: list[PdfCell] = []
        for cell in self.tall_cells:
            end = cell.row + cell.rows
            if cell.row < number < end:
                from_above.append(cell)
        return from_above


def _parts(rows: Sequence[Cells], grid: RuledGrid) -> _RuledRows:
    """The rows with text of a grid as the parts of a table."""
    titles = list(takewhile(lambda row: _fills_all_columns(row, grid), rows))
    below_titles = rows[len(titles) :]
    header_count = _count_headers(below_titles)

    tall_cells: list[PdfCell] = []
    for row in rows:
        tall_cells += [cell for cell in row if cell.rows > 1]

    return _RuledRows(
        grid=grid,
        titles=titles,
        heads=below_titles[:header_count],
        body=below_titles[header_count:],
        tall_cells=tall_cells,
    )


def _names_and_unit(
    parts: _RuledRows, columns: PdfColumns, columns_above: PdfColumns | None
) -> tuple[list[str], tuple[str, ...]]:
    """The names of the columns, and the unit of the figures if the corner above the labels states
    it. A table without headers has those of the table before, if the columns agree, and then
    `columns` get its caption.
    """
    names: list[str] = []
    if parts.heads:
        names = stacked([parts.texts_over_columns(row) for row in parts.heads])

    if not any(names):
        if columns_above and columns_above.agree(columns) and any(columns_above.names):
            columns.caption = columns_above.caption
            return columns_above.names, ()
        return names, ()

    if not parts.has_figures:
        return names, ()
    corner = names[0]
    names[0] = name_of_labels(corner, [row[0].text for row in parts.body])
    if UNIT.search(corner):
        return names, (corner,)
    return names, ()


def _write_rows(text: TableText, parts: _RuledRows, names: list[str]) -> list[str]:
    """Write the body under columns of these names. Returns the names of the last columns, since
    headers between the rows name the columns of those below.
    """
    labels = _labels(parts.body)
    rows = [*parts.heads, *parts.body]
    has_only_bold_rows = all(map(_is_bold, rows))
    may_have_headers = parts.has_figures and any(names) and not has_only_bold_rows
    is_label_named = not parts.has_figures
    entries: list[TableEntry] = []
    has_values = True
    for row, row_below in zip(parts.body, [*parts.body[1:], []], strict=True):
        is_header = may_have_headers and not _fills_all_columns(row, parts.grid) and _is_header(row)
        if not is_header:
            entries.append(_entry(row, row_below, parts, labels))
            has_values = True
            continue

        write_body(text, entries, names, is_label_named)
        entries = []
        texts = parts.texts_over_columns(row)
        if not has_values:  # another header row
            texts = stacked([names, texts])
        names = [names[0], *texts[1:]]
        _write_header(text, row, names)
        has_values = False

    write_body(text, entries, names, is_label_named)
    return names


def _labels(body: Sequence[Cells]) -> list[PdfCell]:
    """The labels of the rows. Centred ones get one left edge, because theirs say nothing."""
    first_cells = [row[0] for row in body]
    labels = [cell for cell in first_cells if cell.column == 0 and cell.lines]
    if _are_centred(labels):
        for label in labels:
            label.left = labels[0].left
    return labels


def _caption_above(grid: RuledGrid, rows_above: Rows) -> tuple[str, ...]:
    """The caption in the text above a table."""
    top = grid.heights[0]
    size = rows_above[-1].size if rows_above else 1.0
    edge = PdfRow([], top, top, size)
    return caption([*rows_above, edge], len(rows_above), len(rows_above))


def _has_text(row: Cells) -> bool:
    """Whether a cell of the row has text."""
    return any(cell.lines for cell in row)


def _fills_all_columns(row: Cells, grid: RuledGrid) -> bool:
    """Whether the row is one cell over all columns."""
    return len(row) == 1 and row[0].columns == grid.width


def _write_header(text: TableText, row: Cells, names: Sequence[str]) -> None:
    """Write a row above columns of these names; a row of one cell is a caption."""
    cells = [(cell.column, cell.text) for cell in row if cell.lines]
    if len(row) > 1:
        write_header(text, cells, names)
    else:
        text.caption(cells[0][1])


def _entry(row: Cells, row_below: Cells, parts: _RuledRows, labels: Cells) -> TableEntry:
    """A row of a ruled table's body. `labels` are those of all rows: one in bold without values is
    a title if others are not bold, and the rows below are not indented.
    """
    first_cell = row[0]
    labels_at_edge = sum(abs(label.left - first_cell.left) < _INDENT for label in labels)
    is_group = labels_at_edge > 1 and _is_group(row, row_below)

    is_alone = first_cell.column == 0 and not _has_text(row[1:])
    stands_out = first_cell.bold and not all(label.bold for label in labels)
    is_heading = is_alone and stands_out
    if _fills_all_columns(row, parts.grid) or (is_heading and not is_group):
        return TableEntry(
            kind="title",
            label=first_cell.text,
            left=first_cell.left,
            values={},
        )

    values = parts.values(row)
    kind = "row"
    label = ""
    if first_cell.column or not first_cell.lines:
        kind = "part"
    else:
        label = values.pop(0)
        if is_group:
            kind = "group"
    return TableEntry(kind, label, first_cell.left, values)


def _are_centred(labels: Cells) -> bool:
    """Whether at least four labels are centred in their column: with one middle, and many edges."""
    if len(labels) < 4:
        return False

    middle = median(label.center for label in labels)
    at_middle = 0
    edges: set[int] = set()
    for label in labels:
        at_middle += abs(label.center - middle) < _INDENT
        edges.add(round(label.left / _INDENT))

    have_one_middle = at_middle > 0.8 * len(labels)
    have_many_edges = len(edges) > len(labels) / 2
    return have_one_middle and have_many_edges


# Headers of a grid


def _count_headers(rows: Sequence[Cells]) -> int:
    """The rows in bold but for figures below others, or else those above the first figures; none
    of a form, a table of two columns with bold labels.
    """
    if len(rows) > 2 and _is_form(rows):
        return 0

    in_bold = _count_bold_headers(rows)
    if 0 < in_bold <= min(len(rows) - 1, _MAX_HEADERS):
        return in_bold

    above_figures = 0
    for row, row_below in zip(rows, [*rows[1:], []], strict=True):
        if len(row) < 2 or _has_values(row) or _is_group(row, row_below):
            break
        above_figures += 1
    if above_figures >= min(len(rows), _MAX_HEADERS):
        return 0
    return above_figures


def _is_form(rows: Sequence[Cells]) -> bool:
    """Whether every row is a bold label with one cell beside it."""
    for row in rows:
        label = row[0]
        if len(row) != 2 or not label.lines or not label.bold:
            return False
    return True


def _count_bold_headers(rows: Sequence[Cells]) -> int:
    """The rows in bold at the top, up to the first below them that has a label and figures."""
    in_bold = sum(1 for _ in takewhile(_is_bold, rows))
    if not in_bold or _has_values(rows[0]):
        return in_bold

    for number in range(1, in_bold):
        label = rows[number][0]
        has_label = label.column == 0 and label.lines
        if has_label and _has_values(rows[number]):
            return number
    return in_bold


def _is_bold(row: Cells) -> bool:
    """Whether all text of the row is bold, and not only a label."""
    filled_cells = [cell for cell in row if cell.lines]
    has_columns = any(cell.column for cell in filled_cells)
    return has_columns and all(cell.bold for cell in filled_cells)


def _has_values(row: Cells) -> bool:
    """Whether a cell that is not the label is a figure, a date or a mark."""
    return any(is_value(cell.text) for cell in row if cell.column)


def _is_header(row: Cells) -> bool:
    """Whether a row below values is in bold without figures, or has only periods and no label. A
    total, such as "9 kg", is a value.
    """
    texts = [cell.text for cell in row[1:]]
    if not texts or not all(map(_names_column, texts)):
        return False
    if _is_bold(row):
        return not _has_values(row)
    return not row[0].lines and all(map(is_period, texts))


def _names_column(text: str) -> bool:
    """Whether the text begins with a word or names a period."""
    return bool(BEGINS_WITH_WORD.match(text)) or any(periods(text))


def _is_group(row: Cells, row_below: Cells) -> bool:
    """Whether the row has only a label in words, and that of the row below it is indented."""
    if not row_below or _has_text(row[1:]):
        return False

    label = row[0]
    label_below = row_below[0]
    if label.column or label_below.column or not label_below.lines:
        return False
    if is_figure(label.text):
        return False
    return label_below.left > label.left + _INDENT
