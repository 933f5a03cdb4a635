"""Tables of figures in PDFs, whose rows name their columns; tables of contents and running
heads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.parsing.pdf import parse
from rag.parsing.pdf.tables import aligned_tables as tables
from rag.parsing.pdf.tables import row_of
from tests.parsing.pdfs import Put, column, pdf

EDGES = (340, 410, 480, 550)
"""Right edges of the columns."""


def figures(
    y: float, label: str, values: Sequence[str], indent: int = 0, sign: str = ""
) -> list[Put]:
    """A row of a label and right-aligned figures."""
    puts = [Put(40 + indent, y, label, 9)]
    for edge, value in zip(EDGES, values, strict=False):
        puts += [Put(edge - 45, y, sign, 9)] if sign else []
        puts.append(Put(edge - 4.5 * len(value), y, value, 9))
    return puts


def heads(y: float) -> list[Put]:
    dates = ("July 1, 2023", "June 25, 2022", "July 1, 2023", "June 25, 2022")
    spanning = [Put(300, y, "Three Months Ended", 9), Put(440, y, "Nine Months Ended", 9)]
    return spanning + [
        Put(edge - 55, y - 13, date, 8) for edge, date in zip(EDGES, dates, strict=True)
    ]


STATEMENT = [
    Put(120, 780, "STATEMENTS OF OPERATIONS", 11, True),
    Put(130, 766, "(In millions, except per-share amounts)", 9),
    *heads(742),
    *figures(716, "Net sales:", []),
    *figures(704, "Products", ["60,584", "63,355", "230,901", "245,241"], 10, "$"),
    *figures(692, "Services", ["21,213", "19,604", "62,886", "58,941"], 10),
    *figures(680, "Total net sales", ["81,797", "82,959", "293,787", "304,182"], 20),
    *figures(668, "Other income/(expense), net", ["(265)", "(10)", "(594)", "97"]),
]


def test_a_per_cent_after_a_bracket_belongs_to_the_figure() -> None:
    rows = [
        [
            Put(edge - 30, 742, head, 8)
            for edge, head in zip(EDGES, ("2023", "2022", "Change"), strict=False)
        ],
        figures(728, "Handhelds", ["3,871", "3,988", "(2.9) %"]),
        figures(716, "Services", ["1,352", "1,203", "12.4 %"]),
        figures(704, "Total", ["8,053", "8,153", "(1.2) %"]),
    ]
    lines = parse(pdf([[put for row in rows for put in row]])).text.split("\n")
    assert "Handhelds | 2023: 3,871 | 2022: 3,988 | Change: (2.9)%" in lines
    assert "Services | 2023: 1,352 | 2022: 1,203 | Change: 12.4%" in lines


def test_each_figure_has_its_period_its_group_and_its_unit() -> None:
    parsed = parse(pdf([STATEMENT]))
    lines = parsed.text.split("\n")
    assert (
        "Net sales: Products | Three Months Ended July 1, 2023: $60,584 | "
        "Three Months Ended June 25, 2022: $63,355 | Nine Months Ended July 1, 2023: $230,901 | "
        "Nine Months Ended June 25, 2022: $245,241"
    ) in lines
    assert lines[-1].startswith(
        "Other income/(expense), net | Three Months Ended July 1, 2023: (265)"
    )
    heading = parsed.sections[-1].heading
    assert "STATEMENTS OF OPERATIONS" in heading
    assert "(In millions, except per-share amounts)" in heading


def test_a_table_continues_on_the_next_page() -> None:
    values = ["1,265", "1,010", "5,940", "9,700"]
    following = figures(780, "Net income", values) + figures(768, "Dividends", values[::-1])
    parsed = parse(pdf([STATEMENT, following]))
    assert "Net income | Three Months Ended July 1, 2023: 1,265" in parsed.text
    assert "(In millions" in parsed.sections[-1].heading


@pytest.mark.parametrize(
    ("below", "named"),
    [
        (["The company sold more ships than in any year before, because the ports of the",
          "north were open for the whole of the winter."], False),
        (["See the notes to these statements."], True),
    ],
)  # fmt: skip
def test_prose_ends_a_table_and_a_footer_does_not(below: list[str], named: bool) -> None:
    values = ["1,265", "1,010", "5,940", "9,700"]
    following = figures(780, "Net income", values) + figures(768, "Dividends", values[::-1])
    footer = [Put(300, 30, "F-3", 8)]
    parsed = parse(pdf([[*STATEMENT, *column(below, 40, 600), *footer], following]))
    assert ("Net income | Three Months Ended July 1, 2023: 1,265" in parsed.text) is named
    assert ("Net income | 1,265 | 1,010" in parsed.text) is not named


@pytest.mark.parametrize("bold", [True, False])
def test_words_in_bold_between_rows_are_headers(bold: bool) -> None:
    rows = [figures(700, "", ["2023", "2022"]), figures(688, "Net sales", ["900", "850"])]
    words = (("Units", 40), ("Apples", 313), ("Pears", 387))
    rows += [[Put(x, 676, text, 9, bold) for text, x in words]]
    rows += [figures(664, "Net sales", ["600", "500"])]
    text = parse(pdf([[put for row in rows for put in row]])).text
    assert "Net sales | 2023: 900 | 2022: 850" in text
    assert ("Net sales | Apples: 600 | Pears: 500" in text) is bold


def test_years_are_headers() -> None:
    rows = [Put(40, 700, "(in thousands)", 9), Put(320, 700, "2023", 9), Put(390, 700, "2022", 9)]
    rows += figures(688, "Rent", ["900", "850"]) + figures(676, "Heating", ["120", "95"])
    text = parse(pdf([rows])).text
    assert "Rent | 2023: 900 | 2022: 850\nHeating | 2023: 120 | 2022: 95" in text


def test_a_table_with_unclear_columns_is_marked_and_kept() -> None:
    rows = [*figures(700, "Rent", ["900", "850"]), *figures(688, "Heat", ["120", "95"])]
    rows += [
        Put(40, 676, "All", 9),
        Put(300, 676, "1,020,300,400", 9),
        Put(370, 676, "945,700,100", 9),
    ]
    parsed = parse(pdf([rows]))
    assert "Rent | 900 | 850" in parsed.text
    assert parsed.sections[0].heading == "table whose columns are not clear"


def test_contents_are_left_out_unless_requested() -> None:
    entries = [f"Chapter {n} of the report ........................ {n * 3}" for n in range(1, 9)]
    pages = [
        [Put(50, 760, "Contents", 14), *column(entries, 50)],
        [Put(50, 700, "The rent is 900 euros a month.")],
    ]
    parsed = parse(pdf(pages))
    assert parsed.text == "The rent is 900 euros a month."
    assert parsed.left_out > 200
    assert "Chapter 3" in parse(pdf(pages), keep_furniture=True).text


def test_the_last_entries_of_contents_on_the_next_page_are_left_out() -> None:
    entries = [f"Chapter {n} of the report ........................ {n + 2}" for n in range(1, 9)]
    pages = [
        [Put(50, 760, "Contents", 14), *column(entries, 50)],
        [*column(["Annex on ships ................... 11"], 50), Put(50, 500, "The rent is 900.")],
        [Put(50, 700, "Nothing else.")],
    ]
    assert parse(pdf(pages)).text == "The rent is 900.\n\nNothing else."


def test_a_list_that_ends_in_numbers_is_not_contents() -> None:
    entries = [
        f"Port {name} with so many ships, {n}"
        for name, n in zip("abcdef", (9, 2, 7, 1, 8, 3), strict=True)
    ]
    assert "Port c" in parse(pdf([column(entries, 50)])).text


@pytest.mark.parametrize("pages", [1, 2, 9])
def test_a_list_whose_numbers_are_no_pages_is_not_contents(pages: int) -> None:
    players = ["Adams 18", "Baker 19", "Clark 21", "Davis 22", "Evans 24"]
    page = [Put(50, 760, "List of players", 14), *column(players, 50)]
    rest = [[Put(50, 700, "The rent is 900.")]] * (pages - 1)
    assert "Adams 18 Baker 19" in parse(pdf([page, *rest])).text


@pytest.mark.parametrize(
    "foot",
    [
        "Page {n} of 3", "page 4{n}", "- {n} -", "Annual report {n}", "{n} | Annual report 2023",
        "Page 1{n}4 of 198", "40{n}", "{n}/3", "F-{n}", "{roman}", "Report 2.1 of 5 May 2023",
    ],
)  # fmt: skip
def test_page_numbers_rise_from_page_to_page(foot: str) -> None:
    pages = [
        [Put(50, 700, f"It landed {place}."), Put(50, 30, foot.format(n=n, roman="i" * n), 8)]
        for n, place in enumerate(("here", "there", "nowhere"), 1)
    ]
    assert parse(pdf(pages)).text == "It landed here.\n\nIt landed there.\n\nIt landed nowhere."


@pytest.mark.parametrize(
    "numbers",
    [
        ("Total due: 2,345.67", "Total due: 2,411.02", "Total due: 1,987.40"),
        ("Total due: $900", "Total due: $900", "Total due: $900"),
        ("Invoice 1001", "Invoice 1002", "Invoice 1003"),
        ("Paid on 01/02/2024", "Paid on 02/02/2024", "Paid on 03/02/2024"),
        ("Rent of 01/2024", "Rent of 02/2024", "Rent of 03/2024"),
        ("Ships: 12", "Ships: 7", "Ships: 31"),
    ],
)
def test_lines_that_differ_in_other_numbers_are_no_footers(numbers: tuple[str, ...]) -> None:
    for count in (2, 3):
        pages = [[Put(50, 700, "Thank you."), Put(50, 60, line)] for line in numbers[:count]]
        text = parse(pdf(pages)).text
        assert [line in text for line in numbers[:count]] == [True] * count


def test_footers_of_two_pages_are_left_out() -> None:
    pages = [
        [Put(50, 700, f"The rent of year {n} was paid."), Put(50, 30, "Tenancy of Mill Lane 4", 8)]
        for n in (1, 2)
    ]
    parsed = parse(pdf(pages))
    assert parsed.text == "The rent of year 1 was paid.\n\nThe rent of year 2 was paid."
    assert parsed.left_out == 2 * len("Tenancy of Mill Lane 4")


WORDS = st.sampled_from("Rent Total 900 1,250 (3) 2023 - $ % a: N/A (in 12.5% July".split())
PLACES = st.lists(
    st.tuples(WORDS, st.integers(0, 12)), min_size=1, max_size=6, unique_by=lambda put: put[1]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(PLACES, min_size=1, max_size=9))
def test_no_word_of_a_table_is_lost_and_no_row_is_in_two(rows: list[list[tuple[str, int]]]) -> None:
    made = [
        row_of(
            [
                (text, 45.0 * at, 45.0 * at + 4 * len(text))
                for text, at in sorted(row, key=lambda put: put[1])
            ],
            12.0 * n,
            12.0 * n + 9,
            9.0,
        )
        for n, row in enumerate(rows)
    ]
    end = 0
    for table in tables(made):
        assert end <= table.first < table.last <= len(made)
        end = table.last
        told = Counter("".join(table.lines).replace(" ", ""))
        held = Counter(
            "".join(c.text for row in made[table.first : table.last] for c in row.cells).replace(
                " ", ""
            )
        )
        assert not held - told


def test_running_heads_are_in_the_title() -> None:
    pages = [
        [Put(50, 700, f"It landed on day {n}."), Put(450, 30, f"Page {n} of 3 DFW08CA051", 8)]
        for n in range(1, 4)
    ]
    parsed = parse(pdf(pages, Title="Accident report"))
    assert parsed.metadata["title"] == "Accident report (DFW08CA051)"
    assert "DFW08CA051" not in parsed.text
