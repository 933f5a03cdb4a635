"""DOCX, through python-docx: headings by style, lists, tables, footnotes, and saved page breaks."""

import io
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from operator import itemgetter
from typing import Any

import docx
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml
from docx.table import Table
from docx.text.paragraph import Paragraph

from rag.parsing.base import BOLD, Parsed, Part, join, level_of_bold, list_part, with_pages
from rag.parsing.metadata import core_metadata
from rag.parsing.tables import (
    MOST_SPANNED,
    SpanningCell,
    SpanningRows,
    are_headers,
    header_rows,
)
from rag.types import Block, BlockKind

_HEADING = re.compile(r"heading (\d)", re.IGNORECASE)
PIECES = {qn("w:tab"): "\t", qn("w:br"): "\n", qn("w:cr"): "\n", qn("w:noBreakHyphen"): "-"}
TEXT, _PAGE = qn("w:t"), qn("w:lastRenderedPageBreak")
_COMPATIBLE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
LEFT_OUT = qn("w:del"), qn("w:moveFrom"), f"{_COMPATIBLE}Fallback"
_OUTLINE_LEVEL = f"{qn('w:pPr')}/{qn('w:outlineLvl')}"
_NUMBERING = f"{qn('w:pPr')}/{qn('w:numPr')}"
_SPAN = f"{qn('w:tcPr')}/{qn('w:gridSpan')}"
_DOWN = f"{qn('w:tcPr')}/{qn('w:vMerge')}"
_REPEATED = f"{qn('w:trPr')}/{qn('w:tblHeader')}"
_PARAGRAPH, _TABLE = qn("w:p"), qn("w:tbl")
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
    filled = [part for part in parts[:3] if part.text.strip()]
    if filled and 0 < filled[0].level < BOLD:
        metadata.setdefault("title", filled[0].text.replace(_CUT, ""))
    if any(_CUT in part.text for part in parts):
        return _paged(parts, metadata)
    return Parsed(*join(parts), metadata)


def _paged(parts: Sequence[Part], metadata: dict[str, str]) -> Parsed:
    """The document, with a page from the first text after each page break on."""
    pieces_of_text: list[Part] = []
    starts = [(0, 0)]
    breaks = 0
    for part in parts:
        text, pieces = "", list[tuple[int, int, int]]()
        for match in _PIECE.finditer(part.text):
            if match[0] == _CUT:
                breaks += 1
                continue
            text += " " if text else ""
            starts += [(len(pieces_of_text), len(text))] * breaks
            breaks = 0
            pieces.append((match.start(), len(text), len(match[0])))
            text += match[0]
        if text:
            pieces_of_text.append(replace(part, text=text, blocks=_moved(part.blocks, pieces)))
    return with_pages(pieces_of_text, [*starts, *[(len(pieces_of_text), 0)] * breaks], metadata)


def _moved(blocks: Sequence[Block], pieces: Sequence[tuple[int, int, int]]) -> tuple[Block, ...]:
    """The blocks of a text after only these pieces were kept: (old offset, new offset, length)."""

    def now(offset: int) -> int:
        last = max(0, bisect_right(pieces, offset, key=itemgetter(0)) - 1)
        before, after, length = pieces[last]
        return after + min(max(0, offset - before), length)

    return tuple(b._replace(start=now(b.start), end=now(b.end - 1) + 1) for b in blocks)


def _body(document: Any) -> Iterator[Part]:
    items: list[tuple[int, str, str]] = []
    caption = ""
    """directly above"""
    for node in _children(document.element.body, _PARAGRAPH, _TABLE):
        element = Paragraph(node, document) if node.tag == _PARAGRAPH else Table(node, document)
        if isinstance(element, Paragraph) and _is_item(element):
            depth = _value(element._p, f"{_NUMBERING}/{qn('w:ilvl')}", 0)
            items.append((depth, "-", _text(element._p).strip()))
            continue
        if items:
            yield list_part(items)
            items = []
        if isinstance(element, Table):
            yield _table(element, (caption,) if caption else ())
            caption = ""
            continue
        text, is_caption = _text(element._p), _style(element).lower() == "caption"
        caption = text if is_caption else ""
        bold = level_of_bold(text) if not is_caption and _is_bold(element._p) else 0
        kind: BlockKind = "caption" if caption else "paragraph"
        context = (caption,) if caption else ()
        yield Part(text, _level(element) or bold, context=context, kind=kind)
    yield list_part(items)


