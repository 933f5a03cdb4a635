"""Files of grids: values are typed and whole, and no value breaks a file."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import openpyxl
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from rag.answering.candidate import quoted
from rag.desk import grid_export
from rag.desk.cell_judge import in_column, surroundings
from rag.desk.grid import Cell, CellState, Grid, GridRow, Rating
from rag.desk.grid_file import definition
from rag.errors import InputError
from rag.meaning.values import Surroundings, typed_value
from rag.structure import row_at
from rag.types import Citation, Value
from tests.parsing.reading import load_bytes

TYPES = ("date", "amount", "number", "yes_no", "list", "text")
SPEC = definition(
    {"name": "leases", "columns": [{"name": t, "question": "What?", "type": t} for t in TYPES]},
    "the test",
)


def cell(
    column: str, value: str, typed: Value | None, state: CellState = "answered", row: str = "a.md"
) -> Cell:
    quote = Citation(
        document_id=row,
        title="A",
        headings=("Rent",),
        source="",
        sha256="0",
        start=0,
        end=len(value),
        quote=value,
        sentence_start=0,
        sentence_end=len(value),
        sentence=value,
        page=2,
    )
    time = "2026-11-01T00:00:00.000Z"
    return Cell(row, column, state, value, 0.9, "", time, typed, (quote,), (row,))


def cell_in_brackets(column: str, sentence: str) -> Cell:
    """The cell of the words in [brackets]."""
    text_before, _, marked = sentence.partition("[")
    words, _, text_after = marked.partition("]")
    return cell(column, words, typed_value(words, column, Surroundings(text_before, text_after)))


def grid(*rows: Sequence[Cell]) -> Grid:
    """A grid with a row for each sequence of cells."""
    names = [f"{number}.md" for number in range(len(rows))]
    cells = {
        (name, written.column): written
        for name, row in zip(names, rows, strict=True)
        for written in row
    }
    return Grid(SPEC, [GridRow(name, name, (), "0") for name in names], cells)


def sheet(grid: Grid) -> dict[str, list[Any]]:
    """The cells below each heading of the sheet, read again."""
    book = openpyxl.load_workbook(io.BytesIO(grid_export.in_format(grid, ".xlsx", {})))
    return {column[0].value: list(column[1:]) for column in book["Grid"].columns}


BERTHS = "| Berth | Fee |\n|---|---|\n| Small | 450 |\n"


@pytest.mark.parametrize(
    ("name", "text", "number", "unit", "number_format"),
    [
        ("a.md", f"# Club fees\n\n## Berths (in pounds)\n\n{BERTHS}", 450, "GBP", '"£"#,##0'),
        ("a.md", f"# Club\n\nAll amounts in EUR.\n\n{BERTHS}", 450, "EUR", '"€"#,##0'),
        ("a.md", f"Table 1: Berths, fees in CHF\n\n{BERTHS}", 450, "CHF", '#,##0" CHF"'),
        ("a.csv", "berth,fee (in US dollars)\nSmall,450\n", 450, "USD", '"$"#,##0'),
        ("a.csv", "berth,length (cm)\nSmall,450\n", 450, "centimeter", '#,##0" centimeter"'),
        ("a.csv", "berth,discount (%)\nSmall,450\n", 450, "percent", '#,##0"%"'),
        ("a.md", "All amounts are in EUR.\n\n- Fee: 450\n", 450, "EUR", '"€"#,##0'),
        ("a.txt", "The club.\nFee (GBP): 450\n", 450, "GBP", '"£"#,##0'),
    ],
)
def test_a_cell_has_the_unit_that_its_column_or_caption_states(
    name: str, text: str, number: float, unit: str, number_format: str
) -> None:
    (source,) = load_bytes(name, text)
    start = source.text.index("450")
    row = row_at(source.blocks, start)
    sentence = (row.start, row.end) if row else (source.text.index("Fee"), start + 3)
    place = quoted(source, start, start + 3, sentence)
    around = surroundings("450", place, {source.id: source})
    meaning = in_column("450", None, "amount", around)
    assert meaning is not None
    table = grid([cell("amount", *meaning)])

    lines = map(json.loads, grid_export.to_jsonl(table, {}).splitlines())
    typed = next(line["typed"] for line in lines if line["column"] == "amount")
    (row_of_csv,) = csv.DictReader(io.StringIO(grid_export.to_csv(table, {})))
    columns = sheet(table)
    (value,) = columns["amount"]
    assert (typed["number"], typed["unit"]) == (number, unit)
    assert (row_of_csv["amount number"], row_of_csv["amount unit"]) == (f"{number}", unit)
    assert (value.value, value.number_format) == (number, number_format)
    assert columns["amount unit"][0].value == unit


def test_a_spreadsheet_shows_a_value_whole() -> None:
    columns = sheet(
        grid(
            [
                cell_in_brackets("amount", "[€3,200] per month"),
                cell_in_brackets("date", "before [31 May\n2027]"),
            ],
            [
                cell_in_brackets("amount", "at least [£5 million]"),
                cell_in_brackets("date", "[1/7/2023]"),
            ],
            [
                cell_in_brackets("amount", "[£10 to £12.50]"),
                cell_in_brackets("date", "[14 July 1789]"),
            ],
            [cell_in_brackets("amount", "[12 months]"), cell_in_brackets("date", "[8 August]")],
        )
    )
    amounts = columns["amount"]
    assert [shown_cell.value for shown_cell in amounts] == [3200, 5_000_000, "£10 to £12.50", 12]
    assert [shown_cell.number_format for shown_cell in amounts] == [
        '"€"#,##0" per month"',
        '"at least ""£"#,##0',
        "General",
        '#,##0" months"',
    ]
    parts = {name: [shown_cell.value for shown_cell in cells] for name, cells in columns.items()}
    assert parts["amount number"] == [3200, 5_000_000, 10, 12]
    assert parts["amount to"] == [None, None, 12.5, None]
    assert parts["amount unit"] == ["EUR", "GBP", "GBP", "month"]
    assert parts["amount per"] == ["month", None, None, None]
    assert parts["amount qualifier"] == [None, "at least", None, None]
    dates = ["2027-05-31", None, "1789-07-14", "--08-08"]
    assert parts["date"] == [dt.datetime(2027, 5, 31), "1/7/2023", "14 July 1789", "8 August"]
    assert parts["date date"] == dates
    assert parts["date qualifier"] == ["before", None, None, None]
    assert columns["date"][0].number_format == '"before "yyyy-mm-dd'
    assert parts["amount state"] == ["answered"] * 4


def test_a_sheet_can_be_read_and_printed() -> None:
    items = "1. Clear the plot.\n2. Hand back the key, and tell the secretary of it in writing."
    rent = cell_in_brackets("amount", "at least [£5,000,000] per month")
    table = grid([rent, cell_in_brackets("list", f"[{items}]")])
    book = openpyxl.load_workbook(io.BytesIO(grid_export.in_format(table, ".xlsx", {})))
    written = book["Grid"]
    columns = {column[0].value: column for column in written.columns}
    heading, value = columns["amount"]
    assert heading.font.bold
    width = written.column_dimensions[value.column_letter].width
    assert width > len("at least £5,000,000 per month"), "no number is shown as ###"
    assert columns["list"][1].alignment.wrap_text
    assert value.hyperlink is None, "not every spreadsheet wraps a linked cell"
    assert columns["amount state"][1].hyperlink.target == "#Quotes!A2"
    assert columns["list state"][1].hyperlink.target == "#Quotes!A3"
    assert written.auto_filter.ref == written.dimensions
    assert (written.page_setup.orientation, written.print_title_rows) == ("landscape", "$1:$1")
    assert written.sheet_properties.pageSetUpPr.fitToPage


def test_a_guess_is_no_number() -> None:
    guess = cell("amount", "£5", typed_value("£5", "amount"), "unsure")
    columns = sheet(grid([guess]))
    assert columns["amount"][0].value == "? £5"
    assert "amount number" not in columns


def test_csv_and_json_have_the_parts_of_a_value() -> None:
    table = grid(
        [cell_in_brackets("amount", "a monthly rent of at least [£550]")],
        [cell_in_brackets("amount", "[-£5]")],
    )
    rows = list(csv.DictReader(io.StringIO(grid_export.to_csv(table, {}))))
    names = ("amount", "amount number", "amount unit", "amount per", "amount qualifier")
    assert [rows[0][name] for name in names] == ["£550", "550", "GBP", "month", "at least"]
    assert rows[1]["amount number"] == "-5", "a number is no formula"
    lines = [json.loads(line) for line in grid_export.to_jsonl(table, {}).splitlines()]
    amount = next(line for line in lines if line["column"] == "amount")
    assert (amount["typed"]["per"], amount["addition"]) == ("month", "at least, per month")
    assert "£550 (at least, per month)" in grid_export.to_markdown(table, {})
    assert "£550 (at least, per month)" in grid_export.to_html(table, {})


def test_a_cell_on_a_condition_is_typed_and_a_gold_answer() -> None:
    conditional = cell_in_brackets("yes_no", "[on a condition]")
    assert conditional.typed is not None
    assert (conditional.typed.verdict, conditional.typed.yes) == ("condition", None)
    rated = replace(conditional, rating=Rating("confirmed", conditional.at))
    table = grid([rated])
    assert sheet(table)["yes_no"][0].value == "on a condition"
    assert "| on a condition |" in grid_export.to_markdown(table, {})
    (row,) = map(json.loads, grid_export.to_gold(table, {}).splitlines())
    assert (row["form"], row["verdict"]) == ("yes_no", "condition")


def test_a_correction_counts_in_every_file_and_in_the_counts() -> None:
    correction = cell_in_brackets("amount", "[£5]")
    rating = Rating("corrected", correction.at, "€7 per week")
    corrected = replace(correction, rating=rating)
    table = grid([corrected])
    columns = sheet(table)
    assert columns["amount"][0].value == 7
    assert columns["amount"][0].number_format == '"€"#,##0" per week"'
    assert columns["amount state"][0].value == "corrected"
    (row,) = csv.DictReader(io.StringIO(grid_export.to_csv(table, {})))
    assert (row["amount number"], row["amount per"]) == ("7", "week")
    assert (table.counts["answered"], table.counts["corrected"]) == (0, 1)


def test_rows_are_chosen_by_state_and_value() -> None:
    table = grid([cell_in_brackets("amount", "[£5]")], [cell("text", "Ada", None, "unsure")])
    assert [row.key for row in table.narrowed(state="unsure").rows] == ["1.md"]
    assert [row.key for row in table.narrowed(value="ada").rows] == ["1.md"]
    assert table.narrowed(state="answered", value="ada").rows == []
    assert [row.key for row in table.narrowed(state="answered").rows] == ["0.md"]
    with pytest.raises(InputError, match="'sure' is no state"):
        table.narrowed(state="sure")


def test_columns_of_lists_are_wide_on_paper() -> None:
    page = grid_export.to_html(grid([cell_in_brackets("amount", "[£5]")]), {})
    widths = [float(width) for width in re.findall(r'<col width="([\d.]+)%">', page)]
    assert len(widths) == 1 + len(TYPES)
    assert sum(widths) == pytest.approx(100, abs=1)
    assert widths[1 + TYPES.index("list")] > 2 * widths[1 + TYPES.index("amount")]


def test_quotes_are_footnotes_on_a_page_for_paper() -> None:
    page = grid_export.to_html(
        grid([cell_in_brackets("text", "[Ada] rents it")]), {"0.md": "/l/0.md"}
    )
    assert '<a href="#note-1" title="Ada">[1]</a>' in page
    assert '<li id="note-1">“Ada” <a href="file:///l/0.md">a.md, page 2</a>, Rent</li>' in page
    assert "@media print" in page
    assert "table-header-group" in page


VALUES = st.builds(
    Value,
    st.sampled_from(["date", "money", "number", "duration", "percentage", "quantity", "boolean"]),
    st.text(max_size=20),
    iso=st.none() | st.sampled_from(["--08-08", "2015", "1000-01-01", "2027-05-31", "x", "199X"]),
    precision=st.none() | st.sampled_from(["day", "month", "year"]),
    number=st.none() | st.floats(allow_nan=True, allow_infinity=True),
    upper=st.none() | st.floats(allow_nan=True),
    unit=st.none() | st.text(max_size=60),
    bound=st.text(max_size=10),
    per=st.text(max_size=10),
)
ANY_TEXT = st.text(st.characters(), max_size=40)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=40)
@example(
    "\ud800\ufffe\x00=1", "date", Value("date", "8 August", "--08-08", "day"), "=\udcff/\uffff"
)
@example("_x0041_\r\n", "number", Value("number", "x", number=float("nan")), "\x1b[31m")
@given(ANY_TEXT, st.sampled_from(TYPES), st.none() | VALUES, ANY_TEXT)
def test_no_cell_breaks_a_file(text: str, column: str, value: Value | None, source: str) -> None:
    table = grid([cell(column, text, value)], [cell(column, text, value, "unsure")])
    for ending in grid_export.WRITERS:
        content = grid_export.in_format(table, ending, {"0.md": f"/{source}", "a.md": source})
        if ending == ".xlsx":
            book = openpyxl.load_workbook(io.BytesIO(content))
            assert book["Grid"].max_row == 3
            types = {shown_cell.data_type for page in book for line in page for shown_cell in line}
            assert types <= {"s", "n", "d", "inlineStr"}
        elif ending.endswith("jsonl"):
            assert all(json.loads(line) for line in content.decode().split("\n")[:-1])
        elif ending == ".csv":
            rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
            assert len({len(row) for row in rows}) == 1
