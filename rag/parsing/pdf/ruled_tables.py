"""Tables with rules: the lines drawn around their cells show which words belong together."""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
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
    tight,
)
from rag.parsing.pdf.tables import (
    Columns,
    Entry,
    Table,
    caption,
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
_NEAR = 2.5
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
_BEGINS_WITH_WORD = re.compile(r"\W*[^\W\d]|%")


def grids(rules: Rules, words: Sequence[Word]) -> Iterator[RuledGrid]:
    """The ruled tables of a page, from the top, without drawings and boxes around text. Places
    without a rule between them are one cell.
    """
    for horizontal, vertical in _connected(rules):
        edges = _edges(vertical, horizontal)
        heights = sorted({y for y, _, _ in horizontal})
        has_cells = len(edges) > 2 and len(heights) > 2
        if not has_cells or len(edges) > _MAX_COLUMNS or len(edges) * len(heights) > _MAX_CELLS:
            continue

        grid = RuledGrid(edges, heights, [])
        grid.rows += _rows(grid, horizontal, vertical, words)
        if _is_table(grid):
            _mark_shaded_headers(grid, rules.shades)
            yield grid


def open_grids(rules: Rules, words: Sequence[Word]) -> Iterator[RuledGrid]:
    """The tables of words of a page between three rules of one width, above and below the headers
    and at the end. Their columns are separated by gaps that go through all rows; a row begins where
    the first column has text. Tables of figures are read by their alignment.
    """
    for same in _of_one_width(rules.across):
        number = 0
        while number + 2 < len(same):
            grid = _open_grid(same[number : number + 3], words)
            number += 3 if grid else 1
            if grid:
                yield grid


def _of_one_width(rules: Extents) -> list[list[Extent]]:
    """The rules in groups that begin and end at the same places, from the top."""
    groups: list[list[Extent]] = []
    for rule in sorted(rules):
        same = next((group for group in groups if _end_together(group[0], rule)), None)
        if same is None:
            groups.append([rule])
        else:
            same.append(rule)
    return groups


def _end_together(rule: Extent, other: Extent) -> bool:
    return abs(rule[1] - other[1]) < _SAME_END and abs(rule[2] - other[2]) < _SAME_END


def _open_grid(rules: Extents, words: Sequence[Word]) -> RuledGrid | None:
    """The table between three rules; None if there may be none."""
    (top, left, right), (middle, _, _), (bottom, _, _) = rules
    inside = [
        word
        for word in words
        if left - _NEAR < word.left and word.right < right + _NEAR
        if top < (word.top + word.bottom) / 2 < bottom
    ]
    if not inside:
        return None
    gap = _WORD_GAP * median(word.bottom - word.top for word in inside)
    spans = united(((word.left, word.right) for word in inside), gap)
    edges = [left, *(start - 1.0 for start, _ in spans[1:]), right]
    if not _LEAST_OPEN_COLUMNS <= len(spans) <= _MAX_COLUMNS:
        return None

    body = rows_of(word for word in inside if (word.top + word.bottom) / 2 > middle)
    starts = [min(word.top for word in line) for line in body if _begins_row(line, edges[1])]
    heights = [top, middle, *starts[1:], bottom]
    if len(starts) < 2 or len(edges) * len(heights) > _MAX_CELLS:
        return None

    cells = [
        PdfCell("", 0.0, 0.0, row=row, column=column)
        for row in range(len(heights) - 1)
        for column in range(len(spans))
    ]
    rows = [cells[start : start + len(spans)] for start in range(0, len(cells), len(spans))]
    grid = RuledGrid(edges, heights, rows)
    _fill(grid, cells, inside)
    for cell in cells:
        cell.bold = cell.row == 0
    return grid if _is_table_of_words(grid) else None


def _begins_row(line: Sequence[Word], first_column_end: float) -> bool:
    """Whether a line of words begins a row: its first column has text, which is no more of the
    text above.
    """
    if line[0].left >= first_column_end:
        return False
    return line[-1].left >= first_column_end or not line[0].text[0].islower()


def _is_table_of_words(grid: RuledGrid) -> bool:
    """Whether most headers are named, most rows have several cells, and most of their values are
    short texts, but no figures.
    """
    head, body = grid.rows[0], grid.rows[1:]
    values = [cell for row in body for cell in row if cell.column and cell.lines]
    if not values or 2 * sum(bool(cell.lines) for cell in head) <= len(head):
        return False
    with_several = sum(sum(bool(cell.lines) for cell in row) > 1 for row in body)
    figures = sum(is_figure(cell.text) for cell in values)
    longest = max(len(cell.text) for cell in values)
    return 2 * with_several > len(body) and 2 * figures < len(values) and longest <= _LONGEST_LABEL


def _mark_shaded_headers(grid: RuledGrid, shades: Sequence[tuple[Box, Colour]]) -> None:
    """Make the first rows bold if they are shaded in colours that no other row has."""
    colours = [_colour(row, grid, shades) for row in grid.rows]
    head_colours = list(takewhile(lambda colour: colour not in (None, _WHITE), colours))
    count = len(head_colours)
    if count == len(colours) or not set(head_colours).isdisjoint(colours[count:]):
        return
    for row in grid.rows[:count]:
        for cell in row:
            cell.bold = True


def _colour(row: Cells, grid: RuledGrid, shades: Sequence[tuple[Box, Colour]]) -> Colour | None:
    """The colour that the middles of a row's cells have; None if they have several."""
    number = row[0].row
    y = (grid.heights[number] + grid.heights[number + 1]) / 2
    colours: set[Colour] = set()
    for cell in row:
        x = (grid.edges[cell.column] + grid.edges[cell.column + cell.columns]) / 2
        colours.add(_colour_at(x, y, shades))
    return colours.pop() if len(colours) == 1 else None


def _colour_at(x: float, y: float, shades: Sequence[tuple[Box, Colour]]) -> Colour:
    for (left, top, right, bottom), colour in reversed(shades):
        if left < x < right and top < y < bottom:
            return colour
    return _WHITE


def _connected(rules: Rules) -> list[tuple[list[Extent], list[Extent]]]:
    """Groups of horizontal and vertical rules that meet, directly or through others."""
    groups: list[tuple[set[Extent], list[Extent]]] = []
    for rule in rules.down:
        x, top, bottom = rule
        horizontal = {
            (y, left, right)
            for y, left, right in rules.across
            if top - _NEAR <= y <= bottom + _NEAR and left - _NEAR <= x <= right + _NEAR
        }
        if not horizontal:
            continue

        vertical = [rule]
        for group in [group for group in groups if group[0] & horizontal]:
            groups.remove(group)
            group_across, group_down = group
            horizontal |= group_across
            vertical = group_down + vertical
        groups.append((horizontal, vertical))
    return sorted((sorted(horizontal), sorted(vertical)) for horizontal, vertical in groups)


def _edges(vertical: Extents, horizontal: Extents) -> list[float]:
    """Edges of the columns: vertical rules, and the ends of horizontal rules on an open side."""
    positions = sorted(x for x, _, _ in vertical)
    groups = grouped(positions, lambda group, x: x - group[0] <= 2 * _NEAR)
    edges = [group[0] for group in groups]

    left = min(start for _, start, _ in horizontal)
    right = max(end for _, _, end in horizontal)
    if left < edges[0] - 4 * _NEAR:
        edges.insert(0, left)
    if right > edges[-1] + 4 * _NEAR:
        edges.append(right)
    return edges


def _rows(
    grid: RuledGrid, horizontal: Extents, vertical: Extents, words: Sequence[Word]
) -> Iterator[list[PdfCell]]:
    """The rows of the cells that begin in each, with their words; none if not all cells are
    rectangles.
    """
    cells = _cells(grid, horizontal, vertical)
    sizes = Counter(map(id, cells))
    if any(cell.rows * cell.columns != sizes[id(cell)] for cell in cells):
        return

    _fill(grid, cells, words)
    rows: list[list[PdfCell]] = [[] for _ in grid.heights[1:]]
    for place, cell in enumerate(cells):
        if place == cell.row * grid.width + cell.column:
            rows[cell.row].append(cell)
    yield from filter(None, rows)


def _cells(grid: RuledGrid, horizontal: Extents, vertical: Extents) -> list[PdfCell]:
    """The cell of each place of a grid, row by row. Places without a rule between them have one
    cell.
    """
    edges, heights = grid.edges, grid.heights
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
            cell = PdfCell("", 0.0, 0.0, row=row, column=column)
        cell.rows = row - cell.row + 1
        cell.columns = column - cell.column + 1
        cells.append(cell)
    return cells


def _fill(grid: RuledGrid, cells: Cells, words: Sequence[Word]) -> None:
    """Write the words into the cells that they are in; `cells` has the cell of each place."""
    edges, heights = grid.edges, grid.heights
    words_of: dict[int, list[Word]] = {}
    for word in words:
        x = (word.left + word.right) / 2
        y = (word.top + word.bottom) / 2
        if edges[0] <= x <= edges[-1] and heights[0] <= y <= heights[-1]:
            cell = cells[_band(heights, y) * grid.width + _band(edges, x)]
            words_of.setdefault(id(cell), []).append(word)

    for cell in cells:
        in_cell = words_of.pop(id(cell), None)
        if in_cell:
            cell.lines = [" ".join(word.text for word in line) for line in rows_of(in_cell)]
            cell.text = tight(_joined(cell.lines))
            cell.left = min(word.left for word in in_cell)
            cell.right = max(word.right for word in in_cell)
            cell.bold = all(word.bold for word in in_cell)


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
    rows = [[cell for cell in row if cell.lines] for row in grid.rows]
    with_text = sum(len(row) > 0 for row in rows)
    with_several = sum(len(row) > 1 for row in rows)
    if with_several < 2 or 2 * with_several < with_text:
        return False

    cells = [cell for row in rows for cell in row]
    if any(len(cell.lines) > 1 and all(map(is_figure, cell.lines)) for cell in cells):
        return False

    lengths = [len(cell.text) for cell in cells]
    longest = max(lengths)
    is_full = all(cell.lines for row in grid.rows for cell in row)
    share = 0.8 if grid.width > 2 and (with_several > 2 or is_full) else 0.6
    return longest <= _LONGEST_CELL and longest < share * sum(lengths)


def ruled_table(grid: RuledGrid, above: Rows = (), before: Columns | None = None) -> Table:
    """`above` is the text above; the table may continue one with the columns `before`."""
    rows = [row for row in grid.rows if any(cell.lines for cell in row)]
    tall = [cell for row in rows for cell in row if cell.rows > 1]
    titles = list(takewhile(lambda row: _fills(row, grid), rows))
    body = rows[len(titles) :]
    count = _count_headers(body)
    heads, body = body[:count], body[count:]
    has_figures = any(_has_values(row) for row in body)

    columns = Columns(list(pairwise(grid.edges)), caption=_caption_above(grid, above))
    names = stacked([_header_texts(row, tall, grid.width) for row in heads]) if heads else []
    unit: list[str] = []
    if any(names) and has_figures:
        unit = [names[0]] if UNIT.search(names[0]) else []
        names[0] = ""
    elif not any(names) and before and before.agree(columns) and any(before.names):
        names = before.names
        columns.caption = before.caption

    title_texts = [row[0].text for row in titles]
    titles_in_caption = [text for text in title_texts if len(text) < _LONGEST_TITLE and " " in text]
    columns.caption += (*titles_in_caption, *unit)

    text = TableText()
    for row in (*titles, *heads):
        _write_header(text, row, names)

    labels = [row[0] for row in body if row[0].column == 0 and row[0].lines]
    if _are_centred(labels):  # their left edges say nothing
        for label in labels:
            label.left = labels[0].left

    may_have_headers = has_figures and any(names) and not all(map(_is_bold, [*heads, *body]))
    entries: list[Entry] = []
    has_values = True
    for row, below in zip(body, [*body[1:], []], strict=True):
        if _fills(row, grid) or not (may_have_headers and _is_header(row)):
            entries.append(_entry(row, below, tall, labels, grid))
            has_values = True
            continue

        write_body(text, entries, names)
        texts = _header_texts(row, tall, grid.width)
        names = ["", *(texts if has_values else stacked([names, texts]))[1:]]
        _write_header(text, row, names)
        entries = []
        has_values = False

    write_body(text, entries, names)
    columns.names = names
    return Table(text.part(columns.caption), columns)


def _caption_above(grid: RuledGrid, above: Rows) -> tuple[str, ...]:
    """The caption in the text above a table."""
    top = grid.heights[0]
    edge = PdfRow([], top, top, above[-1].size if above else 1.0)
    return caption([*above, edge], len(above), len(above))


def _fills(row: Cells, grid: RuledGrid) -> bool:
    return len(row) == 1 and row[0].columns == grid.width


def _write_header(text: TableText, row: Cells, names: Sequence[str]) -> None:
    cells = [(cell.column, cell.text) for cell in row if cell.lines]
    if len(row) > 1:
        write_header(text, cells, names)
    else:
        text.caption(cells[0][1])


def _header_texts(row: Cells, tall: Cells, width: int) -> list[str]:
    """The text over each column, of cells that span it in this row."""
    texts = [""] * width
    from_above = [cell for cell in tall if cell.row < row[0].row < cell.row + cell.rows]
    for cell in (*from_above, *row):
        texts[cell.column : cell.column + cell.columns] = [cell.text] * cell.columns
    return texts


def _entry(row: Cells, below: Cells, tall: Cells, labels: Cells, grid: RuledGrid) -> Entry:
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
        return Entry("title", first.text, first.left, {})

    values = {
        cell.column: cell.text
        for cell in tall
        if cell.row < first.row < cell.row + cell.rows and 0 < len(cell.text) <= _LONGEST_LABEL
    }
    values |= {cell.column: cell.text for cell in row if cell.lines}

    last = row[-1]
    items = grouped(last.lines, lambda item, line: not BULLET.match(line))
    if last.column and len(items) > 1:  # a list keeps its lines
        values[last.column] = "\n".join(map(_joined, items))

    if first.column or not first.lines:
        return Entry("part", "", first.left, values)
    label = values.pop(0)
    return Entry("group" if is_group else "row", label, first.left, values)


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
    is_form = all(len(row) == 2 and row[0].lines and row[0].bold for row in rows)
    if len(rows) > 2 and is_form:
        return 0

    in_bold = sum(1 for _ in takewhile(_is_bold, rows))
    if in_bold and not _has_values(rows[0]):
        for number, row in enumerate(rows[1:in_bold], 1):
            if row[0].column == 0 and row[0].lines and _has_values(row):
                in_bold = number
                break
    if 0 < in_bold <= min(len(rows) - 1, _MAX_HEADERS):
        return in_bold

    above_figures = 0
    for row, below in zip(rows, [*rows[1:], []], strict=True):
        if len(row) < 2 or _has_values(row) or _is_group(row, below):
            break
        above_figures += 1
    return above_figures if above_figures < min(len(rows), _MAX_HEADERS) else 0


def _is_bold(row: Cells) -> bool:
    filled = [cell for cell in row if cell.lines]
    return all(cell.bold for cell in filled) and any(cell.column for cell in filled)


def _has_values(row: Cells) -> bool:
    return any(is_value(cell.text) for cell in row if cell.column)


def _is_header(row: Cells) -> bool:
    """Whether a row below values is in bold without figures, or has only periods and no label. A
    total, such as "9 kg", is a value.
    """
    texts = [cell.text for cell in row[1:]]
    are_names = all(_BEGINS_WITH_WORD.match(text) or any(periods(text)) for text in texts)
    if not texts or not are_names:
        return False
    if _is_bold(row):
        return not _has_values(row)
    return not row[0].lines and all(map(is_period, texts))


def _is_group(row: Cells, below: Cells) -> bool:
    """Whether the row has only a label in words, and that of the row below it is indented."""
    if not below or any(cell.lines for cell in row[1:]) or is_figure(row[0].text):
        return False
    if row[0].column or below[0].column or not below[0].lines:
        return False
    return below[0].left > row[0].left + _INDENT
