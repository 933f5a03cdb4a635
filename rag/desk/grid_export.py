"""A grid as a table for people and programs: XLSX, CSV, HTML, Markdown or JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rag.desk.grid import STATE_NAMES, Cell, Grid, GridRow, cell_dict
from rag.desk.grid_file import GridColumn
from rag.errors import InputError, needs_extra, writing_to
from rag.filters import filter_text
from rag.meaning.values import addition
from rag.render.html_page import html_page
from rag.render.status import clean, one_line
from rag.types import LEADS, Citation, Value, in_a_cell, path_of

_FORMULA = re.compile(r"^(?=[\t\r\n])|(?:^|(?<=[;\t\r\n]))(?=[=+@＝＋－＠-])")
"""Places where a spreadsheet may take a text for a formula: at the start of a cell, or after a
separator other than the comma."""
_LINE_END = re.compile(r"\r\n?")
"""A return alone would end a line of CSV."""
_DETAILS = ("", " state", " probability", " quote", " page")
_TYPED_DETAILS = {
    "date": (" date", " qualifier"),
    "amount": (" number", " to", " unit", " per", " qualifier"),
}
_TYPED_DETAILS["number"] = _TYPED_DETAILS["amount"]
"""Columns for the parts of a typed value, by the type of the grid's column."""
_QUOTE_COLUMNS = (
    "row column state probability value quote sentence document page heading start end sha256 "
    "rating"
).split()
_MARKER = re.compile(r"\A(?:[-*•–]|\d++[.)])\s++")
"""The bullet or number of an item."""
_LONGEST_TEXT = 32_000
"""Characters of a cell in XLSX, which allows 32,767."""
_NO_XML = re.compile(r"[\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML file may have; `clean` replaces the others."""
_MOST_LINKS = 60_000
"""Spreadsheets repair a sheet with more links."""
_LONGEST_LINK = 2_000
"""They repair one with longer links, too."""
_WIDEST_COLUMN = 40
"""Characters of a column."""
_PAGE_WIDTH = 180
"""Characters of a line on paper."""
_LONGEST_LITERAL = 40
"""Characters of words in a number format."""
_FIRST_DAY = date(1900, 3, 1)
"""Spreadsheets disagree about the days before it."""
_LARGEST = 1e15
"""Larger numbers lose digits in a spreadsheet."""
_SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$", "JPY": "¥"}
HTML_STYLE = """
body { max-width: 80rem; } p, ol, ul { max-width: 48rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; overflow-wrap: normal; }
th, td { border: 1px solid var(--line); padding: .4rem .6rem; text-align: left; }
th, td { vertical-align: top; min-width: 7rem; max-width: 24rem; overflow-wrap: anywhere; }
thead th { background: var(--soft); } .unsure { color: light-dark(#8a5a00, #e0a94a); }
.absent, .waiting, .unreadable { opacity: .75; font-style: italic; } td small { display: block; }
th small { display: block; font-weight: normal; } .rejected { text-decoration: line-through; }
.notes { max-width: 60rem; font-size: .9rem; } .notes li { margin: .3rem 0; }
@media screen { col { width: auto; } }
@page { size: landscape; margin: 12mm; }
@media print {
  body { max-width: none; margin: 0; padding: 0; font-size: 9pt; } .scroll { overflow: visible; }
  table { width: calc(100% - 2px); table-layout: fixed; } thead { display: table-header-group; }
  th, td { min-width: 0; max-width: none; padding: 1mm 1.5mm; } tr, li { break-inside: avoid; }
  .unsure { color: inherit; } .notes { max-width: none; font-size: 8pt; }
}
"""
Sources = Mapping[str, str]
"""Absolute path or URI of documents, by id."""


def write(grid: Grid, path: Path, sources: Sources) -> None:
    """Write the grid in the format of the file's suffix. Raises InputError."""
    content = in_format(grid, _format(path, WRITERS), sources)
    with writing_to(path, "free some space, or choose another place with --out; the grid is kept"):
        path.write_bytes(content)


def in_format(grid: Grid, ending: str, sources: Sources) -> bytes:
    """The file with this ending, such as ".csv". Characters that UTF-8 does not have become "?"."""
    content = WRITERS[ending](grid, sources)
    return content.encode(errors="replace") if isinstance(content, str) else content


def check_path(path: Path, suffixes: Collection[str] = ()) -> None:
    """Raises InputError for a path that cannot be written, or has none of these suffixes."""
    if _format(path, suffixes or WRITERS) == ".xlsx":
        _openpyxl()
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: its folder does not exist", "create it first")


def _format(path: Path, suffixes: Collection[str]) -> str:
    """The suffix of a path, which names its format. Raises InputError."""
    for ending in suffixes:
        if path.name.lower().endswith(ending):
            return ending
    hint = f"name a file that ends in one of: {', '.join(suffixes)}"
    raise InputError(f"{path} has no known format", hint)


def state(cell: Cell | None) -> str:
    """The state, or a person's rating, in words."""
    return STATE_NAMES[cell.standing if cell else "waiting"]


def words(cell: Cell | None, kind: str = "text") -> str:
    """The value for a table for people, with what it means beyond its words: a guess has a question
    mark, a missing one a dash. `kind` is the type of the column.
    """
    if cell is None:
        return ""
    if not cell.shown:
        return "unreadable" if cell.state == "unreadable" else "–"

    value = cell.shown
    meaning = addition(cell.value_in(kind), cell.shown)
    if meaning:
        value = f"{cell.shown} ({meaning})"
    if _is_certain(cell):
        return value
    return f"? {value}"


def _is_certain(cell: Cell) -> bool:
    """Whether the value is no guess."""
    return cell.state != "unsure" or cell.rating is not None


def row_words(grid: Grid, row: GridRow) -> list[str]:
    """The values of a row for a table for people."""
    placed = zip(grid.cells_of(row), grid.spec.columns, strict=True)
    return [words(cell, column.type) for cell, column in placed]


def to_csv(grid: Grid, _: Sources) -> str:
    """One line a row; each column with its state, probability, quote and page, and the parts of its
    typed value.
    """
    heading: list[object] = ["row", "title"]
    for column in grid.spec.columns:
        details = (*_DETAILS, *_TYPED_DETAILS.get(column.type, ()))
        heading += [f"{column.name}{detail}" for detail in details]

    rows = [heading]
    for row in grid.rows:
        fields: list[object] = [row.key, row.title]
        for cell, column in zip(grid.cells_of(row), grid.spec.columns, strict=True):
            fields += _details(cell, column.type)
        rows.append(fields)

    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    for fields in rows:
        writer.writerow(map(_as_plain_field, fields))
    return lines.getvalue()


def _details(cell: Cell | None, kind: str) -> list[object]:
    """The fields of `_DETAILS`, and those of the typed value."""
    if cell is None:
        return ["", state(None), "", "", "", *_typed_details(None, kind)]

    sentence = ""
    page = ""
    if cell.quotes:
        citation = cell.quotes[0]
        sentence = citation.sentence
        page = str(citation.page or "")
    return [
        cell.shown,
        state(cell),
        f"{cell.probability:.2f}",
        sentence,
        page,
        *_typed_details(cell.value_in(kind), kind),
    ]


def _typed_details(value: Value | None, kind: str) -> list[object]:
    """The fields of `_TYPED_DETAILS`."""
    if value is None:
        return [""] * len(_TYPED_DETAILS.get(kind, ()))
    if kind == "date":
        return [value.iso or "", value.bound]
    if kind not in _TYPED_DETAILS:
        return []

    unit = (value.unit or "").replace("_", " ")
    return [
        _plain_number(value.number),
        _plain_number(value.upper),
        unit,
        value.per,
        value.bound,
    ]


def _plain_number(number: float | None) -> object:
    """A number without needless decimals, or "" for none."""
    if number is None or not math.isfinite(number):
        return ""
    is_exact = number.is_integer() and abs(number) < _LARGEST
    return int(number) if is_exact else number


def _as_plain_field(value: object) -> str:
    """The text of a field, which no spreadsheet takes for a formula; a number may be negative."""
    if not isinstance(value, str):
        return str(value)
    return _FORMULA.sub("'", _LINE_END.sub("\n", value))


def to_jsonl(grid: Grid, _: Sources) -> str:
    """One line per cell, with all its fields."""
    lines = []
    for row, column, cell in grid.every_cell():
        place = {"grid": grid.spec.name, "row": row.key, "title": row.title}
        record = {**place, "question": column.question, **cell_dict(cell, column)}
        lines.append(json.dumps(record, ensure_ascii=False) + "\n")
    return "".join(lines)


def to_gold(grid: Grid, _: Sources) -> str:
    """Gold questions for `rag eval`, from confirmed and corrected cells, each about its row."""
    lines = []
    for row, column, cell in grid.every_cell():
        answer = _gold_answer(cell, column.type) if cell else None
        if answer is None:
            continue
        question = {
            "question": column.question,
            "filter": [filter_text((condition,)) for condition in row.filter],
            "group": row.key,
        }
        lines.append(json.dumps(question | answer, ensure_ascii=False) + "\n")
    return "".join(lines)


def _gold_answer(cell: Cell, kind: str) -> dict[str, Any] | None:
    """The accepted answer in the format of `rag.evaluation.gold`: {} if the document has none, None
    if the rating does not say what is right.
    """
    verdict = cell.rating.verdict if cell.rating else ""
    if verdict == "confirmed" and cell.state == "absent":
        return {}
    if verdict == "confirmed" and cell.state == "unreadable":
        return None
    if verdict not in ("confirmed", "corrected"):
        return None

    value = cell.shown
    verbatim = [cited for cited in cell.quotes if _is_said(value, cited)]
    proof = cell.quotes if verdict == "confirmed" else verbatim
    evidence = []
    for cited in proof:
        evidence.append({"document": cited.document_id, "sentence": cited.sentence})

    if kind == "yes_no":
        verdicts = {in_a_cell(lead): lead for lead in LEADS}
        said = verdicts.get(value.casefold())
        if said is None:
            return None
        return {"form": "yes_no", "verdict": said, "evidence": evidence}
    if kind == "list":
        lines = [_MARKER.sub("", line.strip()) for line in value.splitlines()]
        items = [[line] for line in lines if line]
        return {"form": "list", "items": items, "evidence": evidence}
    is_own_words = bool(evidence) and not verbatim
    form = "sentences" if is_own_words else "span"
    return {"form": form, "answers": [value], "evidence": evidence}


def _is_said(value: str, cited: Citation) -> bool:
    """Whether the quoted sentence has the words of a value, however they are spaced."""
    words = " ".join(value.split())
    return words in " ".join(cited.sentence.split())


def to_markdown(grid: Grid, _: Sources) -> str:
    """A table of the values; "?" marks a guess."""
    heading = ["", *(column.name for column in grid.spec.columns)]
    rows = [heading, ["---"] * len(heading)]
    for row in grid.rows:
        rows.append([row.name, *row_words(grid, row)])

    lines = []
    for fields in rows:
        texts = " | ".join(map(_in_table, fields))
        lines.append(f"| {texts} |\n")
    return "".join(lines)


def _in_table(text: str) -> str:
    """The text on one line, escaped for a table in Markdown."""
    return escape(one_line(text), quote=False).replace("\\", "\\\\").replace("|", "\\|")


def to_html(grid: Grid, sources: Sources) -> str:
    """A page that needs nothing else, also on paper: values, and their quotes as footnotes."""
    links = {name: address(source) for name, source in sources.items()}
    return html_page(grid.spec.name, html_table(grid, links), HTML_STYLE)


def html_table(
    grid: Grid, links: Mapping[str, str], quote_link: Callable[[Cell], str] = lambda cell: ""
) -> str:
    """The table of `to_html`, and its footnotes. `links` are addresses of documents, by id;
    `quote_link` is that of a cell's quote, or "".
    """
    body: list[str] = []
    notes: list[str] = []
    for row in grid.rows:
        document_link = links.get(row.document_id, "")
        cells: list[str] = []
        for cell, column in zip(grid.cells_of(row), grid.spec.columns, strict=True):
            number = 0
            if cell and cell.quotes:
                link = quote_link(cell) or document_link
                notes.append(_note(cell, link))
                number = len(notes)
            cells.append(_html_cell(cell, column.type, number))
        name = _linked(row.name, document_link)
        body.append(f"<tr><th>{name}</th>{''.join(cells)}</tr>")

    table = f"{_widths(grid)}{_html_heading(grid)}<tbody>{''.join(body)}</tbody>"
    return f'<div class="scroll"><table>{table}</table></div>{_html_notes(notes)}'


def _html_heading(grid: Grid) -> str:
    """The names of the columns, with their questions."""
    headings = []
    for column in grid.spec.columns:
        question = f"<small>{escape(column.question)}</small>"
        headings.append(f"<th>{escape(column.name)}{question}</th>")
    return f"<thead><tr><th></th>{''.join(headings)}</tr></thead>"


def _html_notes(notes: list[str]) -> str:
    """The footnotes under the table, or ""."""
    items = []
    for number, note in enumerate(notes, 1):
        items.append(f'<li id="note-{number}">{note}</li>')
    if not items:
        return ""
    return f'<h2>Quotes</h2><ol class="notes">{"".join(items)}</ol>'


_SHARES = {"list": 3.0, "text": 1.5}
"""How wide columns of these types are on paper; the others have 1."""
_NAME_SHARE = 1.2
"""How wide the column with the names of the rows is."""


def _widths(grid: Grid) -> str:
    """The widths of the columns on paper."""
    shares = [_NAME_SHARE]
    for column in grid.spec.columns:
        shares.append(_SHARES.get(column.type, 1.0))

    total = sum(shares)
    columns = [f'<col width="{share / total:.1%}">' for share in shares]
    return f"<colgroup>{''.join(columns)}</colgroup>"


def _html_cell(cell: Cell | None, kind: str, note: int) -> str:
    """A cell with the number of its footnote, or 0."""
    standing = cell.standing if cell else "waiting"
    detail = escape(state(cell))
    if cell and note:
        sentence = escape(cell.quotes[0].sentence)
        mark = f'<a href="#note-{note}" title="{sentence}">[{note}]</a>'
        detail = f"{detail} ({cell.probability:.0%}) {mark}"
    text = escape(words(cell, kind)).replace("\n", "<br>")
    return f'<td class="{standing}">{text}<small>{detail}</small></td>'


def _note(cell: Cell, link: str) -> str:
    """The footnote of a cell's first quote."""
    citation = cell.quotes[0]
    page = f", page {citation.page}" if citation.page else ""
    heading = f", {path_of(citation.headings)}" if citation.headings else ""
    document = _linked(citation.document_id + page, link)
    return f"“{escape(citation.sentence)}” {document}{escape(heading)}"


def _linked(text: str, link: str) -> str:
    if not link:
        return escape(text)
    return f'<a href="{escape(link)}">{escape(text)}</a>'


def address(source: str) -> str:
    """A link to a document's file or web page; "" for other sources."""
    if source.startswith(("http://", "https://")):
        return source
    if not source.startswith("/"):
        return ""
    path = quote(source, errors="surrogateescape")  # a file's name may be in another encoding
    return f"file://{path}"


def to_xlsx(grid: Grid, sources: Sources) -> bytes:
    """A workbook: values with the parts of what is typed and their states, which link to the quotes
    on a second sheet, and these to the documents.

    A linked cell is not wrapped by every spreadsheet, so that no value is one.
    """
    book = _openpyxl().Workbook()
    sheet = book.active
    sheet.title = "Grid"
    quotes = book.create_sheet("Quotes")
    links = Counter[str]()

    columns = [_SheetColumn(column, _parts_in_use(grid, column)) for column in grid.spec.columns]
    heading: list[object] = ["row", "title"]
    for column in columns:
        heading += column.names
    _append(sheet, heading)
    _append(quotes, list(_QUOTE_COLUMNS))

    for row in grid.rows:
        cells = grid.cells_of(row)
        fields: list[object] = [row.key, row.title]
        positions: list[int] = []
        formats: list[str] = []
        for cell, column in zip(cells, columns, strict=True):
            value, number_format = _spreadsheet_value(cell, column.column.type)
            positions.append(len(fields))
            formats.append(number_format)
            fields += [value, state(cell), *column.details(cell)]

        written = _append(sheet, fields)
        _link(written[0], address(sources.get(row.document_id, "")), links)
        for cell, position, number_format in zip(cells, positions, formats, strict=True):
            if cell and cell.quotes:
                first_quote = f"#Quotes!A{quotes.max_row + 1}"
                _link(written[position + 1], first_quote, links)
                _append_quotes(quotes, cell, sources, links)
            if number_format:
                written[position].number_format = number_format

    _lay_out(sheet)
    _lay_out(quotes)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


@dataclass(frozen=True)
class _SheetColumn:
    """A column of the grid in a spreadsheet, with the numbers of the parts of typed values that
    have columns of their own.
    """

    column: GridColumn
    parts: Sequence[int]

    @property
    def names(self) -> list[str]:
        """The names of the columns in the sheet: value, state and parts."""
        typed_details = _TYPED_DETAILS.get(self.column.type, ())
        details = ["", " state", *(typed_details[part] for part in self.parts)]
        return [f"{self.column.name}{detail}" for detail in details]

    def details(self, cell: Cell | None) -> list[object]:
        """The parts of a cell's value."""
        value = _certain_value(cell, self.column.type)
        details = _typed_details(value, self.column.type)
        return [details[part] for part in self.parts]


def _append_quotes(sheet: Any, cell: Cell, sources: Sources, links: Counter[str]) -> None:
    """Add the rows of a cell's quotes, which link to their documents."""
    document_index = _QUOTE_COLUMNS.index("document")
    for citation, line in zip(cell.quotes, _quote_lines(cell), strict=True):
        written = _append(sheet, line)
        document_link = address(sources.get(citation.document_id, ""))
        _link(written[document_index], document_link, links)


def _lay_out(sheet: Any) -> None:
    """Keep the heading and the first column in view and on each printed page, and make the columns
    as wide as what they show, within limits.
    """
    from openpyxl.styles import Alignment, Font
    from openpyxl.worksheet.properties import PageSetupProperties

    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = sheet.dimensions

    total_width = 0
    for cells in sheet.columns:
        longest = max(map(_shown_length, cells))
        width = min(_WIDEST_COLUMN, longest + 4)
        total_width += width
        sheet.column_dimensions[cells[0].column_letter].width = width
        cells[0].font = Font(bold=True)
        for cell in cells:
            cell.alignment = Alignment(wrap_text=True, vertical="top")

    sheet.print_title_rows = "1:1"
    sheet.print_title_cols = "A:A"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToWidth = math.ceil(total_width / _PAGE_WIDTH)
    sheet.page_setup.fitToHeight = 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _shown_length(cell: Any) -> int:
    """The characters of the longest line that a cell shows, with the words of its format."""
    text = "" if cell.value is None else str(cell.value)
    if isinstance(cell.value, int | float):
        text = cell.number_format.replace('"', "") + text
    return max(map(len, text.split("\n")))


def _parts_in_use(grid: Grid, column: GridColumn) -> list[int]:
    """The numbers of the parts of typed values that some cell of the column has."""
    in_use = set()
    for row in grid.rows:
        value = _certain_value(grid.cells.get((row.key, column.name)), column.type)
        for number, detail in enumerate(_typed_details(value, column.type)):
            if detail != "":
                in_use.add(number)
    return sorted(in_use)


def _openpyxl() -> Any:
    """Imported when XLSX is asked for, which needs an extra."""
    with needs_extra("office", "XLSX"):
        import openpyxl
    return openpyxl


def _certain_value(cell: Cell | None, kind: str) -> Value | None:
    """The typed value of a cell that is no guess."""
    if cell is None or not _is_certain(cell):
        return None
    return cell.value_in(kind)


def _spreadsheet_value(cell: Cell | None, kind: str) -> tuple[object, str]:
    """(value, number format): a day or a number with its unit in the format, or else the words."""
    value = _certain_value(cell, kind)
    if value is None:
        return words(cell, kind), ""

    day = _day(value)
    if day is not None:
        bound = _literal(value.bound, after=" ")
        return day, f"{bound}yyyy-mm-dd"

    number = value.number
    is_one_number = value.upper is None and value.kind != "frequency"
    if is_one_number and number is not None and abs(number) < _LARGEST:
        return number, _number_format(value, number)
    return words(cell, kind), ""


def _day(value: Value) -> date | None:
    """The day of a value, if spreadsheets agree about it."""
    if value.kind != "date" or value.precision != "day":
        return None
    try:
        day = date.fromisoformat(value.iso or "")
    except ValueError:
        return None
    return day if day >= _FIRST_DAY else None


def _number_format(value: Value, number: float) -> str:
    """Shows the number with its bound, unit and period, such as "at least "£#,##0" per month"."""
    decimals = len(f"{number:.6f}".rstrip("0").partition(".")[2])
    if value.kind == "money" and decimals:
        decimals = max(2, decimals)
    figure = "#,##0"
    if decimals:
        figure = f"#,##0.{'0' * decimals}"

    unit = value.unit or ""
    if unit in _SYMBOLS:
        figure = _literal(_SYMBOLS[unit]) + figure
    elif unit == "percent":
        figure += _literal("%")
    elif unit:
        is_plural = value.kind == "duration" and number != 1
        name = f"{unit}s" if is_plural else unit
        figure += _literal(name.replace("_", " "), before=" ")

    period = ""
    if value.per:
        period = _literal(f"per {value.per}", before=" ")
    bound = _literal(value.bound, after=" ")
    return f"{bound}{figure}{period}"


def _literal(words: str, before: str = "", after: str = "") -> str:
    """Words as they stand in a number format; "" for none."""
    if not words:
        return ""
    unquoted = clean(words)[:_LONGEST_LITERAL].replace('"', "")
    return f'"{before}{unquoted}{after}"'


def _quote_lines(cell: Cell) -> Iterator[list[object]]:
    """The rows of the sheet of quotes, with the fields of `_QUOTE_COLUMNS`."""
    rating = cell.rating.verdict if cell.rating else ""
    for citation in cell.quotes:
        yield [
            cell.row,
            cell.column,
            state(cell),
            round(cell.probability, 3),
            cell.shown,
            citation.quote,
            citation.sentence,
            citation.document_id,
            citation.page,
            path_of(citation.headings),
            citation.start,
            citation.end,
            citation.sha256,
            rating,
        ]


def _append(sheet: Any, values: list[object]) -> Any:
    """Add a row, and return its cells; a text is never a formula."""
    fields = []
    for value in values:
        fields.append(_in_sheet(value) if isinstance(value, str) else value)
    sheet.append(fields)

    row = sheet[sheet.max_row]
    for target in row:
        if isinstance(target.value, str):
            target.data_type = "s"
    return row


def _in_sheet(text: str) -> str:
    """A text as XLSX can hold it."""
    return _NO_XML.sub("\ufffd", clean(text))[:_LONGEST_TEXT]


def _link(target: Any, place: str, links: Counter[str]) -> None:
    """Link a cell to a place, and count the link of its sheet."""
    if not place or len(place) > _LONGEST_LINK:
        return
    sheet = target.parent.title
    if links[sheet] >= _MOST_LINKS:
        return
    links[sheet] += 1
    number_format = target.number_format
    target.hyperlink = place
    target.style = "Hyperlink"
    target.number_format = number_format  # a style has one of its own


WRITERS: dict[str, Callable[[Grid, Sources], str | bytes]] = {
    ".xlsx": to_xlsx,
    ".csv": to_csv,
    ".html": to_html,
    ".md": to_markdown,
    ".gold.jsonl": to_gold,
    ".jsonl": to_jsonl,
}
"""By the end of the file's name."""
