"""Facts of tables: labels, columns, periods, units and scales of figures, in several formats."""

import pytest

from rag.facts import Fact, fact_at, number_of, tables
from rag.types import Document
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


def facts(name: str, content: str) -> dict[str, Fact]:
    """The facts of a page by their text."""
    (page,) = load_bytes(name, content)
    return {f.text: f for table in tables(page) for row in table.rows for f in row.facts}


def test_a_figure_of_a_statement_has_its_labels_column_period_scale_and_currency() -> None:
    found = facts("farley.md", INCOME)
    bran = found["702"]
    assert bran.labels == ("Revenue", "Bran")
    assert bran.column == "Year Ended May 31, 2023"
    assert bran.periods.days == {"2023-05-31"}
    assert (bran.number, bran.scale, bran.unit) == (702, 1000, "USD")


def test_signs_in_cells_of_their_own_belong_to_their_figures() -> None:
    found = facts("farley.md", INCOME)
    assert found["$4,210"].label == "Flour"
    assert (found["(36)"].number, found["(36)"].unit) == (-36, "USD")
    assert (found["12.5%"].scale, found["12.5%"].unit) == (1, "percent")
    assert (found["$0.31"].number, found["$0.31"].scale) == (0.31, 1)


def test_a_total_ends_the_labels_above_it() -> None:
    found = facts("farley.md", INCOME)
    assert found["4,821"].labels == ("Revenue", "Total revenue")
    assert found["(36)"].labels == ("Interest",)


def test_header_rows_of_a_pipe_table_are_stacked() -> None:
    found = facts("oldbury.md", STACKED)
    assert found["1,310"].column == "2023/24 Outturn"
    assert found["1,310"].series == "Outturn"
    assert found["1,310"].periods.years == {"2023", "2024"}
    assert (found["(12)"].number, found["(12)"].scale, found["(12)"].unit) == (-12, 1000, "GBP")
    assert found["4,020"].column == "2022/23 Outturn"


def test_sections_and_years_of_latex_are_headings_and_columns() -> None:
    (page,) = load_bytes("sheet.md", LATEX)
    (table,) = tables(page)
    assert table.headings == "Balance sheet"
    found = facts("sheet.md", LATEX)
    assert found["74"].labels == ("Current assets", "Inventories")
    assert found["120"].labels == ("Goodwill",)
    assert (found["74"].column, found["74"].scale, found["74"].unit) == ("2025", 10**6, "EUR")


def test_a_sheet_and_a_page_have_the_same_facts() -> None:
    sheet = facts("fees.csv", "Plan,Fee (EUR),Members\nGold,40,12\nSilver,25,31\n")
    rows = "".join(
        f"<tr><td>{label}</td><td>{fee}</td><td>{members}</td></tr>"
        for label, fee, members in (("Gold", 40, 12), ("Silver", 25, 31))
    )
    head = "<tr><th>Plan</th><th>Fee (EUR)</th><th>Members</th></tr>"
    page = facts("fees.html", f"<html><body><table>{head}{rows}</table></body></html>")
    for found in (sheet, page):
        assert (found["25"].label, found["25"].column, found["25"].unit) == (
            "Silver",
            "Fee (EUR)",
            "EUR",
        )
        assert found["31"].unit == ""


def test_a_table_that_goes_on_has_the_unit_of_the_page_before() -> None:
    head = "<tr><th></th><th>2024</th><th>2023</th></tr>"
    first = "<tr><td>Assets:</td><td></td><td></td></tr><tr><td>Cash</td><td>5</td><td>6</td></tr>"
    second = "<tr><td>Plant</td><td>71</td><td>62</td></tr>"
    parts = ("(in millions of euros)", f"<table>{head}{first}</table>")
    found = facts("pages.md", "\n\n".join((*parts, f"<table>{head}{second}</table>")))
    assert found["71"].labels == ("Assets", "Plant")
    assert (found["71"].scale, found["71"].unit) == (10**6, "EUR")


def test_counts_and_bands_are_no_money() -> None:
    found = facts(
        "staff.md",
        "(£ thousands)\n\n| | 2024 |\n|---|---|\n| Rent | 12 |\n| Number of staff | 140 |\n",
    )
    assert (found["12"].unit, found["12"].scale) == ("GBP", 1000)
    assert (found["140"].unit, found["140"].scale) == ("number", 1)
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
