"""Plain text, kept character by character, except for blank lines between one-line paragraphs; a
short first line is the title.

Headings, terms and tables are found by layout: underlined, numbered and capitalised headings,
indented definitions, lines with bars between cells.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from rag.meaning.dates import all_dates
from rag.meaning.sentences import trim
from rag.parsing.base import Outline, Parsed, name_of
from rag.types import Block, BlockCell

_HEADER = re.compile(r"(Date|Author|Draws on): *(\S.*)", re.IGNORECASE)
_TOP = 8
"""Lines that may hold the title and the fields."""
_TITLE_AND_FIELDS = 4
"""As many of them, without the empty ones."""
_LONGEST_TITLE = 120
_LONGEST_SUBTITLE = 12
"""Words of a line below the first one that says what the document is."""
_WRAPPED = 60
"""A longer first line, directly followed by another, starts a wrapped paragraph."""
_NO_TITLE = re.compile(
    r"[-*+•>]\s|\d+[.)]\s|(?:From|To|Cc|Subject|Sent|Received|Return-Path|Message-ID):\s"
    r"|[^A-Za-z]*$|.*[|\t{}<>=]{2}"
)
"""A list item, a field such as "From: …", a line without letters, a table row, or code."""
_LONG_LINE = 120
"""Lines are not wrapped at more characters."""
_LINE_END = re.compile(r"(?<=\S)[^\S\r\n]*(\r\n|[\r\n])(?=[^\S\r\n]*[^\s|])")
"""The end of a non-empty line before another non-empty line."""
_OVERSTRUCK = re.compile(r"[^\n\x08]\x08")
"""A character that the next one is printed over, as in bold and underlined terminal text."""


def parse(source: str) -> Parsed:
    """The text; lines such as "Date: 2026-02-10" directly below the title are metadata."""
    text = _OVERSTRUCK.sub("", source)
    metadata = _metadata(text)

    if _has_lines_as_paragraphs(text):
        text = _LINE_END.sub(lambda end: end.group() + end.group(1), text)

    return Parsed(text, blocks_of(text), metadata)


def _metadata(text: str) -> dict[str, str]:
    """The title and the fields below it."""
    lines = [line.strip() for line in text.splitlines()[:_TOP]]
    filled_lines = [line for line in lines if line]

    metadata: dict[str, str] = {}
    for line in filled_lines[:_TITLE_AND_FIELDS]:
        field = _HEADER.fullmatch(line)
        if field:
            name, value = field.groups()
            key = name.lower().replace(" ", "_")
            metadata[key] = value

    has_fields = bool(metadata)
    is_followed = len(lines) > 1 and all(lines[:2])
    is_wrapped = is_followed and len(lines[0]) > _WRAPPED and not has_fields
    if _is_title(filled_lines[:2]) and not is_wrapped:
        metadata["title"] = _with_subtitle(filled_lines, is_followed)

    return metadata


def _with_subtitle(lines: Sequence[str], is_directly_below: bool) -> str:
    """The title, which is the first line. One in capitals may name only who wrote the document: a
    line of words below it, which is a title as well and no heading of a text, then belongs to it.
    A heading may be in capitals, too, so such a line must be directly below.
    """
    title, subtitle, *further_lines = lines
    words = subtitle.split()
    is_name = title.isupper() and (is_directly_below or not subtitle.isupper())
    is_subtitle = subtitle[0].isupper() and 1 < len(words) <= _LONGEST_SUBTITLE
    if not is_name or not is_subtitle or _NUMBERED.fullmatch(subtitle):
        return title
    if any(date.precision == "day" for date in all_dates(subtitle)):
        return title
    if not further_lines or not _is_title([subtitle, further_lines[0]]):
        return title

    is_above_text = further_lines[0].endswith(".") or len(further_lines[0]) > _WRAPPED
    if is_above_text and not is_directly_below:
        return title
    return f"{title}: {subtitle}"


def _has_lines_as_paragraphs(source: str) -> bool:
    """Whether most of the text is in lines too long to be wrapped, followed by lines that start
    anew.

    Then only line ends separate a headline from the first sentence. Wrapped lines continue in lower
    case.
    """
    stripped = map(str.strip, re.split(r"[\r\n]+", source))
    lines = [line for line in stripped if line]
    if len(lines) < 2:
        return False

    lengths = [len(line) for line in lines]
    length_of_long_lines = sum(length for length in lengths if length > _LONG_LINE)
    if length_of_long_lines < 0.5 * sum(lengths):
        return False

    followers = 0
    continuations = 0
    for line, next_line in pairwise(lines):
        if len(line) > _LONG_LINE:
            followers += 1
            continuations += next_line[0].islower()
    return continuations <= 0.2 * followers


def _is_title(lines: list[str]) -> bool:
    """Whether the first line is a title: no field, and no sentence that ends or goes on below."""
    if len(lines) < 2:
        return False

    title, next_line = lines
    if len(title) > _LONGEST_TITLE or _HEADER.fullmatch(title) or _NO_TITLE.match(title):
        return False

    ends = title.endswith((".", ",", ";", ":"))
    goes_on = next_line[0].islower()
    return not ends and not goes_on


# Headings, terms and lists

_RULE = re.compile(r"([=\-~^*#+_\u2500\u2550])\1{2,}\s*\Z")
_NUMBERED = re.compile(
    r"(?i)(?:(?:chapter|section|article|appendix|part|\u00a7) ?)?"
    r"(\d{1,3}(?:\.\d{1,3}){0,5})\.?\s{1,6}(\S.{0,90})"
)
_CAPITALS = re.compile(r"(?=.*[A-Z]{3})[A-Z][A-Z0-9 ,/&'().:-]{2,70}")
_OPTION = re.compile(r"(-{1,2}[\w?@#].{0,80}?)(?:\s{2,}|\Z)")
_BULLET = re.compile(r"[-*+\u2022\u2013>|]\s|\(?\d{1,3}[.)]\s|\(?[a-zA-Z][.)]\s|[|+]")
_BAR = re.compile(r"(?<!\S)\|(?!\S)")
_RULED = re.compile(r"[\s|+:]*-[\s|+:-]*")
"""A line between the rows of a table."""
_LONGEST_UNDERLINED = 100
_DEEPEST = 16
"""Maximum indentation of a term; text further right is centred."""
_DEEPEST_LEVEL = 6
_CAPITAL = 7
"""Levels of headings; underlined and numbered ones have that of their depth."""
_LONGEST_TERM = 80
_FEWEST_BELOW_HEADING = 10
"""Words of a paragraph directly below a numbered heading; an item's remark is shorter."""
_NEIGHBOURS = 5
"""Lines above and below a numbered one among which another item may be."""


