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
_LINKS_TO_ITSELF = ("¶", "\uf0c1")
"""Texts of the link from a caption to itself."""


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
        """number of open tables"""
        self._pre = 0
        """number of open elements in which line breaks count"""
        self._bold = 0
        """number of open elements in bold type"""
        self._is_bold = True
        """whether all inline text so far is bold"""
        self._level = 0
        """that of the open heading; 0 without one"""

    def take(self) -> list[Part]:
        """The finished parts, once."""
        parts = self.parts
        self.parts = []
        return parts

    def text(self, text: str, parent: str) -> None:
        """Add text that is directly in an element of the name `parent`."""
        is_number = parent == "sup" and text.strip()[:1].isdigit()
        if is_number and self._ends_with_digit():
            self._inline.append("^")  # "10^3", "£5^1": keep it apart from the number before it
        if self._bold <= 0 and text.strip():
            self._is_bold = False
        if not self._pre:
            text = _WHITE.sub(" ", text)
        self._inline.append(text)

    def _ends_with_digit(self) -> bool:
        """Whether the inline text so far does."""
        if not self._inline:
            return False
        last_character = self._inline[-1][-1:]
        return last_character.isdigit()

    def start(self, name: str, tag: Any) -> None:
        """Read a start tag."""
        if name == "br" or (self._pre and name in BLOCKS):
            self._inline.append("\n")
        elif name in BLOCKS:
            self.end_line()
            self._open(name, tag)
        self._pre += name == "pre"
        self._bold += name in _BOLD

    def end(self, name: str, tag: Any) -> None:
        """Read an end tag."""
        if name in BLOCKS and self._pre <= (name == "pre"):
            self.end_line()
            self._close(name, tag)
        self._pre -= name == "pre"
        self._bold -= name in _BOLD

    def _open(self, name: str, tag: Any) -> None:
        """Open an element that begins a line."""
        if name in ("dt", "caption"):
            self._in = name
        if name == "dd":
            self._is_named = False

        if name in HEADINGS and not _is_in_remark(tag):
            self.end_lines()
            self._level = HEADINGS[name]
        elif name in _LISTS and not self._tables:
            self._numbers.append(_first_number(tag) if name == "ol" else -1)
        elif name == "li":
            self._open_item()
        elif _names_its_content(name, tag) and not self._tables:
            self._terms.append("" if name == "dl" else _caption(tag))
        elif name == "tr":
            self._end_row()
        elif name == "table":
            self._end_row()
            self._tables += 1
            self._end_piece()
            self._caption = ""
        elif name in ("td", "th") and self._tables:
            self._cells.append(_spanning_cell([], tag, is_header=name == "th"))

    def _open_item(self) -> None:
        """Open an item of the innermost list, with its number if it has one."""
        self._marker = "-"
        if self._numbers and self._numbers[-1] >= 0:
            number = self._numbers[-1]
            self._marker = f"{number}."
            self._numbers[-1] = number + 1

    def _close(self, name: str, tag: Any) -> None:
        """Close an element that begins a line."""
        if name in HEADINGS:
            self._level = 0
        elif name in _LISTS and not self._tables:
            self._numbers = self._numbers[:-1]
        elif name == "li":
            self._marker = ""
        elif name in ("tr", "caption"):
            self._end_row()
        elif name == "table":
            self._end_row()
            self._tables -= 1
            self._end_piece()

        if not self._numbers and not self._tables:
            self.end_lines()
        if name == "table":
            self._caption = ""
        if _names_its_content(name, tag) and not self._tables:
            self._terms = self._terms[:-1]
        if name == self._in:
            self._in = ""

    def end_line(self) -> None:
        """Make the inline text a paragraph, or a part of the open heading, cell or item."""
        text = "".join(self._inline)
        is_bold = self._is_bold
        self._inline = []
        self._is_bold = True
        if not text.strip():
            return

        if not self._pre:  # the remaining line breaks come from <br>
            lines = map(one_line, text.split("\n"))
            text = "\n".join(filter(None, lines))

        if self._level:
            self.parts.append(Part(text, self._level))
            self._level = 0  # the heading may never be closed
        elif self._tables:
            self._add_to_table(text)
        elif self._numbers:
            depth = len(self._numbers) - 1
            self._items.append((depth, self._marker, text.strip()))
            self._marker = ""
        else:
            self._add_paragraph(text, is_bold)

    def _add_to_table(self, text: str) -> None:
        """Add a line to the open table: to its last cell, or as its caption."""
        if self._in == "caption":
            self._caption = text
            if not self._cells:
                self._rows.table.caption(one_line(text))
                return

        if not self._cells:
            self._cells = [SpanningCell([])]
        self._cells[-1].words += text.split()

    def _add_paragraph(self, text: str, is_bold: bool) -> None:
        """Add a paragraph outside lists and tables, which may be a term or a heading in bold."""
        if self._in == "dt" and self._terms:
            if self._is_named:
                self._terms[-1] = f"{self._terms[-1]}, {text}"
            else:
                self._terms[-1] = text.rstrip(" :")
            self._is_named = True

        level = 0
        is_inside = self._pre or self._marker or self._terms or self._in
        if is_bold and not is_inside:
            level = level_of_bold(text)

        if self._marker:
            text = f"{self._marker} {text}"
        kind: BlockKind = "code" if self._pre else "paragraph"
        self._part(Part(text, level, kind=kind))
        self._marker = ""

    def _part(self, part: Part) -> None:
        """Add a part under the terms and the caption that name it."""
        names = [*self._terms[-MOST_NAMES:], self._caption]
        context = tuple(name for name in names if name)
        self.parts.append(replace(part, context=context))

    def _end_row(self) -> None:
        """Finish the open row, if it has text."""
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
        self._items = []
        self._rows = SpanningRows()


