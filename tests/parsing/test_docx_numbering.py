"""The numbers of a DOCX file's lists and headings, as Word shows them."""

import io
from collections.abc import Sequence
from typing import Any

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls, qn
from docx.oxml.parser import OxmlElement

from rag.parsing.docx_comments import with_comments
from tests.parsing.archives import saved_bytes
from tests.parsing.reading import headings, load_bytes
from tests.parsing.test_blocks import check
from tests.parsing.test_office import text_of

Level = dict[str, str]
"""The values of a level's elements, such as "numFmt", by their names."""
CLAUSES: Sequence[Level] = (
    {"numFmt": "decimal", "lvlText": "%1."},
    {"numFmt": "decimal", "lvlText": "%1.%2"},
    {"numFmt": "lowerLetter", "lvlText": "(%3)"},
    {"numFmt": "lowerRoman", "lvlText": "%4)"},
)


def add_definition(word: Any, number: int, levels: Sequence[Level], link: str = "") -> None:
    """Define the levels of lists."""
    xml = [f'<w:abstractNum {nsdecls("w")} w:abstractNumId="{number}">']
    if link:
        xml.append(f'<w:numStyleLink w:val="{link}"/>')
    for depth, level in enumerate(levels):
        xml.append(f'<w:lvl w:ilvl="{depth}">')
        for name, value in ({"start": "1"} | level).items():
            xml.append(f'<w:{name} w:val="{value}"/>')
        xml.append("</w:lvl>")
    root = word.part.numbering_part.element
    root.insert(0, parse_xml("".join([*xml, "</w:abstractNum>"])))


def add_list(word: Any, number: int, definition: int, starts: dict[int, int] | None = None) -> None:
    """Add a list of a definition, which begins levels with these numbers."""
    xml = [f'<w:num {nsdecls("w")} w:numId="{number}"><w:abstractNumId w:val="{definition}"/>']
    for depth, start in (starts or {}).items():
        override = f'<w:lvlOverride w:ilvl="{depth}"><w:startOverride w:val="{start}"/>'
        xml.append(f"{override}</w:lvlOverride>")
    word.part.numbering_part.element.append(parse_xml("".join([*xml, "</w:num>"])))


def refer(properties: Any, list_id: int, depth: int | None = None) -> None:
    """Put the paragraphs with these properties into a list."""
    reference = OxmlElement("w:numPr")
    if depth is not None:
        level = OxmlElement("w:ilvl")
        level.set(qn("w:val"), str(depth))
        reference.append(level)
    number = OxmlElement("w:numId")
    number.set(qn("w:val"), str(list_id))
    reference.append(number)
    properties.append(reference)


def add_item(word: Any, text: str, list_id: int, depth: int = 0, style: str | None = None) -> Any:
    paragraph = word.add_paragraph(text, style)
    refer(paragraph._p.get_or_add_pPr(), list_id, depth)
    return paragraph


def contract() -> Any:
    word = docx.Document()
    add_definition(word, 90, CLAUSES)
    add_list(word, 91, 90)
    return word


def test_paragraphs_of_list_number_keep_their_order() -> None:
    word = docx.Document()
    word.add_paragraph("To clean the filter:")
    for text in ("Close the tap.", "Unscrew the bowl.", "Rinse the mesh."):
        word.add_paragraph(text, style="List Number")
    word.add_paragraph("Rinse with cold water.", style="List Number 2")
    word.add_paragraph("Close the bowl.", style="List Number")
    (document,) = load_bytes("a.docx", saved_bytes(word))
    check(document)
    procedure = [
        "1. Close the tap.",
        "2. Unscrew the bowl.",
        "3. Rinse the mesh.",
        "  1. Rinse with cold water.",
        "4. Close the bowl.",
    ]
    assert document.text == "To clean the filter:\n\n" + "\n".join(procedure)
    markers = [block.marker for block in document.blocks if block.kind == "item"]
    assert markers == ["1.", "2.", "3.", "1.", "4."]


def test_levels_count_below_each_other_and_begin_anew() -> None:
    word = contract()
    items = [
        ("Rent", 0), ("Amount", 1), ("in cash", 2), ("by transfer", 2), ("from abroad", 3),
        ("Deposit", 1), ("in bonds", 2), ("Repairs", 0), ("Roof", 1),
    ]  # fmt: skip
    for text, depth in items:
        add_item(word, text, 91, depth)
    assert text_of(word).split("\n") == [
        "1. Rent",
        "  1.1 Amount",
        "    (a) in cash",
        "    (b) by transfer",
        "      i) from abroad",
        "  1.2 Deposit",
        "    (a) in bonds",
        "2. Repairs",
        "  2.1 Roof",
    ]


def test_a_list_goes_on_after_text_and_another_begins_with_its_own_number() -> None:
    word = contract()
    add_list(word, 92, 90, {0: 1})
    add_list(word, 93, 90, {0: 7})
    for list_id, text in ((91, "one"), (91, "two")):
        add_item(word, text, list_id)
    word.add_paragraph("Some text.")
    for list_id, text in ((91, "three"), (92, "one anew"), (92, "two anew"), (93, "seven")):
        add_item(word, text, list_id)
    parts = ["1. one\n2. two", "Some text.", "3. three\n1. one anew\n2. two anew\n7. seven"]
    assert text_of(word).split("\n\n") == parts


