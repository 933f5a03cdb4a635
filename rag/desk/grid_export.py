"""A grid as a table for people and programs: XLSX, CSV, HTML, Markdown or JSON lines."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from datetime import date
from html import escape
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rag.desk.grid import STATE_NAMES, Cell, Grid, GridRow, cell_dict
from rag.desk.grid_file import GridColumn
from rag.errors import InputError, needs_extra, writing_to
from rag.filters import shown
from rag.meaning.values import addition
from rag.render.html_page import html_page
from rag.render.status import clean, flat
from rag.types import LEADS, Value, in_a_cell, path_of

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
_LONGEST = 32_000
"""Characters of a cell in XLSX, which allows 32,767."""
_NO_XML = re.compile(r"[\ud800-\udfff\ufffe\uffff]")
"""Characters that no XML file may have; `clean` replaces the others."""
_MOST_LINKS = 60_000
"""Spreadsheets repair a sheet with more links."""
_LONGEST_LINK = 2_000
"""They repair one with longer links, too."""
_WIDEST, _PAGE = 40, 180
"""Characters of a column, and of a line on paper."""
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
    more = addition(cell.value_in(kind), cell.shown)
    value = f"{cell.shown} ({more})" if more else cell.shown
    return value if _is_certain(cell) else f"? {value}"


def _is_certain(cell: Cell) -> bool:
    """Whether the value is no guess."""
    return cell.state != "unsure" or cell.rating is not None


def _row_words(grid: Grid, row: GridRow) -> list[str]:
    placed = zip(grid.cells_of(row), grid.spec.columns, strict=True)
    return [words(cell, column.type) for cell, column in placed]


def to_csv(grid: Grid, _: Sources) -> str:
    """One line a row; each column with its state, probability, quote and page, and the parts of its
    typed value.
    """
    details = [
        f"{column.name}{detail}"
        for column in grid.spec.columns
        for detail in (*_DETAILS, *_TYPED_DETAILS.get(column.type, ()))
    ]
    rows: list[list[object]] = [["row", "title", *details]]
    for row in grid.rows:
        placed = zip(grid.cells_of(row), grid.spec.columns, strict=True)
        fields = chain.from_iterable(_details(cell, column.type) for cell, column in placed)
        rows.append([row.key, row.title, *fields])
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(map(_defused, row) for row in rows)
    return lines.getvalue()


def _details(cell: Cell | None, kind: str) -> list[object]:
    """The fields of `_DETAILS`, and those of the typed value."""
    typed = _typed_details(cell.value_in(kind) if cell else None, kind)
    if cell is None:
        return ["", state(None), "", "", "", *typed]
    sentence, page = "", ""
    if cell.quotes:
        citation = cell.quotes[0]
        sentence, page = citation.sentence, str(citation.page or "")
    return [cell.shown, state(cell), f"{cell.probability:.2f}", sentence, page, *typed]


def _typed_details(value: Value | None, kind: str) -> list[object]:
    """The fields of `_TYPED_DETAILS`."""
    if value is None:
        return [""] * len(_TYPED_DETAILS.get(kind, ()))
    if kind == "date":
        return [value.iso or "", value.bound]
    if kind not in _TYPED_DETAILS:
        return []
    ends = [_plain_number(number) for number in (value.number, value.upper)]
    return [*ends, (value.unit or "").replace("_", " "), value.per, value.bound]


def _plain_number(number: float | None) -> object:
    if number is None or not math.isfinite(number):
        return ""
    return int(number) if number.is_integer() and abs(number) < _LARGEST else number


def _defused(value: object) -> str:
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
        if cell and (answer := _gold_answer(cell, column.type)) is not None:
            conditions = [shown((condition,)) for condition in row.filter]
            question = {"question": column.question, "filter": conditions, "group": row.key}
            lines.append(json.dumps(question | answer, ensure_ascii=False) + "\n")
    return "".join(lines)


def _gold_answer(cell: Cell, kind: str) -> dict[str, Any] | None:
    """The accepted answer in the format of `rag.evaluation.gold`: {} if the document has none, None
    if the rating does not say what is right.
    """
    verdict = cell.rating.verdict if cell.rating else ""
    if verdict == "confirmed" and cell.state in ("absent", "unreadable"):
        return {} if cell.state == "absent" else None
    if verdict not in ("confirmed", "corrected"):
        return None

    value = cell.shown
    words = " ".join(value.split())
    verbatim = [cited for cited in cell.quotes if words in " ".join(cited.sentence.split())]
    proof = cell.quotes if verdict == "confirmed" else verbatim
    evidence = [{"document": cited.document_id, "sentence": cited.sentence} for cited in proof]

    if kind == "yes_no":
        said = {in_a_cell(one): one for one in LEADS}.get(value.casefold())
        return {"form": "yes_no", "verdict": said, "evidence": evidence} if said else None
    if kind == "list":
        lines = (_MARKER.sub("", line.strip()) for line in value.splitlines())
        items = [[line] for line in lines if line]
        return {"form": "list", "items": items, "evidence": evidence}
    form = "sentences" if evidence and not verbatim else "span"
    return {"form": form, "answers": [value], "evidence": evidence}


def to_markdown(grid: Grid, _: Sources) -> str:
    """A table of the values; "?" marks a guess."""
    lines = [["", *(column.name for column in grid.spec.columns)]]
    lines.append(["---"] * len(lines[0]))
    lines += ([row.name, *_row_words(grid, row)] for row in grid.rows)
    return "".join(f"| {' | '.join(map(_in_table, line))} |\n" for line in lines)


def _in_table(text: str) -> str:
    return escape(flat(text), quote=False).replace("\\", "\\\\").replace("|", "\\|")


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
    headings = "".join(
        f"<th>{escape(column.name)}<small>{escape(column.question)}</small></th>"
        for column in grid.spec.columns
    )
    body: list[str] = []
    notes: list[str] = []
    for row in grid.rows:
        document_link = links.get(row.document_id, "")
        line: list[str] = []
        for cell, column in zip(grid.cells_of(row), grid.spec.columns, strict=True):
            number = 0
            if cell and cell.quotes:
                notes.append(_note(cell, quote_link(cell) or document_link))
                number = len(notes)
            line.append(_html_cell(cell, column.type, number))
        body.append(f"<tr><th>{_linked(row.name, document_link)}</th>{''.join(line)}</tr>")

    quotes = "".join(f'<li id="note-{number}">{note}</li>' for number, note in enumerate(notes, 1))
    return (
        f'<div class="scroll"><table>{_widths(grid)}<thead><tr><th></th>{headings}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
        + (f'<h2>Quotes</h2><ol class="notes">{quotes}</ol>' if quotes else "")
    )


_SHARES = {"list": 3.0, "text": 1.5}
"""How wide columns of these types are on paper; the others have 1."""


def _widths(grid: Grid) -> str:
    """The widths of the columns on paper."""
    shares = [1.2, *(_SHARES.get(column.type, 1.0) for column in grid.spec.columns)]
    columns = (f'<col width="{share / sum(shares):.1%}">' for share in shares)
    return f"<colgroup>{''.join(columns)}</colgroup>"


def _html_cell(cell: Cell | None, kind: str, note: int) -> str:
    """A cell with the number of its footnote, or 0."""
    detail = escape(state(cell))
    if cell and note:
        mark = f'<a href="#note-{note}" title="{escape(cell.quotes[0].sentence)}">[{note}]</a>'
        detail = f"{detail} ({cell.probability:.0%}) {mark}"
    text = escape(words(cell, kind)).replace("\n", "<br>")
    return f'<td class="{cell.standing if cell else "waiting"}">{text}<small>{detail}</small></td>'


def _note(cell: Cell, link: str) -> str:
    """The footnote of a cell's first quote."""
    citation = cell.quotes[0]
    page = f", page {citation.page}" if citation.page else ""
    heading = f", {path_of(citation.headings)}" if citation.headings else ""
    document = _linked(citation.document_id + page, link)
    return f"“{escape(citation.sentence)}” {document}{escape(heading)}"


