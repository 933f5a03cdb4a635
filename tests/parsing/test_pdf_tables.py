"""Tables of PDFs: pages as typed, and the rows that they are read as."""

from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.parsing.base import Parsed
from rag.parsing.pdf import parse
from rag.parsing.pdf.aligned_tables import aligned_tables
from rag.parsing.pdf.marks import Line
from rag.parsing.pdf.rows import is_figure, row_of
from rag.parsing.tables import UNIT
from rag.structure import row_at, sections, table_around
from tests.parsing.pdfs import DrawnLine, Put, Shade, column, pdf, typewritten

SAMPLES = Path(__file__).with_name("samples")
CASES = {
    name: texts.split("\n->\n")
    for case in (SAMPLES / "pdf_tables.txt").read_text().split("\n== ")[1:]
    for name, _, texts in [case.partition("\n")]
}
"""By name, a page, and lines as which it is read."""
STATEMENT = CASES["periods, groups and signs"][0] + "\n"
SEGMENTS = CASES["a spanning header of a ruled table applies to each of its columns"][0] + "\n"
PROSE = """
The company sold more ships than in any year before, because the ports of the north
were open for the whole of the winter.
"""


def read(*pages: str) -> Parsed:
    return parse(pdf([typewritten(page) for page in pages]))


@pytest.mark.parametrize("name", CASES)
def test_rows(name: str) -> None:
    page, *rows = CASES[name]
    text = read(page).text
    for row in rows:
        assert row.strip("\n") in text


@pytest.mark.parametrize(
    ("shaded_rows", "row"),
    [
        ([0], "Goal: Right-size | Type: Target | Status: Done"),
        ([0, 2], "Right-size | Target | Done"),
    ],
)
def test_only_the_shaded_row_on_top_is_headers(shaded_rows: list[int], row: str) -> None:
    table = typewritten("""
| Goal       | Type   | Status |
| Right-size | Target | Done   |
| Right-size | Actual |        |
""")
    shades = [Shade(42, 780 - 12.8 * (n + 1), 160, 12.8) for n in shaded_rows]
    assert row in parse(pdf([[*shades, *table]])).text


@pytest.mark.parametrize(
    ("header", "is_bold", "names"),
    [
        (("Units", "Apples", "Pears"), True, ("Apples", "Pears")),
        (("", "2020", "2019"), False, ("2020", "2019")),
        (("", "1 May 2020", "1 May 2019"), False, ("1 May 2020", "1 May 2019")),
        (("", "FY22", "FY21"), False, ("FY22", "FY21")),
        (("", "Q3 2020", "4Q19"), False, ("Q3 2020", "4Q19")),
        (("Method", "Sum", "Mean"), False, ("2023", "2022")),
        (("Total", "9", "8"), True, ("2023", "2022")),
        (("Europe", "", "Note"), True, ("2023", "2022")),
    ],
)
@pytest.mark.parametrize("has_rules", [False, True])
def test_headers_within_a_table_name_the_rows_below_them(
    header: tuple[str, ...], is_bold: bool, names: tuple[str, ...], has_rules: bool
) -> None:
    marked = [f"*{text}*" if is_bold and text else text for text in header]
    rows = [("", "2023", "2022"), ("Rent", "9,000", "8,500"), marked, ("Sales", "7,000", "6,500")]
    bar = "|" if has_rules else " "
    lines = [bar + bar.join(f"{text:>13} " for text in row) + bar for row in rows]
    text = read("\n".join(lines)).text
    assert "Rent | 2023: 9,000 | 2022: 8,500" in text
    assert f"Sales | {names[0]}: 7,000 | {names[1]}: 6,500" in text


@pytest.mark.parametrize(
    ("page", "text", "columns"),
    [
        (STATEMENT, "19,604", {"Three Months Ended June 25, 2022": "June 25, 2022"}),
        (SEGMENTS, "(3,594)", {"Three Months Ended July 1, 2023 Tablets": "Tablets"}),
        ("Fee:            900 euros\nRent:           50 euros", "900 euros", {"Fee": ""}),
    ],
)
def test_each_value_is_a_cell_of_its_column(page: str, text: str, columns: dict[str, str]) -> None:
    parsed = read(page)
    table = table_around(parsed.blocks, parsed.text.index(text))
    row = row_at(parsed.blocks, parsed.text.index(text))
    assert table
    assert row
    (cell,) = [cell for cell in row.cells if parsed.text[cell.start : cell.end] == text]
    column = table.columns[cell.column]
    assert {column.name: parsed.text[column.start : column.end]} == columns


