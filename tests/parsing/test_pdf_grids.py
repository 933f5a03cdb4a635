"""Ruled tables in PDFs: cells by their rules, spanning and stacked headers."""

from __future__ import annotations

import pytest

from rag.parsing.pdf import parse
from tests.parsing.pdfs import DrawnLine, Put, column, pdf, ruled

EDGES = (40, 200, 290, 380, 550)
SEGMENTS = ruled(
    EDGES,
    (700, 686, 672, 658, 644),
    [
        [(1, "(In millions)"), (3, "Three Months Ended July 1, 2023")],
        [(1, ""), (1, "Handsets"), (1, "Tablets"), (1, "Wearables and Accessories")],
        [(1, "Net sales"), (1, "30,102"), (1, "5,476"), (1, "6,627")],
        [(1, "Operating loss"), (1, "3,635"), (1, "(3,594)"), (1, "3,223")],
    ],
)
TITLE = [Put(40, 712, "Results by segment", 9)]


def test_a_spanning_header_applies_to_each_of_its_columns() -> None:
    parsed = parse(pdf([[*TITLE, *SEGMENTS]]))
    assert (
        "Net sales | Three Months Ended July 1, 2023 Handsets: 30,102 | "
        "Three Months Ended July 1, 2023 Tablets: 5,476 | "
        "Three Months Ended July 1, 2023 Wearables and Accessories: 6,627"
    ) in parsed.text.split("\n")
    assert parsed.sections[-1].heading.endswith("Results by segment > (In millions)")


def test_a_ruled_table_continues_on_the_next_page() -> None:
    rest = ruled(EDGES, (800, 786), [[(1, "Assets"), (1, "7,000"), (1, "800"), (1, "90")]])
    rest += ruled(EDGES, (786, 772), [[(1, "Debt"), (1, "60"), (1, "50"), (1, "40")]])
    parsed = parse(pdf([SEGMENTS, rest]))
    assert "Assets | Three Months Ended July 1, 2023 Handsets: 7,000" in parsed.text
    assert "(In millions)" in parsed.sections[-1].heading


def test_words_of_a_cell_stay_together() -> None:
    rows = [
        [(1, "Sponsor"), (3, "Elpin Society\n12 Mill Lane\nBath")],
        [(1, "Aims"), (3, "- To see the course of\nthe illness\n- To compare the two doses")],
    ]
    text = parse(pdf([ruled(EDGES, (700, 660, 620), rows)])).text
    assert "Sponsor | Elpin Society 12 Mill Lane Bath" in text
    assert "Aims | - To see the course of the illness\n- To compare the two doses" in text


def test_labels_of_a_form_are_not_column_names() -> None:
    edges, heights = (40, 200, 550), (700, 686, 672, 658)
    rows = [("Title", "A study"), ("Number", "3"), ("Duration", "18 months")]
    drawn = ruled(edges, heights, [[(1, ""), (1, "")] for _ in rows])
    for top, (label, value) in zip(heights, rows, strict=False):
        bold = label == "Title"
        drawn += [Put(43, top - 9, label, 8, True), Put(203, top - 9, value, 8, bold)]
    text = parse(pdf([drawn])).text
    assert text == "Title | A study\nNumber | 3\nDuration | 18 months"


def test_a_row_of_dates_is_not_headers() -> None:
    label = "By 2026 the rules for cars, trucks and power plants are promulgated"
    rows = [
        [(1, "Description"), (1, "Status"), (1, "Start"), (1, "End")],
        [(1, "\n".join(label.split(", "))), (1, "Done"), (1, "2025-10-01"), (1, "2026-09-30")],
        [(1, "The same"), (1, "Open"), (1, ""), (1, "2027-09-30")],
    ]
    text = parse(pdf([ruled(EDGES, (700, 680, 640, 626), rows)])).text
    assert "| Status: Done | Start: 2025-10-01 | End: 2026-09-30" in text


def test_a_title_over_all_columns_names_the_rows_below_it() -> None:
    rows = [
        [(1, ""), (1, "2023"), (1, "2022"), (1, "2021")],
        [(4, "Europe")],
        [(1, "Rent"), (1, "900"), (1, "850"), (1, "800")],
        [(4, "Asia")],
        [(1, "Rent"), (1, "300"), (1, "250"), (1, "200")],
    ]
    text = parse(pdf([ruled(EDGES, (700, 686, 672, 658, 644, 630), rows)])).text
    assert "Europe: Rent | 2023: 900 | 2022: 850 | 2021: 800" in text
    assert "Asia: Rent | 2023: 300" in text


