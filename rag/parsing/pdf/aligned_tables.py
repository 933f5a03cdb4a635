"""Tables without rules: figures that are aligned in columns, under headers that name these."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from math import inf
from statistics import median

from rag.parsing.pdf.marks import EdgePair, PdfCell, grouped, united
from rag.parsing.pdf.rows import (
    WORD,
    YEAR,
    Cells,
    EdgePairs,
    Extents,
    PdfRow,
    Rows,
    has_only_years,
    is_body,
    is_figure,
    is_mark,
    is_period,
    is_prose,
)
from rag.parsing.pdf.tables import (
    ROW_GAP,
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

_MAX_BETWEEN = 3
"""Maximum number of rows without figures between two rows of a table."""
_MAX_LABELS = 8
"""Maximum number of them if they are only labels."""
_MAX_APART = 4
"""Maximum number of rows between two parts of a table if the second part has no headers."""
_MAX_COLUMNS = 30
_WRAPPED = 0.15
"""Lines of one label are closer than rows by this many font heights."""
_LARGER = 1.1
"""Times by which the letters of a heading are larger than those of figures."""
_NUMBERED_TITLE = re.compile(r"(?:Table|Tab\.|Tabelle|Tableau|Tabla) \d")
_UNCLEAR = "table whose columns are not clear"
_LOOSE_IN_TEXT = re.compile(r"(?<=\d) (?=\))|(?<=[$\u20ac\u00a3]) (?=[\d(])")
"""Space between a figure and its sign within a text."""


def aligned_tables(
    rows: Rows,
    previous_columns: PdfColumns | None = None,
    rules: Extents = (),
) -> Iterator[PdfTable]:
    """The tables in the rows of a column of text, from the top. `previous_columns` are those of the
    previous page's last table, which a table without headers at the top continues. `rules` are
    horizontal: a header applies to the columns that its underline spans.
    """
    limit = 0
    for begin, end in _runs(rows):
        first_row = max(begin, limit)
        table = _aligned_table(rows, first_row, end, limit, previous_columns, rules)
        if table:
            previous_columns = table.columns
            limit = table.end
            yield table


# Where tables are


def _runs(rows: Rows) -> Iterator[tuple[int, int]]:
    """Runs `[begin, end)` of rows with figures, including the few labels between them. Headers in a
    run begin another, because they name the columns of the rows below them.
    """
    body = [number for number, row in enumerate(rows) if is_body(row)]

    def continues(group: Sequence[int], number: int) -> bool:
        return _are_of_one_table(rows, group[-1], number)

    for group in grouped(body, continues):
        run = _without_years(rows, group)
        rows_with_digits = sum(_has_digits(rows[number]) for number in run)
        if rows_with_digits < 2:
            continue

        begin = run[0]
        for number, next_number in pairwise(run):
            rows_between = rows[number + 1 : next_number]
            if _begin_table(rows_between, rows[number]):
                yield begin, number + 1
                begin = next_number
        yield begin, run[-1] + 1


def _without_years(rows: Rows, run: Sequence[int]) -> Sequence[int]:
    """The rows of a run without the first one, if only that has years: it names the columns."""
    first_row, *rows_below = run
    if len(rows_below) < 2 or not has_only_years(rows[first_row]):
        return run

    have_years_below = any(has_only_years(rows[number]) for number in rows_below)
    return run if have_years_below else rows_below


def _has_digits(row: PdfRow) -> bool:
    """Whether one of the first figures is more than a dash: it has digits, or is a mark."""
    for figure in row.figures[:9]:
        if is_mark(figure.text) or any(map(str.isdigit, figure.text)):
            return True
    return False


def _begin_table(rows_between: Rows, row_above: PdfRow) -> bool:
    """Whether the rows between two rows of figures are the headers of another table."""
    if rows_between and _are_names(rows_between[0], row_above):
        return True
    if any(_is_heading(row, row_above) for row in rows_between):
        return True
    if any(_are_unit_and_header(*pair, row_above) for pair in pairwise(rows_between)):
        return True
    return any(_are_periods(row, row_above) for row in rows_between)


def _is_heading(row: PdfRow, row_above: PdfRow) -> bool:
    """Whether a row is one text in larger letters than a row of figures, or the number and title of
    a table.
    """
    if len(row.cells) != 1:
        return False
    is_larger = row.size > _LARGER * row_above.size
    return is_larger or _NUMBERED_TITLE.match(row.text) is not None


def _are_unit_and_header(row: PdfRow, row_below: PdfRow, row_above: PdfRow) -> bool:
    """Whether a row states only the unit of a table, and the one below has nothing under the labels
    above.
    """
    is_in_brackets = row.text.startswith("(") and row.text.endswith(")")
    is_unit = len(row.cells) == 1 and is_in_brackets and UNIT.search(row.text)
    return bool(is_unit) and row_below.cells[0].left > row_above.cells[0].right


def _are_of_one_table(rows: Rows, number: int, next_number: int) -> bool:
    """Whether two rows of figures are of one table."""
    rows_between = rows[number + 1 : next_number]
    if any(map(is_prose, rows_between)):
        return False

    figures_left = rows[number].figures[0].left
    are_labels = all(_ends_before(row, figures_left) for row in rows_between)
    most_between = _MAX_LABELS if are_labels else _MAX_BETWEEN
    if len(rows_between) > most_between:
        return False

    for row, row_below in pairwise(rows[number : next_number + 1]):
        gap = row_below.top - row.bottom
        if gap >= ROW_GAP * row.size:
            return False
    return True


def _ends_before(row: PdfRow, x: float) -> bool:
    """Whether all cells of the row end left of a place."""
    return all(cell.right < x for cell in row.cells)


def _are_periods(row: PdfRow, row_above: PdfRow) -> bool:
    """Whether several cells over the figures above name periods, or the row's only cell, which is
    not below the labels, where it would name a group of rows.
    """
    periods = sum(is_period(cell.text) for cell in _cells_over_figures(row, row_above))
    if len(row.cells) > 1:
        return periods > 1

    labels_right = row_above.cells[0].right
    return periods == 1 and row.cells[0].left > labels_right


def _are_names(row: PdfRow, row_above: PdfRow) -> bool:
    """Whether different words are over all figures above, and have no label or are in bold unlike
    the figures. Other words may be a row of text.
    """
    over_figures = _cells_over_figures(row, row_above)
    has_label = len(over_figures) < len(row.cells)
    stands_out = row.bold and not row_above.bold
    if has_label and not stands_out:
        return False

    texts = {cell.text for cell in over_figures}
    if any(map(is_figure, texts)):
        return False
    if not all(map(WORD.match, texts)):
        return False

    are_different = 1 < len(texts) == len(over_figures)
    return are_different and len(over_figures) == len(row_above.values)


def _cells_over_figures(row: PdfRow, row_above: PdfRow) -> list[PdfCell]:
    """The row's cells that are over the figures of the row above."""
    figures_left = row_above.values[0].left
    return [cell for cell in row.cells if cell.right > figures_left]


