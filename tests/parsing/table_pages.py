"""Sixty pages of tables in five formats, and how many of their cells are stored as written.

python -m tests.parsing.table_pages [--all] [--wrong]

The tables are in samples/table_pages.txt, each on pages of three formats in ways in which people
write them. A cell is right if the label of its row with the group above it, the whole name of its
column, its value, its unit and its scale are those of the file.
"""

import html
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docx
import openpyxl
from openpyxl.utils import get_column_letter

from rag.facts import Fact, FactRow, FactTable, number_of, tables, without_notes
from rag.types import Document
from tests.parsing.archives import saved_bytes
from tests.parsing.pdfs import DrawnLine, Put, pdf
from tests.parsing.reading import load_bytes

SPEC = Path(__file__).with_name("samples") / "table_pages.txt"
FORMATS = ("pdf", "html", "xlsx", "docx", "md")
PER_TABLE = 3
"""Formats in which each table is written."""
TEXT = "text"
"""The unit of cells that are no figures."""
MERGED = ("<", "^")
"""What stands for a cell that is merged into the one left of it, or above it."""
_FIGURE = re.compile(r"[\d.,()-]+")
Unit = tuple[str, int]
"""A unit and its scale."""
Grid = list[list[str]]


@dataclass(frozen=True, slots=True)
class Expected:
    """A cell as written on the page; its row may be the sum of the group `ended`."""

    group: str
    ended: str
    label: str
    column: str
    text: str
    unit: str
    scale: int


@dataclass(slots=True)
class SpecTable:
    """A table of the file; `heads` and `rows` are its cells, with "<" and "^" for merged ones."""

    name: str
    title: str = ""
    line: str = ""
    unit: Unit = ("number", 1)
    columns: dict[str, Unit] = field(default_factory=dict)
    labels: dict[str, Unit] = field(default_factory=dict)
    pages: int = 1
    heads: Grid = field(default_factory=list)
    rows: Grid = field(default_factory=list)

    @property
    def width(self) -> int:
        return len(self.heads[0])

    @property
    def caption(self) -> str:
        """The title and the line below it, in one line."""
        return " ".join(filter(None, (self.title, self.line)))

    @property
    def names(self) -> list[str]:
        """The whole name of each column."""
        names: list[str] = []
        for column in range(self.width):
            texts = [self.whole_text(row, column) for row in range(len(self.heads))]
            names.append(" ".join(filter(None, dict.fromkeys(texts))))
        return names

    def whole_text(self, row: int, column: int) -> str:
        """The text of the header cell that a place is merged into."""
        text = self.heads[row][column]
        if text == "<":
            return self.whole_text(row, column - 1)
        if text == "^":
            return self.whole_text(row - 1, column)
        return text

    def span(self, row: int, column: int) -> tuple[int, int]:
        """The numbers of rows and columns of the header cell at this place."""
        columns = 1
        while column + columns < self.width and self.heads[row][column + columns] == "<":
            columns += 1
        rows = 1
        while row + rows < len(self.heads) and self.heads[row + rows][column] == "^":
            rows += 1
        return rows, columns

    def expected(self) -> Iterator[Expected]:
        """The cells of all rows, but no labels."""
        names = self.names
        group = ""
        for row in self.rows:
            label = row[0]
            ended = ""
            if not label.startswith(" "):
                ended = group
                group = ""
            if is_group(row):
                group = label.rstrip(":")
                continue

            row_name = label.strip()
            for column in range(1, self.width):
                if not row[column]:
                    continue
                column_name = names[column]
                unit, scale = self.unit_of(row_name, column_name)
                yield Expected(
                    group=group,
                    ended=ended,
                    label=row_name,
                    column=column_name,
                    text=row[column],
                    unit=unit,
                    scale=scale,
                )

    def unit_of(self, row_name: str, column_name: str) -> Unit:
        """The unit and the scale of a cell: those of its row, its column or else the table."""
        if column_name == "Note":
            return TEXT, 1

        unit_of_column = self.columns.get(column_name, self.unit)
        return self.labels.get(row_name, unit_of_column)


