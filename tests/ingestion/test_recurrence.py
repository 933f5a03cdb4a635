"""Blocks that recur at the edges of a folder's pages are removed; others are kept."""

from __future__ import annotations

from pathlib import Path

from rag.ingestion.recurrence import Known, without_recurring
from rag.parsing.files import FoundFile
from rag.parsing.load import Loaded
from rag.parsing.pool import ParseTask, Result
from rag.types import Document, Section

HEAD = "Elpin Handbook 4.2"
FOOT = "A complete list of releases is also available."
CLAUSE = "The rent is due on the first of the month, whatever is agreed besides."


def page(number: int, *blocks: str, folder: str = "docs", kind: str = "html") -> Result:
    text = "\n\n".join(blocks)
    name = f"{folder}/page{number}.{kind}"
    sections = (Section(0, ""), Section(text.find(f"Chapter {number}"), f"Chapter {number}"))
    document = Document(name, text, name, f"/{name}", str(number), {"type": kind}, sections)
    return ParseTask(FoundFile(Path(f"/{name}"), name)), Loaded([document])


def pages(count: int, **more: str) -> list[Result]:
    words = [
        f"What chapter {n} says takes its own words, and more of them. " * 4 for n in range(count)
    ]
    return [
        page(n, HEAD, f"Chapter {n}", CLAUSE, words[n].strip(), FOOT, **more) for n in range(count)
    ]


def read(results: list[Result], known: Known) -> list[Document]:
    found = without_recurring(results, known)
    return [d for _, loaded in found if isinstance(loaded, Loaded) for d in loaded.documents]


def test_heads_and_feet_go_and_a_clause_of_every_page_stays() -> None:
    for number, document in enumerate(read(pages(12), {})):
        assert document.text.startswith(f"Chapter {number}\n\n{CLAUSE}")
        assert FOOT not in document.text
        assert [s for s in document.sections if s.heading] == [Section(0, f"Chapter {number}")]


def test_a_foot_goes_that_differs_in_its_date_and_a_heading_stays() -> None:
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


def test_what_was_left_out_is_counted() -> None:
    counts = [
        loaded.left_out
        for _, loaded in without_recurring(pages(9), {})
        if isinstance(loaded, Loaded)
    ]
    assert counts == [len(HEAD) + len(FOOT) + 4] * 9


def test_few_pages_and_other_kinds_stay_as_they_are() -> None:
    assert all(FOOT in document.text for document in read(pages(5), {}))
    assert all(FOOT in document.text for document in read(pages(12, kind="md"), {}))


def test_a_page_that_comes_later_alone_is_read_as_the_others() -> None:
    known: Known = {}
    read(pages(12), known)
    (document,) = read(pages(1), known)
    assert FOOT not in document.text
    (other,) = read(pages(1, folder="letters"), known)
    assert FOOT in other.text


def test_what_recurs_in_a_folder_goes_from_the_folders_in_it() -> None:
    known: Known = {}
    read(pages(12), known)
    for document in read(pages(3, folder="docs/modules"), known):
        assert FOOT not in document.text
        assert not document.text.startswith(HEAD)


def test_pages_that_are_alike_throughout_stay_whole() -> None:
    same = [page(n, HEAD, CLAUSE, FOOT, "Signed") for n in range(12)]
    assert all(document.text.startswith(HEAD) for document in read(same, {}))
