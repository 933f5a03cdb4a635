"""Facts of tables: labels, columns, periods, units and scales of figures, in several formats."""

import docx
import openpyxl
import pytest

from rag.facts import Fact, fact_at, number_of, tables
from rag.types import Document
from tests.parsing.archives import saved_bytes
from tests.parsing.pdfs import pdf, typewritten
from tests.parsing.reading import load_bytes

INCOME = """# Farley Mills

## Income statement

(In thousands, except per share data)

<table>
<tr><td></td><th colspan="4">Year Ended May 31,</th></tr>
<tr><td></td><th colspan="2">2024</th><th colspan="2">2023</th></tr>
<tr><td>Revenue:</td><td></td><td></td><td></td><td></td></tr>
<tr><td>Flour (1)</td><td>$</td><td>4,210</td><td>$</td><td>3,987</td></tr>
<tr><td>Bran</td><td></td><td>611</td><td></td><td>702</td></tr>
<tr><td>Total revenue</td><td></td><td>4,821</td><td></td><td>4,689</td></tr>
<tr><td>Interest</td><td></td><td>(36</td><td>)</td><td>(41</td><td>)</td></tr>
<tr><td>Margin</td><td></td><td>12.5</td><td>%</td><td>11.0</td><td>%</td></tr>
<tr><td>Earnings per share</td><td>$</td><td>0.31</td><td>$</td><td>0.28</td></tr>
</table>
"""
STACKED = """# Oldbury Council

### Outturn

*£000*

|   | 2023/24 |   | 2022/23 |
|---|---:|---:|---:|
| Service | Budget | Outturn | Outturn |
| Parks | 1,204 | 1,310 | 1,198 |
| Roads | 3,900 | (12) | 4,020 |
"""
LATEX = r"""\section*{Balance sheet}

Millions of euros

\begin{tabular}{lrr}
\hline
 & 2025 & 2024 \\
\hline
\textit{Current assets} & & \\
Inventories & 74 & 69 \\
Total current assets & 310 & 288 \\
Goodwill & 120 & 120 \\
\hline
\end{tabular}
"""


def facts(name: str, content: str | bytes) -> dict[str, Fact]:
    """The facts of a page by their text."""
    (page,) = load_bytes(name, content)
    return {f.text: f for table in tables(page) for row in table.rows for f in row.facts}


def test_a_figure_of_a_statement_has_its_labels_column_period_scale_and_currency() -> None:
    by_text = facts("farley.md", INCOME)
    bran = by_text["702"]
    assert bran.labels == ("Revenue", "Bran")
    assert bran.column == "Year Ended May 31, 2023"
    assert bran.periods.days == {"2023-05-31"}
    assert (bran.number, bran.scale, bran.unit) == (702, 1000, "USD")


def test_signs_in_cells_of_their_own_belong_to_their_figures() -> None:
    by_text = facts("farley.md", INCOME)
    assert by_text["$4,210"].label == "Flour"
    assert (by_text["(36)"].number, by_text["(36)"].unit) == (-36, "USD")
    assert (by_text["12.5%"].scale, by_text["12.5%"].unit) == (1, "percent")
    assert (by_text["$0.31"].number, by_text["$0.31"].scale) == (0.31, 1)


def test_a_total_ends_the_labels_above_it() -> None:
    by_text = facts("farley.md", INCOME)
    assert by_text["4,821"].labels == ("Revenue", "Total revenue")
    assert by_text["(36)"].labels == ("Interest",)


PDF_STATEMENT = """
                                        2023      2022
Operating activities:
  Net income                             410       398
  Changes in working capital:
    Receivables                          (12)      (15)
    Payables                               9         7
Net cash from operations                 407       390
Effect of exchange rates                  (3)       (4)
Per share: Basic                        1.20      1.10
"""


def test_groups_that_a_pdf_writes_before_its_labels_are_labels_above_them() -> None:
    (page,) = load_bytes("statement.pdf", pdf([typewritten(PDF_STATEMENT)]))
    (table,) = tables(page)
    labels = [row.labels for row in table.rows if row.facts]
    assert labels == [
        ("Operating activities", "Net income"),
        ("Operating activities", "Changes in working capital", "Receivables"),
        ("Operating activities", "Changes in working capital", "Payables"),
        ("Net cash from operations",),
        ("Effect of exchange rates",),
        ("Per share: Basic",),
    ]
    fact = fact_at(page, page.text.index("(15)"))
    assert fact is not None
    assert fact.text == "(15)"


