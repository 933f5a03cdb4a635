"""Blocks that recur at the edges of a folder's pages are removed; others are kept."""

from pathlib import Path

from rag.ingestion.repeated_blocks import FurnitureByFolder, without_recurring
from rag.parsing.base import Part, join
from rag.parsing.files import FoundFile
from rag.parsing.load import Loaded
from rag.parsing.pool import ParseOutcome, ParseTask
from rag.structure import sections
from rag.types import Document

HEAD = "Elpin Handbook 4.2"
FOOT = "A complete list of releases is also available."
CLAUSE = "The rent is due on the first of the month, whatever is agreed besides."


def page(number: int, *blocks: str, folder: str = "docs", kind: str = "html") -> ParseOutcome:
    name = f"{folder}/page{number}.{kind}"
    text, structure = join(
        Part(block, 1 if block == f"Chapter {number}" else 0) for block in blocks
    )
    document = Document(name, text, name, f"/{name}", str(number), {"type": kind}, structure)
    return ParseTask(FoundFile(Path(f"/{name}"), name)), Loaded([document])


def pages(count: int, **options: str) -> list[ParseOutcome]:
    words = [
        f"What chapter {n} says takes its own words, and more of them. " * 4 for n in range(count)
    ]
    return [
        page(n, HEAD, f"Chapter {n}", CLAUSE, words[n].strip(), FOOT, **options)
        for n in range(count)
    ]


def read(results: list[ParseOutcome], recurring: FurnitureByFolder) -> list[Document]:
    results_without_recurring = without_recurring(results, recurring)
    return [
        d
        for _, loaded in results_without_recurring
        if isinstance(loaded, Loaded)
        for d in loaded.documents
    ]


def test_heads_and_feet_are_removed_but_recurring_clauses_kept() -> None:
    for number, document in enumerate(read(pages(12), {})):
        assert document.text.startswith(f"Chapter {number}\n\n{CLAUSE}")
        assert FOOT not in document.text
        assert sections(document.blocks) == ((0, (f"Chapter {number}",)),)


def test_a_foot_with_changing_dates_is_removed_and_headings_kept() -> None:
    dated = [
        page(
            n,
            f"Elpin release notes {n}",
            f"Word {n} of its own, and more words. " * 9,
            f"Step {n}.",
            f"This page was changed on 2024-01-{n:02}.",
        )
        for n in range(12)
    ]
    for n, document in enumerate(read(dated, {})):
        assert document.text.startswith(f"Elpin release notes {n}")
        assert document.text.endswith(f"Step {n}.")


def test_removed_text_is_counted() -> None:
    counts = [
        loaded.left_out
        for _, loaded in without_recurring(pages(9), {})
        if isinstance(loaded, Loaded)
    ]
    assert counts == [len(HEAD) + len(FOOT) + 4] * 9


def test_few_pages_and_other_formats_are_unchanged() -> None:
    assert all(FOOT in document.text for document in read(pages(5), {}))
    assert all(FOOT in document.text for document in read(pages(12, kind="md"), {}))


def test_a_later_single_page_is_cleaned_too() -> None:
    recurring: FurnitureByFolder = {}
    read(pages(12), recurring)
    (document,) = read(pages(1), recurring)
    assert FOOT not in document.text
    (of_another_folder,) = read(pages(1, folder="letters"), recurring)
    assert FOOT in of_another_folder.text


def test_a_folders_recurring_blocks_are_removed_in_its_subfolders() -> None:
    recurring: FurnitureByFolder = {}
    read(pages(12), recurring)
    for document in read(pages(3, folder="docs/modules"), recurring):
        assert FOOT not in document.text
        assert not document.text.startswith(HEAD)


def test_pages_that_are_mostly_alike_stay_whole() -> None:
    pages = [page(n, HEAD, CLAUSE, FOOT, "Signed") for n in range(12)]
    assert all(document.text.startswith(HEAD) for document in read(pages, {}))