@pytest.mark.parametrize("page", [STATEMENT, SEGMENTS])
def test_the_title_and_the_unit_are_in_the_heading(page: str) -> None:
    heading = sections(read(page).blocks)[-1].heading
    assert heading.lower().endswith(
        ("operations > (in millions, except per-share amounts)", "segment > (in millions)")
    )


def test_the_caption_is_the_sentence_above_the_table_and_its_unit() -> None:
    parsed = read("""
We sell more. Gross margin and its share of net sales for the three-month and the nine-month
^periods ended June 29, 2024 and July 1, 2023 were as follows (dollars in millions):
               2024      2023
Products     20,390    23,577
Services     13,070    12,577
""")
    (section,) = sections(parsed.blocks)
    assert section.heading.startswith("Gross margin and its share of net sales for the three-month")
    assert section.heading.endswith(" > dollars in millions")


def test_a_table_with_unclear_columns_is_marked_and_kept() -> None:
    parsed = read("""
Rent             900             850
Heat             120              95
All   1,020,300,400   945,700,100,12
""")
    assert "Rent | 900 | 850" in parsed.text
    assert sections(parsed.blocks)[0].heading == "table whose columns are not clear"


STATEMENT_CONTINUES = """
Net income                       1,265          1,010           5,940          9,700
Dividends                        9,700          5,940           1,010          1,265
"""
SEGMENTS_CONTINUE = """
| Debt           | 60       | 5       | 4         |
| Assets         | 7,000    | 800     | 90        |
"""


@pytest.mark.parametrize(
    ("pages", "row"),
    [
        ([STATEMENT, STATEMENT_CONTINUES], "Dividends | Three Months Ended July 1, 2023: 9,700"),
        ([STATEMENT + "\n\nSee the notes.", STATEMENT_CONTINUES], "Dividends | Three Months Ended"),
        ([STATEMENT + "\n\n" + PROSE, STATEMENT_CONTINUES], "Dividends | 9,700 | 5,940"),
        ([SEGMENTS, SEGMENTS_CONTINUE], "Assets | Three Months Ended July 1, 2023 Handsets: 7,000"),
        ([SEGMENTS + "\n" + SEGMENTS_CONTINUE], "Assets | Three Months Ended July 1, 2023"),
        ([SEGMENTS + PROSE + SEGMENTS_CONTINUE], "Assets | 7,000 | 800 | 90"),
    ],
)
def test_a_table_goes_on_across_tables_and_pages_but_not_prose(pages: list[str], row: str) -> None:
    parsed = read(*pages)
    assert f"\n{row}" in parsed.text
    assert ("millions" in sections(parsed.blocks)[-1].heading.lower()) is ("Three Months" in row)


def test_boxes_around_text_and_charts_are_not_tables() -> None:
    text = read("""
|  | The lease ends after two years.     |
^|  | It may be renewed once.             |
^|  | Rent is due monthly.                |
|                                        |
Sales by year
|    |    |    |    |
|    |    |    |    |
""").text
    words = "The lease ends after two years. It may be renewed once. Rent is due monthly."
    assert " ".join(text.split()) == f"{words} Sales by year"


def test_a_grid_in_a_cell_and_one_around_the_end_of_lines_leave_the_text() -> None:
    table = """
| cell 0 |                       | end 0 |
^|        |                       |       |
^|        |                       |       |
^|        |                       |       |
| cell 1 |                       | end 1 |
"""
    nested = typewritten("            | a | b | c |\n            | d | e | f |", y=776)
    assert "cell 0 | a b c d e f | end 0" in parse(pdf([[*typewritten(table), *nested]])).text
    grid = typewritten("\n".join([" " * 54 + "|     |     |     |"] * 3), y=702)
    lines = column(["the rent of the house is due and " * 2 + "a b c d e"] * 3, 0, 691, 10)
    assert parse(pdf([[*grid, *lines]])).text.count("a b c d e") == 3


def test_a_rule_may_be_drawn_in_pieces() -> None:
    """As browsers print the borders of narrow cells, such as those of closing brackets."""
    page: list[Put | DrawnLine | Shade] = []
    for mark in typewritten(SEGMENTS):
        if isinstance(mark, DrawnLine) and mark.y == mark.to_y:
            xs = [mark.x + n * (mark.to_x - mark.x) / 3 for n in range(4)]
            page += [DrawnLine(a, mark.y, b, mark.y) for a, b in pairwise(xs)]
        else:
            page.append(mark)
    assert parse(pdf([page])).text == read(SEGMENTS).text


