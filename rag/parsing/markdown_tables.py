"""Tables in HTML and LaTeX inside Markdown, found as blocks of their own.

CommonMark ends HTML at a blank line, takes a table inside a line for inline HTML, and knows no
LaTeX. Here a table ends where its end tag is.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock, html_block

from rag.parsing.latex_tables import FLOATS, GRIDS

LATEX_TABLE = "latex_table"
"""Type of the tokens of tables in LaTeX; those in HTML are `html_block`."""
_ENDS = re.compile(
    rf"<(?P<html>table)\b|(?P<end_html></table\s*>)"
    rf"|\\begin\{{(?P<latex>{FLOATS}|{GRIDS})\}}|\\end\{{(?P<end_latex>{FLOATS}|{GRIDS})\}}",
    re.IGNORECASE,
)
_IN_TABLE = re.compile(r"<tr\b|<td\b", re.IGNORECASE)
_MATH = re.compile(r"[$\s]*|\\\[\s*|\s*\\\]")
"""Beside a table in LaTeX that is set as a formula."""
_ENV = "embedded tables"


class TableRange(NamedTuple):
    """A table, `source[start:end]`."""

    start: int
    end: int
    is_latex: bool


def tables(source: str) -> list[TableRange]:
    """The tables of a text that are in no other one."""
    found: list[TableRange] = []
    opened: list[tuple[str, int]] = []
    """the names and starts of the tables that are not closed yet"""
    for match in _ENDS.finditer(source):
        begun = match["html"] or match["latex"]
        if begun:
            opened.append((begun.lower(), match.start()))
            continue

        is_latex = match["end_latex"] is not None
        ended = (match["end_latex"] or "table").lower()
        while opened and opened[-1][0] != ended:
            opened.pop()
        if not opened:
            continue
        _, start = opened.pop()
        while found and found[-1].start > start:  # inside this one
            found.pop()
        found.append(TableRange(start, match.end(), is_latex))
    return [place for place in found if _is_table(source, place)]


def _is_table(source: str, place: TableRange) -> bool:
    """Whether it has rows, and is no matrix in a formula."""
    if source.startswith("\\begin{array}", place.start):
        has_rules = source.find("\\hline", place.start, place.end) >= 0
        return has_rules
    if place.is_latex:
        return True
    return bool(_IN_TABLE.search(source, place.start, place.end))


def enable(parser: MarkdownIt) -> MarkdownIt:
    """Let a parser find such tables."""
    terminates = ["paragraph", "reference", "blockquote"]
    parser.block.ruler.at("html_block", _html_or_table, {"alt": terminates})
    return parser


def _html_or_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A block of HTML with its whole tables, or lines with a table in them."""
    if html_block(state, start, end, silent):
        if not silent:
            _extend(state, start, end)
        return True
    return _lines_with_table(state, start, end, silent)


def _places(state: StateBlock) -> list[TableRange]:
    """The tables of the whole source, which are looked for once."""
    if _ENV not in state.env:
        state.env[_ENV] = tables(state.src)
    places: list[TableRange] = state.env[_ENV]
    return places


def _last_line(state: StateBlock, line: int, begin: int, end: int) -> int | None:
    """The last line of the tables that start after offset `begin` on the lines up to `line` or
    within each other's last lines; None if they leave the surrounding list or quotation.
    """
    places = _places(state)
    number = bisect_left(places, (begin,))
    while number < len(places):
        table = places[number]
        if table.start >= state.eMarks[line]:
            break
        line = bisect_left(state.eMarks, table.end, line)
        if line >= end:
            return None
        number = bisect_right(places, (table.end,), number)
    return line


def _is_inside(state: StateBlock, first_line: int, last_line: int) -> bool:
    """Whether the lines are in the list or quotation that is being read."""
    for line in range(first_line, last_line + 1):
        is_outside = state.sCount[line] < state.blkIndent
        if is_outside and not state.isEmpty(line):
            return False
    return True


def _extend(state: StateBlock, start: int, end: int) -> None:
    """Let a block of HTML go on to the end of its tables, and then to a blank line."""
    line = _last_line(state, state.line - 1, state.bMarks[start], end)
    if line is None or line < state.line or not _is_inside(state, start, line):
        return

    following = line + 1
    while following < end and not state.isEmpty(following):
        if not _is_inside(state, following, following):
            break
        following += 1

    token = state.tokens[-1]
    state.line = following
    token.map = [start, state.line]
    token.content = state.getLines(start, state.line, state.blkIndent, True)


def _lines_with_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Lines of text with tables in them: the text is paragraphs, the tables are blocks."""
    begin = state.bMarks[start] + state.tShift[start]
    places = _places(state)

    number = bisect_left(places, (begin,))
    if number == len(places) or places[number].start >= state.eMarks[start]:
        return False

    text_before = state.src[begin : places[number].start]
    if _is_other_block(text_before) or state.is_code_block(start):
        return False

    last_line = _last_line(state, start, begin, end)
    if last_line is None or not _is_inside(state, start, last_line):
        return False
    if silent:
        return True

    content = state.getLines(start, last_line + 1, state.blkIndent, False)
    state.line = last_line + 1
    place = 0
    for table in tables(content):
        _text(state, content[place : table.start], start)
        kind = LATEX_TABLE if table.is_latex else "html_block"
        token = state.push(kind, "", 0)
        token.map = [start, state.line]
        token.content = content[table.start : table.end]
        place = table.end
    _text(state, content[place:], start)
    return True


def _is_other_block(text_before: str) -> bool:
    """Whether a line that begins so has its table in code, a comment, a heading or a cell."""
    is_in_code = text_before.count("`") % 2 == 1
    if is_in_code or "<!--" in text_before:
        return True
    return text_before.startswith("#") or text_before.lstrip().startswith("|")


def _text(state: StateBlock, text: str, line: int) -> None:
    """A paragraph of the text beside a table."""
    if _MATH.fullmatch(text):
        return
    place = [line, state.line]
    opening = state.push("paragraph_open", "p", 1)
    opening.map = place
    token = state.push("inline", "", 0)
    token.content = text.strip()
    token.map = list(place)
    token.children = []
    state.push("paragraph_close", "p", -1)
