"""Readers of a document's structure."""

from typing import Any

from rag import structure
from rag.structure import enclosing, heading_path, row_at, table_around
from rag.types import Block, BlockCell, BlockKind, Column, Passage

TEXT = """Costs > 5 EUR

- paper
- ink
  1. black

Paper | EUR
A4 | EUR: 7
A3 | EUR: 12

Summary

Dear."""


def _block(
    kind: BlockKind, beginning: str, ending: str = "", parent: int = -1, **fields: Any
) -> Block:
    """The block from the first occurrence of `beginning` to the end of `ending`."""
    start = TEXT.index(beginning)
    end = TEXT.index(ending or beginning, start) + len(ending or beginning)
    return Block(kind, start, end, parent, **fields)


def _value(column: int, text: str) -> BlockCell:
    return BlockCell(column, TEXT.index(text), TEXT.index(text) + len(text))


BLOCKS = (
    _block("heading", "Costs > 5 EUR", level=1, name="Costs > 5 EUR"),
    _block("list", "- paper", "black", 0),
    _block("item", "- paper", parent=1, marker="-"),
    _block("item", "- ink", "black", 1, marker="-"),
    _block("list", "1. black", parent=3),
    _block("item", "1. black", parent=4, marker="1."),
    _block("table", "Paper |", "EUR: 12", 0, columns=(Column("Paper"), Column("EUR"))),
    _block("header", "Paper | EUR", parent=6),
    _block("row", "A4 |", "EUR: 7", 6, cells=(_value(0, "A4"), _value(1, "7"))),
    _block("row", "A3 |", "EUR: 12", 6, name="row 3", cells=(_value(0, "A3"), _value(1, "12"))),
    _block("heading", "Summary", level=1, name="Summary"),
    _block("paragraph", "Dear.", parent=10),
)


def test_a_heading_path_has_one_text_a_heading_and_the_names_around_the_place() -> None:
    assert heading_path(BLOCKS, TEXT.index("black")) == ("Costs > 5 EUR",)
    assert heading_path(BLOCKS, TEXT.index("A3")) == ("Costs > 5 EUR", "row 3")
    assert heading_path(BLOCKS, TEXT.index("Dear")) == ("Summary",)
    assert heading_path((), 3) == ()


def test_the_innermost_list_around_a_place() -> None:
    nested, list_around = (enclosing(BLOCKS, TEXT.index(word), "list") for word in ("black", "ink"))
    assert nested is not None
    assert list_around is not None
    for index, texts in ((nested, ["1. black"]), (list_around, ["- paper", "- ink\n  1. black"])):
        assert [TEXT[i.start : i.end] for i in structure.items(BLOCKS, index)] == texts
    assert enclosing(BLOCKS, TEXT.index("A4"), "list") is None


def test_a_table_with_its_header_and_rows_and_the_value_of_a_cell() -> None:
    table = table_around(BLOCKS, TEXT.index("EUR: 12"))
    assert table is not None
    assert table.header == BLOCKS[7]
    assert table.rows == BLOCKS[8:10]
    row = row_at(BLOCKS, TEXT.index("12"))
    assert row is not None
    cells = [(table.column_name(c), TEXT[c.start : c.end]) for c in row.cells]
    assert cells == [("Paper", "A3"), ("EUR", "12")]
    assert table_around(BLOCKS, TEXT.index("ink")) is None


def test_the_children_of_a_heading() -> None:
    assert [BLOCKS[i].kind for i in structure.children(BLOCKS, 0)] == ["list", "table"]


def test_no_block_contains_the_space_between_two() -> None:
    assert structure.block_at(BLOCKS, TEXT.index("\n\nSummary")) is None
    assert structure.block_at(BLOCKS, TEXT.index("paper")) == 2


def test_rows_within_a_part_of_the_text_are_cut_to_it() -> None:
    start, end = TEXT.index("EUR\nA4"), TEXT.index("EUR: 12")
    rows = structure.rows_within(BLOCKS, start, end)
    assert [TEXT[start:end][row.start : row.end] for row in rows] == ["EUR", "A4 | EUR: 7", "A3 | "]
    a4 = rows[1].cells
    assert [TEXT[start:end][cell.start : cell.end] for cell in a4] == ["A4", "7"]
    assert structure.rows_within(BLOCKS, 0, TEXT.index("Paper")) == ()


def test_a_part_of_a_passage_has_its_part_of_the_rows() -> None:
    """It never ended: the rows had parents that were not among them."""
    rows = structure.rows_within(BLOCKS, 0, len(TEXT))
    passage = Passage("a", 0, len(TEXT), TEXT, "A", (), rows)
    start, end = TEXT.index("A4"), TEXT.index("\nA3")
    part = structure.part_of(passage, start, end)
    (row,) = part.rows or ()
    assert part.text == part.text[row.start : row.end] == "A4 | EUR: 7"
    assert structure.part_of(part, 0, 2).text == "A4"


def test_a_row_is_one_sentence_of_a_document() -> None:
    blocks = structure.with_sentences(TEXT, BLOCKS)
    row = structure.sentence_around(blocks, TEXT.index("7"), TEXT.index("7") + 1)
    assert TEXT[slice(*row)] == "A4 | EUR: 7"
    text = "Run cat | wc. Go on."
    prose = structure.with_sentences(text, (Block("paragraph", 0, len(text)),))
    assert structure.sentence_around(prose, 15, 16) == (14, 20)