# A table


def _aligned_table(
    rows: Rows,
    first_row: int,
    end: int,
    limit: int,
    previous_columns: PdfColumns | None,
    rules: Extents,
) -> PdfTable | None:
    """The table whose first figures are in row `first_row` and whose rows end before row `end`; its
    headers are not above row `limit`.
    """
    body = [row for row in rows[first_row:end] if is_body(row)]
    spans = _spans_of_figures(body)
    if not spans or len(spans) > _MAX_COLUMNS:
        return None
    if any(_share_column(row.values, spans) for row in body):
        return _unclear(rows, first_row, end)

    labels_right = max(row.cells[0].right for row in body)
    texts = _spans_of_texts(body, spans, labels_right)
    spans = sorted([*spans, *texts])
    top, names = _named_columns(rows, first_row, limit, spans, rules, labels_right)
    columns = PdfColumns(
        spans=[(0.0, 0.0), *spans],
        names=["", *names],
        caption=caption(rows, top, first_row),
    )
    if not any(names) and previous_columns and columns.agree(previous_columns):
        is_near = first_row - limit <= _MAX_APART
        has_prose_between = any(map(is_prose, rows[limit:first_row]))
        if is_near and not has_prose_between:
            columns.names = previous_columns.names
            columns.caption = previous_columns.caption
    if len(spans) > 1 and not any(columns.names):
        return _unclear(rows, first_row, end)

    body_start = _body_start(rows, top, first_row, spans)
    headers = [_header_cells(row, spans) for row in rows[top:body_start]]
    if not columns.names[0]:
        columns.names[0] = _name_of_labels(headers, body)

    text = TableText()
    for header in headers:
        write_header(text, header, columns.names)
    entries = list(_entries(rows[body_start:end], spans, texts))
    write_body(text, entries, columns.names)

    return PdfTable(
        part=text.part(columns.caption),
        columns=columns,
        begin=top,
        end=end,
    )