def test_partial_rules_leave_rows_whole() -> None:
    rows = [
        [(1, ""), (1, "2023"), (1, "2022"), (1, "2021")],
        [(1, "Rent\nHeating"), (1, "900\n120"), (1, "850\n95"), (1, "800\n90")],
        [(1, "All"), (1, "1,020"), (1, "945"), (1, "890")],
    ]
    text = parse(pdf([ruled(EDGES, (700, 686, 662, 648), rows)])).text
    assert "900 120" not in text
    assert "Heating | 2023: 120 | 2022: 95 | 2021: 90" in text


def test_boxes_around_text_and_charts_are_not_tables() -> None:
    words = ["The lease ends after two years.", "It may be renewed once.", "Rent is due monthly."]
    box = ruled((40, 60, 550), (720, 640, 620), [[(1, ""), (1, "\n".join(words))], [(2, "")]])
    assert " ".join(words) in " ".join(parse(pdf([box])).text.split())
    chart = [DrawnLine(40, y, 550, y) for y in range(300, 500, 20)]
    chart += [DrawnLine(x, 300, x, 480) for x in range(40, 551, 30)]
    assert "Sales by year" in parse(pdf([[Put(200, 520, "Sales by year"), *chart]])).text


def test_an_underline_gives_a_headers_extent() -> None:
    heads: list[Put | DrawnLine] = [
        Put(330, 712, "Three Months Ended", 8),
        DrawnLine(200, 708, 550, 708),
        *(Put(x, 698, text, 8) for x, text in ((210, "Handsets"), (310, "Tablets"), (500, "All"))),
    ]
    rows = [
        Put(x, y, text, 8)
        for y, texts in ((684, ("Sales", "301", "205", "506")), (672, ("Costs", "11", "22", "33")))
        for x, text in zip((40, 220, 320, 500), texts, strict=True)
    ]
    text = parse(pdf([[*heads, *rows]])).text
    assert "Sales | Three Months Ended Handsets: 301 | Three Months Ended Tablets: 205" in text
    assert "Three Months Ended All: 506" in text


def test_a_file_name_as_title_gets_the_company() -> None:
    cover = column(["Form 10-Q", "Elpin Devices Inc.", "Elpin Devices Inc. makes telephones."], 50)
    pages = [cover, column(["Elpin Devices Inc. sold more telephones than before."], 50)]
    assert parse(pdf(pages, Title="elpn-20230701")).metadata["title"] == (
        "elpn-20230701 (Elpin Devices Inc.)"
    )


def test_a_rule_may_be_drawn_in_pieces() -> None:
    """As browsers print the borders of narrow cells, such as those of closing brackets."""
    rows = [
        [(1, "Role"), (1, "Name"), (1, "Since"), (1, "Task")],
        [(1, "Editor"), (1, "Ann Lee"), (1, "2019"), (1, "reads every\ntext twice")],
        [(1, "Printer"), (1, "Bo Ek"), (1, "2021"), (1, "prints the\nbook")],
    ]
    pieces: list[Put | DrawnLine] = []
    for one in ruled(EDGES, (700, 686, 660, 634), rows):
        if isinstance(one, DrawnLine) and one.y == one.to_y:
            ends = [x for edge in EDGES[1:] for x in (edge - 4, edge)]
            starts = [EDGES[0], *ends[:-1]]
            pieces += [DrawnLine(a, one.y, b, one.y) for a, b in zip(starts, ends, strict=True)]
        else:
            pieces.append(one)
    lines = parse(pdf([pieces])).text.split("\n")
    assert "Editor | Ann Lee | 2019 | reads every text twice" in lines


def test_bold_headers_may_have_numbers() -> None:
    heights = (700, 686, 672, 658)
    drawn = ruled(EDGES, heights, [[(1, "")] * 4 for _ in heights[1:]])
    rows = (("Weight", "Zone", "Zone", "Zone"), ("", "1", "2", "3"), ("2 kg", "4.90", "6.90", "9"))
    for top, row in zip(heights, rows, strict=False):
        bold = row[0] != "2 kg"
        drawn += [Put(x + 3, top - 9, text, 8, bold) for x, text in zip(EDGES, row, strict=False)]
    assert "2 kg | Zone 1: 4.90 | Zone 2: 6.90 | Zone 3: 9" in parse(pdf([drawn])).text


def test_a_bold_row_of_figures_is_not_headers() -> None:
    heights = (700, 686, 672, 658, 644)
    drawn = ruled(EDGES, heights, [[(1, "")] * 4 for _ in heights[1:]])
    rows = (("", "2023", "2022", "2021"), ("Revenue", "900", "850", "800"), ("Rent", "9", "8", "7"))
    for top, row in zip(heights, rows, strict=False):
        bold = row[0] != "Rent"
        drawn += [Put(x + 3, top - 9, text, 8, bold) for x, text in zip(EDGES, row, strict=False)]
    text = parse(pdf([drawn])).text
    assert "Revenue | 2023: 900 | 2022: 850 | 2021: 800" in text
    assert "Rent | 2023: 9 | 2022: 8 | 2021: 7" in text


