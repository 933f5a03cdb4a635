"""Headings of PDFs with an outline."""

from bisect import bisect_right

from rag.parsing.pdf import parse
from rag.structure import sections
from tests.parsing.pdfs import Put, pdf
from tests.parsing.reading import headings

TEXT = "The herring swims in the cold sea, and many a ship follows it from port to port."


def page(*lines: Put, foot: str = "") -> list[Put]:
    """A page with `lines`, each followed by text of the usual size."""
    paragraphs = [Put(60, put.y - 20 - 12 * n, TEXT) for put in lines for n in range(3)]
    return [*lines, *paragraphs, *([Put(60, 40, foot, 10, bold=True)] if foot else [])]


PAGES = [
    page(Put(60, 780, "Release 4.7", 30), Put(60, 700, "All about fish", 24)),
    page(
        Put(60, 780, "THE SEA", 20),
        Put(60, 700, "1.1. Cold water", 16),
        Put(60, 500, "Mind the ice", 10, bold=True),
    ),
    page(Put(60, 700, "1.2 Warm water", 16), Put(60, 810, "1.2. Warm water"), foot="Chapter 1"),
]


OUTLINE = [(0, "The sea", 2), (1, "Cold water", 2), (1, "Warm water", 3)]
PATHS = ["THE SEA", "THE SEA > 1.1. Cold water", "THE SEA > 1.2 Warm water"]


def test_the_outline_determines_headings() -> None:
    parsed = parse(pdf(PAGES, OUTLINE))
    assert headings(parsed) == PATHS
    starts = [section.start for section in sections(parsed.blocks)]
    assert [bisect_right(parsed.pages, start) for start in starts] == [2, 2, 3]
    # of two equal texts, the larger
    assert parsed.text[starts[-1] :].startswith("1.2 Warm water\n\n")
    assert parsed.metadata["title"] == "Release 4.7"


def test_a_table_keeps_its_caption_and_unit_under_a_heading_of_the_outline() -> None:
    table = [Put(60, 640, "Results by segment", 8), Put(60, 628, "(In millions)", 8)]
    table += [Put(300, 612, "2023", 8), Put(380, 612, "2022", 8)]
    for n, label in enumerate(("Rent", "Sales", "Fees")):
        cells = ((60, label), (300, f"{n + 1},900"), (380, f"{n + 2},850"))
        table += [Put(x, 598 - 12 * n, text, 8) for x, text in cells]
    pages = [[*page(Put(60, 780, "THE SEA", 20)), *table], PAGES[2]]
    parsed = parse(pdf(pages, [(0, "The sea", 1), (1, "Warm water", 2)]))
    assert "THE SEA > Results by segment > (In millions)" in headings(parsed)


def test_an_outline_of_another_text_is_ignored() -> None:
    parsed = parse(pdf(PAGES, [(0, "Slide 1", 1), (0, "Slide 2", 2), (0, "The sea", 2)]))
    assert headings(parsed) == headings(parse(pdf(PAGES)))
    assert len(headings(parsed)) > 3


def test_bookmarks_that_lead_nowhere_or_in_a_circle() -> None:
    source = pdf(PAGES, [*OUTLINE, (0, "Nothing", 0)])
    looped = source.replace(b"/Title (Nothing)", b"/Title (Not) /First 1 0 R")
    assert headings(parse(source)) == headings(parse(looped)) == PATHS