def test_a_currency_sign_may_come_after_its_figure() -> None:
    by_text = facts(
        "miete.md", "| Haus | 2023 | 2022 |\n|---|---|---|\n| Miete | 900 € | 1,850€ |\n"
    )
    assert [(fact.number, fact.unit) for fact in by_text.values()] == [(900, "EUR"), (1850, "EUR")]


def test_a_unit_beside_a_period_is_no_series() -> None:
    by_text = facts("a.md", "| | 2024 £000 | 2023 £m |\n|---|---|---|\n| Income | 7,115 | 6.8 |\n")
    assert [(fact.series, fact.scale) for fact in by_text.values()] == [("", 1000), ("", 10**6)]


def test_header_rows_of_a_pipe_table_are_stacked() -> None:
    by_text = facts("oldbury.md", STACKED)
    assert by_text["1,310"].column == "2023/24 Outturn"
    assert by_text["1,310"].series == "Outturn"
    assert by_text["1,310"].periods.years == {"2023", "2024"}
    assert (by_text["(12)"].number, by_text["(12)"].scale, by_text["(12)"].unit) == (
        -12,
        1000,
        "GBP",
    )
    assert by_text["4,020"].column == "2022/23 Outturn"


def test_sections_and_years_of_latex_are_headings_and_columns() -> None:
    (page,) = load_bytes("sheet.md", LATEX)
    (table,) = tables(page)
    assert table.headings == "Balance sheet"
    by_text = facts("sheet.md", LATEX)
    assert by_text["74"].labels == ("Current assets", "Inventories")
    assert by_text["120"].labels == ("Goodwill",)
    assert (by_text["74"].column, by_text["74"].scale, by_text["74"].unit) == ("2025", 10**6, "EUR")


def test_a_sheet_and_a_page_have_the_same_facts() -> None:
    sheet = facts("fees.csv", "Plan,Fee (EUR),Members\nGold,40,12\nSilver,25,31\n")
    rows = "".join(
        f"<tr><td>{label}</td><td>{fee}</td><td>{members}</td></tr>"
        for label, fee, members in (("Gold", 40, 12), ("Silver", 25, 31))
    )
    head = "<tr><th>Plan</th><th>Fee (EUR)</th><th>Members</th></tr>"
    page = facts("fees.html", f"<html><body><table>{head}{rows}</table></body></html>")
    for by_text in (sheet, page):
        assert (by_text["25"].label, by_text["25"].column, by_text["25"].unit) == (
            "Silver",
            "Fee (EUR)",
            "EUR",
        )
        assert by_text["31"].unit == ""


def test_a_table_that_goes_on_has_the_unit_of_the_page_before() -> None:
    head = "<tr><th></th><th>2024</th><th>2023</th></tr>"
    rows = "<tr><td>Assets:</td><td></td><td></td></tr><tr><td>Cash</td><td>5</td><td>6</td></tr>"
    next_rows = "<tr><td>Plant</td><td>71</td><td>62</td></tr>"
    parts = ("(in millions of euros)", f"<table>{head}{rows}</table>")
    by_text = facts("pages.md", "\n\n".join((*parts, f"<table>{head}{next_rows}</table>")))
    assert by_text["71"].labels == ("Assets", "Plant")
    assert (by_text["71"].scale, by_text["71"].unit) == (10**6, "EUR")


SPACER = "<td>&#160;</td>"


def filing_row(label: str, *values: str) -> str:
    """A row as in companies' filings: a column of space before each figure, and its signs in cells
    of their own.
    """
    cells = [
        f"{SPACER}<td>{'$' * value.startswith('$')}</td><td>{value.strip('$)')}</td>"
        f"<td>{')' * value.endswith(')')}</td>"
        for value in values
    ]
    return f"<tr><td>{label}</td>{''.join(cells)}</tr>"


FILING = f"""<html><body><h1>Hollin Rope</h1><table>
<tr>{"<td></td>" * 9}</tr>
<tr><td>&#160;</td>{SPACER}<td colspan="6">Three Months Ended<br>August 31,</td>{SPACER}</tr>
<tr><td>(in millions, except per share data)</td>
{SPACER}<td colspan="2">2024</td>{SPACER}{SPACER}<td colspan="2">2023</td>{SPACER}</tr>
{filing_row("Revenues:", "", "")}
{filing_row("Rope", "$10,519", "$9,547")}
{filing_row("Gross margin", "870", "809")}
{filing_row("Interest", "(36)", "(41)")}
</table></body></html>"""


