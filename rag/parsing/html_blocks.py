"""Builds parts from the elements of HTML: paragraphs, headings, lists, definitions and tables."""

import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from rag.parsing.base import MOST_NAMES, Part, level_of_bold, list_part, one_line, stacked
from rag.parsing.html_furniture import BLOCKS, HEADINGS, REMARKS, classes
from rag.parsing.tables import MOST_SPANNED, SpanningCell, SpanningRows, header_rows
from rag.types import BlockKind

_LISTS = ("ul", "ol", "menu")
_BOLD = ("b", "strong")
_WHITE = re.compile(r"\s+")


class PartBuilder:
    """Builds parts from tags. A list or a table is one part, with a line per item or row."""

    def __init__(self) -> None:
        self.parts: list[Part] = []
        self._items: list[tuple[int, str, str]] = []
        """lines of the open list, as for `list_part`"""
        self._cells: list[SpanningCell] = []
        """cells of the open row"""
        self._rows = SpanningRows()
        self._pieces: list[Part] = []
        """finished tables of the open list or table, and the lists between them"""
        self._inline: list[str] = []
        self._numbers: list[int] = []
        """next item number of each open list, negative for unnumbered ones"""
        self._terms: list[str] = []
        """current term of each open definition list, and caption of each figure"""
        self._is_named = False
        """the previous element was a term; a term directly after it is a synonym"""
        self._in = ""
        """the open naming element: "dt" or "caption" """
        self._marker = ""
        self._caption = ""
        """caption of the open table"""
        self._tables = 0
        self._pre = 0
        self._bold = 0
        """number of open elements in bold type"""
        self._is_bold = True
        """whether all inline text so far is bold"""
        self._level = 0

    def take(self) -> list[Part]:
        parts, self.parts = self.parts, []
        return parts

    def text(self, text: str, parent: str) -> None:
        is_number = parent == "sup" and text.strip()[:1].isdigit()
        if is_number and self._inline and self._inline[-1][-1:].isdigit():
            self._inline.append("^")  # "10^3", "£5^1": keep it apart from the number before it
        self._is_bold = self._is_bold and (self._bold > 0 or not text.strip())
        self._inline.append(text if self._pre else _WHITE.sub(" ", text))

    def start(self, name: str, tag: Any) -> None:
        if name == "br" or (self._pre and name in BLOCKS):
            self._inline.append("\n")
        elif name in BLOCKS:
            self.end_line()
            self._open(name, tag)
        self._pre += name == "pre"
        self._bold += name in _BOLD

    def end(self, name: str, tag: Any) -> None:
        if name in BLOCKS and self._pre <= (name == "pre"):
            self.end_line()
            self._close(name, tag)
        self._pre -= name == "pre"
        self._bold -= name in _BOLD

    def _open(self, name: str, tag: Any) -> None:
        self._in = name if name in ("dt", "caption") else self._in
        self._is_named = self._is_named and name != "dd"

        parent = tag.getparent()

        if name in HEADINGS and not (parent is not None and classes(parent) & REMARKS):
            self.end_lines()
            self._level = HEADINGS[name]

        elif name in _LISTS and not self._tables:
            start = tag.get("start", "1")
            first_number = int(start) if re.fullmatch("[0-9]{1,9}", start) else 1
            self._numbers.append(first_number if name == "ol" else -1)

        elif name == "li":
            self._marker = "-"
            if self._numbers and self._numbers[-1] >= 0:
                self._marker = f"{self._numbers[-1]}."
                self._numbers[-1] += 1

        elif _names_its_content(name, tag) and not self._tables:
            self._terms.append("" if name == "dl" else _caption(tag))

        elif name in ("table", "tr"):
            self._end_row()
            self._tables += name == "table"
            if name == "table":
                self._end_piece()
                self._caption = ""

        elif name in ("td", "th") and self._tables:
            self._cells.append(SpanningCell([], name == "th", *_spans(tag)))

    def _close(self, name: str, tag: Any) -> None:
        if name in HEADINGS:
            self._level = 0
        elif name in _LISTS and not self._tables:
            self._numbers = self._numbers[:-1]
        elif name == "li":
            self._marker = ""
        elif name in ("table", "tr", "caption"):
            self._end_row()
            self._tables -= name == "table"
            if name == "table":
                self._end_piece()
        if not self._numbers and not self._tables:
            self.end_lines()
        if name == "table":
            self._caption = ""
        if _names_its_content(name, tag) and not self._tables:
            self._terms = self._terms[:-1]
        self._in = "" if name == self._in else self._in

    def end_line(self) -> None:
        """Make the inline text a paragraph, or a part of the open heading, cell or item."""
        text, is_bold = "".join(self._inline), self._is_bold
        self._inline, self._is_bold = [], True

        if not text.strip():
            return

        if not self._pre:  # the remaining line breaks come from <br>
            text = "\n".join(filter(None, map(one_line, text.split("\n"))))

        if self._level:
            self.parts.append(Part(text, self._level))
            self._level = 0  # the heading may never be closed

        elif self._tables and self._in == "caption" and not self._cells:
            self._caption = text
            self._rows.table.caption(one_line(text))

        elif self._tables:
            self._caption = text if self._in == "caption" else self._caption
            self._cells = self._cells or [SpanningCell([])]
            self._cells[-1].words.extend(text.split())

        elif self._numbers:
            self._items.append((len(self._numbers) - 1, self._marker, text.strip()))
            self._marker = ""

        else:
            if self._in == "dt" and self._terms:
                term = text.rstrip(" :")
                self._terms[-1] = f"{self._terms[-1]}, {text}" if self._is_named else term
                self._is_named = True

            is_heading = is_bold and not (self._pre or self._marker or self._terms or self._in)
            marked = f"{self._marker} {text}" if self._marker else text
            kind: BlockKind = "code" if self._pre else "paragraph"

            self._part(Part(marked, level_of_bold(text) if is_heading else 0, kind=kind))
            self._marker = ""

    def _part(self, part: Part) -> None:
        names = [*self._terms[-MOST_NAMES:], self._caption]
        self.parts.append(replace(part, context=tuple(filter(None, names))))

    def _end_row(self) -> None:
        if any(cell.words for cell in self._cells):
            self._rows.add(self._cells)
        self._cells = []

    def end_lines(self) -> None:
        """End the open list or table."""
        self._end_row()
        self._end_piece()
        if self._pieces:
            self._part(stacked(self._pieces))
        self._pieces = []

    def _end_piece(self) -> None:
        """Finish the lines of a list before a table in it, or the rows of a table."""
        if self._items:
            self._pieces.append(list_part(self._items))
        if self._rows.table.lines:
            self._pieces.append(self._rows.table.part())
        self._items, self._rows = [], SpanningRows()