@pytest.mark.parametrize(
    ("row", "bold", "named"),
    [
        (("Units", "Apples", "Pears", "Figs"), True, "Sales | Apples: 6 | Pears: 5 | Figs: 4"),
        (("", "2020", "2019", "2018"), False, "Sales | 2020: 6 | 2019: 5 | 2018: 4"),
        (("Total", "9", "8", "7"), True, "Sales | 2023: 6 | 2022: 5 | 2021: 4"),
        (("Method", "Sum", "Mean", "Sum"), False, "Sales | 2023: 6 | 2022: 5 | 2021: 4"),
        (("Europe", "", "", "Note"), True, "Sales | 2023: 6 | 2022: 5 | 2021: 4"),
    ],
)
def test_headers_within_a_table_name_the_rows_below_them(
    row: tuple[str, ...], bold: bool, named: str
) -> None:
    rows = [("", "2023", "2022", "2021"), ("Rent", "90", "85", "80"), row, ("Sales", "6", "5", "4")]
    heights = (700, 686, 672, 658, 644)
    drawn = ruled(EDGES, heights, [[(1, "")] * 4 for _ in rows])
    for top, texts in zip(heights, rows, strict=False):
        is_bold = bold if texts == row else not texts[0]
        puts = (
            Put(x + 3, top - 9, text, 8, is_bold) for x, text in zip(EDGES, texts, strict=False)
        )
        drawn += [put for put in puts if put.text]
    lines = parse(pdf([drawn])).text.split("\n")
    assert lines[1] == "Rent | 2023: 90 | 2022: 85 | 2021: 80"
    assert lines[-1] == named


def test_prose_between_ruled_tables_separates_them() -> None:
    prose = ["The company sold more ships than in any year before, because the ports were", "open."]
    rest = ruled(EDGES, (560, 546, 532), [[(1, "Debt"), (1, "6"), (1, "5"), (1, "4")]] * 2)
    assert "Debt | Three Months Ended" in parse(pdf([[*SEGMENTS, *rest]])).text
    assert "Debt | 6 | 5 | 4" in parse(pdf([[*SEGMENTS, *column(prose, 40, 600), *rest]])).text


def test_a_grid_without_lines_of_its_own_leaves_its_text() -> None:
    """Such as a grid within a cell, or around the end of lines that begin far from it."""
    rows = [[(1, f"cell {n}"), (1, ""), (1, f"end {n}")] for n in range(2)]
    outer = ruled((40, 200, 360, 550), (700, 600, 500), rows)
    letters = [[(1, letter) for letter in row] for row in ("abc", "def", "ghi")]
    inner = ruled((210, 250, 290, 330), (690, 670, 650, 630), letters)
    assert "cell 0 | a b c d e f g h i | end 0" in parse(pdf([[*outer, *inner]])).text
    grid = ruled((300, 330, 360, 390), (700, 686, 672, 658), [[(1, "")] * 3] * 3)
    lines = column(["the rent of the house is due and " * 2 + "a b c d e"] * 3, 0, 691, 10)
    assert parse(pdf([[*grid, *lines]])).text.count("a b c d e") == 3


def test_indented_rows_are_named_by_the_row_above_them() -> None:
    heights = (700, 686, 672, 658, 644, 630, 616)
    drawn = ruled(EDGES, heights, [[(1, "")] * 4 for _ in heights[1:]])
    rows = (
        ("", "2023", "2022", "2021"),
        ("EBITDA", "", "", ""),
        ("  Starches", "$ 44.2", "40.6", "91.7"),
        ("  Corporate", "(7.1 )", "(6.4)", "13 %"),
        ("Total", "37.1", "34.2", "77.8"),
        ("Seats:", "", "", ""),
    )
    for top, row in zip(heights, rows, strict=False):
        indent = 9 if row[0].startswith(" ") else 0
        drawn.append(Put(43 + indent, top - 9, row[0].strip(), 8))
        drawn += [Put(x + 3, top - 9, text, 8) for x, text in zip(EDGES[1:], row[1:], strict=False)]
    lines = parse(pdf([drawn])).text.split("\n")
    assert "EBITDA: Starches | 2023: $44.2 | 2022: 40.6 | 2021: 91.7" in lines
    assert "EBITDA: Corporate | 2023: (7.1) | 2022: (6.4) | 2021: 13%" in lines
    assert "Total | 2023: 37.1 | 2022: 34.2 | 2021: 77.8" in lines
    assert "Seats:" in lines