class _TextLine(NamedTuple):
    """A line without spaces at its end; `text` has none at its start, and spaces for tabs."""

    start: int
    source: str
    text: str
    indent: int

    @property
    def end(self) -> int:
        """Offset after the last character."""
        return self.start + len(self.source)

    @property
    def content(self) -> int:
        """Offset of the first character that is not a space."""
        return self.end - len(self.source.lstrip())


_BLANK = _TextLine(0, "", "", 0)


def blocks_of(text: str) -> tuple[Block, ...]:
    """Headings, terms, lists, tables and paragraphs of a plain text."""
    lines = _lines(text)
    headings = _headings(lines)
    terms = _terms(lines, headings)

    outline = Outline()
    open_terms: list[tuple[int, str]] = []
    """(indent, term), outermost first"""
    is_rule = False
    below_table = 0

    for number, line in enumerate(lines):
        if number < below_table:
            continue

        if is_rule or not line.text:
            is_rule = False
            outline.lines(line.start, "")
            continue

        if number in headings:
            rule_line = lines[number + 1]  # the last line is never a heading
            is_rule = bool(_RULE.fullmatch(rule_line.source))
            outline.heading(
                start=line.content,
                end=rule_line.end if is_rule else line.end,
                level=headings[number],
                name=name_of(line.text),
            )
            open_terms = []
            continue

        while open_terms and line.indent <= open_terms[-1][0]:
            open_terms.pop()
        if number in terms:
            open_terms.append((line.indent, terms[number]))
        context = tuple(term for _, term in open_terms)
        outline.enter(line.content, context)

        below_table = _table_end(lines, number)
        if below_table:
            outline.nested(0, _table(lines[number:below_table]))
        else:
            outline.lines(line.start, line.source)

    return outline.finished()