def _children(element: Any, *tags: str) -> Iterator[Any]:
    """Child elements with these tags, also in content controls, but no table of contents."""
    stack = list(element)[::-1]
    while stack:
        node = stack.pop()
        if node.tag in tags:
            yield node
        elif node.tag in _CONTROLS and not any(
            g.get(qn("w:val")) == "Table of Contents" for g in node.iterfind(_GALLERY)
        ):
            stack += list(node)[::-1]


def _style(paragraph: Paragraph) -> str:
    return (paragraph.style.name if paragraph.style else "") or ""


def _level(paragraph: Paragraph) -> int:
    """1 for the title, 2 and up for headings by style or outline level, 0 for text."""
    name = _style(paragraph)
    if name.lower() == "title":
        return 1
    if match := _HEADING.match(name):
        return int(match.group(1)) + 1
    level = _value(paragraph._p, _OUTLINE_LEVEL, 9)
    return level + 2 if level < 6 else 0


def _is_item(paragraph: Paragraph) -> bool:
    """Whether a paragraph is an item of a list, by its numbering or style."""
    is_numbered = paragraph._p.find(_NUMBERING) is not None
    return (is_numbered or _style(paragraph).startswith("List ")) and not _level(paragraph)


def _value(node: Any, path: str, default: int) -> int:
    """The value of an element in the node, if it has one."""
    element = node.find(path)
    return default if element is None else int(element.get(qn("w:val"), default))


def _table(table: Table, context: tuple[str, ...]) -> Part:
    """One line per row; merged cells occur once. Header rows are those above figures, or the rows
    that are marked as repeated, or a first row that alone is bold, or that looks like headers in a
    table of three columns or more; tables of two columns often have a name and a value in each row.
    """
    elements = list(_children(table._tbl, qn("w:tr")))
    rows = _cells(elements)
    depth = _header_rows(elements, rows)

    text = SpanningRows()
    for number, row in enumerate(rows):
        for cell in row:
            cell.is_header = number < depth
        text.add(row)
    return text.table.part(context)


def _cells(elements: Sequence[Any]) -> list[list[SpanningCell]]:
    """The cells of each row, without those that one above is merged with."""
    rows: list[list[SpanningCell]] = []
    spanning: dict[int, SpanningCell] = {}
    """by column, the last cell that goes down"""
    for element in elements:
        row: list[SpanningCell] = []
        column = 0
        for node in _children(element, qn("w:tc")):
            merge = node.find(_DOWN)
            cell = SpanningCell(_text(node, " ").split())
            cell.columns = min(MOST_SPANNED, max(1, _value(node, _SPAN, 1)))
            is_covered = merge is not None and merge.get(qn("w:val"), "continue") == "continue"
            if is_covered and column in spanning:
                spanning[column].rows = min(MOST_SPANNED, spanning[column].rows + 1)
            else:
                row.append(cell)
                spanning.pop(column, None)
            if merge is not None and not is_covered:
                spanning[column] = cell
            column += cell.columns
        rows.append(row)
    return rows


def _header_rows(elements: Sequence[Any], rows: Sequence[Sequence[SpanningCell]]) -> int:
    """Number of header rows at the top."""
    if len(rows) < 2:
        return 0
    if depth := header_rows(rows, only_over_values=True):
        return depth
    marked = takewhile(lambda row: row.find(_REPEATED) is not None, elements[:-1])
    if depth := sum(1 for _ in marked):
        return depth
    header, next_row = ([cell.text for cell in row] for row in rows[:2])
    is_bold = _is_bold(elements[0]) and not _is_bold(elements[1])
    return int(is_bold or (len(header) > 2 and are_headers(header, next_row)))


def _is_bold(element: Any) -> bool:
    """Whether all text of a row or paragraph is bold."""
    runs = [run for run in element.iter(qn("w:r")) if run.find(TEXT) is not None]
    marks = [run.find(f"{qn('w:rPr')}/{qn('w:b')}") for run in runs]
    return bool(marks) and all(
        mark is not None and mark.get(qn("w:val"), "1") not in ("0", "false") for mark in marks
    )


def _text(element: Any, after_paragraph: str = "") -> str:
    """Text of an element, without tracked deletions."""
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
            stack += [after_paragraph] if node.tag == qn("w:p") else []
            stack += reversed(list(node))
    return "".join(parts)


def _notes(document: Any) -> Iterator[Part]:
    """Footnotes and endnotes, at the end."""
    for kind in ("footnote", "endnote"):
        for relation in document.part.rels.values():
            if relation.reltype.endswith(f"/{kind}s") and not relation.is_external:
                for note in parse_xml(relation.target_part.blob).iterchildren(qn(f"w:{kind}")):
                    yield Part(_text(note, "\n").replace(_CUT, ""))