def mark_headers(root: Any, only_over_values: bool = False) -> None:
    """Make the cells of header rows <th>, and the first rows of one text a <caption>, in tables
    that mark neither; with `only_over_values` only in tables of figures and the like, since other
    tables of a page may be its layout.
    """
    for table in root.iter("table"):
        if table.find(".//table") is not None:
            continue
        for cell in table.iterfind(".//thead//td"):
            cell.tag = "th"
        if table.find(".//th") is not None:
            continue

        lines = [line for line in table.iter("tr") if line.find("td") is not None]
        rows = [[_cell_of(cell) for cell in line.iterfind("td")] for line in lines]
        filled = [number for number, row in enumerate(rows) if any(cell.words for cell in row)]
        titles = _titles([rows[number] for number in filled])
        table_rows = [rows[number] for number in filled[titles:]]
        depth = header_rows(table_rows, only_over_values)
        if only_over_values and not depth:
            continue

        for number in filled[:titles]:
            lines[number].tag = "caption"
            for cell in lines[number].iterfind("td"):
                cell.tag = "span"
        for number in filled[titles : titles + depth]:
            for cell in lines[number].iterfind("td"):
                cell.tag = "th"


def _cell_of(cell: Any) -> SpanningCell:
    return SpanningCell("".join(cell.itertext()).split(), False, *_spans(cell))


def _titles(rows: Sequence[Sequence[SpanningCell]]) -> int:
    """Number of rows at the top with one text, in the first column; only one if it is all text."""
    for count, row in enumerate(rows[:-1]):
        is_title = len(row) == 1 and row[0].columns > 1
        is_alone = len(row) > 1 and row[0].words and not any(cell.words for cell in row[1:])
        if not is_title and not is_alone:
            return count
    return 0


def _names_its_content(name: str, tag: Any) -> bool:
    """Whether the element has terms or a caption that name what it contains."""
    return name in ("dl", "figure") or (name == "div" and "literal-block-wrapper" in classes(tag))


def _caption(tag: Any) -> str:
    """Caption of a figure, or of a listing in Sphinx."""
    for element in tag.iter("figcaption", "div"):
        if element.tag == "figcaption" or "code-block-caption" in classes(element):
            texts = islice(element.itertext(), 50)
            return "".join(text for text in texts if text not in ("¶", "\uf0c1"))
    return ""


def _spans(tag: Any) -> tuple[int, int]:
    """Number of rows and of columns that a cell spans."""
    return _span(tag, "rowspan"), _span(tag, "colspan")


def _span(tag: Any, name: str) -> int:
    """Number of rows or columns that a cell spans."""
    value = tag.get(name, "1")
    return min(MOST_SPANNED, int(value)) if re.fullmatch("[1-9][0-9]{0,5}", value) else 1
