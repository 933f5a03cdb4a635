"""The blocks of every format nest, do not overlap otherwise, cover the text, and are kept."""

from typing import Any

import docx
import openpyxl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rag.errors import InputError
from rag.packed_blocks import PackedBlocks
from rag.types import Document
from tests.parsing.archives import saved_bytes
from tests.parsing.reading import load_bytes
from tests.parsing.test_office import add_table

PIECES = st.sampled_from(
    [
        "# Costs > 5 EUR", "## Part", "- paper\n- ink\n  1. black\n  2. blue",
        "1) one\n\n2) two\n   more", "| A | B |\n|---|---|\n| x \\| y | 2 |\n| z | 3 |",
        "<ul><li>a<table><tr><th>H<th>I<tr><td>1<td>2</table><li>b</ul>",
        "<dl><dt>Term</dt><dd><p>Meaning</p><ul><li>x</li></ul></dd></dl>",
        "<table><caption>C</caption><tr><td rowspan=2>a<td>b<tr><td>c</table>",
        "A. Smith wrote.\nA line.", "Name\n    Its meaning,\n    and more.", "TITLE\n=====",
        "```\ncode\n\nmore\n```", "**Bold**", "> quoted\n>\n> - item", "a,b,c\n1,2 | 3: x,",
        '[1, {"title": "T", "text": "- a\\n- b"}, {"k": "v"}]',
        ".. option:: -x\n\n   What it does:\n\n   * one\n   * two",
        "== ==\na  b\n== ==\n1  2\n== ==", "Emoji 🐟 \u2028 and \x1c space",
    ]
)  # fmt: skip
SOURCES = st.lists(PIECES, max_size=6).map("\n\n".join)


def check(document: Document) -> None:
    text, blocks = document.text, document.blocks
    covered = bytearray(len(text))
    last_end: dict[int, int] = {}
    for index, block in enumerate(blocks):
        assert 0 <= block.start < block.end <= len(text)
        assert -1 <= block.parent < index
        assert not text[block.start].isspace()
        assert not text[block.end - 1].isspace()
        is_sentence = block.kind == "sentence"
        parent = block.parent if is_sentence else container(blocks, block.parent)
        if parent >= 0:
            assert blocks[parent].start <= block.start
            assert block.end <= blocks[parent].end
        assert last_end.get(parent, 0) <= block.start, "blocks beside each other overlap"
        last_end[parent] = block.end
        if is_sentence:
            covered[block.start : block.end] = b"\1" * (block.end - block.start)
        end = block.start
        for cell in block.cells:
            assert end <= cell.start < cell.end <= block.end
            end = cell.end
        if block.kind == "item":
            assert blocks[block.parent].kind == "list"
            assert text.startswith(block.marker, block.start)
        if block.kind in ("row", "header"):
            assert blocks[block.parent].kind == "table"
    assert all(covered[i] for i, c in enumerate(text) if not c.isspace())
    assert PackedBlocks(PackedBlocks.of(blocks).data) == tuple(blocks)


def container(blocks: object, index: int) -> int:
    """The innermost block around that is no heading."""
    while index >= 0 and blocks[index].kind == "heading":  # type: ignore[index]
        index = blocks[index].parent  # type: ignore[index]
    return index


@settings(max_examples=60)
@given(SOURCES, st.sampled_from(["md", "txt", "html", "rst", "csv", "eml"]))
def test_blocks_nest_and_cover_the_text(source: str, kind: str) -> None:
    if kind == "eml":
        source = f"Subject: Hi\nFrom: a@b.example\n\n{source}"
    try:
        (document,) = load_bytes(f"a.{kind}", source)
    except InputError:  # no text, or no JSON
        assume(False)
    check(document)
    assert load_bytes(f"a.{kind}", source) == [document]


def test_a_cell_with_a_bar_and_a_colon_is_one_cell() -> None:
    (document,) = load_bytes("a.csv", b"size,material\nM4 | M5: steel,zinc\n8,brass\n")
    row = next(block for block in document.blocks if block.kind == "row")
    assert [document.text[c.start : c.end] for c in row.cells] == ["M4 | M5: steel", "zinc"]
    table = document.blocks[row.parent]
    assert [column.name for column in table.columns] == ["size", "material"]


def test_records_are_rows_or_groups_under_their_title() -> None:
    group = r'{"title": "T", "text": "- a\n- b", "k": "x"}'
    (document,) = load_bytes("a.json", f'[{{"k": "v", "n": 1}}, {{"k": "w"}}, {group}]')
    check(document)
    blocks = [block for block in document.blocks if block.kind != "sentence"]
    kinds = [(block.kind, block.name) for block in blocks]
    assert kinds[:3] == [("table", ""), ("row", "record 1"), ("row", "record 2")]
    assert kinds[3:6] == [("group", "T"), ("paragraph", ""), ("list", "")]


@pytest.mark.parametrize("kind", ["docx", "xlsx"])
def test_office_documents(kind: str) -> None:
    office: Any = docx.Document() if kind == "docx" else openpyxl.Workbook()
    if kind == "docx":
        office.add_heading("Stock", 1)
        for text in ("one", "two"):
            office.add_paragraph(text, style="List Bullet")
        office.add_paragraph("1) by hand")
        office.add_paragraph("2) again")
        add_table(office, "Item | Shelf | Price", "Oil | B4 | 7")
    else:
        for row in (["Stock"], ["Item", "Price"], ["Oil", 7], ["Tar", 9]):
            office.active.append(row)
    (document,) = load_bytes(f"a.{kind}", saved_bytes(office))
    check(document)
    table_row = next(block for block in document.blocks if block.kind == "row" and block.cells)
    assert document.text[table_row.cells[0].start : table_row.cells[0].end] == "Oil"
    assert document.blocks[table_row.parent].columns[0].name == "Item"
    lists = [block for block in document.blocks if block.kind == "list"]
    assert len(lists) == (2 if kind == "docx" else 0)