def _name_of_labels(headers: Sequence[Sequence[tuple[int, str]]], body: Rows) -> str:
    """The name of the labels' column: the text over it in the lowest header row, or else in the
    one above that.
    """
    labels = [row.cells[0].text for row in body]
    for cells in reversed(headers):
        over_labels = [text for column, text in cells if column == 0]
        if over_labels:
            corner = " ".join(over_labels)
            return name_of_labels(corner, labels)
    return ""


def _spans_of_figures(body: Rows) -> list[EdgePair]:
    """The edges of the columns: what the figures of all rows cover."""
    extents: list[EdgePair] = []
    for row in body:
        extents += [(cell.left, cell.right) for cell in row.values]
    return united(extents)


def _spans_of_texts(body: Rows, figures: EdgePairs, labels_right: float) -> list[EdgePair]:
    """The edges of columns of texts, right of the labels: where most rows have a text, and none has
    a figure.
    """
    extents: list[EdgePair] = []
    for row in body:
        for cell in row.cells[1:]:
            if cell.left > labels_right and not is_figure(cell.text):
                extents.append((cell.left, cell.right))

    columns_of_texts: list[EdgePair] = []
    for span in united(extents):
        left_edge, right_edge = span
        texts = sum(left_edge <= text_left <= right_edge for text_left, _ in extents)
        is_usual = texts > 1 and 2 * texts > len(body)
        has_figures = any(_overlap(span, figure_span) for figure_span in figures)
        if is_usual and texts <= len(body) and not has_figures:
            columns_of_texts.append(span)
    return columns_of_texts


def _overlap(span: EdgePair, other_span: EdgePair) -> bool:
    left_edge, right_edge = span
    other_left, other_right = other_span
    return other_left <= right_edge and left_edge <= other_right


def _share_column(values: Cells, spans: EdgePairs) -> bool:
    """Whether two of the values are in one column."""
    columns = {_column(cell, spans) for cell in values}
    return len(columns) < len(values)


def _body_start(rows: Rows, top: int, first_row: int, spans: EdgePairs) -> int:
    """The first row of the body: the first of the labels right above the row `first_row`, whose
    cells are left of the figures; not above the row `top`.
    """
    figures_left, _ = spans[0]
    start = first_row
    while start > top and _ends_before(rows[start - 1], figures_left):
        start -= 1
    return start


def _unclear(rows: Rows, begin: int, end: int) -> PdfTable | None:
    """The unchanged rows as a table whose columns are unclear; None if it may be no table."""
    rows_of_several = sum(len(row.figures) > 1 for row in rows[begin:end])
    if rows_of_several < 2:
        return None

    lines_above = caption(rows, begin, begin)
    columns = PdfColumns([], caption=(*lines_above, _UNCLEAR))
    text = TableText()
    for row in rows[begin:end]:
        cells = [(-1, "", _tight_text(cell)) for cell in row.cells]
        text.row(cells)

    return PdfTable(
        part=text.part(columns.caption),
        columns=columns,
        begin=begin,
        end=end,
    )


