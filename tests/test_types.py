import pytest

from rag.types import Document, Passage


@pytest.mark.parametrize(
    ("title", "headings", "context"),
    [
        ("The deal", (), "The deal"),
        ("The deal", ("The deal",), "The deal"),
        ("The deal", ("The deal", "Parties"), "The deal > Parties"),
        ("The deal", ("Parties",), "The deal > Parties"),
        ("The deal", ("The deals",), "The deal > The deals"),
        ("Plan (1 March 2024)", ("Plan", "Costs"), "Plan (1 March 2024) > Costs"),
        ("Plan (1 March 2024)", ("Plans", "Costs"), "Plan (1 March 2024) > Plans > Costs"),
        ("Costs > 5 EUR", ("Costs > 5 EUR",), "Costs > 5 EUR"),
        ("Costs", ("Costs > 5 EUR", "> 6", "Next >"), "Costs > Costs > 5 EUR > > 6 > Next >"),
        ("", (), ""),
    ],
)
def test_context_is_title_and_heading(title: str, headings: tuple[str, ...], context: str) -> None:
    passage = Passage("d", 0, 1, "x", title, headings)
    assert passage.context == context
    assert passage.headings == headings
    assert passage.innermost_heading == (headings[-1] if headings else "")


@pytest.mark.parametrize(
    ("source", "stamp", "file"),
    [
        ("/data/a.txt", "", "/data/a.txt"),
        ("/data/a.zip//b/c.txt", "0" * 64, "/data/a.zip"),
        ("/data/a.zip//b.zip//c.txt", "0" * 64, "/data/a.zip"),
        ("https://example.org//a.txt", "", "https://example.org//a.txt"),
        ("https://example.org/a.zip//c.txt", "0" * 64, "https://example.org/a.zip"),
    ],
)
def test_the_file_that_contains_a_document(source: str, stamp: str, file: str) -> None:
    document = Document("d", "x", "", source, "1" * 64, container_sha256=stamp)
    assert (document.file, document.file_sha256) == (file, stamp or "1" * 64)


def test_the_page_of_an_offset() -> None:
    document = Document("d", "one two", "", "/d", "0" * 64, pages=(0, 4, 4))
    assert [document.page(offset) for offset in (0, 3, 4, 7)] == [1, 1, 3, 3]
    assert Document("d", "x", "", "/d", "0" * 64).page(0) is None
