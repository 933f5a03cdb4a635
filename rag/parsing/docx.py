"""DOCX, through python-docx: headings by style, lists, tables, footnotes, and saved page breaks."""

import io
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from operator import itemgetter
from typing import Any, NamedTuple

import docx
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from docx.table import Table
from docx.text.paragraph import Paragraph

from rag.parsing.base import BOLD, Parsed, Part, join, level_of_bold, list_part, with_pages
from rag.parsing.docx_numbering import BULLET, ListLabel, Numbering
from rag.parsing.metadata import core_metadata
from rag.parsing.tables import (
    MOST_SPANNED,
    SpanningCell,
    SpanningRows,
    are_headers,
    header_rows,
)
from rag.types import Block

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
_LIST_STYLE = re.compile(r"(?i)list (?P<kind>.*?) ?(?P<depth>[2-9])?")
"""The name of a list's style; one of an inner list ends in its depth."""
_MORE_OF_ITEM = ("continue", "paragraph")
"""Kinds of these styles for text that has no marker of its own."""
PIECES = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
TEXT = qn("w:t")
_PAGE = qn("w:lastRenderedPageBreak")
_COMPATIBLE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
LEFT_OUT = qn("w:del"), qn("w:moveFrom"), f"{_COMPATIBLE}Fallback"
_OUTLINE_LEVEL = f"{qn('w:pPr')}/{qn('w:outlineLvl')}"
_NO_LEVEL = 9
_DEEPEST_LEVEL = 5
"""Outline levels count from 0; a paragraph without one is body text."""
_SPAN = f"{qn('w:tcPr')}/{qn('w:gridSpan')}"
_VERTICAL_MERGE = f"{qn('w:tcPr')}/{qn('w:vMerge')}"
_REPEATED = f"{qn('w:trPr')}/{qn('w:tblHeader')}"
_PARAGRAPH = qn("w:p")
_TABLE = qn("w:tbl")
_VALUE = qn("w:val")
_BOLD_TYPE = f"{qn('w:rPr')}/{qn('w:b')}"
_CONTROLS = (qn("w:sdt"), qn("w:sdtContent"), qn("w:customXml"))
_GALLERY = f"{qn('w:sdtPr')}/{qn('w:docPartObj')}/{qn('w:docPartGallery')}"
_CUT = "\f"
"""Marks a page break within a paragraph."""
_PIECE = re.compile(r"\f|\S(?:[^\f]*\S)?")
"""A page break, or the text before or after one without spaces around it."""


def parse(content: bytes) -> Parsed:
    """Text, headings, metadata, and pages if the file has page breaks."""
    document = docx.Document(io.BytesIO(content))
    parts = [*_body(document), *_notes(document)]
    metadata = core_metadata(document.core_properties)

    title = _title(parts[:3])
    if title is not None:
        metadata.setdefault("title", title)

    if any(_CUT in part.text for part in parts):
        return _paged(parts, metadata)
    text, blocks = join(parts)
    return Parsed(text, blocks, metadata)


def _title(parts: Sequence[Part]) -> str | None:
    """The first text, if it is a heading that is more than bold."""
    for part in parts:
        if not part.text.strip():
            continue
        is_heading = 0 < part.level < BOLD
        return part.text.replace(_CUT, "") if is_heading else None
    return None


# Pages


def _paged(parts: Sequence[Part], metadata: dict[str, str]) -> Parsed:
    """The document, with a page from the first text after each page break on."""
    parts_with_text: list[Part] = []
    starts = [(0, 0)]
    breaks = 0
    """those after which no text has come yet"""
    for part in parts:
        text = ""
        pieces: list[_KeptPiece] = []
        for match in _PIECE.finditer(part.text):
            piece = match[0]
            if piece == _CUT:
                breaks += 1
                continue

            if text:
                text += " "
            start = (len(parts_with_text), len(text))
            starts += [start] * breaks
            breaks = 0
            pieces.append(_KeptPiece(match.start(), len(text), len(piece)))
            text += piece
        if text:
            parts_with_text.append(
                replace(part, text=text, blocks=_moved_blocks(part.blocks, pieces))
            )

    end = (len(parts_with_text), 0)
    starts += [end] * breaks
    return with_pages(parts_with_text, starts, metadata)


class _KeptPiece(NamedTuple):
    """A piece of a text, and where it is after the page breaks were removed."""

    old_start: int
    new_start: int
    length: int