WORDS = st.sampled_from("Rent Total 900 1,250 (3) 2023 - $ % a: N/A (in 12.5% July".split())
PLACES = st.lists(
    st.tuples(WORDS, st.integers(0, 12)), min_size=1, max_size=6, unique_by=lambda put: put[1]
)


@settings(max_examples=300)
@given(st.lists(PLACES, min_size=1, max_size=9))
def test_no_word_is_lost_and_no_row_is_in_two_tables(places: list[list[tuple[str, int]]]) -> None:
    def line(text: str, x: int, n: int) -> Line:
        return Line(45.0 * x, 12.0 * n, 45.0 * x + 4 * len(text), 12.0 * n + 9, text, 9.0)

    rows = [
        row_of([line(text, x, n) for text, x in sorted(row, key=lambda put: put[1])])
        for n, row in enumerate(places)
    ]
    end = 0
    for table in aligned_tables(rows):
        assert end <= table.begin < table.end <= len(rows)
        end = table.end
        written = Counter(table.part.text.replace(" ", ""))
        text = "".join(c.text for row in rows[table.begin : table.end] for c in row.cells)
        assert not Counter(text.replace(" ", "")) - written


def test_figures_and_units() -> None:
    for text in ("1,234.50", "(7.1)%", "US$ 5", "\u2014", "-" * 20, "N/A", "*", "12 (a)"):
        assert is_figure(text), text
    for text in ("", "x", "12 May", "$", "1,23a", "-" * 20 + "x"):
        assert not is_figure(text), text
    unit = UNIT.search("STATEMENTS (dollars in millions, except shares)")
    assert unit
    assert unit.group() == "(dollars in millions"
    assert not UNIT.search("we begin millions of tests")


def columns_of(page: str) -> dict[str, str]:
    """The name of each value's column."""
    parsed = read(page)
    (table,) = (block for block in parsed.blocks if block.kind == "table")
    cells = (cell for block in parsed.blocks if block.kind == "row" for cell in block.cells)
    return {
        parsed.text[cell.start : cell.end]: table.columns[cell.column].name
        for cell in cells
        if cell.column > 0
    }


def test_marks_and_figures_with_their_share_are_values() -> None:
    column_by_value = columns_of("""
               Day 1        Week 4       Week 12
Consent          X
Bloods                        X            X
Vitals           X            X            X
""")
    assert column_by_value == {"X": "Week 12"}
    column_by_value = columns_of("""
               Drug         Placebo      P value
Responders     88 (62.0)    51 (36.7)    <0.001
Adverse event  40 (28.2)    37 (26.6)    0.77
""")
    assert (column_by_value["51 (36.7)"], column_by_value["<0.001"]) == ("Placebo", "P value")


def test_a_grid_of_a_header_and_one_long_row_is_a_table() -> None:
    long_text = "a report on the trees of the park and on those that were felled in May"
    parsed = read(f"""
|{"Result":<{len(long_text)}}|Indicator |For        |
|{long_text}|one report|the council|
""")
    assert f"{long_text} | one report | the council" in parsed.text


def test_words_between_three_rules_are_a_table_in_the_columns_that_gaps_separate() -> None:
    rows = (
        (740, ("", "Stage at", "", "Treatment")),
        (728, ("Patient", "the start", "Site", "before")),
        (708, ("P01", "IV", "Back and", "Surgery")),
        (696, ("", "", "arms", "")),
        (684, ("P02", "III", "", "None")),
        (672, ("P03", "IV", "Scalp", "Surgery")),
    )
    places = (50, 130, 220, 330)
    words = [
        Put(x, y, text) for y, texts in rows for x, text in zip(places, texts, strict=True) if text
    ]
    rules = [DrawnLine(48, y, 400, y) for y in (754, 721, 664)]
    text = parse(pdf([[*words, *rules]])).text
    assert text.split("\n")[-3:] == [
        "Patient: P01 | Stage at the start: IV | Site: Back and arms | Treatment before: Surgery",
        "Patient: P02 | Stage at the start: III | Treatment before: None",
        "Patient: P03 | Stage at the start: IV | Site: Scalp | Treatment before: Surgery",
    ]

    sentence = "The council met at seven and talked about the trees of the park."
    prose = [Put(50, y, sentence) for y in range(740, 670, -12)]
    assert "|" not in parse(pdf([[*prose, *rules]])).text
