"""Financial statements in PDFs: stacked headers, groups of rows, captions and wrapped labels."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from rag.parsing.pdf.tables import PdfRow, row_of
from rag.parsing.pdf.tables import aligned_tables as tables

EDGES = (300, 360, 420, 480, 540, 600)
"""Right edges of the columns."""


def right(values: Sequence[str]) -> list[tuple[str, float, float]]:
    return [
        (text, edge - 5 * len(text), float(edge))
        for edge, text in zip(EDGES, values, strict=False)
        if text
    ]


def centred(*headers: tuple[str, float]) -> list[tuple[str, float, float]]:
    return [(text, at - 2.5 * len(text), at + 2.5 * len(text)) for text, at in headers]


def figures(label: str, *values: str, indent: int = 0) -> list[tuple[str, float, float]]:
    stub = [(label, 40.0 + indent, 40.0 + indent + 4 * len(label))] if label else []
    return [*stub, *right(values)]


def lines(*rows: list[tuple[str, float, float]], wrapped: Sequence[int] = ()) -> list[str]:
    """The lines of the table in these rows; those in `wrapped` are close to the row above."""
    (table,) = tables(placed(rows, wrapped))
    return table.lines


def placed(
    rows: Sequence[list[tuple[str, float, float]]], wrapped: Sequence[int] = ()
) -> list[PdfRow]:
    """The rows from the top of a page."""
    found: list[PdfRow] = []
    top = 0.0
    for number, row in enumerate(rows):
        top += 9 if number in wrapped else 13
        found.append(row_of(row, top, top + 9, 9.0))
    return found


def test_a_header_spans_the_columns_that_it_is_centred_over() -> None:
    found = lines(
        centred(("Three Months", 340), ("Nine Months", 520)),
        centred(("June 29,", 285), ("July 1,", 345), ("June 29,", 465), ("July 1,", 525)),
        right(["2024", "2023", "Change", "2024", "2023", "Change"]),
        figures("Europe", "19", "21", "-2%", "66", "61", "1%"),
        figures("Japan", "5", "6", "-6%", "18", "17", "0%"),
    )
    assert found[-1] == (
        "Japan | Three Months June 29, 2024: 5 | Three Months July 1, 2023: 6 | "
        "Three Months Change: -6% | Nine Months June 29, 2024: 18 | Nine Months July 1, 2023: 17 | "
        "Nine Months Change: 0%"
    )


def test_the_first_line_of_one_header_is_not_another_columns() -> None:
    found = lines(
        centred(("September", 345)),
        centred(("June 29,", 285), ("30,", 345)),
        right(["2024", "2023"]),
        figures("Cash", "31,628", "24,970"),
        figures("Inventories", "7,629", "6,911"),
    )
    assert found[-1] == "Inventories | June 29, 2024: 7,629 | September 30, 2023: 6,911"


def test_dates_on_two_lines_are_headers() -> None:
    found = lines(
        centred(("December", 285), ("June 30,", 345)),
        right(["31, 2023", "2024"]),
        figures("Cash", "31,628", "24,970"),
        figures("Inventories", "7,629", "6,911"),
    )
    assert found[-1] == "Inventories | December 31, 2023: 7,629 | June 30, 2024: 6,911"


def test_a_title_over_all_columns_is_no_header() -> None:
    found = lines(
        centred(("STATEMENTS OF CASH FLOWS", 330)),
        centred(("(unaudited)", 330)),
        centred(("Three Months", 315), ("Six Months", 435), ("Twelve Months", 555)),
        right(["2023", "2024", "2023", "2024", "2023", "2024"]),
        figures("Net income", "6", "13", "9", "23", "13", "44"),
        figures("Taxes", "1", "2", "3", "4", "5", "6"),
    )
    assert found[-1].startswith("Taxes | Three Months 2023: 1 | Three Months 2024: 2 | Six Months")


def test_rows_are_named_by_the_labels_that_they_are_indented_under() -> None:
    found = lines(
        right(["2024", "2023"]),
        figures("Current assets:"),
        figures("Cash", "6", "7", indent=8),
        figures("Inventories", indent=8),
        figures("Raw materials", "1", "2", indent=16),
        figures("Finished goods", "3", "4", indent=16),
        figures("", "4", "6"),
        figures("Total current assets", "10", "13"),
        figures("Goodwill", "5", "5"),
        figures("North America"),
        figures("Net sales", "9", "8", indent=8),
        figures("International"),
        figures("Net sales", "3", "2", indent=8),
    )
    assert [line.split(" | ")[0] for line in found[1:]] == [
        "Current assets:",
        "Current assets: Cash",
        "Inventories",
        "Current assets: Inventories: Raw materials",
        "Current assets: Inventories: Finished goods",
        "Current assets: Inventories",
        "Total current assets",
        "Goodwill",
        "North America",
        "North America: Net sales",
        "International",
        "International: Net sales",
    ]


def test_equal_labels_are_named_by_the_row_above_that_they_are_indented_under() -> None:
    found = lines(
        right(["2024", "2023"]),
        figures("Research", "6", "7"),
        figures("Share of sales", "8%", "9%", indent=8),
        figures("Selling", "5", "6"),
        figures("Share of sales", "7%", "6%", indent=8),
    )
    assert [line.split(" | ")[0] for line in found[1:]] == [
        "Research",
        "Research: Share of sales",
        "Selling",
        "Selling: Share of sales",
    ]


def test_a_label_on_two_lines_is_one() -> None:
    found = lines(
        right(["2024", "2023"]),
        figures("Goodwill", "5", "5"),
        figures("Common stock: 50,400 shares authorised;"),
        figures("15,647 issued", "74", "96"),
        figures("Retained earnings", "1", "3"),
        wrapped=(3,),
    )
    assert found[2] == "Common stock: 50,400 shares authorised; 15,647 issued | 2024: 74 | 2023: 96"


def test_the_caption_is_the_sentence_above_the_table_and_its_unit() -> None:
    sentence = "Gross margin and its share of net sales for the three-month and the nine-month"
    rest = "periods ended June 29, 2024 and July 1, 2023 were as follows (dollars in millions):"
    rows = [
        figures(f"We sell more. {sentence}"),
        figures(rest),
        right(["2024", "2023"]),
        figures("Products", "20,390", "23,577"),
        figures("Services", "13,070", "12,577"),
    ]
    tops = (0, 10, 26, 39, 52)
    (table,) = tables([row_of(row, top, top + 9, 9.0) for row, top in zip(rows, tops, strict=True)])
    assert table.columns.caption == (f"{sentence} {rest}", "dollars in millions")


def test_headers_that_end_with_dates_may_be_close() -> None:
    found = lines(
        [
            ("Quarter to June 30, 2023", 195.0, 300.0),
            ("Half", 305.0, 318.0),
            ("to June 30, 2023", 320.0, 365.0),
        ],
        figures("Charge-offs", "(2,718)", "(5,212)"),
        figures("Recoveries", "489", "1,318"),
    )
    assert found[-1] == (
        "Recoveries | Quarter to June 30, 2023: 489 | Half to June 30, 2023: 1,318"
    )


def test_years_may_be_centred_beside_their_figures() -> None:
    found = lines(
        centred(("Nine months", 290)),
        centred(("2023", 260), ("2022", 330)),
        figures("Profit", "110.2", "121.9"),
        figures("Taxes", "12.2", "12.9"),
    )
    assert found[-1] == "Taxes | Nine months 2023: 12.2 | Nine months 2022: 12.9"


@pytest.mark.parametrize(
    "names",
    [
        ("1 May 2023", "1 May 2022"),
        ("2021", "2020"),
        ("FY22", "FY21"),
        ("Q3 2023", "4Q23"),
        ("Europe", "Japan"),
    ],
)
def test_headers_between_rows_begin_another_table(names: tuple[str, str]) -> None:
    rows = [
        right(["2023", "2022"]),
        figures("Profit", "110.2", "121.9"),
        figures("Taxes", "12.2", "12.9"),
        right(names),
        figures("Bonds", "299.4", "299.1"),
    ]
    first, second = tables(placed(rows))
    assert first.lines[-1] == "Taxes | 2023: 12.2 | 2022: 12.9"
    assert second.lines[-1] == f"Bonds | {names[0]}: 299.4 | {names[1]}: 299.1"


def test_a_year_over_all_columns_begins_another_table() -> None:
    rows = [
        centred(("2023", 350)),
        right(["Spring", "Summer", "Autumn"]),
        figures("Profit", "110.2", "121.9", "7.1"),
        centred(("2022", 350)),
        figures("Profit", "299.4", "299.1", "7.2"),
    ]
    first, second = tables(placed(rows))
    assert first.lines[-1].startswith("Profit | 2023 Spring: 110.2 |")
    assert second.lines[-1] == "Profit | 2022: 299.4 | 2022: 299.1 | 2022: 7.2"


def test_years_and_words_after_a_label_are_no_headers() -> None:
    found = lines(
        right(["North", "South"]),
        figures("Members", "110", "121"),
        figures("Founded", "1998", "2003"),
        figures("Method", "Sum", "Mean"),
        figures("Fee", "9", "8"),
    )
    assert found[2] == "Founded | North: 1998 | South: 2003"
    assert found[-1] == "Fee | North: 9 | South: 8"


def test_a_year_above_rows_of_one_column_is_their_group() -> None:
    found = lines(
        [("Product", 40.0, 80.0), ("Price in euros", 240.0, 300.0)],
        [("2022", 40.0, 60.0)],
        figures("Bread", "5.10", indent=10),
        figures("Milk", "6.20", indent=10),
        [("2023", 40.0, 60.0)],
        figures("Bread", "7.30", indent=10),
        figures("Milk", "8.40", indent=10),
    )
    assert found[-1] == "2023: Milk | Price in euros: 8.40"


def test_dates_in_a_label_begin_no_table() -> None:
    label = "Warrants of May 1, 2020, expiring May 1, 2025"
    found = lines(
        right(["2023", "2022"]),
        figures("Revenue", "900", "850"),
        figures("Taxes", "90", "85"),
        [(label, 40.0, 40.0 + 4 * len(label))],
        figures("at $5 each", "120", "110"),
    )
    assert found[-1] == f"{label} at $5 each | 2023: 120 | 2022: 110"
