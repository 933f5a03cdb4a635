from __future__ import annotations

from datetime import datetime
from typing import Any

import docx
import pptx
import pytest
from docx.oxml.ns import qn
from docx.oxml.parser import OxmlElement
from pptx.util import Inches

from rag.errors import InputError
from rag.parsing.load import load_bytes
from rag.structure import sections
from tests.parsing.archives import saved, zipped


def letter(pages: bool = False) -> bytes:
    made = docx.Document()
    made.core_properties.title, made.core_properties.author = "The treaty", "Ada Bell"
    made.core_properties.created = datetime(2024, 3, 5)
    made.add_heading("The treaty of fish", 0)
    made.add_paragraph("It was signed in Muscat.")
    made.add_heading("Terms", 1)
    made.add_paragraph("One ton", "List Bullet")
    made.add_paragraph("Two tons", "List Bullet")
    add_table(made, "Port | Tons", "Sur | 12")
    last = made.add_paragraph("The end stands on")
    if pages:
        last.add_run()._r.append(OxmlElement("w:lastRenderedPageBreak"))
        last.add_run(" page two.")
    return saved(made)


def test_docx() -> None:
    (document,) = load_bytes("treaty.docx", letter())
    blocks = [
        "The treaty of fish", "It was signed in Muscat.", "Terms", "- One ton\n- Two tons",
        "Port | Tons\nSur | 12",
    ]  # fmt: skip
    assert document.text == "\n\n".join([*blocks, "The end stands on"])
    assert [s.heading for s in sections(document.blocks)] == [
        "The treaty of fish",
        "The treaty of fish > Terms",
    ]
    assert (document.title, document.metadata["author"], document.metadata["year"]) == (
        "The treaty",
        "Ada Bell",
        "2024",
    )
    assert document.pages == ()


def test_docx_pages_are_the_saved_breaks() -> None:
    (document,) = load_bytes("treaty.docx", letter(pages=True))
    assert document.text.endswith("The end stands on page two.")
    assert document.page(document.text.index("The end")) == 1
    assert document.page(document.text.index("two.")) == 2


def test_deleted_text_in_docx_is_left_out() -> None:
    made = docx.Document()
    paragraph = made.add_paragraph("It was signed")
    removed = OxmlElement("w:del")
    run = paragraph.add_run(" never")
    removed.append(run._r)
    paragraph._p.append(removed)
    paragraph.add_run(" in Muscat.")
    assert made.element.body.find(f".//{qn('w:del')}") is not None
    assert text_of(made) == "It was signed in Muscat."


def show() -> bytes:
    made = pptx.Presentation()
    made.core_properties.title = "Fish"
    first = made.slides.add_slide(made.slide_layouts[1])
    first.shapes.title.text = "Sardines"
    first.placeholders[1].text = "They swim\nThey sleep"
    first.notes_slide.notes_text_frame.text = "Say it slowly."
    second = made.slides.add_slide(made.slide_layouts[5])
    second.shapes.title.text = "Catch"
    table = second.shapes.add_table(1, 2, Inches(1), Inches(3), Inches(4), Inches(1)).table
    table.cell(0, 0).text, table.cell(0, 1).text = "Sur", "12 tons"
    second.shapes.add_textbox(
        Inches(1), Inches(2), Inches(4), Inches(1)
    ).text_frame.text = "Above the table."
    return saved(made)


def test_slides_are_pages() -> None:
    (document,) = load_bytes("fish.pptx", show())
    assert document.text == "\n\n".join(
        [
            "Sardines", "- They swim\n- They sleep", "Notes: Say it slowly.", "Catch",
            "Above the table.", "Sur | 12 tons",
        ]
    )  # fmt: skip
    assert [s.heading for s in sections(document.blocks)] == ["Sardines", "Catch"]
    assert [document.text[at:].split("\n")[0] for at in document.pages] == ["Sardines", "Catch"]
    assert document.title == "Fish"


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx"])
def test_entities_are_not_expanded(name: str) -> None:
    types = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    content = zipped(
        {"[Content_Types].xml": types, "_rels/.rels": f"<?xml version='1.0'?>{BOMB}]><x>&j;</x>"}
    )
    with pytest.raises(InputError):
        load_bytes(name, content)


