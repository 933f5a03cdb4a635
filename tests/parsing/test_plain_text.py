import textwrap
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.meaning.sentences import split_sentences
from rag.parsing.plain_text import parse
from rag.structure import sections, sentences_in, with_sentences
from tests.parsing.reading import headings, places

SAMPLES = Path(__file__).with_name("samples")
LONG = (
    "The secretary of the council arrived in Muscat on Tuesday, a few days after talks with the "
    "United States were held there."
)


@settings(max_examples=100)
@given(st.text(st.characters(exclude_characters="\b")))
@example("")
@example("\r\n \r\nTitle\r\n\r\nText\x85\x1c\u2028\r")
def test_the_text_is_kept_to_the_character(source: str) -> None:
    parsed = parse(source)
    assert parsed.text == source or len(max(source.splitlines(), key=len)) > 120
    starts = [section.start for section in sections(parsed.blocks)]
    assert starts == sorted(set(starts))
    assert all(0 <= start < len(parsed.text) for start in starts)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", " \n"])
def test_paragraphs_of_one_line_are_separated(end: str) -> None:
    lines = ["Secretary Visits Oman", "A short deck without a stop", LONG, "Background"]
    source = end.join([*lines, LONG + " It went on.", ""])
    parsed = parse(source)
    sentences = [parsed.text[start:stop] for start, stop in split_sentences(parsed.text)]
    assert sentences == [*lines, LONG, "It went on."]
    assert "".join(parsed.text.split()) == "".join(source.split())
    assert parsed.metadata == {"title": "Secretary Visits Oman"}


@pytest.mark.parametrize("width", [60, 100, 200])
def test_wrapped_prose_is_unchanged(width: int) -> None:
    words = "the council met and then it wrote of what had been said by all who came " * 40
    source = f"{textwrap.fill(words, width)}\n\nEnd.\n"
    assert parse(source).text == source


@pytest.mark.parametrize(
    ("source", "title"),
    [
        ("Muscat\n\nIt is a city.", "Muscat"),
        ("\r\n  Muscat  \r\n\r\nIt is a city.", "Muscat"),
        ("What is Muscat?\n\nA city.", "What is Muscat?"),
        ("Muscat\nDate: 2025\n\nA city.", "Muscat"),
        ("Muscat", None),
        ("", None),
        ("A sentence.\n\nAnother.", None),
        ("First of all,\n\nthis.", None),
        ("The deal was signed in\nthe city of Vienna", None),
        ("Date: 2025-01-02\n\nText", None),
        ("INSTEX: rise and end\nDate: 2023\n\nText", "INSTEX: rise and end"),
        ("- milk\n- eggs", None),
        ("=====\n\nText", None),
        ("From: a@example.org\n\nDear all", None),
        ("This paragraph is wrapped at some eighty characters, as text often is\nPeople", None),
        (
            "MILL LANE TRUST\nMinutes of the board\n\nText.",
            "MILL LANE TRUST: Minutes of the board",
        ),
        ("MILL LANE TRUST\n\nFee list\n\nFrom May", "MILL LANE TRUST: Fee list"),
        ("MINUTES\nMill Trust, 22 May 2025\n\nText.", "MINUTES"),
        ("MUSCAT\n\nIts early history\n\nIt is a city.", "MUSCAT"),
        ("MUSCAT\n\n1. Early history\n\nA city", "MUSCAT"),
        ("MUSCAT\nHistory\n\nA city", "MUSCAT"),
        ("MILL TRUST\nMINUTES OF MAY\n\nText", "MILL TRUST: MINUTES OF MAY"),
        ("MILL TRUST\n\nNOTES\n\nText", "MILL TRUST"),
        ("x" * 120 + "\n\nText", "x" * 120),
        ("x" * 121 + "\n\nText", None),
    ],
)
def test_title(source: str, title: str | None) -> None:
    assert parse(source).metadata.get("title") == title


