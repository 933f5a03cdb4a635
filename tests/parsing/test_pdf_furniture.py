"""Running heads, page numbers and contents of PDFs, and the names in them."""

import pytest

from rag.parsing.pdf import parse
from tests.parsing.pdfs import Put, column, pdf


def test_running_heads_and_page_numbers_are_left_out() -> None:
    lines = [f"The catch of year {n} was good." for n in range(1, 5)]
    pages = [
        [Put(50, 810, "Journal of Fish"), Put(300, 30, f"Page {n}"), Put(50, 600, line)]
        for n, line in enumerate(lines, 1)
    ]
    parsed = parse(pdf(pages))
    assert parsed.text == "\n\n".join(lines)
    assert [parsed.text[start:].split("\n")[0] for start in parsed.pages] == lines
    assert "Journal of Fish" not in parse(pdf(pages[:2])).text
    assert "Journal of Fish" in parse(pdf(pages[:1])).text  # one page is not enough to tell


def test_contents_are_left_out_unless_requested() -> None:
    entries = [f"Chapter {n} of the report ........................ {n * 3}" for n in range(1, 9)]
    contents = [Put(50, 760, "Contents", 14), *column(entries, 50)]
    pages = [contents, [Put(50, 700, "The rent is 900 euros a month.")]]
    parsed = parse(pdf(pages))
    assert parsed.text == "The rent is 900 euros a month."
    assert parsed.left_out > 200
    assert "Chapter 3" in parse(pdf(pages), keep_furniture=True).text
    last_entry = column(["Annex on ships ................... 4"], 50)  # goes on on the next page
    pages = [
        contents,
        [*last_entry, Put(50, 500, "The rent is 900.")],
        [Put(50, 700, "Nothing else.")],
    ]
    assert parse(pdf(pages)).text == "The rent is 900.\n\nNothing else."


def test_a_list_that_ends_in_numbers_is_not_contents() -> None:
    numbers = zip("abcdef", (9, 2, 7, 1, 8, 3), strict=True)
    entries = [f"Port {name} with so many ships, {n}" for name, n in numbers]
    assert "Port c" in parse(pdf([column(entries, 50)])).text


@pytest.mark.parametrize("pages", [1, 2, 9])
def test_a_list_whose_numbers_are_no_pages_is_not_contents(pages: int) -> None:
    players = ["Adams 18", "Baker 19", "Clark 21", "Davis 22", "Evans 24"]
    page = [Put(50, 760, "List of players", 14), *column(players, 50)]
    further_pages = [[Put(50, 700, "The rent is 900.")]] * (pages - 1)
    assert "Adams 18 Baker 19" in parse(pdf([page, *further_pages])).text


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
    lines, foot = ["The first rent was paid.", "The second too."], Put(50, 30, "Mill Lane 4", 8)
    parsed = parse(pdf([[Put(50, 700, line), foot] for line in lines]))
    assert parsed.text == "\n\n".join(lines)
    assert parsed.left_out == 2 * len(foot.text)


def test_running_heads_are_in_the_title() -> None:
    pages = [
        [Put(50, 700, f"It landed on day {n}."), Put(450, 30, f"Page {n} of 3 DFW08CA051", 8)]
        for n in range(1, 4)
    ]
    parsed = parse(pdf(pages, Title="Accident report"))
    assert parsed.metadata["title"] == "Accident report (DFW08CA051)"
    assert "DFW08CA051" not in parsed.text


def test_a_file_name_as_title_gets_the_company() -> None:
    cover = column(["Form 10-Q", "Elpin Devices Inc.", "Elpin Devices Inc. makes telephones."], 50)
    pages = [cover, column(["Elpin Devices Inc. sold more telephones than before."], 50)]
    assert parse(pdf(pages, Title="elpn-20230701")).metadata["title"] == (
        "elpn-20230701 (Elpin Devices Inc.)"
    )


def test_illegible_type_is_left_out() -> None:
    page = [*column(["Sardines swim here.", "They swim there."], 40), Put(300, 690, "KEY-1", 1)]
    parsed = parse(pdf([page]))
    assert "KEY-1" not in parsed.text
    assert parsed.left_out == len("KEY-1")
    assert "KEY-1" in parse(pdf([page]), keep_furniture=True).text


@pytest.mark.parametrize(
    "foot",
    [
        "House rules | Page 1",
        "Page 1 of 1",
        "page 1/1",
        "Page 1 | House rules",
        "House rules \u2013 Page 1",
        "p. 1",
    ],
)
def test_the_foot_of_a_document_of_one_page_is_left_out(foot: str) -> None:
    encoded = b"/Encoding /WinAnsiEncoding /BaseFont"
    page = [*column(LINES_OF_ONE_PAGE, 50), Put(50, 30, foot, 8)]
    parsed = parse(pdf([page]).replace(b"/BaseFont", encoded))
    assert parsed.text == " ".join(LINES_OF_ONE_PAGE)
    assert parsed.left_out == len(foot)


LINES_OF_ONE_PAGE = ["Shoes are left at the door of the house, and", "visitors sign the book."]


@pytest.mark.parametrize(
    ("foot", "y"),
    [("Invoice 12 | Page 10", 30), ("See page 1", 30), ("House rules | Page 1", 400), ("1", 30)],
)
def test_other_lines_of_one_page_are_kept(foot: str, y: float) -> None:
    page = [*column(LINES_OF_ONE_PAGE, 50), Put(50, y, foot, 8)]
    assert foot.split(" | ")[-1] in parse(pdf([page])).text