# Tables


def _table_end(lines: Sequence[_TextLine], number: int) -> int:
    """The number of the line below the table that begins with a line: at least two rows with as
    many bars; 0 without a table.
    """
    bars = len(_BAR.findall(lines[number].text))
    rows = 0
    end = number

    while bars and end < len(lines):
        text = lines[end].text
        if len(_BAR.findall(text)) == bars:
            rows += 1
        elif not text or not _RULED.fullmatch(text):
            break
        end += 1

    if rows < 2:
        return 0
    return end


def _table(lines: Sequence[_TextLine]) -> tuple[Block, ...]:
    """A table of lines with bars, and its rows."""
    rows = [_row(line) for line in lines if not _RULED.fullmatch(line.text)]
    table = Block("table", lines[0].content, lines[-1].end)
    return (table, *rows)


def _row(line: _TextLine) -> Block:
    """A row whose columns are not known."""
    source = line.source
    bars = [bar.start() for bar in _BAR.finditer(source)]
    cells: list[BlockCell] = []
    for bar, next_bar in pairwise([-1, *bars, len(source)]):
        for start, end in trim(source, bar + 1, next_bar):
            cells.append(BlockCell(-1, line.start + start, line.start + end))
    return Block(
        kind="row",
        start=line.content,
        end=line.end,
        parent=0,
        cells=tuple(cells),
    )


# Lines


def _lines(text: str) -> list[_TextLine]:
    """The lines of a text, with their offsets."""
    lines: list[_TextLine] = []
    start = 0
    for whole_line in text.splitlines(keepends=True):
        source = whole_line.rstrip()
        expanded = source.expandtabs()
        text_of_line = expanded.lstrip()
        indent = len(expanded) - len(text_of_line)
        lines.append(_TextLine(start, source, text_of_line, indent))
        start += len(whole_line)
    return lines


def _with_lines_around(
    lines: Sequence[_TextLine],
) -> Iterator[tuple[_TextLine, _TextLine, _TextLine]]:
    """The line above each line but the last, the line itself, and the one below."""
    return zip([_BLANK, *lines], lines, lines[1:], strict=False)


def _headings(lines: Sequence[_TextLine]) -> dict[int, int]:
    """Level by line number."""
    levels: dict[int, int] = {}
    marks: list[str] = []
    """of underlines, in the order in which they occur"""
    capitals: set[int] = set()
    for index, (line_above, line, line_below) in enumerate(_with_lines_around(lines)):
        if _is_capital(line_above, line, line_below):
            capitals.add(index)

    for index, (line_above, line, line_below) in enumerate(_with_lines_around(lines)):
        numbered = _NUMBERED.fullmatch(line.text)
        depth = numbered.group(1).count(".") if numbered else 0
        rule = _RULE.fullmatch(line_below.text)

        if rule and _is_underlined(line_above, line, line_below):
            mark = rule.group(1)
            if mark not in marks:
                marks.append(mark)
            if not numbered:
                depth = marks.index(mark)
            levels[index] = min(1 + depth, _DEEPEST_LEVEL)
        elif numbered and _is_numbered_heading(lines, index, numbered):
            levels[index] = min(1 + depth, _DEEPEST_LEVEL)
        elif index in capitals and len(capitals) > 1:
            levels[index] = _CAPITAL

    return levels