def _header_cells(row: PdfRow, spans: EdgePairs) -> list[tuple[int, str]]:
    """The column of each cell, or the one nearest to it, and its text, with figures tight."""
    figures_left, _ = spans[0]
    cells: list[tuple[int, str]] = []
    for cell in row.cells:
        column = 0
        if cell.right >= figures_left:
            column = _column(cell, spans)
        if column < 0:
            column = _nearest_column(cell, [(0.0, 0.0), *spans])
        cells.append((column, _tight_text(cell)))
    return cells


def _tight_text(cell: PdfCell) -> str:
    """The text of a cell without spaces between figures and their signs."""
    return _LOOSE_IN_TEXT.sub("", cell.text)


def _column(cell: PdfCell, spans: EdgePairs) -> int:
    """The first column that the cell reaches into, from 1; -1 if there is none."""
    cell_span = (cell.left, cell.right)
    for column, span in enumerate(spans, 1):
        if _overlap(cell_span, span):
            return column
    return -1


def _entries(rows: Rows, spans: EdgePairs, texts: EdgePairs) -> Iterator[TableEntry]:
    """The rows of the body; `texts` are the columns that have texts and no figures. The lines of
    one label are joined: a label without figures continues in a row that begins in lower case or
    with a bracket, or is closer to it than rows of the table are.
    """
    gaps = [row_below.top - row.bottom for row, row_below in pairwise(rows)]
    usual_gap = median(gaps) if gaps else 0.0
    wrapped_gap = usual_gap - _WRAPPED * rows[0].size

    label = ""
    label_left = 0.0
    for row, gap in zip(rows, [inf, *gaps], strict=True):
        figures = _by_column(row, spans, texts)
        text = _label(row, figures)
        if label and text:
            continues_label = gap < wrapped_gap or _goes_on(label, text)
            if not continues_label:
                yield TableEntry("group", label, label_left, {})
                label = ""

        if not label:
            label_left = row.cells[0].left
        label = f"{label} {text}".strip()

        if figures:
            values = {column: cell.text for column, cell in figures.items()}
            yield TableEntry("row", label, label_left, values)
            label = ""

    if label:
        yield TableEntry("group", label, label_left, {})


def _goes_on(label: str, text: str) -> bool:
    """Whether a text below a label without figures is the rest of it, by the signs of both."""
    if text[0].islower():
        return True
    is_open = label.count("(") > label.count(")") or label.endswith((",", "&"))
    return is_open or (text.startswith("(") and not label.endswith(":"))


def _label(row: PdfRow, figures: Mapping[int, PdfCell]) -> str:
    """The texts of a row that are not among these figures."""
    labels = [cell.text for cell in row.cells if cell not in figures.values()]
    return " ".join(labels)


def _by_column(row: PdfRow, spans: EdgePairs, texts: EdgePairs) -> dict[int, PdfCell]:
    """The figures of a row by their columns, with the texts of columns that have these; none of a
    row with one cell, or without figures.
    """
    if len(row.cells) < 2 or not row.figures:
        return {}

    cells: dict[int, PdfCell] = {}
    for cell in row.cells:
        column = _column(cell, spans)
        if column < 1:
            continue

        is_first_text = spans[column - 1] in texts and column not in cells
        if is_figure(cell.text) or is_first_text:
            cells[column] = cell
    return cells


# Headers

_MAX_HEADERS = 8
_IN_BRACKETS = re.compile(r"\(.*\)")
"""A remark such as "(unaudited)"."""
_TITLE_INDENT = 30
"""Points by which the title of a whole table begins left of the first column."""
_RULE_TOLERANCE = 3
"""Points by which a rule may be shorter than what it underlines."""
_FARTHEST = 0.75
"""Maximum distance of a header from the centre of its columns, in distances between columns."""
_LEFT_OVER = 0.4
"""What a column without a header counts, in distances between columns."""
_UNUSED = 2.0
"""What a header without columns counts, in distances between columns."""
_ColumnRange = tuple[int, int]
"""The columns `[begin, end)` of a header; empty if it has none."""


