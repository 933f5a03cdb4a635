"""A document's date is the day that it states of itself, before the day its file was made."""

import io
import re
from datetime import datetime
from zipfile import ZipFile

import docx
import openpyxl
import pptx
import pytest

from rag.parsing.load import load_some
from rag.types import Document
from tests.parsing.archives import saved_bytes
from tests.parsing.pdfs import Put, column, pdf

BODY = ["The harbour board met in the old customs house.", "Nobody spoke against the new crane."]


def word(*paragraphs: str, made: datetime | None = datetime(2026, 11, 30, 8, 15)) -> bytes:
    document = docx.Document()
    if made:
        document.core_properties.created = made
    for paragraph in paragraphs:
        document.add_paragraph(paragraph, "Title" if paragraph == paragraphs[0] else None)
    return saved_bytes(document)


def loaded(name: str, content: bytes | str) -> Document:
    data = content.encode() if isinstance(content, str) else content
    (document,) = load_some(name, data).documents
    return document


@pytest.mark.parametrize(
    ("name", "title", "opening", "day"),
    [
        ("crane.docx", "The crane", "Ostwick, the old port", "2026-11-30"),
        ("crane 2021-02-03.docx", "The crane", "4 May 2022", "2021-02-03"),
        ("crane.docx", "Minutes of the harbour board, 9 June 2023", "Present: all", "2023-06-09"),
        ("crane.docx", "Harbour board (9 June 2023)", "4 May 2022", "2023-06-09"),
        ("crane.docx", "Minutes of the harbour board of 9 June 2023", "x", "2023-06-09"),
        ("crane.docx", "Minutes, 9 June 2023 (draft)", "x", "2023-06-09"),
        ("crane.docx", "9 June 2023: the crane", "x", "2023-06-09"),
        ("crane.docx", "The crane", "Ostwick, 4 May 2022", "2026-11-30"),
        ("crane.docx", "The crane", "4 May 2022", "2022-05-04"),
        ("crane.docx", "The crane", "Dated: 4 May 2022", "2022-05-04"),
        ("crane.docx", "The storm of 9 June 1823", "Ostwick", "2026-11-30"),
        ("crane.docx", "Lease from 9 June 2023", "Ostwick", "2026-11-30"),
        ("crane.docx", "Fair, 9 to 11 June 2023", "Ostwick", "2026-11-30"),
        ("crane.docx", "Notes, 9 June 2023, on the crane", "Ostwick", "2026-11-30"),
    ],
)
def test_what_a_document_states_comes_before_its_file(
    name: str, title: str, opening: str, day: str
) -> None:
    document = loaded(name, word(title, opening, *BODY))
    assert (document.metadata["date"], document.metadata["year"]) == (day, day[:4])


def test_a_field_comes_before_the_title() -> None:
    front = "---\ndate: 2019-08-07\n---\n\n# Minutes, 9 June 2023\n\nAll were present."
    assert loaded("a.md", front).metadata["date"] == "2019-08-07"
    front = front.replace("date:", "published:")
    assert "date" not in loaded("a.md", front).metadata


def test_a_printed_letter_is_of_its_own_day() -> None:
    lines = [Put(50, 780, "4 May 2022"), *column(BODY * 3, 50)]
    printed = pdf([lines], CreationDate="D:20261130081500Z")
    assert loaded("letter.pdf", printed).metadata["date"] == "2022-05-04"


def test_the_first_day_of_a_table_dates_nothing() -> None:
    book = openpyxl.Workbook()
    book.properties.created = datetime(2026, 11, 30)
    for row in (["Day", "Ships"], ["2022-05-04", 3], ["2022-05-05", 4]):
        book.active.append(row)
    assert loaded("ships.xlsx", saved_bytes(book)).metadata["date"] == "2026-11-30"


def test_a_workbook_that_does_not_say_when_it_was_made_has_no_day() -> None:
    book = openpyxl.Workbook()
    book.active.append(["Ships", "Three"])
    with ZipFile(io.BytesIO(saved_bytes(book))) as parts:
        members = {name: parts.read(name) for name in parts.namelist()}
    core = "docProps/core.xml"
    members[core] = re.sub(rb"<dcterms:created.*?</dcterms:created>", b"", members[core])
    undated = io.BytesIO()
    with ZipFile(undated, "w") as parts:
        for name, content in members.items():
            parts.writestr(name, content)
    assert "date" not in loaded("ships.xlsx", undated.getvalue()).metadata


def test_what_libraries_write_is_neither_day_nor_author_nor_title() -> None:
    assert loaded("a.docx", word("The crane", made=None)).metadata == {"type": "docx"}

    show = pptx.Presentation()
    show.slides.add_slide(show.slide_layouts[5]).shapes.title.text = "The crane"
    assert loaded("a.pptx", saved_bytes(show)).metadata == {"type": "pptx"}

    page = [[Put(50, 780, "The crane of Ostwick", 20), *column(BODY * 4, 50)]]
    content = pdf(
        page,
        Title="(anonymous)",
        Author="(anonymous)",
        Subject="(unspecified)",
        CreationDate="D:20000101000000+00'00'",
    )
    printed = loaded("a.pdf", content)
    assert printed.title == "The crane of Ostwick"
    assert printed.metadata.keys() <= {"type", "language"}