def _linked(text: str, link: str) -> str:
    return f'<a href="{escape(link)}">{escape(text)}</a>' if link else escape(text)


def address(source: str) -> str:
    """A link to a document's file or web page; "" for other sources."""
    if source.startswith(("http://", "https://")):
        return source
    path = quote(source, errors="surrogateescape")  # a file's name may be in another encoding
    return f"file://{path}" if source.startswith("/") else ""


def to_xlsx(grid: Grid, sources: Sources) -> bytes:
    """A workbook: values with the parts of what is typed and their states, which link to the quotes
    on a second sheet, and these to the documents.

    A linked cell is not wrapped by every spreadsheet, so that no value is one.
    """
    openpyxl = _openpyxl()

    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Grid"
    quotes = book.create_sheet("Quotes")
    links = Counter[str]()

    columns = [(column, _parts_in_use(grid, column)) for column in grid.spec.columns]
    names = [
        f"{column.name}{part}"
        for column, parts in columns
        for part in ("", " state", *(_TYPED_DETAILS[column.type][number] for number in parts))
    ]
    _append(sheet, ["row", "title", *names])
    _append(quotes, list(_QUOTE_COLUMNS))

    for row in grid.rows:
        cells = grid.cells_of(row)
        line: list[object] = [row.key, row.title]
        positions: list[int] = []
        formats: list[str] = []
        for cell, (column, parts) in zip(cells, columns, strict=True):
            value, number_format = _spreadsheet_value(cell, column.type)
            positions.append(len(line))
            formats.append(number_format)
            details = _typed_details(_certain_value(cell, column.type), column.type)
            line += [value, state(cell), *(details[number] for number in parts)]

        written = _append(sheet, line)
        _link(written[0], address(sources.get(row.document_id, "")), links)
        for cell, position, number_format in zip(cells, positions, formats, strict=True):
            target = written[position]
            if cell and cell.quotes:
                _link(written[position + 1], f"#Quotes!A{quotes.max_row + 1}", links)
                _append_quotes(quotes, cell, sources, links)
            if number_format:
                target.number_format = number_format

    _lay_out(sheet)
    _lay_out(quotes)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _append_quotes(sheet: Any, cell: Cell, sources: Sources, links: Counter[str]) -> None:
    """Add the rows of a cell's quotes, which link to their documents."""
    for citation, line in zip(cell.quotes, _quote_lines(cell), strict=True):
        written = _append(sheet, line)
        target = written[_QUOTE_COLUMNS.index("document")]
        _link(target, address(sources.get(citation.document_id, "")), links)


