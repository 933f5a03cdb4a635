"""Tables of PDFs: pages as typed, and the rows that they are read as."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.parsing.base import Parsed
from rag.parsing.pdf import parse
from rag.parsing.pdf.marks import Line
from rag.parsing.pdf.tables import UNIT, aligned_tables, is_figure, row_of
from rag.structure import row_at, sections, table_around
from tests.parsing.pdfs import DrawnLine, Put, Shade, column, pdf, typed

STATEMENT = """
                        STATEMENTS OF OPERATIONS
                (In millions, except per-share amounts)

                                Three Months Ended             Nine Months Ended
                          July 1, 2023  June 25, 2022    July 1, 2023  June 25, 2022
Net sales:
  Products                     $60,584         63,355         230,901        245,241
  Services                      21,213         19,604          62,886         58,941
    Total net sales             81,797         82,959         293,787        304,182
Other income/(expense), net       (265)           (10)           (594)            97
"""
SEGMENTS = """
Results by segment
| (In millions)  | Three Months Ended July 1, 2023|
|                | Handsets | Tablets | Wearables |
| Net sales      | 30,102   | 5,476   | 6,627     |
| Operating loss | 3,635    | (3,594) | 3,223     |
"""
PROSE = """
The company sold more ships than in any year before, because the ports of the north
were open for the whole of the winter.
"""


def read(*pages: str) -> Parsed:
    return parse(pdf([typed(page) for page in pages]))


ROWS = {
    "periods, groups and signs": (
        STATEMENT,
        "Net sales: Products | Three Months Ended July 1, 2023: $60,584 | Three Months Ended "
        "June 25, 2022: 63,355 | Nine Months Ended July 1, 2023: 230,901 | Nine Months Ended "
        "June 25, 2022: 245,241\n"
        "Net sales: Services | Three Months Ended July 1, 2023: 21,213 |",
        "Total net sales | Three Months Ended July 1, 2023: 81,797 |",
        "Other income/(expense), net | Three Months Ended July 1, 2023: (265) |",
    ),
    "a per cent after a bracket belongs to the figure": (
        """
                 2023      2022    Change
Handhelds       3,871     3,988    (2.9) %
Services        1,352     1,203    12.4 %
""",
        "Handhelds | 2023: 3,871 | 2022: 3,988 | Change: (2.9)%\n"
        "Services | 2023: 1,352 | 2022: 1,203 | Change: 12.4%",
    ),
    "words in bold between rows are headers": (
        """
               2023    2022
Net sales       900     850
*Units*      *Apples*  *Pears*
Net sales       600     500
""",
        "Net sales | 2023: 900 | 2022: 850",
        "Net sales | Apples: 600 | Pears: 500",
    ),
    "words between rows are a row of text": (
        """
               2023    2022
Net sales       900     850
Units        Apples   Pears
Net sales       600     500
""",
        "Net sales | 2023: 900 | 2022: 850",
        "Net sales | 2023: 600 | 2022: 500",
    ),
    "years are headers beside a unit": (
        """
(in thousands)    2023    2022
Rent               900     850
Heating            120      95
""",
        "Rent | 2023: 900 | 2022: 850\nHeating | 2023: 120 | 2022: 95",
    ),
    "a header spans the columns that it is centred over": (
        """
                     Three Months                      Nine Months
           June 29,    July 1,               June 29,    July 1,
             2024        2023      Change      2024        2023      Change
Europe         19          21        -2%         66          61          1%
Japan           5           6        -6%         18          17          0%
""",
        "Japan | Three Months June 29, 2024: 5 | Three Months July 1, 2023: 6 | Three Months "
        "Change: -6% | Nine Months June 29, 2024: 18 | Nine Months July 1, 2023: 17 | "
        "Nine Months Change: 0%",
    ),
    "the first line of one header is not another column's": (
        """
                         September
               June 29,     30,
                 2024        2023
Cash           31,628      24,970
Inventories     7,629       6,911
""",
        "Inventories | June 29, 2024: 7,629 | September 30, 2023: 6,911",
    ),
    "dates on two lines are headers": (
        """
              December    June 30,
              31, 2023      2024
