from datetime import datetime
from typing import Any

import docx
import pptx
import pytest
from docx.oxml.ns import qn
from docx.oxml.parser import OxmlElement
from pptx.util import Inches

from rag.errors import InputError
from tests.parsing.archives import saved_bytes, zipped
from tests.parsing.reading import headings, load_bytes


def letter(pages: bool = False) -> bytes:
    word = docx.Document()
    word.core_properties.title, word.core_properties.author = "The treaty", "Ada Bell"
    word.core_properties.created = datetime(2024, 3, 5)
    word.add_heading("The treaty of fish", 0)
    word.add_paragraph("It was signed in Muscat.")
    word.add_heading("Terms", 1)
    word.add_paragraph("One ton", "List Bullet")
    word.add_paragraph("Two tons", "List Bullet")
    add_table(word, "Port | Tons", "Sur | 12")
    paragraph = word.add_paragraph("The end goes on")
    if pages:
        paragraph.add_run()._r.append(OxmlElement("w:lastRenderedPageBreak"))
        paragraph.add_run(" page two.")
    return saved_bytes(word)


def add_table(word: Any, *rows: str) -> Any:
    """A table in the document, of rows such as "a | b"."""
    cells = [row.split(" | ") for row in rows]
    table = word.add_table(len(cells), len(cells[0]))
    for number, row in enumerate(cells):
        for column, text in enumerate(row):
            table.cell(number, column).paragraphs[0].add_run(text)
    return table


def text_of(word: Any) -> str:
    return load_bytes("a.docx", saved_bytes(word))[0].text


def test_docx() -> None:
    (document,) = load_bytes("treaty.docx", letter())
    parts = ["The treaty of fish", "It was signed in Muscat.", "Terms", "- One ton\n- Two tons"]
    assert document.text.split("\n\n") == [*parts, "Port | Tons\nSur | 12", "The end goes on"]
    assert headings(document) == ["The treaty of fish", "The treaty of fish > Terms"]
    assert (document.title, document.metadata["author"]) == ("The treaty", "Ada Bell")
    assert document.metadata["year"] == "2024"
    assert document.pages == ()


def test_docx_pages_are_the_saved_breaks() -> None:
    (document,) = load_bytes("treaty.docx", letter(pages=True))
    assert document.text.endswith("The end goes on page two.")
    assert document.page(document.text.index("The end")) == 1
    assert document.page(document.text.index("two.")) == 2


def test_deleted_text_in_docx_is_left_out() -> None:
    word = docx.Document()
    paragraph = word.add_paragraph("It was signed")
    removed = OxmlElement("w:del")
    removed.append(paragraph.add_run(" never")._r)
    paragraph._p.append(removed)
    paragraph.add_run(" in Muscat.")
    assert text_of(word) == "It was signed in Muscat."


def show() -> bytes:
    slides = pptx.Presentation()
    slides.core_properties.title = "Fish"
    text_slide, table_slide = (slides.slides.add_slide(slides.slide_layouts[n]) for n in (1, 5))
    text_slide.shapes.title.text = "Sardines"
    text_slide.placeholders[1].text = "They swim\nThey sleep"
    text_slide.notes_slide.notes_text_frame.text = "Say it slowly."
    table_slide.shapes.title.text = "Catch"
    inch, two_inches, three_inches, width = map(Inches, (1, 2, 3, 4))
    table = table_slide.shapes.add_table(1, 2, inch, three_inches, width, inch).table
    table.cell(0, 0).text, table.cell(0, 1).text = "Sur", "12 tons"
    table_slide.shapes.add_textbox(
        inch, two_inches, width, inch
    ).text_frame.text = "Above the table."
    return saved_bytes(slides)


def test_slides_are_pages() -> None:
    (document,) = load_bytes("fish.pptx", show())
    text_slide = ["Sardines", "- They swim\n- They sleep", "Notes: Say it slowly."]
    table_slide = ["Catch", "Above the table.", "Sur | 12 tons"]
    assert document.text.split("\n\n") == [*text_slide, *table_slide]
    assert headings(document) == ["Sardines", "Catch"]
    assert [document.text[page:].split("\n")[0] for page in document.pages] == ["Sardines", "Catch"]
    assert document.title == "Fish"


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize("name", ["a.docx", "a.pptx", "a.xlsx"])
def test_entities_are_not_expanded(name: str) -> None:
    types = '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
    relations = f"<?xml version='1.0'?>{BOMB}]><x>&j;</x>"
    with pytest.raises(InputError):
        load_bytes(name, zipped({"[Content_Types].xml": types, "_rels/.rels": relations}))


def test_a_bold_docx_paragraph_is_a_heading() -> None:
    word = docx.Document()
    word.add_heading("Policy", 1)
    for text in ("Leave", "25 days.", "Sick leave", "Call."):
        word.add_paragraph().add_run(text).bold = not text.endswith(".")
    word.add_paragraph("It ").add_run("matters").bold = True
    word.add_paragraph("End")
    (document,) = load_bytes("a.docx", saved_bytes(word))
    assert headings(document) == ["Policy", "Policy > Leave", "Policy > Sick leave"]


@pytest.mark.parametrize(
    ("rows", "mark", "second_line"),
    [
        (["Club | Day | Place", "Chess | Monday | Library"], "", "Club: Chess | Day: Monday"),
        (["2023 | 2024 | 2025", "5 | 6 | 7"], "", "5 | 6 | 7"),
        (["Tenant | Ada", "Rent | 900 euros", "Deposit | two months"], "", "Rent | 900 euros"),
        (["Item | Price", "Rent | 900 euros"], "bold", "Item: Rent | Price: 900 euros"),
        (["Item | Price", "Rent | 900 euros"], "repeated", "Item: Rent | Price: 900 euros"),
    ],
)
def test_a_docx_row_like_headers_names_the_columns(
    rows: list[str], mark: str, second_line: str
) -> None:
    word = docx.Document()
    head = add_table(word, *rows).rows[0]
    for cell in head.cells if mark == "bold" else ():
        cell.paragraphs[0].runs[0].bold = True
    if mark == "repeated":
        head._tr.get_or_add_trPr().append(OxmlElement("w:tblHeader"))
    assert text_of(word).split("\n")[1].startswith(second_line)


def test_docx_content_controls_are_read_but_no_table_of_contents() -> None:
    word = docx.Document()
    word.add_paragraph("The lease")
    paragraph = word.add_paragraph("It ends on 31 May 2027.")
    contents = word.add_paragraph("Terms ... 3")
    table = add_table(word, "Item | Price", "Garage | 90")
    for element in (paragraph._p, table.rows[1]._tr, table.rows[1].cells[1]._tc, contents._p):
        wrap(element, "Table of Contents" if element is contents._p else "")
    word.add_paragraph("Signed.")
    parts = ["The lease", "It ends on 31 May 2027.", "Item | Price\nGarage | 90", "Signed."]
    assert text_of(word).split("\n\n") == parts


def wrap(element: Any, gallery: str) -> None:
    """Wrap the element in a content control."""
    control, properties, content = (OxmlElement(f"w:{n}") for n in ("sdt", "sdtPr", "sdtContent"))
    if gallery:
        part, name = OxmlElement("w:docPartObj"), OxmlElement("w:docPartGallery")
        name.set(qn("w:val"), gallery)
        part.append(name)
        properties.append(part)
    element.addprevious(control)
    content.append(element)
    control.extend([properties, content])