# Headers of tables


def mark_headers(root: Any, only_over_values: bool = False) -> None:
    """Make the cells of header rows <th>, and the first rows of one text a <caption>, in tables
    that mark neither. With `only_over_values`, only in tables of figures and the like, since other
    tables of a page may be its layout.
    """
    for table in root.iter("table"):
        has_inner_table = table.find(".//table") is not None
        if has_inner_table:
            continue
        for cell in table.iterfind(".//thead//td"):
            cell.tag = "th"
        has_headers = table.find(".//th") is not None
        if not has_headers:
            _mark_headers_of(table, only_over_values)


def _mark_headers_of(table: Any, only_over_values: bool) -> None:
    """Do it for one table, in which all cells are <td>."""
    lines: list[Any] = []
    rows: list[list[SpanningCell]] = []
    for line in table.iter("tr"):
        cells = line.findall("td")
        row = [_spanning_cell("".join(cell.itertext()).split(), cell) for cell in cells]
        if any(cell.words for cell in row):
            lines.append(line)
            rows.append(row)

    titles = _titles(rows)
    depth = header_rows(rows[titles:], only_over_values)
    if only_over_values and not depth:
        return

    for line in lines[:titles]:
        line.tag = "caption"
        for cell in line.iterfind("td"):
            cell.tag = "span"
    for line in lines[titles : titles + depth]:
        for cell in line.iterfind("td"):
            cell.tag = "th"


def _titles(rows: Sequence[Sequence[SpanningCell]]) -> int:
    """Number of rows at the top with one text, in the first column; only one if it is all text."""
    for count, row in enumerate(rows[:-1]):
        first_cell = row[0]
        if len(row) == 1:
            is_title = first_cell.columns > 1
        else:
            has_others = any(cell.words for cell in row[1:])
            is_title = bool(first_cell.words) and not has_others
        if not is_title:
            return count
    return 0


# Elements


def _is_in_remark(tag: Any) -> bool:
    """Whether the element is directly in a box, such as a warning."""
    parent = tag.getparent()
    if parent is None:
        return False
    return bool(classes(parent) & REMARKS)


def _first_number(tag: Any) -> int:
    """Number of the first item of a numbered list."""
    start = tag.get("start", "1")
    if not re.fullmatch("[0-9]{1,9}", start):
        return 1
    return int(start)


def _names_its_content(name: str, tag: Any) -> bool:
    """Whether the element has terms or a caption that name what it contains."""
    if name in ("dl", "figure"):
        return True
    return name == "div" and "literal-block-wrapper" in classes(tag)


def _caption(tag: Any) -> str:
    """Caption of a figure, or of a listing in Sphinx."""
    for element in tag.iter("figcaption", "div"):
        is_caption = element.tag == "figcaption" or "code-block-caption" in classes(element)
        if is_caption:
            texts = islice(element.itertext(), 50)
            return "".join(text for text in texts if text not in _LINKS_TO_ITSELF)
    return ""


def _spanning_cell(words: list[str], tag: Any, is_header: bool = False) -> SpanningCell:
    """A cell with the rows and columns that its element says it spans."""
    return SpanningCell(
        words=words,
        is_header=is_header,
        rows=_span(tag, "rowspan"),
        columns=_span(tag, "colspan"),
    )


def _span(tag: Any, name: str) -> int:
    """Number of rows or columns that a cell spans."""
    value = tag.get(name, "1")
    if not re.fullmatch("[1-9][0-9]{0,5}", value):
        return 1
    return min(MOST_SPANNED, int(value))