Cash            31,628      24,970
Inventories      7,629       6,911
""",
        "Inventories | December 31, 2023: 7,629 | June 30, 2024: 6,911",
    ),
    "a title over all columns is no header": (
        """
                 STATEMENTS OF CASH FLOWS
                       (unaudited)
             Three Months      Six Months      Twelve Months
             2023    2024     2023    2024     2023    2024
Net income      6      13        9      23       13      44
Taxes           1       2        3       4        5       6
""",
        "Taxes | Three Months 2023: 1 | Three Months 2024: 2 | Six Months 2023: 3 |",
    ),
    "rows are named by the labels that they are indented under": (
        """
                          2024    2023
Current assets:
  Cash                       6       7
  Inventories
    Raw materials            1       2
    Finished goods           3       4
                             4       6
Total current assets        10      13
Goodwill                     5       5
North America
  Net sales                  9       8
International
  Net sales                  3       2
""",
        "Current assets:\nCurrent assets: Cash | 2024: 6 | 2023: 7\nInventories\n"
        "Current assets: Inventories: Raw materials | 2024: 1 | 2023: 2\n"
        "Current assets: Inventories: Finished goods | 2024: 3 | 2023: 4\n"
        "Current assets: Inventories | 2024: 4 | 2023: 6\n"
        "Total current assets | 2024: 10 | 2023: 13\nGoodwill | 2024: 5 | 2023: 5\n"
        "North America\nNorth America: Net sales | 2024: 9 | 2023: 8\n"
        "International\nInternational: Net sales | 2024: 3 | 2023: 2",
    ),
    "equal labels are named by the row above that they are indented under": (
        """
                    2024    2023
Research               6       7
  Share of sales      8%      9%
Selling                5       6
  Share of sales      7%      6%
""",
        "Research: Share of sales | 2024: 8% |",
        "Selling: Share of sales | 2024: 7% |",
    ),
    "a label on two lines is one": (
        """
                                           2024    2023
Goodwill                                      5       5
Common stock: 50,400 shares authorised;
^15,647 issued                                74      96
Retained earnings                             1       3
""",
        "Common stock: 50,400 shares authorised; 15,647 issued | 2024: 74 | 2023: 96",
    ),
    "headers that end with dates may be close": (
        """
             Quarter to June 30, 2023 Half to June 30, 2023
Charge-offs         (2,718)                 (5,212)
Recoveries             489                   1,318
""",
        "Recoveries | Quarter to June 30, 2023: 489 | Half to June 30, 2023: 1,318",
    ),
    "years may be centred beside their figures": (
        """
                      Nine months
               2023               2022
Profit             110.2              121.9
Taxes               12.2               12.9
""",
        "Taxes | Nine months 2023: 12.2 | Nine months 2022: 12.9",
    ),
    "a year over all columns begins another table": (
        """
                          2023
            Spring      Summer     Autumn
Profit       110.2       121.9        7.1
                          2022
Profit       299.4       299.1        7.2
""",
        "Profit | 2023 Spring: 110.2 | 2023 Summer: 121.9 |",
        "Profit | 2022: 299.4 | 2022: 299.1 | 2022: 7.2",
    ),
    "years and words after a label are no headers": (
        """
            North    South
Members       110      121
Founded      1998     2003
Method        Sum     Mean
Fee             9        8
""",
        "Founded | North: 1998 | South: 2003",
        "Fee | North: 9 | South: 8",
    ),
    "a year above rows of one column is their group": (
        """
Product       Price in euros
2022
  Bread                 5.10
  Milk                  6.20
2023
  Bread                 7.30
  Milk                  8.40
""",
        "2023: Milk | Price in euros: 8.40",
    ),
    "dates in a label begin no table": (
        """
                                                   2023    2022
Revenue                                             900     850
Taxes                                                90      85
Warrants of May 1, 2020, expiring May 1, 2025
at $5 each                                          120     110
""",
        "Warrants of May 1, 2020, expiring May 1, 2025 at $5 each | 2023: 120 | 2022: 110",
    ),
    "an underline gives a header's extent": (
        """
                             Three Months Ended
              ----------------------------------------------
              Handsets     Tablets                     All