def _is_numbered_heading(lines: Sequence[_TextLine], index: int, numbered: re.Match[str]) -> bool:
    """Whether a line with a number is a heading: a name that is apart, and no item of a list."""
    line = lines[index]
    number, name = numbered.groups()
    is_name = name[0].isupper() and line.text[-1] not in ".,;:"
    if not is_name or line.indent >= 8:
        return False

    text_above = lines[index - 1].text if index > 0 else ""
    text_below = lines[index + 1].text
    if text_above:
        return False
    if text_below:
        return _is_above_paragraph(lines, index)
    return "." in number or not _is_item(lines, index)


def _is_above_paragraph(lines: Sequence[_TextLine], index: int) -> bool:
    """Whether a line is the heading of the paragraph directly below it. Such a paragraph begins
    at the same edge, although its first word would have had room in the line, and is longer than a
    remark.
    """
    line = lines[index]
    paragraph: list[_TextLine] = []
    for line_below in lines[index + 1 :]:
        if not line_below.text or line_below.indent > line.indent:
            break
        paragraph.append(line_below)
    if not paragraph:
        return False

    words = " ".join(line_below.text for line_below in paragraph).split()
    begins_anew = not words[0][0].islower() and not _BULLET.match(paragraph[0].text)
    if not begins_anew or len(words) < _FEWEST_BELOW_HEADING:
        return False

    width = max(len(line_below.text) for line_below in paragraph)
    has_room = len(line.text) + 1 + len(words[0]) <= width
    ends_sentence = words[-1][-1] in '.!?:)"\u201d'
    return has_room and ends_sentence


def _is_underlined(line_above: _TextLine, line: _TextLine, rule: _TextLine) -> bool:
    """Whether the rule below is about as long as the line, which is apart from text above."""
    text = line.text
    length = len(text)
    if not any(map(str.isalnum, text)) or length > _LONGEST_UNDERLINED or "  " in text:
        return False

    if _BULLET.match(text) and not _NUMBERED.fullmatch(text):
        return False

    is_apart = not line_above.text or bool(_RULE.fullmatch(line_above.text))
    is_as_long = 0.5 * length <= len(rule.text) <= length + 40
    return is_apart and is_as_long


def _is_item(lines: Sequence[_TextLine], index: int) -> bool:
    """Whether the next or previous line with text is numbered too, which makes them list items."""
    lines_below = lines[index + 1 : index + 1 + _NEIGHBOURS]
    lines_above = lines[max(index - _NEIGHBOURS, 0) : index][::-1]
    for side in (lines_below, lines_above):
        neighbour = next((line.text for line in side if line.text), "")
        if _NUMBERED.fullmatch(neighbour):
            return True
    return False


def _is_capital(line_above: _TextLine, line: _TextLine, line_below: _TextLine) -> bool:
    """A line in capitals as in manual pages: alone, or above indented text."""
    if line_above.text or line.indent:
        return False
    is_alone = not line_below.text
    is_above_indented = line_below.indent > 1
    if not is_alone and not is_above_indented:
        return False
    return bool(_CAPITALS.fullmatch(line.text))


def _terms(lines: Sequence[_TextLine], headings: Mapping[int, int]) -> dict[int, str]:
    """Terms by line number, defined by the more deeply indented lines below."""
    terms: dict[int, str] = {}

    for index, (line_above, line, line_below) in enumerate(_with_lines_around(lines)):
        text = line.text
        if not text or index in headings or line.indent > _DEEPEST:
            continue
        indent_below = line_below.indent - line.indent
        is_above_definition = line_below.text and 2 <= indent_below <= 24
        if not is_above_definition:
            continue

        is_first = not line_above.text or index - 1 in headings
        option = _OPTION.match(text)
        if option and (is_first or line.indent > 0):
            terms[index] = name_of(option.group(1))
            continue

        is_name = len(text) <= _LONGEST_TERM and text[-1] not in ".,;!?({["
        if is_first and is_name and not _BULLET.match(text):
            terms[index] = name_of(text.rstrip(":"))

    return terms
