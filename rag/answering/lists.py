"""Lists and tables as in the document: all items of the list around a place, with their numbers,
and all rows of a table. `rag.answering.table_cells` picks single cells.
"""

from __future__ import annotations

from collections.abc import Sequence

from rag.meaning.sentences import Offsets
from rag.meaning.words import content_words
from rag.structure import TableRows, enclosing, items, next_block, table_around
from rag.types import Block, Document


def list_at(document: Document, start: int, end: int) -> list[Offsets]:
    """The items of the innermost list that contains the character at `start`, or that a sentence up
    to `end` introduces with a colon, each with its marker and everything below it; [] for fewer
    than two items.
    """
    item = enclosing(document.blocks, start, "item")
    index = _introduced(document, end) if item is None else document.blocks[item].parent
    if index is None:
        return []
    offsets = [(item.start, item.end) for item in items(document.blocks, index)]
    return offsets if len(offsets) > 1 else []


def rows_at(document: Document, start: int) -> list[Offsets]:
    """The rows of the table that contains the offset, if each of their cells follows the name of
    its column, up to the nearest rows that do not; [] for another place.
    """
    table = table_around(document.blocks, start)
    if table is None:
        return []
    number = next((n for n, row in enumerate(table.rows) if row.start <= start < row.end), None)
    if number is None or not _is_named(table, table.rows[number]):
        return []
    first, last = number, number
    while first > 0 and _is_named(table, table.rows[first - 1]):
        first -= 1
    while last + 1 < len(table.rows) and _is_named(table, table.rows[last + 1]):
        last += 1
    rows = [(row.start, row.end) for row in table.rows[first : last + 1]]
    return rows if len(rows) > 1 else []


def _is_named(table: TableRows, row: Block) -> bool:
    """Whether the row has several cells, all of columns with names."""
    return len(row.cells) > 1 and all(map(table.column_name, row.cells))


def matching_rows(question: str, text: str, rows: Sequence[Offsets]) -> list[Offsets]:
    """The rows that have the most of the question's words, not counting those that every row has;
    all rows if none has such a word.
    """
    question_words = content_words(question)
    row_words = [question_words & content_words(text[slice(*row)]) for row in rows]
    everywhere = question_words.intersection(*row_words)
    own = [len(words - everywhere) for words in row_words]
    return [row for row, count in zip(rows, own, strict=True) if count == max(own)]


def lead_in(document: Document, start: int) -> Offsets | None:
    """The last sentence of the paragraph right above the list that begins at `start`; None if
    something else is above it.
    """
    blocks, index = document.blocks, enclosing(document.blocks, start, "list")
    if not index or blocks[index - 1].kind != "sentence" or blocks[index - 1].parent < 0:
        return None
    sentence = blocks[index - 1]
    above = blocks[sentence.parent]
    if above.kind != "paragraph" or above.parent != blocks[index].parent:
        return None
    return sentence.start, sentence.end


def _introduced(document: Document, end: int) -> int | None:
    """Index of the list after the paragraph with a sentence up to `end`, if a colon is between."""
    above = enclosing(document.blocks, end - 1, "paragraph")
    if above is None or document.text[document.blocks[above].end - 1] != ":":
        return None
    below = next_block(document.blocks, above)
    return below if below is not None and document.blocks[below].kind == "list" else None