Sales              301         205                     506
Costs               11          22                      33
""",
        "Sales | Three Months Ended Handsets: 301 | Three Months Ended Tablets: 205 | "
        "Three Months Ended All: 506",
    ),
    "a spanning header of a ruled table applies to each of its columns": (
        SEGMENTS,
        "Net sales | Three Months Ended July 1, 2023 Handsets: 30,102 | Three Months Ended "
        "July 1, 2023 Tablets: 5,476 | Three Months Ended July 1, 2023 Wearables: 6,627",
    ),
    "words of a ruled cell stay together, and a list keeps its lines": (
        """
| Sponsor | Elpin Society           |
^|         | 12 Mill Lane            |
^|         | Bath                    |
| Aims    | - To see the course of  |
^|         | the illness             |
^|         | - To compare the doses  |
""",
        "Sponsor | Elpin Society 12 Mill Lane Bath\n"
        "Aims | - To see the course of the illness\n- To compare the doses",
    ),
    "labels of a ruled form are not column names": (
        """
| *Title*    | *A study*   |
| *Number*   | 3           |
| *Duration* | 18 months   |
""",
        "Title | A study\nNumber | 3\nDuration | 18 months",
    ),
    "a ruled row of dates is not headers": (
        """
| Description           | Status | Start      | End        |
| By 2026 the rules for | Done   | 2025-10-01 | 2026-09-30 |
^| cars are promulgated  |        |            |            |
| The same              | Open   |            | 2027-09-30 |
""",
        "By 2026 the rules for cars are promulgated | Status: Done | Start: 2025-10-01 | "
        "End: 2026-09-30\nThe same | Status: Open | End: 2027-09-30",
    ),
    "a title over all columns of a ruled table names the rows below it": (
        """
|       | 2023  | 2022  |
| Europe                |
| Rent  | 900   | 850   |
| Asia                  |
| Rent  | 300   | 250   |
""",
        "Europe: Rent | 2023: 900 | 2022: 850",
        "Asia: Rent | 2023: 300 | 2022: 250",
    ),
    "partial rules leave rows whole": (
        """
|         |  2023 |  2022 |
| Rent    |   900 |   850 |
^| Heating |   120 |    95 |
| All     | 1,020 |   945 |
""",
        "Rent | 2023: 900 | 2022: 850\nHeating | 2023: 120 | 2022: 95",
    ),
    "bold headers may have numbers": (
        """
| *Weight* | *Zone* | *Zone* |
|          | *1*    | *2*    |
| 2 kg     | 4.90   | 6.90   |
""",
        "2 kg | Zone 1: 4.90 | Zone 2: 6.90",
    ),
    "a bold row of figures is not headers": (
        """
|           | *2023* | *2022* |
| *Revenue* | *900*  | *850*  |
| Rent      | 9      | 8      |
""",
        "Revenue | 2023: 900 | 2022: 850\nRent | 2023: 9 | 2022: 8",
    ),
    "indented rows of a ruled table are named by the row above them": (
        """
|              | 2023    | 2022  |
| EBITDA       |         |       |
|   Starches   | $ 44.2  | 40.6  |
|   Corporate  | (7.1 )  | 13 %  |
| Total        | 37.1    | 34.2  |
| Seats:       |         |       |
""",
        "EBITDA: Starches | 2023: $44.2 | 2022: 40.6\nEBITDA: Corporate | 2023: (7.1) | 2022: 13%\n"
        "Total | 2023: 37.1 | 2022: 34.2\nSeats:",
    ),
    "a cell over several rows is in each of them": (
        """
| Region   | Sales  | Costs  |
| Europe   | 900    | 850    |
^|          |--------|--------|
^|          | 30     | 25     |
""",
        "Europe | Sales: 900 | Costs: 850\nEurope | Sales: 30 | Costs: 25",
    ),
    "a long label over several rows is in each of them": (
        """
| Goal                                                          | Type   | Number  |
| By September 2026, assist at least 400 of the recognised      | Target | 400     |
^|                                                               |--------|---------|
^| communities to adapt to the impacts of a changing climate     | Actual | 120     |
""",
        "By September 2026, assist at least 400 of the recognised communities to adapt to the "
        "impacts of a changing climate | Type: Actual | Number: 120",
    ),
    "marks are values of their columns": (
        """
