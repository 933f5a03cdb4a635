"""Lists of PDFs: numbers without a sign, and where an item ends."""

import pytest

from rag.parsing.base import Parsed
from rag.parsing.pdf import parse
from tests.parsing.pdfs import Put, column, pdf
from tests.parsing.reading import load_bytes, places
from tests.parsing.test_blocks import check

STEPS = [
    ["Screw the hose onto the tap and turn it until", "it is tight."],
    ["Open the tap"],
    ["Wait until the tank is full; this takes about", "ten minutes."],
]
AFTER = "Never leave the tap open"


def steps(
    *, marker: str = "{}", number_x: float = 50, text_x: float = 70, y: float = 700
) -> list[Put]:
    """The steps as a manual prints them, with their numbers left of the text."""
    page: list[Put] = []
    for number, lines in enumerate(STEPS, 1):
        page.append(Put(number_x, y, marker.format(number)))
        for line in lines:
            page.append(Put(text_x, y, line))
            y -= 12
    return page


def items_of(parsed: Parsed) -> list[str]:
    """The items of the lists, each with its marker."""
    items = [block for block in parsed.blocks if block.kind == "item"]
    return [parsed.text[item.start : item.end] for item in items]


def written(marker: str = "{}") -> list[str]:
    return [f"{marker.format(n)} {' '.join(lines)}" for n, lines in enumerate(STEPS, 1)]


@pytest.mark.parametrize("text_x", [62, 70, 110])
def test_numbers_left_of_hanging_text_are_items(text_x: float) -> None:
    content = pdf([[*steps(text_x=text_x), *column([f"{AFTER}."], 50, 640)]])
    parsed = parse(content)
    assert items_of(parsed) == written()
    assert parsed.text.endswith(f"\n\n{AFTER}.")
    markers = [block.marker for block in parsed.blocks if block.kind == "item"]
    assert markers == ["1", "2", "3"]
    (document,) = load_bytes("a.pdf", content)
    check(document)


def test_numbers_may_end_below_each_other() -> None:
    page: list[Put] = []
    for number in range(1, 13):
        x = 50 if number < 10 else 44.44
        page.append(Put(x, 720 - 14 * number, str(number)))
        page.append(Put(70, 720 - 14 * number, f"Part {'ABCDEFGHIJKL'[number - 1]} of the pump"))
    items = items_of(parse(pdf([page])))
    assert items[0] == "1 Part A of the pump"
    assert items[-1] == "12 Part L of the pump"


def test_the_list_ends_where_the_text_returns_to_the_margin() -> None:
    lines = [f"{AFTER} while nobody is in the", "house, and close it at night."]
    parsed = parse(pdf([[*steps(), *column(lines, 50, 700 - 5 * 12)]]))
    assert items_of(parsed) == written()
    assert parsed.text.endswith(f"\n\n{' '.join(lines)}")


@pytest.mark.parametrize("marker", ["{}.", "{})", "-"])
def test_the_last_item_with_a_sign_ends_there_as_well(marker: str) -> None:
    lines = [f"{AFTER} while nobody is in the", "house, and close it at night."]
    parsed = parse(pdf([[*steps(marker=marker), *column(lines, 50, 700 - 5 * 12)]]))
    assert items_of(parsed) == written(marker)
    assert parsed.text.endswith(f"\n\n{' '.join(lines)}")


def test_an_item_of_one_line_ends_where_a_word_would_have_had_room() -> None:
    lines = ["1. Open the tap", "2. Close the lid", f"{AFTER} while nobody is in the house"]
    parsed = parse(pdf([column([*lines, "and close it at night, or call us."], 50)]))
    assert items_of(parsed) == lines[:2]


def test_an_item_that_goes_on_at_the_margin_is_one() -> None:
    lines = ["1. Never leave the tap open while nobody is in the big old", "house by the sea."]
    lines += ["2. Close the lid of the tank, and then the big one of the", "boiler as well."]
    parsed = parse(pdf([column(lines, 50)]))
    assert items_of(parsed) == [" ".join(lines[:2]), " ".join(lines[2:])]


@pytest.mark.parametrize(
    "lines",
    [
        # the numbers of a text's lines
        ["the parties have agreed that", "rent is due on the first of", "each month, in advance"],
        ["only one line"],
    ],
)
def test_other_numbers_are_no_items(lines: list[str]) -> None:
    page: list[Put] = []
    for number, line in enumerate(lines, 1):
        page += [Put(50, 700 - 12 * number, str(number)), Put(70, 700 - 12 * number, line)]
    assert items_of(parse(pdf([page]))) == []


def test_a_list_goes_on_on_the_next_page() -> None:
    second: list[Put] = []
    for number in range(4, 7):
        second += [Put(50, 700 - 12 * number, str(number)), Put(70, 700 - 12 * number, "Go on")]
    parsed = parse(pdf([steps(), second]))
    assert items_of(parsed) == [*written(), "4 Go on", "5 Go on", "6 Go on"]


TITLE = "Rules of the house"
HEADING = "Quiet hours"
BODY = [f"Visitors sign the book at the door of house number {n}." for n in range(4)]


@pytest.mark.parametrize(
    ("title_size", "heading_size", "title_x"),
    [(16, 15, 50), (14, 14, 220), (10, 10, 220), (18, 12, 50)],
)
def test_a_title_and_the_heading_below_it_are_two(
    title_size: float, heading_size: float, title_x: float
) -> None:
    y = 700 - 1.2 * title_size
    page = [
        Put(title_x, 700, TITLE, title_size, bold=True),
        Put(50, y, HEADING, heading_size, bold=True),
        *column(BODY, 50, y - 20),
    ]
    lines = [line for line, _ in places(parse(pdf([page])))]
    assert lines[:2] == [TITLE, HEADING]


@pytest.mark.parametrize("lefts", [(50, 50), (100, 118), (50, 62)])
def test_a_title_of_two_lines_is_one(lefts: tuple[float, float]) -> None:
    first, second = lefts
    page = [Put(first, 700, "4 Rules of the big old house at", 16, bold=True)]
    page += [Put(second, 680, "the foot of the hill and the sea", 16, bold=True)]
    text = parse(pdf([[*page, *column(BODY, 50, 640)]])).text
    assert text.startswith("4 Rules of the big old house at the foot of the hill and the sea\n\n")