def _named_columns(
    rows: Rows,
    first_row: int,
    limit: int,
    spans: EdgePairs,
    rules: Extents,
    labels_right: float,
) -> tuple[int, list[str]]:
    """The first header row between `limit` and `first_row`, and the names of the figures' columns.
    `labels_right` is where the labels end.
    """
    headers: list[list[str]] = []
    extents = spans
    bounds = set(range(len(spans) + 1))
    top = first_row
    top_limit = max(limit, first_row - _MAX_HEADERS)
    for number in range(first_row - 1, top_limit - 1, -1):
        row = rows[number]
        row_below = rows[number + 1]
        is_far = row_below.top - row.bottom > ROW_GAP * row.size
        if is_far or is_prose(row):
            break

        headers_over = _cells_over(row, spans, labels_right)
        if row.cells and not headers_over:
            is_label_of_first_row = not headers
            is_beside_headers = row_below.top < row.bottom  # centred in a higher cell
            if is_label_of_first_row or is_beside_headers:
                continue
        if not headers_over or not _are_headers(headers_over, row, spans, rules):
            break

        is_remark = len(headers_over) == 1 and _IN_BRACKETS.fullmatch(headers_over[0].text)
        if is_remark and headers and len(spans) > 1:
            break

        names = _names(headers_over, row, extents, bounds, rules)
        if not any(names):
            break
        headers.insert(0, names)
        top = number
        if len(headers_over) == len(extents):
            extents = [(cell.left, cell.right) for cell in headers_over]

    if not headers:
        return top, [""] * len(spans)
    return top, stacked(headers)


def _cells_over(row: PdfRow, spans: EdgePairs, labels_right: float) -> list[PdfCell]:
    """The cells over the columns: all if they are several years, one a column, which may be centred
    over wider cells than the figures. Otherwise as many as the columns, if all labels end left of
    them; else those that are not left of the first column.
    """
    are_as_many = 1 < len(row.cells) == len(spans)
    if are_as_many and all(YEAR.fullmatch(cell.text) for cell in row.cells):
        return row.cells

    beyond_labels = [cell for cell in row.cells if cell.left > labels_right]
    if 1 < len(beyond_labels) == len(spans):
        return beyond_labels

    figures_left, _ = spans[0]
    leftmost_center = figures_left - 2 * row.size
    over_columns: list[PdfCell] = []
    for cell in row.cells:
        if cell.center > leftmost_center and cell.right > figures_left:
            over_columns.append(cell)
    return over_columns


def _are_headers(cells: Cells, row: PdfRow, spans: EdgePairs, rules: Extents) -> bool:
    """Whether the cells over the columns are neither values nor the title of the whole table."""
    for cell in cells:
        if is_figure(cell.text) and not YEAR.fullmatch(cell.text):
            return False
    if is_body(row) and not has_only_years(row):
        return False
    if len(cells) > 1 or len(spans) == 1:
        return True

    header = cells[0]
    first_column, _ = spans[0]
    is_over_labels = header.left < first_column - _TITLE_INDENT
    is_title = is_over_labels and not _underline(header, row, cells, rules)
    return not is_title


def _underline(cell: PdfCell, row: PdfRow, headers: Cells, rules: Extents) -> EdgePair | None:
    """Extent of the rule under a header; None without one, or if several headers share it."""
    rules_under: list[EdgePair] = []
    for y, rule_left, rule_right in rules:
        is_under_row = -0.4 * row.size <= y - row.bottom <= 0.8 * row.size
        begins_before_cell = rule_left - _RULE_TOLERANCE <= cell.left
        ends_after_cell = cell.right <= rule_right + _RULE_TOLERANCE
        if is_under_row and begins_before_cell and ends_after_cell:
            rules_under.append((rule_left, rule_right))
    if not rules_under:
        return None

    rule_left, rule_right = min(rules_under, key=_width_and_place)
    for header in headers:
        if header is not cell and rule_left < header.center < rule_right:
            return None
    return rule_left, rule_right