| Study Day       | Screening | Month 12   | Month 24   |
| Windows         |           | (+ 4 wks)  | (+ 4 wks)  |
| Consent         | X         |            |            |
| Family history  |           | X          | X          |
""",
        "Consent | Screening: X\nFamily history | Month 12 (+ 4 wks): X | Month 24 (+ 4 wks): X",
    ),
    "a bold label without values names the rows below it": (
        """
| *Test*           | *Day 1*   | *Day 8*    |
|   *Blood*        |           |            |
|   Glucose        | X         |            |
|    Iron          | X         | X          |
|   *Heart*        |           |            |
|   Pressure       |           | X          |
""",
        "Blood: Glucose | Day 1: X\nBlood: Iron | Day 1: X | Day 8: X\n"
        "Heart\nHeart: Pressure | Day 8: X",
    ),
    "centred labels have no indents": (
        """
| *Event*           | *Grade 3* | *Grade 4*  |
|     General       |           |            |
|      Fever        | 29        | 5          |
|  Malaise, cold    | 43        | 0          |
|   Blood clots     | 15        | 1          |
| Pain in the back  | 25        | 2          |
""",
        "General\nFever | Grade 3: 29 | Grade 4: 5\nMalaise, cold | Grade 3: 43",
    ),
    "a title with a blank to fill in names no rows": (
        """
| Ann Lee           | 12               |
| E-mail: ____ Country: ____           |
| Tattoos: Yes__    | Surgery: Yes__   |
""",
        "E-mail: ____ Country: ____\nTattoos: Yes__ | Surgery: Yes__",
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_rows(name: str) -> None:
    page, *rows = ROWS[name]
    text = read(page).text
    for row in rows:
        assert row in text


@pytest.mark.parametrize(
    ("shaded_rows", "row"),
    [
        ([0], "Goal: Right-size | Type: Target | Status: Done"),
        ([0, 2], "Right-size | Target | Done"),
    ],
)
def test_a_shaded_first_row_is_headers_unless_others_are_shaded(
    shaded_rows: list[int], row: str
) -> None:
    table = typed("""
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
def test_a_table_goes_on_below_another_or_on_the_next_page_but_not_below_prose(
    pages: list[str], row: str
) -> None:
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
    outer = """
| cell 0 |                       | end 0 |
^|        |                       |       |
^|        |                       |       |
^|        |                       |       |
| cell 1 |                       | end 1 |
"""
    inner = typed("            | a | b | c |\n            | d | e | f |", y=776)
    assert "cell 0 | a b c d e f | end 0" in parse(pdf([[*typed(outer), *inner]])).text
    grid = typed("\n".join([" " * 54 + "|     |     |     |"] * 3), y=702)
    lines = column(["the rent of the house is due and " * 2 + "a b c d e"] * 3, 0, 691, 10)
    assert parse(pdf([[*grid, *lines]])).text.count("a b c d e") == 3


def test_a_rule_may_be_drawn_in_pieces() -> None:
    """As browsers print the borders of narrow cells, such as those of closing brackets."""
    page: list[Put | DrawnLine | Shade] = []
    for mark in typed(SEGMENTS):
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


@settings(max_examples=300, deadline=None)
@given(st.lists(PLACES, min_size=1, max_size=9))
def test_no_word_of_a_table_is_lost_and_no_row_is_in_two(
    places: list[list[tuple[str, int]]],
) -> None:
    rows = []
    for n, row in enumerate(places):
        top = 12.0 * n
        rows.append(
            row_of(
                [
                    Line(45.0 * x, top, 45.0 * x + 4 * len(text), top + 9, text, 9.0)
                    for text, x in sorted(row, key=lambda put: put[1])
                ]
            )
        )
    end = 0
    for table in aligned_tables(rows):
        assert end <= table.first < table.last <= len(rows)
        end = table.last
        written = Counter(table.part.text.replace(" ", ""))
        text = "".join(c.text for row in rows[table.first : table.last] for c in row.cells)
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


@pytest.mark.parametrize("part", ["-", "(", "1,111", "- ", "a", "a ", "(a"])
def test_long_texts_take_little_time(part: str) -> None:
    """A pattern that takes quadratic time takes minutes."""
    start = process_time()
    assert not is_figure(part * 40_000 + "x")
    assert not UNIT.search(part * 40_000)
    assert process_time() - start < 5