def test_headers_below_the_title_are_metadata() -> None:
    head = "Muscat\r\nDate: 2025-12-08\r\nDraws on: census; press: reports\r\nauthor:  A. B \r\n"
    metadata = {"date": "2025-12-08", "draws_on": "census; press: reports", "author": "A. B"}
    assert parse(f"{head}\r\nText").metadata == metadata | {"title": "Muscat"}
    parsed = parse("Date: 2025-12-08\n\nText")
    assert parsed.metadata == {"date": "2025-12-08"}
    texts = [parsed.text[block.start : block.end] for block in parsed.blocks]
    assert texts == ["Date: 2025-12-08", "Text"]
    for line in ("Date:", "Date: ", "Dates: 2025", "The Date: 2025", "a\nb\nc\nDate: 2025"):
        assert parse(f"Muscat\n{line}\n\nText").metadata.keys() <= {"title"}


def test_overstruck_text_is_read_once() -> None:
    source = "P\bPo\bos\bst\btf\bfi\bix\bx\n\nSet _\bc_\be_\br_\bt before the start.\n"
    assert parse(source).text == "Postfix\n\nSet cert before the start.\n"


def test_a_manual_page_names_its_options() -> None:
    long_option = "-e PATTERNS, --regexp=PATTERNS"
    assert places(parse((SAMPLES / "grep.txt").read_text())) == [
        ("NAME", "NAME"),
        ("OPTIONS", "OPTIONS"),
        ("Matching Control", "OPTIONS > Matching Control"),
        (long_option, f"OPTIONS > Matching Control > {long_option}"),
        ("-i     Ignore case distinctions.", "OPTIONS > Matching Control > -i"),
        ("EXIT STATUS", "EXIT STATUS"),
    ]


def test_underlined_and_numbered_headings_and_terms() -> None:
    term = "2.2.1. Lock timeouts > deadlock_timeout"
    parsed = parse((SAMPLES / "locks.txt").read_text())
    assert headings(parsed) == ["2.2.1. Lock timeouts", term, "2.2.2. Errors"]


@pytest.mark.parametrize(
    "source",
    [
        "To buy\n\n1. Milk\n\n2. Bread\n\n3. Eggs\n",
        "- a\n  goes on\n- b\n  goes on\n",
        "It was said\nthat all was well.\n\nAnd so it was.\n",
        "name  size\n----  ----\na     1\n",
        "-----\n\n-----\n",
    ],
)
def test_lines_that_are_not_headings(source: str) -> None:
    assert headings(parse(source)) == []


MINUTES = """1. Apologies
Apologies were received from Mr Bell and from Mrs Hart, who is on a journey.

2. Annual general meeting
The meeting will be held on 5 June at seven in the hall of the school. The chair
sends the papers two weeks before.

3. Any other business
There was none, and the chair closed the meeting at nine in the evening.
"""


def test_numbered_lines_directly_above_paragraphs_are_headings() -> None:
    parsed = parse(MINUTES)
    assert headings(parsed) == [
        "1. Apologies",
        "2. Annual general meeting",
        "3. Any other business",
    ]
    assert not [block for block in parsed.blocks if block.kind == "item"]


@pytest.mark.parametrize(
    "source",
    [
        "1. Milk\n2. Bread\n3. Eggs and butter for the cake that we bake today.\n",
        "1. Close the tap of the tank, which is below the window of the\nkitchen, and wait until"
        " it is cold.\n\n2. Open the lid of the tank with both hands and lay it on the\nfloor.\n",
        "1. Press the button\nThe light goes on.\n\n2. Wait\nIt takes a minute.\n",
        "1. Fill the tank\n   Use only clean water from the tap in the yard, which is tested.\n",
    ],
)
def test_items_that_go_on_are_no_headings(source: str) -> None:
    parsed = parse(source)
    assert headings(parsed) == []


def test_lines_with_as_many_bars_are_rows_of_a_table() -> None:
    source = """Prices of the workshop

Item | Price
-----|------
Bolt. Steel. | 7

Use ls | wc -l to count files. It prints a number.
"""
    parsed = parse(source)
    rows = [block for block in parsed.blocks if block.kind == "row"]
    cells = [[parsed.text[cell.start : cell.end] for cell in row.cells] for row in rows]
    assert cells == [["Item", "Price"], ["Bolt. Steel.", "7"]]
    blocks = with_sentences(parsed.text, parsed.blocks)
    sentences = [source[a:b] for a, b in sentences_in(blocks, 0, len(source))]
    assert sentences == [
        "Prices of the workshop",
        "Item | Price",
        "-----|------",
        "Bolt. Steel. | 7",
        "Use ls | wc -l to count files.",
        "It prints a number.",
    ]