def _width_and_place(rule: EdgePair) -> tuple[float, EdgePair]:
    rule_left, rule_right = rule
    return rule_right - rule_left, rule


def _names(
    cells: Cells,
    row: PdfRow,
    edges: EdgePairs,
    bounds: set[int],
    rules: Extents,
) -> list[str]:
    """The header of each column, or "". Removes from `bounds` those within a header's columns."""
    names = [""] * len(edges)
    if len(cells) > len(edges):
        for cell in cells:
            column = _nearest_column(cell, edges)
            names[column] = f"{names[column]} {cell.text}".strip()
        return names

    underlines = [_underline(cell, row, cells, rules) for cell in cells]
    places = spanned(cells, edges, bounds, underlines)
    for cell, (begin, end) in zip(cells, places, strict=True):
        width = end - begin
        names[begin:end] = [cell.text] * width
        bounds.difference_update(range(begin + 1, end))
    return names


def _nearest_column(cell: PdfCell, edges: EdgePairs) -> int:
    """The column whose centre is nearest to that of the cell."""

    def distance(column: int) -> float:
        return abs(_center(edges[column]) - cell.center)

    return min(range(len(edges)), key=distance)


def _center(span: EdgePair) -> float:
    left_edge, right_edge = span
    return (left_edge + right_edge) / 2


def spanned(
    cells: Cells,
    extents: EdgePairs,
    bounds: set[int],
    underlines: Sequence[EdgePair | None],
) -> Sequence[_ColumnRange]:
    """The columns of each header, from the left: one to one if there are as many; else those that
    its underline spans, or that it is centred over, so that few are left over.

    `extents` are the edges of the figures, or of the headers in the row below. Headers begin and
    end at `bounds`, which are not inside the columns of a header below.
    """
    width = len(extents)
    if len(cells) == width:
        return [(column, column + 1) for column in range(width)]

    centers = [_center(extent) for extent in extents]
    pitch = median(next_center - center for center, next_center in pairwise(centers))

    def columns_over(underline: EdgePair | None) -> list[int]:
        if underline is None:
            return []

        underline_left, underline_right = underline
        left_limit = underline_left - _RULE_TOLERANCE
        right_limit = underline_right + _RULE_TOLERANCE
        return [
            column for column, center in enumerate(centers) if left_limit <= center <= right_limit
        ]

    def distance(number: int, place: _ColumnRange) -> float:
        """Distance of a header from the centre of the columns; 0 for those over its underline."""
        underlined = columns_over(underlines[number])
        if underlined:
            is_over_underline = (underlined[0], underlined[-1] + 1) == place
            return 0.0 if is_over_underline else inf

        begin, end = place
        if begin not in bounds or end not in bounds:
            return inf

        left_edge, _ = extents[begin]
        _, right_edge = extents[end - 1]
        return abs(cells[number].center - _center((left_edge, right_edge)))

    @cache
    def cheapest(number: int, column: int) -> tuple[float, tuple[_ColumnRange, ...]]:
        """(cost, places) of the headers from `number` over the columns from `column`."""
        if number == len(cells):
            columns_without_header = width - column
            return _LEFT_OVER * pitch * columns_without_header, ()

        no_column = (column, column)
        cost, places = cheapest(number + 1, column)
        ways = [(cost + _UNUSED * pitch, (no_column, *places))]

        if column < width:
            cost, places = cheapest(number, column + 1)
            ways.append((cost + _LEFT_OVER * pitch, places))

        for end in range(column + 1, width + 1):
            place = (column, end)
            gap = distance(number, place)
            if gap > _FARTHEST * pitch:
                continue
            cost, places = cheapest(number + 1, end)
            ways.append((cost + gap, (place, *places)))
        return min(ways)

    _, places = cheapest(0, 0)
    return places