def test_a_filing_that_marks_no_headers_has_columns_periods_and_the_unit_of_its_corner() -> None:
    by_text = facts("hollin.html", FILING)
    rope = by_text["$9,547"]
    assert rope.labels == ("Revenues", "Rope")
    assert rope.column == "Three Months Ended August 31, 2023"
    assert rope.periods.days == {"2023-08-31"}
    assert rope.periods.months == {"3"}
    assert (rope.scale, rope.unit) == (10**6, "USD")
    assert (by_text["809"].unit, by_text["(36)"].number) == ("USD", -36)


def test_tables_that_lay_out_a_page_have_no_headers() -> None:
    rows = "<tr><td>Menu</td><td>Boats to hire in the old harbour</td></tr>"
    assert (
        facts("a.html", f"<table>{rows}<tr><td>Home</td><td>Ring 12 at the gate</td></tr></table>")
        == {}
    )


def test_a_row_of_a_year_alone_is_the_label_and_the_period_of_the_rows_below() -> None:
    head = "<tr><td>(in thousands of euros)</td><td>North</td><td>South</td></tr>"
    rows = "".join(
        f"<tr><td>{year}</td><td></td><td></td></tr>"
        f"<tr><td>Sales</td><td>{n}</td><td>{n + 1}</td></tr>"
        for year, n in ((2024, 41), (2023, 51))
    )
    by_text = facts("a.html", f"<table>{head}{rows}</table>")
    assert by_text["52"].labels == ("2023", "Sales")
    assert by_text["52"].periods.years == {"2023"}
    assert (by_text["52"].column, by_text["52"].scale, by_text["52"].unit) == ("South", 1000, "EUR")


def test_a_line_of_a_scale_alone_is_the_scale() -> None:
    by_text = facts(
        "a.md", "Thousands\n\n| Region | 2021 | Change (%) |\n|---|---|---|\n| North | 57 | 1.9 |\n"
    )
    assert (by_text["57"].scale, by_text["1.9"].scale, by_text["1.9"].unit) == (1000, 1, "percent")


def test_a_currency_is_that_of_the_columns_with_its_sign() -> None:
    rows = "| Small | 50 | €9 |\n| Large | 250 | 49 |\n"
    by_text = facts("a.md", f"| Plan | Disk (GB) | Price |\n|---|---|---|\n{rows}")
    assert (by_text["50"].unit, by_text["49"].unit) == ("", "EUR")


def test_a_text_under_a_column_is_no_label_of_the_rows_below() -> None:
    table = "| Aim | Type | Share |\n|---|---|---|\n| | Target | |\n| Trees | Actual | 12 |\n"
    assert facts("a.md", table)["12"].labels == ("Trees",)


ACCOUNT = (
    ("", "Three months ended", "", "Year ended", ""),
    ("", 2025, 2024, 2025, 2024),
    ("Income", None, None, None, None),
    ("Fees", 5210, 4980, 21300, 20110),
    ("Costs", -310, -298, -1206, -1190),
)


def test_a_row_of_nothing_but_a_note_is_no_label() -> None:
    text = "|   | 2024 |\n|---|---:|\n| Sales | 10 |\n| (1) |  |\n| Costs | 4 |\n| (2) |  |\n"
    (document,) = load_bytes("page.md", text)
    (table,) = tables(document)
    assert [row.labels for row in table.rows] == [("Sales",), (), ("Costs",), ()]
    assert table.last_group == ""


def test_merged_headers_of_a_sheet_and_a_document_name_all_their_columns() -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    for title in ("Fell club", "£000", ""):
        sheet.append([title or None])
    for values in ACCOUNT:
        sheet.append([value or None for value in values])
    sheet.merge_cells("B4:C4")
    sheet.merge_cells("D4:E4")

    word = docx.Document()
    word.add_paragraph("£000")
    table = word.add_table(len(ACCOUNT), 5)
    for number, row in enumerate(ACCOUNT):
        for column, value in enumerate(row):
            table.cell(number, column).text = str(value or "")
    for left_column, right_column in ((1, 2), (3, 4)):
        table.cell(0, left_column).merge(table.cell(0, right_column))

    for name, content in (("a.xlsx", saved_bytes(workbook)), ("a.docx", saved_bytes(word))):
        by_text = facts(name, content)
        assert by_text["20110"].labels == ("Income", "Fees")
        assert by_text["20110"].column == "Year ended 2024"
        assert (by_text["20110"].scale, by_text["20110"].unit) == (1000, "GBP")
        assert (by_text["-298"].column, by_text["-298"].number) == ("Three months ended 2024", -298)