def _lay_out(sheet: Any) -> None:
    """Keep the heading and the first column in view and on each printed page, and make the columns
    as wide as what they show, within limits.
    """
    from openpyxl.styles import Alignment, Font
    from openpyxl.worksheet.properties import PageSetupProperties

    sheet.freeze_panes = "B2"
    sheet.auto_filter.ref = sheet.dimensions
    total = 0
    for cells in sheet.columns:
        width = min(_WIDEST, 4 + max(map(_shown_length, cells)))
        total += width
        sheet.column_dimensions[cells[0].column_letter].width = width
        cells[0].font = Font(bold=True)
        for cell in cells:
            cell.alignment = Alignment(wrap_text=True, vertical="top")

    sheet.print_title_rows, sheet.print_title_cols = "1:1", "A:A"
    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.fitToWidth = math.ceil(total / _PAGE)
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
    cells = (grid.cells.get((row.key, column.name)) for row in grid.rows)
    details = [_typed_details(_certain_value(cell, column.type), column.type) for cell in cells]
    numbers = range(len(_TYPED_DETAILS.get(column.type, ())))
    return [n for n in numbers if any(detail[n] != "" for detail in details)]


def _openpyxl() -> Any:
    with needs_extra("office", "XLSX"):
        import openpyxl
    return openpyxl


def _certain_value(cell: Cell | None, kind: str) -> Value | None:
    """The typed value of a cell that is no guess."""
    return cell.value_in(kind) if cell and _is_certain(cell) else None


def _spreadsheet_value(cell: Cell | None, kind: str) -> tuple[object, str]:
    """(value, number format): a day or a number with its unit in the format, or else the words."""
    value = _certain_value(cell, kind)
    if value and value.kind == "date" and value.precision == "day":
        with suppress(ValueError):
            day = date.fromisoformat(value.iso or "")
            if day >= _FIRST_DAY:
                return day, f"{_literal(value.bound, after=' ')}yyyy-mm-dd"
    number = value.number if value and value.upper is None and value.kind != "frequency" else None
    if value and number is not None and abs(number) < _LARGEST:
        return number, _number_format(value, number)
    return words(cell, kind), ""


def _number_format(value: Value, number: float) -> str:
    """Shows the number with its bound, unit and period, such as "at least "£#,##0" per month"."""
    unit = value.unit or ""
    decimals = len(f"{number:.6f}".rstrip("0").partition(".")[2])
    if value.kind == "money" and decimals:
        decimals = max(2, decimals)
    digits = f"#,##0.{'0' * decimals}" if decimals else "#,##0"
    figure = f"{_literal(_SYMBOLS[unit])}{digits}" if unit in _SYMBOLS else digits
    if unit == "percent":
        figure += _literal("%")
    elif unit and unit not in _SYMBOLS:
        plural = "s" if value.kind == "duration" and number != 1 else ""
        figure += _literal(f"{unit}{plural}".replace("_", " "), before=" ")
    period = _literal(f"per {value.per}", before=" ") if value.per else ""
    return f"{_literal(value.bound, after=' ')}{figure}{period}"


def _literal(words: str, before: str = "", after: str = "") -> str:
    """Words as they stand in a number format; "" for none."""
    return f'"{before}{clean(words)[:40].replace(chr(34), "")}{after}"' if words else ""


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
    texts = (_in_sheet(value) if isinstance(value, str) else value for value in values)
    sheet.append(list(texts))
    row = sheet[sheet.max_row]
    for target in row:
        if isinstance(target.value, str):
            target.data_type = "s"
    return row


def _in_sheet(text: str) -> str:
    return _NO_XML.sub("\ufffd", clean(text))[:_LONGEST]


def _link(target: Any, place: str, links: Counter[str]) -> None:
    """Link a cell to a place, and count the link of its sheet."""
    sheet = target.parent.title
    if place and len(place) <= _LONGEST_LINK and links[sheet] < _MOST_LINKS:
        links[sheet] += 1
        number_format = target.number_format
        target.hyperlink, target.style = place, "Hyperlink"
        target.number_format = number_format


WRITERS: dict[str, Callable[[Grid, Sources], str | bytes]] = {
    ".xlsx": to_xlsx,
    ".csv": to_csv,
    ".html": to_html,
    ".md": to_markdown,
    ".gold.jsonl": to_gold,
    ".jsonl": to_jsonl,
}
"""By the end of the file's name."""
