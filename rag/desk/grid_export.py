"""A grid as a table for people and programs: XLSX, CSV, HTML, Markdown or JSON lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from html import escape
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote

from rag.desk.grid import STATE_NAMES, Cell, Grid, cell_dict
from rag.errors import InputError, needs_extra, writing_to
from rag.filters import shown
from rag.render.html_page import html_page
from rag.render.status import clean, flat

_FORMULA = re.compile(r"^(?=[\t\r\n])|(?:^|(?<=[;\t\r\n]))(?=[=+@＝＋－＠-])")
"""Places where a spreadsheet may take a text for a formula: at the start of a cell, or after a
separator other than the comma."""
_DETAILS = ("", " state", " probability", " quote", " page")
_QUOTE_COLUMNS = (
    "row column state probability value quote sentence document page heading start end sha256 "
    "rating"
).split()
_MARKER = re.compile(r"\A(?:[-*•–]|\d++[.)])\s++")
"""The bullet or number of an item."""
_LONGEST = 32_000
"""Characters of a cell in XLSX, which allows 32,767."""
HTML_STYLE = """
body { max-width: 80rem; } p, ol, ul { max-width: 48rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; overflow-wrap: normal; }
th, td { border: 1px solid var(--line); padding: .4rem .6rem; text-align: left; }
th, td { vertical-align: top; min-width: 7rem; max-width: 24rem; overflow-wrap: anywhere; }
thead th { background: var(--soft); } .unsure { color: light-dark(#8a5a00, #e0a94a); }
.absent, .waiting, .unreadable { opacity: .75; font-style: italic; } td small { display: block; }
th small { display: block; font-weight: normal; }
"""
Sources = Mapping[str, str]
"""Absolute path or URI of documents, by id."""


def write(grid: Grid, path: Path, sources: Sources) -> None:
    """Write the grid in the format of the file's suffix. Raises InputError."""
    content = WRITERS[_format(path, WRITERS)](grid, sources)
    with writing_to(path, "free some space, or choose another place with --out; the grid is kept"):
        path.write_bytes(content.encode() if isinstance(content, str) else content)


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
    if cell and cell.rating:
        return cell.rating.verdict
    return STATE_NAMES[cell.state if cell else "waiting"]


def words(cell: Cell | None) -> str:
    """The value for a table for people: a guess has a question mark, a missing one a dash."""
    if cell is None:
        return ""
    if not cell.shown:
        return "unreadable" if cell.state == "unreadable" else "–"
    guess = cell.state == "unsure" and cell.rating is None
    return f"? {cell.shown}" if guess else cell.shown


def to_csv(grid: Grid, _: Sources) -> str:
    """One line a row; each column with its state, probability, quote and page."""
    names = [column.name for column in grid.spec.columns]
    details = [f"{name}{detail}" for name in names for detail in _DETAILS]
    rows: list[list[object]] = [["row", "title", *details]]
    for row in grid.rows:
        rows.append([row.key, row.title, *chain(*map(_details, grid.cells_of(row)))])
    lines = io.StringIO()
    csv.writer(lines, lineterminator="\n").writerows(map(_defused, row) for row in rows)
    return lines.getvalue()


def _details(cell: Cell | None) -> list[object]:
    """The fields of `_DETAILS`."""
    if cell is None:
        return ["", state(None), "", "", ""]
    quote = [(quote.sentence, quote.page or "") for quote in cell.quotes[:1]] or [("", "")]
    return [cell.shown, state(cell), f"{cell.probability:.2f}", *quote[0]]


def _defused(value: object) -> str:
    """The text of a field, which no spreadsheet takes for a formula."""
    return _FORMULA.sub("'", str(value))


def to_jsonl(grid: Grid, _: Sources) -> str:
    """One line per cell, with all its fields."""
    lines = []
    for row, column, cell in grid.every_cell():
        place = {"grid": grid.spec.name, "row": row.key, "title": row.title}
        record = {**place, "question": column.question, **cell_dict(cell, column.name)}
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
    if the rating does not say what is right."""
    verdict = cell.rating.verdict if cell.rating else ""
    if verdict == "confirmed" and cell.state in ("absent", "unreadable"):
        return {} if cell.state == "absent" else None
    if verdict not in ("confirmed", "corrected"):
        return None
    value, words = cell.shown, " ".join(cell.shown.split())
    verbatim = [quote for quote in cell.quotes if words in " ".join(quote.sentence.split())]
    proof = list(cell.quotes) if verdict == "confirmed" else verbatim
    evidence = [{"document": quote.document_id, "sentence": quote.sentence} for quote in proof]
    if kind == "yes_no":
        answer = {"form": "yes_no", "verdict": value.casefold(), "evidence": evidence}
        return answer if value.casefold() in ("yes", "no") else None
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
    lines += ([row.name, *map(words, grid.cells_of(row))] for row in grid.rows)
    return "".join(f"| {' | '.join(map(_in_table, line))} |\n" for line in lines)


def _in_table(text: str) -> str:
    return escape(flat(text), quote=False).replace("\\", "\\\\").replace("|", "\\|")


def to_html(grid: Grid, sources: Sources) -> str:
    """A page that needs nothing else: values with their quotes below."""
    links = {name: address(source) for name, source in sources.items()}
    return html_page(grid.spec.name, html_table(grid, links), HTML_STYLE)


def html_table(
    grid: Grid, links: Mapping[str, str], quote_link: Callable[[Cell], str] = lambda cell: ""
) -> str:
    """The table of `to_html`. `links` are addresses of documents, by id; `quote_link` is that of a
    cell's quote, or ""."""
    headings = "".join(
        f"<th>{escape(c.name)}<small>{escape(c.question)}</small></th>" for c in grid.spec.columns
    )
    body = []
    for row in grid.rows:
        title = _linked(row.name, links.get(row.document_id, ""))
        columns = (
            _html_cell(cell, quote_link(cell) if cell else "") for cell in grid.cells_of(row)
        )
        body.append(f"<tr><th>{title}</th>{''.join(columns)}</tr>")
    return (
        f'<div class="scroll"><table><thead><tr><th></th>{headings}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _html_cell(cell: Cell | None, link: str) -> str:
    detail = escape(state(cell))
    if cell and cell.quotes:
        first = cell.quotes[0]
        place = _linked(first.document_id + (f", page {first.page}" if first.page else ""), link)
        detail = f"“{escape(first.sentence)}” {place}; {detail} ({cell.probability:.0%})"
    text = escape(words(cell)).replace("\n", "<br>")
    return f'<td class="{cell.state if cell else "waiting"}">{text}<small>{detail}</small></td>'


def _linked(text: str, link: str) -> str:
    return f'<a href="{escape(link)}">{escape(text)}</a>' if link else escape(text)


def address(source: str) -> str:
    """A link to a document's file or web page; "" for other sources."""
    if source.startswith(("http://", "https://")):
        return source
    return f"file://{quote(source)}" if source.startswith("/") else ""


def to_xlsx(grid: Grid, sources: Sources) -> bytes:
    """A workbook: values link to their quotes on a second sheet, and these to the documents."""
    openpyxl = _openpyxl()
    book = openpyxl.Workbook()
    sheet, quotes = book.active, book.create_sheet("Quotes")
    sheet.title = "Grid"
    _append(sheet, ["row", "title", *(column.name for column in grid.spec.columns)])
    _append(quotes, list(_QUOTE_COLUMNS))
    for row in grid.rows:
        cells = grid.cells_of(row)
        first, _, *targets = _append(sheet, [row.key, row.title, *map(_typed, cells)])
        _link(first, address(sources.get(row.document_id, "")))
        for target, cell in zip(targets, cells, strict=True):
            if cell and cell.quotes:
                _link(target, f"#Quotes!A{quotes.max_row + 1}")
                for line in _quote_lines(cell):
                    _link(_append(quotes, line)[7], address(sources.get(str(line[7]), "")))
    for page in (sheet, quotes):
        page.freeze_panes = "A2"
        page.auto_filter.ref = page.dimensions
        for column_cells in page.columns:
            longest = max(len(str(cell.value or "")) for cell in column_cells)
            page.column_dimensions[column_cells[0].column_letter].width = min(50, 4 + longest)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _openpyxl() -> Any:
    with needs_extra("office", "XLSX"):
        import openpyxl
    return openpyxl


def _typed(cell: Cell | None) -> object:
    """A date or number as a spreadsheet stores it, or the words."""
    typed = cell.typed if cell and cell.state == "answered" and not cell.rating else None
    if typed and typed.kind == "date" and typed.precision == "day":
        return date.fromisoformat(typed.iso or "")
    if typed and typed.number is not None and typed.upper is None and not typed.bound:
        return typed.number
    return words(cell)


def _quote_lines(cell: Cell) -> Iterator[list[object]]:
    """The rows of the sheet of quotes, with the fields of `_QUOTE_COLUMNS`."""
    for place in cell.quotes:
        value, rating = cell.shown, cell.rating.verdict if cell.rating else ""
        yield [
            *(cell.row, cell.column, state(cell), round(cell.probability, 3), value, place.text),
            *(place.sentence, place.document_id, place.page, place.heading, place.start, place.end),
            *(place.sha256, rating),
        ]


def _append(sheet: Any, values: list[object]) -> Any:
    """Add a row, and return its cells; a text is never a formula."""
    texts = (clean(value)[:_LONGEST] if isinstance(value, str) else value for value in values)
    sheet.append(list(texts))
    row = sheet[sheet.max_row]
    for target in row:
        if isinstance(target.value, str):
            target.data_type = "s"
    return row


def _link(target: Any, place: str) -> None:
    if place:
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