def _moved_blocks(blocks: Sequence[Block], pieces: Sequence[_KeptPiece]) -> tuple[Block, ...]:
    """The blocks of a text after only these pieces of it were kept."""

    def new_offset(offset: int) -> int:
        following = bisect_right(pieces, offset, key=itemgetter(0))
        piece = pieces[max(0, following - 1)]
        offset_in_piece = max(0, offset - piece.old_start)
        return piece.new_start + min(offset_in_piece, piece.length)

    moved_blocks: list[Block] = []
    for block in blocks:
        last_offset = block.end - 1
        moved_blocks.append(
            block._replace(start=new_offset(block.start), end=new_offset(last_offset) + 1)
        )
    return tuple(moved_blocks)


# Paragraphs


def _body(document: Any) -> Iterator[Part]:
    """The parts of the body. The items of a list are one part."""
    numbering = Numbering(document)
    items: list[tuple[int, str, str]] = []
    caption = ""
    """directly above"""
    for node in _children(document.element.body, _PARAGRAPH, _TABLE):
        paragraph = Paragraph(node, document) if node.tag == _PARAGRAPH else None
        label = None if paragraph is None else numbering.label(node)
        if paragraph is not None:
            item = _item(paragraph, label, is_in_list=bool(items))
            if item is not None:
                items.append(item)
                continue
        if items:
            yield list_part(items)
            items = []

        if paragraph is None:
            context = (caption,) if caption else ()
            yield _table(Table(node, document), context, numbering)
            caption = ""
        elif _style(paragraph).lower() == "caption":
            caption = _text(node)
            yield _caption(caption, _level(paragraph))
        else:
            caption = ""
            yield _paragraph(paragraph, label)
    yield list_part(items)


def _item(
    paragraph: Paragraph, label: ListLabel | None, is_in_list: bool
) -> tuple[int, str, str] | None:
    """A paragraph as a line of `list_part`, by its numbering or style; None if it is no item, and
    no more text of the item above.
    """
    if _level(paragraph):
        return None
    style = _LIST_STYLE.fullmatch(_style(paragraph))
    depth = 0
    if style and style["depth"]:
        depth = int(style["depth"]) - 1

    text = _text(paragraph._p).strip()
    if label is not None and label.marker:
        return max(depth, label.depth), label.marker, text
    if style is None:
        return None
    if style["kind"].lower() not in _MORE_OF_ITEM:
        return depth, BULLET, text
    if is_in_list:
        return depth, "", text
    return None


def _caption(text: str, level: int) -> Part:
    """A caption, which names the table below it; an empty one is an empty paragraph."""
    if not text:
        return Part(text, level)
    return Part(text, level, context=(text,), kind="caption")


def _paragraph(paragraph: Paragraph, label: ListLabel | None) -> Part:
    """A paragraph, or a heading by its style, with its number, or in bold."""
    text = _text(paragraph._p)
    level = _level(paragraph)
    if not level and _is_bold(paragraph._p):
        level = level_of_bold(text)

    is_numbered = level and label is not None and label.marker not in ("", BULLET)
    if label is not None and is_numbered and text.strip():
        text = f"{label.marker} {text.lstrip()}"
    return Part(text, level)


def _children(element: Any, *tags: str) -> Iterator[Any]:
    """Child elements with these tags, also in content controls, but no table of contents."""
    stack = list(reversed(element))
    while stack:
        node = stack.pop()
        if node.tag in tags:
            yield node
        elif node.tag in _CONTROLS and not _is_table_of_contents(node):
            stack += reversed(node)


def _is_table_of_contents(control: Any) -> bool:
    """Whether a content control is one; its lines repeat the headings."""
    galleries = [gallery.get(_VALUE) for gallery in control.iterfind(_GALLERY)]
    return "Table of Contents" in galleries


def _style(paragraph: Paragraph) -> str:
    """The name of a paragraph's style; "" without one."""
    style = paragraph.style
    if not style:
        return ""
    return style.name or ""


def _level(paragraph: Paragraph) -> int:
    """1 for the title, 2 and up for headings by style or outline level, 0 for text."""
    name = _style(paragraph)
    if name.lower() == "title":
        return 1
    heading = _HEADING.match(name)
    if heading:
        return int(heading.group(1)) + 1
    outline_level = _value(paragraph._p, _OUTLINE_LEVEL, _NO_LEVEL)
    if outline_level > _DEEPEST_LEVEL:
        return 0
    return outline_level + 2


def _value(node: Any, path: str, default: int) -> int:
    """The value of an element in the node, if it has one."""
    element = node.find(path)
    if element is None:
        return default
    return int(element.get(_VALUE, default))