@pytest.mark.parametrize(
    ("form", "number", "marker"),
    [
        ("decimal", 12, "12."),
        ("decimalZero", 3, "03."),
        ("lowerLetter", 28, "bb."),
        ("upperLetter", 26, "Z."),
        ("lowerRoman", 49, "xlix."),
        ("upperRoman", 1994, "MCMXCIV."),
        ("ordinal", 22, "22nd."),
        ("ordinal", 111, "111th."),
        ("chicago", 4, "4."),
        ("upperRoman", 0, "0."),
    ],
)
def test_forms_of_numbers(form: str, number: int, marker: str) -> None:
    word = docx.Document()
    add_definition(word, 90, [{"numFmt": form, "lvlText": "%1.", "start": str(number)}])
    add_list(word, 91, 90)
    add_item(word, "text", 91)
    assert text_of(word) == f"{marker} text"


def test_a_level_may_show_words_digits_or_nothing_and_need_not_begin_anew() -> None:
    word = docx.Document()
    levels = [
        {"numFmt": "upperRoman", "lvlText": "Article %1."},
        {"numFmt": "decimal", "lvlText": "%1.%2", "isLgl": "1", "lvlRestart": "0"},
        {"numFmt": "none", "lvlText": ""},
    ]
    add_definition(word, 90, levels)
    add_list(word, 91, 90)
    for text, depth in (("Scope", 0), ("Land", 1), ("Fees", 0), ("Due", 1), ("Plain text.", 2)):
        add_item(word, text, 91, depth)
    lines = ["Article I. Scope", "  1.1 Land", "Article II. Fees", "  2.2 Due", "", "Plain text."]
    assert text_of(word).split("\n") == lines


def test_headings_have_the_numbers_of_their_style() -> None:
    word = docx.Document()
    levels = [
        {"pStyle": "Heading1", "numFmt": "decimal", "lvlText": "%1"},
        {"pStyle": "Heading2", "numFmt": "decimal", "lvlText": "%1.%2"},
    ]
    add_definition(word, 90, levels)
    add_list(word, 91, 90)
    for name in ("Heading 1", "Heading 2"):
        refer(word.styles[name].element.get_or_add_pPr(), 91)
    for text, level in (("Scope", 1), ("Fees", 1), ("Late fees", 2)):
        word.add_heading(text, level)
        word.add_paragraph(f"On {text.lower()}.")
    (document,) = load_bytes("a.docx", saved_bytes(word))
    assert headings(document) == ["1 Scope", "2 Fees", "2 Fees > 2.1 Late fees"]
    assert "2.1 Late fees" in document.text


def test_a_style_lends_its_list_and_a_paragraph_may_leave_it() -> None:
    word = contract()
    style = word.styles.add_style("Clause", 1)
    refer(style.element.get_or_add_pPr(), 91)
    word.styles.add_style("Small clause", 1).base_style = style
    word.add_paragraph("Rent", "Clause")
    word.add_paragraph("Deposit", "Small clause")
    add_item(word, "A note.", 0, style="Clause")
    assert text_of(word) == "1. Rent\n2. Deposit\n\nA note."


def test_more_text_of_an_item_has_no_marker() -> None:
    word = docx.Document()
    word.add_paragraph("An indented paragraph.", "List Paragraph")
    for text, style in (("Close it.", "Number"), ("Firmly.", "Continue"), ("Open it.", "Number")):
        word.add_paragraph(text, f"List {style}")
    (document,) = load_bytes("a.docx", saved_bytes(word))
    assert document.text == "An indented paragraph.\n\n1. Close it.\n  Firmly.\n2. Open it."
    items = [block for block in document.blocks if block.kind == "item"]
    first_item = document.text[items[0].start : items[0].end]
    assert first_item == "1. Close it.\n  Firmly."


def test_cells_are_numbered_as_well() -> None:
    word = contract()
    table = word.add_table(3, 2)
    for row, texts in zip(table.rows, (("No.", "Part"), ("", "Bolt"), ("", "Nut")), strict=True):
        for cell, text in zip(row.cells, texts, strict=True):
            cell.paragraphs[0].add_run(text)
    for row in table.rows[1:]:
        refer(row.cells[0].paragraphs[0]._p.get_or_add_pPr(), 91, 0)
    assert text_of(word).split("\n")[1:] == ["1. | Bolt", "2. | Nut"]


@pytest.mark.parametrize(
    ("list_id", "depth", "text"),
    [("77", "0", "- one"), ("91", "99", "- one"), ("91", "x", "1. one"), ("", "0", "one")],
)
def test_references_that_lead_nowhere(list_id: str, depth: str, text: str) -> None:
    word = contract()
    paragraph = add_item(word, "one", 91)
    for name, value in (("numId", list_id), ("ilvl", depth)):
        element = paragraph._p.find(f"{qn('w:pPr')}/{qn('w:numPr')}/{qn(f'w:{name}')}")
        element.set(qn("w:val"), value)
    assert text_of(word).strip() == text


def test_a_comment_finds_an_item_with_its_number() -> None:
    word = contract()
    add_item(word, "The rent is 900 euros.", 91)
    add_item(word, "The deposit is 1,800 euros.", 91)
    commented = with_comments(saved_bytes(word), [("2. The deposit is 1,800 euros.", "wrong")])
    (document,) = load_bytes("a.docx", commented)
    assert document.text == text_of(word)
    with_comment = docx.Document(io.BytesIO(commented))
    assert [comment.text for comment in with_comment.comments] == ["wrong"]
