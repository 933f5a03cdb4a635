"""reStructuredText documentation: headings, lists, tables, literal blocks and the text of
directives.

Parsed line by line and not through docutils, which does not know Sphinx, stops at the first error,
and takes seconds for a long file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rag.parsing.base import Block, join
from rag.parsing.tables import lines as rows_as_lines
from rag.types import Section

_RULE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*\Z")
_DIRECTIVE = re.compile(r"\.\.\s+(?:\|[^|]+\|\s+)?([\w:.+-]+)::\s*(.*)\Z")
_FOOTNOTE = re.compile(r"\.\.\s+(\[[^\]]+\])\s+(.*)\Z")
_OPTION = re.compile(r":[\w -]+:(?:\s|\Z)")
_FIELD = re.compile(r":([\w -]+):\s+(.*)\Z")
_ITEM = re.compile(r"(\s*)(?:[-*+\u2022]|#\.|\(?\d{1,4}[.)]|\(?[a-zA-Z][.)])\s+")
_HEADED = re.compile(r"\s*:header-rows:\s*1\s*\Z")
_GRID = re.compile(r"\s*\+[-=+]+\+\s*\Z")
_SIMPLE = re.compile(r"\s*=+(?:\s+=+)+\s*\Z")
_ROLE = re.compile(r":[\w+.-]{1,60}(?::[\w+.-]{1,60}){0,3}:`([^`]*)`")
_LITERAL_TEXT = re.compile(r"(?<!`)``(?=\S)(.{1,300}?)(?<=\S)``(?!`)", re.DOTALL)
_LINK = re.compile(r"`([^`<]{1,300}?)\s{1,9}<[^`>]{1,2000}>`_{0,2}")
_MARKED = re.compile(
    r"(?<![\w`*])(``|`|\*\*|\*)(?=\S)(.{1,300}?)(?<=\S)\1_{0,2}(?![\w`*])", re.DOTALL
)
"""Bounded, since the end of an unclosed mark would be searched from each opening mark."""
_DROPPED = frozenset(
    "toctree contents include raw kernel-doc index highlight only math meta sectionauthor "
    "tabularcolumns".split()
)
_LITERAL = frozenset(
    "code code-block sourcecode parsed-literal literalinclude prompt productionlist doctest".split()
)
_OBJECTS = frozenset(
    (
        "option cmdoption confval envvar setting function method class attribute data exception "
        "macro type var "
        "property decorator describe object classmethod staticmethod command directive role "
        "member enumerator struct"
    ).split()
)
"""Directives whose argument names the subject of their body."""
_METADATA = frozenset("author authors date language".split())
_DEEPEST = 20


def parse(source: str) -> tuple[str, tuple[Section, ...], dict[str, str]]:
    """(text, sections, metadata) of a source; marks, comments and targets are removed."""
    lines = [line.rstrip() for line in source.expandtabs().splitlines()]
    reader = _Reader()
    text, sections = join(reader.blocks(lines, 0))
    metadata = reader.fields
    if sections:
        metadata.setdefault("title", sections[0].heading)
    return text, sections, metadata


class _Reader:
    def __init__(self) -> None:
        self._styles: list[str] = []
        self.fields: dict[str, str] = {}

    def blocks(self, lines: Sequence[str], depth: int) -> Iterator[Block]:
        """Blocks of unindented lines."""
        at = 0
        while at < len(lines):
            if not lines[at]:
                at += 1
            elif depth == 0 and (heading := _heading(lines, at)):
                text, style, after = heading
                yield Block(_inline(text), self._level(style))
                at = after
            elif lines[at].startswith("..") and (lines[at] == ".." or lines[at][2:3].isspace()):
                after = _body_end(lines, at + 1)
                yield from self._explicit(lines[at], lines[at + 1 : after], depth)
                at = after
            elif _is_term(lines, at):
                after = _body_end(lines, at + 1)
                yield from self._defined(_inline(lines[at]), _dedent(lines[at + 1 : after]), depth)
                at = after
            else:
                after = _paragraph_end(lines, at)
                yield from self._paragraph(lines[at:after], depth)
                if lines[after - 1].endswith("::"):
                    end = _body_end(lines, after)
                    yield Block("\n".join(_dedent(lines[after:end])))
                    after = end
                at = after

    def _level(self, style: str) -> int:
        if style not in self._styles:
            self._styles.append(style)
        return min(self._styles.index(style) + 1, 6)

    def _explicit(self, first: str, below: Sequence[str], depth: int) -> Iterator[Block]:
        """Content after "..": a directive, a footnote, or something invisible."""
        body = _dedent(below)
        if note := _FOOTNOTE.match(first):
            yield Block(_inline(" ".join([note.group(1), note.group(2), *map(str.strip, body)])))
        if not (directive := _DIRECTIVE.match(first)):
            return
        name, argument = directive.group(1).lower().rsplit(":", 1)[-1], directive.group(2)
        headed = any(_HEADED.match(line) for line in body)
        while body and (
            _OPTION.match(body[0]) or (not body[0] and _OPTION.match(next(filter(None, body), "")))
        ):
            body = body[1:]
        if name in _DROPPED:
            return
        if name in _LITERAL:
            yield Block("\n".join(body))
        elif name in ("image", "figure", "graphviz", "kernel-figure", "kernel-image"):
            yield from self._nested(body, depth)
        elif name in ("list-table", "flat-table"):
            caption = (_inline(argument),) if argument else ()
            yield Block(_inline(argument), context=caption)
            yield Block(rows_as_lines([*_list_table(body)], headed), context=caption)
        elif name in _OBJECTS and argument:
            yield from self._defined(argument, body, depth)
        else:
            apart = [""] if below and not below[0] else []
            yield from self._nested([argument, *apart, *body], depth)

    def _defined(self, term: str, body: list[str], depth: int) -> Iterator[Block]:
        """A term or an object and its description, with its name as context."""
        yield Block(term, context=(term,))
        for block in self._nested(body, depth):
            yield replace(block, context=(term, *block.context))

    def _nested(self, body: list[str], depth: int) -> Iterator[Block]:
        if depth < _DEEPEST:
            yield from self.blocks(body, depth + 1)
        else:
            yield Block("\n".join(body))

    def _paragraph(self, lines: Sequence[str], depth: int) -> Iterator[Block]:
        if _GRID.match(lines[0]):
            yield Block(
                rows_as_lines([*_grid(lines)], any(line.startswith("+=") for line in lines))
            )
        elif _SIMPLE.match(lines[0]):
            yield Block(
                rows_as_lines(
                    [*_simple(lines)], sum(1 for line in lines if _SIMPLE.match(line)) == 3
                )
            )
        elif fields := [match for line in lines if (match := _FIELD.match(line))]:
            self.fields |= {
                f.group(1).lower(): _inline(f.group(2))
                for f in fields
                if f.group(1).lower() in _METADATA
            }
            yield Block("\n".join(_inline(_FIELD.sub(r"\1: \2", line)) for line in lines))
        elif _RULE.match(lines[0]) and len(lines) == 1:
            return
        else:
            text = "\n".join(_items(lines))
            yield Block("" if text == "::" else _inline(text[:-1] if text.endswith("::") else text))


def _heading(lines: Sequence[str], at: int) -> tuple[str, str, int] | None:
    """(text, style, next line) of a title with a rule below, or above and below."""
    over = _RULE.match(lines[at])
    text, under = (at + 1, at + 2) if over else (at, at + 1)
    if under >= len(lines) or not lines[text].strip() or (not over and lines[text][:1].isspace()):
        return None
    rule = _RULE.match(lines[under])
    if not rule or _RULE.match(lines[text]) or len(lines[under]) < min(len(lines[text].strip()), 4):
        return None
    if over and over.group(1) != rule.group(1):
        return None
    return lines[text].strip(), rule.group(1) * (2 if over else 1), under + 1


def _is_term(lines: Sequence[str], at: int) -> bool:
    """Whether an unindented line is a term defined by the indented lines below it."""
    if at + 1 >= len(lines) or lines[at][0].isspace() or not lines[at + 1][:1].isspace():
        return False
    line = lines[at]
    marks = (_ITEM, _FIELD, _GRID, _SIMPLE, _RULE)
    return (
        not line.endswith("::") and not any(mark.match(line) for mark in marks) and len(line) < 200
    )


def _body_end(lines: Sequence[str], at: int) -> int:
    """Index after the indented and empty lines."""
    while at < len(lines) and (not lines[at] or lines[at][0] == " "):
        at += 1
    return at


def _paragraph_end(lines: Sequence[str], at: int) -> int:
    if _SIMPLE.match(lines[at]):
        return _simple_end(lines, at)
    at += 1
    while at < len(lines) and lines[at] and not _heading_begins(lines, at):
        at += 1
    return at


def _heading_begins(lines: Sequence[str], at: int) -> bool:
    return bool(
        _RULE.match(lines[at])
        and at + 2 < len(lines)
        and _RULE.match(lines[at + 2])
        and not lines[at - 1]
    )


def _simple_end(lines: Sequence[str], at: int) -> int:
    """Index after the last rule of a simple table, which may contain empty lines."""
    end, here = at + 1, at + 1
    while here < len(lines) and (lines[here] or (here + 1 < len(lines) and lines[here + 1])):
        if _SIMPLE.match(lines[here]) and len(lines[here].split()) == len(lines[at].split()):
            end = here + 1
            if end >= len(lines) or not lines[end]:
                break
        here += 1
    return max(end, at + 1)


def _dedent(lines: Sequence[str]) -> list[str]:
    margin = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    kept = [line[margin:] for line in lines]
    while kept and not kept[0]:
        kept.pop(0)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _items(lines: Sequence[str]) -> Iterator[str]:
    """One line per list item; other lines unchanged."""
    listed = _ITEM.match(lines[0])
    current = ""
    for line in lines:
        if listed and not _ITEM.match(line):
            current += " " + line.strip()
            continue
        if current:
            yield current
        current = re.sub(r"\A(\s*)(?:[*+\u2022]|#\.)\s+", r"\1- ", line) if listed else line.strip()
    if current:
        yield current


def _grid(lines: Sequence[str]) -> Iterator[list[str]]:
    """Rows of a grid table; the lines of a cell are joined."""
    cells: list[list[str]] = []
    for line in lines:
        if _GRID.match(line):
            if any(map(any, cells)):
                yield [" ".join(filter(None, cell)) for cell in cells]
            cells = []
            continue
        for number, piece in enumerate(line.strip().strip("|").split("|")):
            cells += [[]] if number == len(cells) else []
            cells[number].append(_inline(piece.strip()))


def _simple(lines: Sequence[str]) -> Iterator[list[str]]:
    """Rows of a simple table, by the columns of its first rule; a row with an empty first cell
    continues the previous one.
    """
    starts = [match.start() for match in re.finditer(r"=+", lines[0])]
    row: list[str] = []
    for line in lines:
        if _SIMPLE.match(line) or re.fullmatch(r"[\s-]*", line):
            continue
        cells = [
            line[start:end].strip() for start, end in zip(starts, [*starts[1:], None], strict=True)
        ]
        if row and not cells[0]:
            row = [f"{before} {here}".strip() for before, here in zip(row, cells, strict=True)]
            continue
        if row:
            yield [*map(_inline, row)]
        row = cells
    if row:
        yield [*map(_inline, row)]


def _list_table(lines: Sequence[str]) -> Iterator[list[str]]:
    """Rows of a list-table: "* -" starts a row, "-" a cell."""
    row: list[str] = []
    for line in lines:
        if begins := re.match(r"\*\s+-(?:\s+|\Z)(.*)", line):
            if row:
                yield [*map(_inline, row)]
            row = [begins.group(1)]
        elif cell := re.match(r"\s+-(?:\s+|\Z)(.*)", line):
            row.append(cell.group(1))
        elif row and line.strip():
            row[-1] = f"{row[-1]} {line.strip()}".strip()
    if row:
        yield [*map(_inline, row)]


def _inline(text: str) -> str:
    """Text without roles, links and emphasis; literals stay unchanged."""
    parts = _LITERAL_TEXT.split(text)
    return "".join(part if number % 2 else _marked(part) for number, part in enumerate(parts))


def _marked(text: str) -> str:
    text = _ROLE.sub(lambda role: _shown(role.group(1)), text)
    text = _LINK.sub(r"\1", text)
    return _MARKED.sub(lambda marked: marked.group(2), text).replace("\\ ", "").replace("\\*", "*")


def _shown(content: str) -> str:
    """Visible part of a role: the words of "words <target>"."""
    words, opens, target = content.rpartition("<")
    shown = words.rstrip() if opens and target.endswith(">") and words[-1:].isspace() else ""
    return shown or content.lstrip("~!")
