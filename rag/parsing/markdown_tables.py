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


class Place(NamedTuple):
    """A table, `source[start:end]`."""

    start: int
    end: int
    is_latex: bool


def tables(source: str) -> list[Place]:
    """The tables of a text that are in no other one."""
    found: list[Place] = []
    opened: list[tuple[str, int]] = []
    for match in _ENDS.finditer(source):
        if name := (match["html"] or match["latex"] or "").lower():
            opened.append((name, match.start()))
            continue
        name = (match["end_latex"] or "table").lower()
        while opened and opened[-1][0] != name:
            opened.pop()
        if opened:
            start = opened.pop()[1]
            while found and found[-1].start > start:
                found.pop()
            found.append(Place(start, match.end(), match["end_latex"] is not None))
    return [place for place in found if _is_table(source, place)]


def _is_table(source: str, place: Place) -> bool:
    """Whether it has rows, and is no matrix in a formula."""
    if source.startswith("\\begin{array}", place.start):
        return source.find("\\hline", place.start, place.end) >= 0
    return place.is_latex or bool(_IN_TABLE.search(source, place.start, place.end))


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


def _places(state: StateBlock) -> list[Place]:
    if _ENV not in state.env:
        state.env[_ENV] = tables(state.src)
    places: list[Place] = state.env[_ENV]
    return places


def _last_line(state: StateBlock, line: int, begin: int, end: int) -> int | None:
    """The last line of the tables that start after offset `begin` on the lines up to `line` or
    within each other's last lines; None if they leave the surrounding list or quotation.
    """
    places = _places(state)
    number = bisect_left(places, (begin,))
    while number < len(places) and places[number].start < state.eMarks[line]:
        line = bisect_left(state.eMarks, places[number].end, line)
        number = bisect_right(places, (places[number].end,), number)
        if line >= end:
            return None
    return line


def _is_inside(state: StateBlock, first: int, last: int) -> bool:
    lines = range(first, last + 1)
    return all(state.sCount[n] >= state.blkIndent or state.isEmpty(n) for n in lines)


def _extend(state: StateBlock, start: int, end: int) -> None:
    """Let a block of HTML go on to the end of its tables, and then to a blank line."""
    line = _last_line(state, state.line - 1, state.bMarks[start], end)
    if line is None or line < state.line or not _is_inside(state, start, line):
        return
    while line + 1 < end and not state.isEmpty(line + 1) and _is_inside(state, line + 1, line + 1):
        line += 1
    token = state.tokens[-1]
    state.line = line + 1
    token.map = [start, state.line]
    token.content = state.getLines(start, state.line, state.blkIndent, True)


def _lines_with_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    begin = state.bMarks[start] + state.tShift[start]
    places = _places(state)

    number = bisect_left(places, (begin,))
    if number == len(places) or places[number].start >= state.eMarks[start]:
        return False

    text_before = state.src[begin : places[number].start]
    is_code = text_before.count("`") % 2 or "<!--" in text_before or state.is_code_block(start)
    if is_code or text_before.startswith("#") or (text_before.lstrip().startswith("|")):
        return False

    last_line = _last_line(state, start, begin, end)
    if last_line is None or not _is_inside(state, start, last_line):
        return False

    if silent:
        return True

    content = state.getLines(start, last_line + 1, state.blkIndent, False)
    state.line, place = last_line + 1, 0

    for table in tables(content):
        _text(state, content[place : table.start], start)
        token = state.push(LATEX_TABLE if table.is_latex else "html_block", "", 0)
        token.map, token.content = [start, last_line + 1], content[table.start : table.end]
        place = table.end

    _text(state, content[place:], start)
    return True


def _text(state: StateBlock, text: str, line: int) -> None:
    """A paragraph of the text beside a table."""
    if _MATH.fullmatch(text):
        return
    state.push("paragraph_open", "p", 1).map = [line, state.line]
    token = state.push("inline", "", 0)
    token.content, token.map, token.children = text.strip(), [line, state.line], []
    state.push("paragraph_close", "p", -1)