def is_group(row: Sequence[str]) -> bool:
    """Whether a row names the rows below it."""
    return not any(row[1:])


def spec_tables() -> list[SpecTable]:
    """The tables of the file."""
    _, *texts = SPEC.read_text().split("\n== ")
    return [_table(text) for text in texts]


def _table(text: str) -> SpecTable:
    properties, heads, rows = text.rstrip().split("\n\n")
    name, *lines = properties.split("\n")
    table = SpecTable(name)
    for line in lines:
        key, _, value = line.partition(" ")
        if key == "unit":
            table.unit = _unit(value)
        elif key in ("column", "row"):
            units = table.columns if key == "column" else table.labels
            row_or_column, _, unit = value.partition(": ")
            units[row_or_column] = _unit(unit)
        elif key == "pages":
            table.pages = int(value)
        elif key == "title":
            table.title = value
        else:
            table.line = value

    table.heads = [_cells(line) for line in heads.split("\n")]
    table.rows = []
    for line in rows.split("\n"):
        cells = _cells(line)
        indent = len(line) - len(line.lstrip())
        cells[0] = " " * indent + cells[0]

        missing_cells = table.width - len(cells)
        cells += [""] * missing_cells
        table.rows.append(cells)
    return table


def _unit(text: str) -> Unit:
    unit, _, scale = text.partition(" ")
    return unit, int(scale or 1)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")]


# Pages


Page = tuple[str, str, SpecTable, bytes]
"""The format, the way of writing, the table and the file."""


def all_pages() -> Iterator[Page]:
    """Each table in each way."""
    for table in spec_tables():
        for kind, ways in WAYS.items():
            for way, write in ways.items():
                yield kind, way, table, write(table)


def pages() -> Iterator[Page]:
    """Each table in three formats, in the ways in turn."""
    counts = Counter[str]()
    for number, table in enumerate(spec_tables()):
        for shift in range(PER_TABLE):
            kind = FORMATS[(number + shift) % len(FORMATS)]
            ways = WAYS[kind]
            way = list(ways)[counts[kind] % len(ways)]
            counts[kind] += 1

            write = ways[way]
            yield kind, way, table, write(table)


# HTML