def text_of(made: Any) -> str:
    return load_bytes("a.docx", saved(made))[0].text


def add_table(made: Any, *rows: str) -> Any:
    """A table in the document, of rows such as "a | b"."""
    cells = [row.split(" | ") for row in rows]
    table = made.add_table(len(cells), len(cells[0]))
    for at, row in enumerate(cells):
        for column, text in enumerate(row):
            table.cell(at, column).paragraphs[0].add_run(text)
    return table


def test_a_repeated_docx_row_names_the_columns() -> None:
    made = docx.Document()
    table = add_table(made, "Item | Price", "Garage | 90")
    assert text_of(made) == "Item | Price\nGarage | 90"
    table.rows[0]._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    assert text_of(made) == "Item | Price\nItem: Garage | Price: 90"


def test_a_bold_docx_paragraph_is_a_heading() -> None:
    made = docx.Document()
    made.add_heading("Policy", 1)
    for text in ("Leave", "25 days.", "Sick leave", "Call."):
        made.add_paragraph().add_run(text).bold = not text.endswith(".")
    made.add_paragraph("It ").add_run("matters").bold = True
    made.add_paragraph("End")
    blocks = load_bytes("a.docx", saved(made))[0].blocks
    assert [s.heading for s in sections(blocks)] == [
        "Policy",
        "Policy > Leave",
        "Policy > Sick leave",
    ]


NAME_AND_VALUE = ["Tenant | Ada Byron", "Rent | 900 euros", "Deposit | two months"]


@pytest.mark.parametrize(
    ("rows", "bold", "read"),
    [
        (["Club | Day | Place", "Chess | Monday | Library"], False, "Club: Chess | Day: Monday"),
        (["2023 | 2024 | 2025", "5 | 6 | 7"], False, "5 | 6 | 7"),
        (NAME_AND_VALUE, False, "Rent | 900 euros"),
        (["Item | Price", "Rent | 900 euros"], True, "Item: Rent | Price: 900 euros"),
    ],
)
def test_a_docx_row_that_looks_like_headers_names_the_columns(
    rows: list[str], bold: bool, read: str
) -> None:
    made = docx.Document()
    for cell in add_table(made, *rows).rows[0].cells:
        cell.paragraphs[0].runs[0].bold = bold
    assert text_of(made).split("\n")[1].startswith(read)


def test_docx_content_controls_are_read_but_no_table_of_contents() -> None:
    made = docx.Document()
    made.add_paragraph("The lease")
    paragraph = made.add_paragraph("It ends on 31 May 2027.")
    contents = made.add_paragraph("Terms ... 3")
    table = add_table(made, "Item | Price", "Garage | 90")
    for element in (paragraph._p, table.rows[1]._tr, table.rows[1].cells[1]._tc, contents._p):
        wrap(element, "Table of Contents" if element is contents._p else "")
    made.add_paragraph("Signed.")
    assert (
        text_of(made)
        == "The lease\n\nIt ends on 31 May 2027.\n\nItem | Price\nGarage | 90\n\nSigned."
    )


def wrap(element: Any, gallery: str) -> None:
    """Wrap the element in a content control."""
    control, properties, content = (
        OxmlElement(f"w:{name}") for name in ("sdt", "sdtPr", "sdtContent")
    )
    if gallery:
        part, name = OxmlElement("w:docPartObj"), OxmlElement("w:docPartGallery")
        name.set(qn("w:val"), gallery)
        part.append(name)
        properties.append(part)
    element.addprevious(control)
    content.append(element)
    control.extend([properties, content])