def test_a_cell_of_a_document_that_goes_down_is_a_label_of_each_row() -> None:
    word = docx.Document()
    rows = (("Site", "Measure", "2025"), ("Ayr", "Boats", "12"), ("", "Berths", "40"))
    table = word.add_table(3, 3)
    for number, row in enumerate(rows):
        for column, value in enumerate(row):
            table.cell(number, column).text = value
    table.cell(1, 0).merge(table.cell(2, 0))
    assert facts("a.docx", saved_bytes(word))["40"].labels == ("Ayr",)


def test_numbers_of_a_sheet_have_the_currency_and_the_per_cent_sign_of_their_format() -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(["Plan", "Price", "Discount", "Refund"])
    sheet.append(["Gold", 9.9, 0.125, -3])
    for cell, number_format in (
        ("B2", "[$€-407]#,##0.00"),
        ("C2", "0.0%"),
        ("D2", '"£"#,##0;[Red]-"£"#,##0'),
    ):
        sheet[cell].number_format = number_format
    by_text = facts("a.xlsx", saved_bytes(workbook))
    assert by_text["€9.90"].unit == "EUR"
    assert (by_text["12.5%"].number, by_text["12.5%"].unit) == (12.5, "percent")
    assert (by_text["-£3"].number, by_text["-£3"].unit) == (-3, "GBP")


def test_below_an_empty_row_headers_begin_another_table_of_a_sheet() -> None:
    upper_table = "Fees,2025,2024\nGold,40,38\n\nSilver,25,24\n\n"
    by_text = facts("a.csv", f"{upper_table}Members\n,Men,Women\nGold,7,9\nSilver,8,6\n")
    assert (by_text["24"].label, by_text["24"].column) == ("Silver", "2024")
    assert (by_text["9"].label, by_text["9"].column) == ("Gold", "Women")


def test_counts_and_bands_are_no_money() -> None:
    by_text = facts(
        "staff.md",
        "(£ thousands)\n\n| | 2024 |\n|---|---|\n| Rent | 12 |\n| Number of staff | 140 |\n",
    )
    assert (by_text["12"].unit, by_text["12"].scale) == ("GBP", 1000)
    assert (by_text["140"].unit, by_text["140"].scale) == ("number", 1)
    bands = facts("bands.md", "| Band | 2024 |\n|---|---|\n| £50,000–£54,999 | 7 |\n")
    assert bands["7"].unit == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1,234.5", 1234.5),
        ("(1,234)", -1234),
        ("$(0.20)", -0.2),
        ("\u20138%", -8),
        ("1 234", 1234),
        ("396,715 (1)", 396715),
        ("12,5", None),
        ("1.234.567", None),
    ],
)
def test_numbers_as_written(text: str, number: float | None) -> None:
    assert number_of(text) == number


def test_a_fact_is_found_at_its_place() -> None:
    (page,) = load_bytes("farley.md", INCOME)
    fact = fact_at(page, page.text.index("702") + 1)
    assert fact is not None
    assert page.text[fact.start : fact.end] == fact.text == "702"
    assert fact_at(page, 0) is None
    assert isinstance(page, Document)


@pytest.mark.parametrize(
    ("statement", "prose", "unit"),
    [
        ("(in thousands of pounds)", "The mill cost £58,000.", "GBP"),
        ("(in pounds)", "We paid 39 pence per loaf.", "GBP"),
        ("(in thousands of pounds)", "The mill is old.", ""),
        ("Weight of the sacks (in pounds)", "The mill cost £58,000.", ""),
        ("(in thousands of pounds sterling)", "The mill is old.", "GBP"),
        ("(in millions of Swiss francs)", "The mill is old.", "CHF"),
        ("(in millions of yen)", "The mill is old.", "JPY"),
        ("(in millions of Norwegian kroner)", "The mill is old.", "NOK"),
        ("(in thousands of rupees)", "The mill is old.", "INR"),
        ("Trade with the euro area (in thousands)", "The mill is old.", ""),
        ("Trade with Japan after the yen fell (in thousands)", "The mill is old.", ""),
        ("(in thousands of U.S. dollars)", "The mill is old.", "USD"),
    ],
)
def test_a_statement_names_its_currency_in_words(statement: str, prose: str, unit: str) -> None:
    table = "| Grain | 2024 | 2023 |\n|---|---|---|\n| Rye | 4,120 | 3,977 |"
    found = facts("mill.md", f"# Mill\n\n{prose}\n\n{statement}\n\n{table}")
    assert found["4,120"].unit == unit