def html_page(table: SpecTable, *, has_headers: bool, is_caption: bool) -> str:
    """A page with one table. `has_headers`: header cells are marked as such."""
    lines = ["<html><body><h1>Report</h1>"]
    if not is_caption:
        lines.append(f"<p><b>{html.escape(table.title)}</b></p>")
        if table.line:
            lines.append(f"<p>{html.escape(table.line)}</p>")

    lines.append("<table>")
    if is_caption:
        lines.append(f"<caption>{html.escape(table.caption)}</caption>")

    mark = "th" if has_headers else "td"
    for row, texts in enumerate(table.heads):
        cells: list[str] = []
        for column, text in enumerate(texts):
            if text in MERGED:
                continue
            rows, columns = table.span(row, column)
            spans = f' rowspan="{rows}"' if rows > 1 else ""
            spans += f' colspan="{columns}"' if columns > 1 else ""
            cells.append(f"<{mark}{spans}>{html.escape(text)}</{mark}>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    for body_row in table.rows:
        cells = [f"<td>{html.escape(text.strip())}</td>" for text in body_row]
        lines.append(f"<tr>{''.join(cells)}</tr>")

    lines.append("</table><p>The end of the page.</p></body></html>")
    return "\n".join(lines)


def marked_html(table: SpecTable) -> bytes:
    return html_page(table, has_headers=True, is_caption=True).encode()


def plain_html(table: SpecTable) -> bytes:
    return html_page(table, has_headers=False, is_caption=False).encode()


# Markdown


def pipes(table: SpecTable) -> bytes:
    """Pipes; a merged cell leaves the others empty."""
    lines = ["# Report", "", f"**{table.title}**", ""]
    if table.line:
        lines += [table.line, ""]

    for number, row in enumerate(table.heads):
        texts = ["" if text in MERGED else text for text in row]
        lines.append(f"| {' | '.join(texts)} |")
        if not number:
            lines.append(f"|{'---|' * table.width}")

    for row in table.rows:
        texts = [text.strip() for text in row]
        lines.append(f"| {' | '.join(texts)} |")

    return "\n".join([*lines, "", "The end."]).encode()


def html_in_markdown(table: SpecTable) -> bytes:
    page = html_page(table, has_headers=True, is_caption=True)
    begin = page.index("<table>")
    end = page.index("</table>") + len("</table>")
    return f"# Report\n\n{page[begin:end]}\n\nThe end.\n".encode()


def latex(table: SpecTable) -> bytes:
    """A tabular in a table with a caption."""
    lines = ["# Report", "", r"\begin{table}"]
    lines.append(rf"\caption{{{_tex(table.caption)}}}")
    lines.append(rf"\begin{{tabular}}{{l{'r' * (table.width - 1)}}}")

    lines.append(r"\hline")
    for row, texts in enumerate(table.heads):
        cells: list[str] = []
        for column, text in enumerate(texts):
            if text == "<":
                continue
            rows, columns = table.span(row, column)
            words = "" if text == "^" else _tex(text)
            if rows > 1:
                words = rf"\multirow{{{rows}}}{{*}}{{{words}}}"
            if columns > 1:
                words = rf"\multicolumn{{{columns}}}{{c}}{{{words}}}"
            cells.append(words)
        lines.append(rf"{' & '.join(cells)} \\")

    lines.append(r"\hline")
    for body_row in table.rows:
        cells = [_tex(text.strip()) for text in body_row]
        lines.append(rf"{' & '.join(cells)} \\")

    lines += [r"\hline", r"\end{tabular}", r"\end{table}", "", "The end."]
    return "\n".join(lines).encode()


def _tex(text: str) -> str:
    return re.sub(r"([%$&#_])", r"\\\1", text)


# Office


def typed_workbook(table: SpecTable) -> bytes:
    """A sheet whose figures are numbers with formats, and whose title is above its headers."""
    return _workbook(table, are_numbers=True)


def workbook_of_texts(table: SpecTable) -> bytes:
    """A sheet whose cells are texts."""
    return _workbook(table, are_numbers=False)


def _workbook(table: SpecTable, are_numbers: bool) -> bytes:
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = "Data"
    sheet.append([table.title])
    sheet.merge_cells(f"A1:{get_column_letter(table.width)}1")
    if table.line:
        sheet.append([table.line])

    top = sheet.max_row + 2
    for row, texts in enumerate(table.heads):
        for column, text in enumerate(texts):
            if text in MERGED:
                continue
            rows, columns = table.span(row, column)
            sheet.cell(top + row, column + 1, text or None)
            if rows * columns > 1:
                sheet.merge_cells(
                    start_row=top + row,
                    start_column=column + 1,
                    end_row=top + row + rows - 1,
                    end_column=column + columns,
                )

    body_top = top + len(table.heads)
    for number, body_row in enumerate(table.rows, body_top):
        for column, text in enumerate(body_row, 1):
            cell = sheet.cell(number, column)
            is_number = are_numbers and column > 1
            _fill(cell, text, is_number)
    return saved_bytes(book)


def _fill(cell: Any, text: str, is_number: bool) -> None:
    """Write a text into a cell of a sheet, as a number with a format if it is one."""
    value = number_of(text) if is_number else None
    if value is None or not _FIGURE.fullmatch(text):
        cell.value = text.strip() or None
        return

    _, _, decimals = text.strip("()").partition(".")
    cell.value = round(value, len(decimals))
    number_format = "#,##0"
    if decimals:
        number_format += f".{'0' * len(decimals)}"
    cell.number_format = f"{number_format};({number_format})"


def captioned_docx(table: SpecTable) -> bytes:
    """A table below a caption, with its headers in bold."""
    return _docx(table, is_caption=True)


def plain_docx(table: SpecTable) -> bytes:
    """A table below a bold line, without a mark of its headers."""
    return _docx(table, is_caption=False)


def _docx(table: SpecTable, is_caption: bool) -> bytes:
    word = docx.Document()
    word.add_heading("Report", 1)
    word.add_paragraph("The figures follow.")
    if is_caption:
        word.add_paragraph(table.caption, style="Caption")
    else:
        word.add_paragraph().add_run(table.title).bold = True
        if table.line:
            word.add_paragraph(table.line)

    depth = len(table.heads)
    word_table = word.add_table(depth + len(table.rows), table.width)
    for row, texts in enumerate(table.heads):
        for column, text in enumerate(texts):
            if text in MERGED:
                continue
            rows, columns = table.span(row, column)
            cell = word_table.cell(row, column)
            if rows * columns > 1:
                last_cell = word_table.cell(row + rows - 1, column + columns - 1)
                cell = cell.merge(last_cell)
            cell.paragraphs[0].add_run(text).bold = is_caption

    for number, body_row in enumerate(table.rows, depth):
        for column, text in enumerate(body_row):
            word_table.cell(number, column).text = text.strip()
    word.add_paragraph("The end of the page.")
    return saved_bytes(word)


# PDF

_LEFT = 56.0
_SIZE = 9.0
_ROW = 16.0
_LABELS = 170.0
"""Width of the column of labels, in points."""
_LEAST_WIDTH = 46
"""Width of a column of short figures, in points."""
_INDENT = 10.0
_PADDING = 6.0
_WIDTHS = (
    "278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556 556 556 556 556 "
    "556 556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556 833 "
    "722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 "
    "556 278 556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500"
)
"""Of Helvetica's characters from the space on, in thousandths of its size."""
_WIDTH_OF = {chr(32 + place): int(width) for place, width in enumerate(_WIDTHS.split())}


def width_of(text: str, size: float) -> float:
    """The width of a text in Helvetica."""
    return sum(_WIDTH_OF.get(sign, 556) for sign in text) * size / 1000


def ruled_pdf(table: SpecTable) -> bytes:
    """A page with lines around all cells."""
    return _pdf(table, is_ruled=True)


def open_pdf(table: SpecTable) -> bytes:
    """A page whose table has no lines; its figures end below each other."""
    return _pdf(table, is_ruled=False)


def _pdf(table: SpecTable, is_ruled: bool) -> bytes:
    count = len(table.rows)
    rows_of_page = (count + 1) // 2 if table.pages > 1 else count
    drawn_pages = [_pdf_page(table, table.rows[:rows_of_page], is_ruled, is_first=True)]
    if table.pages > 1:
        drawn_pages.append(_pdf_page(table, table.rows[rows_of_page:], is_ruled, is_first=False))

    font_with_encoding = b"/Encoding /WinAnsiEncoding /BaseFont"
    return pdf(drawn_pages).replace(b"/BaseFont", font_with_encoding)


def _pdf_page(
    table: SpecTable, rows: Grid, is_ruled: bool, is_first: bool
) -> list[Put | DrawnLine | Any]:
    """A page with these rows, below the title and the headers if it is the first."""
    drawn: list[Put | DrawnLine | Any] = []
    y = 780.0
    if is_first:
        drawn.append(Put(_LEFT, y, "Report", 18, bold=True))
        drawn.append(Put(_LEFT, y - 30, "The figures of this page follow.", 10))
        drawn.append(Put(_LEFT, y - 60, table.title, 11, bold=True))
        y -= 80
        if table.line:
            drawn.append(Put(_LEFT, y + 4, table.line, _SIZE))
            y -= 18

    edges = _edges(table)
    if is_first:
        for row in range(len(table.heads)):
            drawn += _header_row(table, row, edges, y, is_ruled)
            y -= _ROW
    for body_row in rows:
        drawn += _body_row(body_row, edges, y, is_ruled)
        y -= _ROW
    if is_first and len(rows) == len(table.rows):
        drawn.append(Put(_LEFT, y - 20, "The end of the page.", 10))
    return drawn


def _edges(table: SpecTable) -> list[float]:
    """The left edge of each column, and the right edge of the last."""
    edges = [_LEFT, _LEFT + _LABELS]
    for column in range(1, table.width):
        texts = [row[column] for row in table.rows]
        texts.append(table.whole_text(len(table.heads) - 1, column))
        width_of_texts = max(width_of(text, _SIZE) for text in texts)
        share = max(_share_of_header(table, row, column) for row in range(len(table.heads)))
        width = max(width_of_texts + 3 * _PADDING, share, _LEAST_WIDTH)
        edges.append(edges[-1] + width)
    return edges


def _share_of_header(table: SpecTable, row: int, column: int) -> float:
    """The width that a column needs for the header over it and other columns."""
    first_column = column
    while table.heads[row][first_column] == "<":
        first_column -= 1

    _, columns = table.span(row, first_column)
    header = table.whole_text(row, first_column)
    width = width_of(header, _SIZE) + 3 * _PADDING
    return width / columns


def _header_row(
    table: SpecTable, row: int, edges: Sequence[float], y: float, is_ruled: bool
) -> Iterator[Put | DrawnLine]:
    for column, text in enumerate(table.heads[row]):
        if text in MERGED:
            continue

        rows, columns = table.span(row, column)
        left_edge = edges[column]
        right_edge = edges[column + columns]
        lowest_y = y - (rows - 1) * _ROW

        x = left_edge + _PADDING
        if column and columns > 1:
            x = (left_edge + right_edge - width_of(text, _SIZE)) / 2
        elif column:
            x = right_edge - _PADDING - width_of(text, _SIZE)

        if text:
            middle = (y + lowest_y) / 2
            yield Put(x, middle, text, _SIZE, bold=is_ruled)
        if is_ruled:
            yield from _box(left_edge, right_edge, y + 11, lowest_y - 5)


def _body_row(
    row: Sequence[str], edges: Sequence[float], y: float, is_ruled: bool
) -> Iterator[Put | DrawnLine]:
    for column, text in enumerate(row):
        left_edge = edges[column]
        right_edge = edges[column + 1]
        words = text.strip()

        x = right_edge - _PADDING - width_of(words, _SIZE)
        if not column:
            indent = _INDENT if text.startswith(" ") else 0
            x = left_edge + _PADDING + indent

        if words:
            yield Put(x, y, words, _SIZE)
        if is_ruled:
            yield from _box(left_edge, right_edge, y + 11, y - 5)


def _box(left_edge: float, right_edge: float, top: float, bottom: float) -> Iterator[DrawnLine]:
    yield DrawnLine(left_edge, top, right_edge, top)
    yield DrawnLine(left_edge, bottom, right_edge, bottom)
    yield DrawnLine(left_edge, top, left_edge, bottom)
    yield DrawnLine(right_edge, top, right_edge, bottom)


WAYS: dict[str, dict[str, Any]] = {
    "pdf": {"with lines": ruled_pdf, "without lines": open_pdf},
    "html": {"marked": marked_html, "unmarked": plain_html},
    "xlsx": {"numbers": typed_workbook, "texts": workbook_of_texts},
    "docx": {"caption": captioned_docx, "bold line": plain_docx},
    "md": {"pipes": pipes, "html": html_in_markdown, "latex": latex},
}


# What is stored


@dataclass(frozen=True, slots=True)
class Stored:
    """A cell as it is stored."""

    labels: str
    column: str
    text: str
    number: float | None
    unit: str
    scale: int


def stored_cells(document: Document) -> list[Stored]:
    """The cells of a document's tables."""
    cells: list[Stored] = []
    for table in tables(document):
        for row in table.rows:
            cells += _stored_row(document, table, row)
    return cells


def _stored_row(document: Document, table: FactTable, row: FactRow) -> Iterator[Stored]:
    facts = {fact.start: fact for fact in row.facts}
    labels = ": ".join(row.labels)
    for cell in row.block.cells:
        text = document.text[cell.start : cell.end]
        column = table.column_name(cell)
        fact: Fact | None = facts.get(cell.start)
        if fact is None:
            yield Stored(labels, column, text, number_of(text), TEXT, 1)
        else:
            unit = fact.unit or "number"
            yield Stored(labels, column, text, fact.number, unit, fact.scale)


def mistake(expected: Expected, cells: Sequence[Stored]) -> str:
    """What is wrong with a cell; "" if it is stored as written."""
    label = without_notes(expected.label)
    cells_of_row = [cell for cell in cells if _is_label(cell.labels, expected, label)]
    if not cells_of_row:
        return "row"

    candidates = [cell for cell in cells_of_row if cell.column == expected.column]
    if not candidates:
        return "column"

    cells_with_value = [cell for cell in candidates if _has_value(cell, expected.text)]
    if not cells_with_value:
        return f"value {candidates[0].text!r}"

    cell = cells_with_value[0]
    if expected.unit == TEXT or is_dash(expected.text):
        return ""
    if (cell.unit, cell.scale) != (expected.unit, expected.scale):
        return f"unit {cell.unit} x {cell.scale}"
    return ""


def _is_label(labels: str, expected: Expected, label: str) -> bool:
    """Whether the labels of a row end in its own, and have its group if there is one."""
    *groups, row_label = labels.split(": ")
    if without_notes(row_label) != label:
        return False
    if expected.group:
        return expected.group in groups
    return not groups or groups == [expected.ended]


def _has_value(cell: Stored, text: str) -> bool:
    """Whether a cell has the figure, or else the words, of a text."""
    number = number_of(text)
    if number is None or cell.number is None or not _FIGURE.fullmatch(text):
        return cell.text == text
    return abs(number - cell.number) < 1e-9


def is_dash(text: str) -> bool:
    return text in ("—", "–", "-")


def main() -> None:
    shows_wrong = "--wrong" in sys.argv
    written_pages = all_pages() if "--all" in sys.argv else pages()
    counts_of: dict[str, _Counts] = {}
    for kind, way, table, content in written_pages:
        keys = (kind, f"  {kind}, {way}", "all")
        for key in keys:
            counts_of.setdefault(key, _Counts()).pages += 1

        (document,) = load_bytes(f"page.{kind}", content)
        cells = stored_cells(document)
        for expected in table.expected():
            wrong = mistake(expected, cells)
            if wrong and shows_wrong:
                place = f"{expected.group} > {expected.label} | {expected.column}: {expected.text}"
                print(f"{kind} {way}, {table.name}: {place}: {wrong}")
            for key in keys:
                counts_of[key].cells += 1
                counts_of[key].correct_cells += not wrong

    for key, counts in sorted(counts_of.items(), key=_order):
        share = 100 * counts.correct_cells / counts.cells
        print(f"{key:24} {counts.pages:3} {counts.cells:5} {counts.correct_cells:5} {share:6.1f} %")


@dataclass(slots=True)
class _Counts:
    pages: int = 0
    cells: int = 0
    correct_cells: int = 0


def _order(item: tuple[str, _Counts]) -> tuple[bool, str]:
    key = item[0]
    return key == "all", key.strip()


if __name__ == "__main__":
    main()