# Tables


def _table(table: Table, context: tuple[str, ...], numbering: Numbering) -> Part:
    """One line per row; merged cells occur once. Header rows are those above figures, or the rows
    that are marked as repeated, or a first row that alone is bold. In a table of three columns or
    more, a first row that looks like headers counts too; tables of two columns often have a name
    and a value in each row.
    """
    elements = list(_children(table._tbl, qn("w:tr")))
    rows = _cells(elements, numbering)
    depth = _header_rows(elements, rows)

    text = SpanningRows()
    for number, row in enumerate(rows):
        for cell in row:
            cell.is_header = number < depth
        text.add(row)
    return text.table.part(context)


def _cells(elements: Sequence[Any], numbering: Numbering) -> list[list[SpanningCell]]:
    """The cells of each row, without those that one above is merged with."""
    rows: list[list[SpanningCell]] = []
    spanning: dict[int, SpanningCell] = {}
    """by column, the last cell that goes down"""
    for element in elements:
        row: list[SpanningCell] = []
        column = 0
        for node in _children(element, qn("w:tc")):
            cell = _cell(node, numbering)
            merge = node.find(_VERTICAL_MERGE)
            is_merged = merge is not None
            is_covered = is_merged and merge.get(_VALUE, "continue") == "continue"

            if is_covered and column in spanning:
                cell_above = spanning[column]
                cell_above.rows = min(MOST_SPANNED, cell_above.rows + 1)
            else:
                row.append(cell)
                spanning.pop(column, None)
            if is_merged and not is_covered:
                spanning[column] = cell
            column += cell.columns
        rows.append(row)
    return rows


def _cell(node: Any, numbering: Numbering) -> SpanningCell:
    """A cell with the columns that it spans."""
    columns = max(1, _value(node, _SPAN, 1))
    cell = SpanningCell(_text(node, " ", numbering).split())
    cell.columns = min(MOST_SPANNED, columns)
    return cell


def _header_rows(elements: Sequence[Any], rows: Sequence[Sequence[SpanningCell]]) -> int:
    """Number of header rows at the top."""
    if len(rows) < 2:
        return 0

    over_values = header_rows(rows, only_over_values=True)
    if over_values:
        return over_values

    repeated = takewhile(_is_repeated, elements[:-1])
    repeated_rows = sum(1 for _ in repeated)
    if repeated_rows:
        return repeated_rows

    if _is_bold(elements[0]) and not _is_bold(elements[1]):
        return 1
    first_row = [cell.text for cell in rows[0]]
    second_row = [cell.text for cell in rows[1]]
    if len(first_row) > 2 and are_headers(first_row, second_row):
        return 1
    return 0


def _is_repeated(row: Any) -> bool:
    """Whether a row is marked to be repeated on each page, as headers are."""
    return row.find(_REPEATED) is not None


# Text


def _is_bold(element: Any) -> bool:
    """Whether all text of a row or paragraph is bold."""
    has_text = False
    for run in element.iter(qn("w:r")):
        if run.find(TEXT) is None:
            continue
        has_text = True
        mark = run.find(_BOLD_TYPE)
        if mark is None or mark.get(_VALUE, "1") in ("0", "false"):
            return False
    return has_text


def _text(element: Any, after_paragraph: str = "", numbering: Numbering | None = None) -> str:
    """Text of an element, without tracked deletions; with the numbers of its paragraphs, if they
    are counted.
    """
    parts: list[str] = []
    stack = [element]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            parts.append(node)
        elif node.tag == TEXT:
            parts.append(node.text or "")
        elif node.tag == _PAGE:
            parts.append(_CUT)
        elif node.tag in PIECES:
            parts.append(PIECES[node.tag])
        elif node.tag not in LEFT_OUT:
            if node.tag == _PARAGRAPH:
                stack.append(after_paragraph)
                label = numbering.label(node) if numbering else None
                if label and label.marker != BULLET:
                    parts.append(f"{label.marker} ")
            stack += reversed(node)
    return "".join(parts)


def _notes(document: Any) -> Iterator[Part]:
    """Footnotes and endnotes, at the end."""
    for kind in ("footnote", "endnote"):
        for relation in document.part.rels.values():
            is_of_kind = relation.reltype.endswith(f"/{kind}s")
            if not is_of_kind or relation.is_external:
                continue
            notes = parse_xml(relation.target_part.blob)
            for note in notes.iterchildren(qn(f"w:{kind}")):
                text = _text(note, "\n")
                yield Part(text.replace(_CUT, ""))
