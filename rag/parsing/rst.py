"""reStructuredText: headings, lists, tables, literal blocks and the text of directives.

Parsed line by line and not through docutils, which does not know Sphinx, stops at the first error,
and takes seconds for a long file.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from textwrap import dedent

from rag.parsing.base import Parsed, Part, join
from rag.parsing.delimited import csv_rows
from rag.parsing.tables import table_part

_GRID = re.compile(r"\s*\+[-=+]+\+\s*\Z")
_SIMPLE = re.compile(r"\s*=+(?:\s+=+)+\s*\Z")
_ROLE = re.compile(r":[\w+.-]{1,60}(?::[\w+.-]{1,60}){0,3}:`([^`]*)`")
_LITERAL_TEXT = re.compile(r"(?<!`)``(?=\S)(.{1,300}?)(?<=\S)``(?!`)", re.DOTALL)
_LINK = re.compile(r"`([^`<]{1,300}?)\s{1,9}<[^`>]{1,2000}>`_{0,2}")
_MARKED = re.compile(
    r"(?<![\w`*])(``|`|\*\*|\*)(?=\S)(.{1,300}?)(?<=\S)\1_{0,2}(?![\w`*])", re.DOTALL
)
"""Bounded, since the end of an unclosed mark would be searched from each opening mark."""


_ESCAPED = re.compile(r"\\([!#-/:-@\[-`{-~])")
_HIDDEN = 0xF0000
"""Added to the code of an escaped character, so that it is not read as markup."""
_SHOWN = {_HIDDEN + code: code for code in range(128)}
_RULE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*\Z")
_DIRECTIVE = re.compile(r"\.\.\s+(?:\|[^|]+\|\s+)?([\w:.+-]+)::\s*(.*)\Z")
_EXPLICIT = re.compile(r"\.\.(?:\s|\Z)")
_FOOTNOTE = re.compile(r"\.\.\s+(\[[^\]]+\])\s+(.*)\Z")
_OPTION = re.compile(r":[\w -]+:(?:\s|\Z)")
_FIELD = re.compile(r":([\w -]+):\s+(.*)\Z")
_ITEM = re.compile(r"(\s*)(?:[-*+\u2022]|#\.|\(?\d{1,4}[.)]|\(?[a-zA-Z][.)])\s+")
_BULLET = re.compile(r"\A(\s*)(?:[*+\u2022]|#\.)\s+")
_HEADED = re.compile(r"\s*:header-rows:\s*1\s*\Z")
_HEADER = re.compile(r"\s*:header:\s*(.+)\Z")
_DROPPED = frozenset(
    "toctree contents include raw kernel-doc index highlight only math meta sectionauthor "
    "tabularcolumns".split()
)
_LITERAL = frozenset(
    "code code-block sourcecode parsed-literal literalinclude prompt productionlist doctest".split()
)
_OBJECTS = frozenset(
    "option cmdoption confval envvar setting function method class attribute data exception macro "
    "type var property decorator describe object classmethod staticmethod command directive role "
    "member enumerator struct".split()
)
"""Directives whose argument names the subject of their body."""
_IMAGES = frozenset("image figure graphviz kernel-figure kernel-image".split())
_TABLES = frozenset("list-table flat-table csv-table".split())
_METADATA = frozenset("author authors date language".split())
_DEEPEST = 20
_LONGEST_TERM = 200


def parse(source: str) -> Parsed:
    """A source with its blocks; marks, comments and targets are removed."""
    lines = [line.rstrip() for line in source.expandtabs().splitlines()]
    reader = _Reader()
    text, blocks = join(reader.parts(lines, 0))
    metadata = reader.fields
    if title := next((block.name for block in blocks if block.name), ""):
        metadata.setdefault("title", title)
    return Parsed(text, blocks, metadata)


class _Reader:
    def __init__(self) -> None:
        self._styles: list[str] = []
        self.fields: dict[str, str] = {}

    def parts(self, lines: Sequence[str], depth: int) -> Iterator[Part]:
        """Parts of unindented lines."""
        index = 0

        while index < len(lines):
            line = lines[index]

            if not line:
                index += 1

            elif depth == 0 and (heading := _heading(lines, index)):
                text, style, index = heading
                yield Part(inline_text(text), self._level(style))

            elif _EXPLICIT.match(line):
                end = _body_end(lines, index + 1)
                yield from self._explicit(line, lines[index + 1 : end], depth)
                index = end

            elif _is_term(lines, index):
                end = _body_end(lines, index + 1)
                body = _dedent(lines[index + 1 : end])
                yield from self._defined(inline_text(line), body, depth)
                index = end

            else:
                end = _paragraph_end(lines, index)
                yield from self._paragraph(lines[index:end])
                index = end

                if lines[end - 1].endswith("::"):
                    index = _body_end(lines, end)
                    yield Part("\n".join(_dedent(lines[end:index])), kind="code")

    def _level(self, style: str) -> int:
        if style not in self._styles:
            self._styles.append(style)
        return min(self._styles.index(style) + 1, 6)

    def _explicit(self, text: str, lines: Sequence[str], depth: int) -> Iterator[Part]:
        """Content after "..": a directive, a footnote, or something invisible."""
        if note := _FOOTNOTE.match(text):
            words = [note.group(1), note.group(2), *map(str.strip, _dedent(lines))]
            yield Part(inline_text(" ".join(words)))
        if directive := _DIRECTIVE.match(text):
            name = directive.group(1).lower().rsplit(":", 1)[-1]
            yield from self._directive(name, directive.group(2), lines, depth)

    def _directive(
        self, name: str, argument: str, lines: Sequence[str], depth: int
    ) -> Iterator[Part]:
        if name in _DROPPED:
            return

        body = _without_options(_dedent(lines))

        if name in _LITERAL:
            yield Part("\n".join(body), kind="code")

        elif name in _IMAGES:
            yield from self._nested(body, depth)

        elif name in _TABLES:
            yield from _directive_table(name, argument, lines, body)

        elif name in _OBJECTS and argument:
            yield from self._defined(argument, body, depth)

        else:
            separator = [""] if lines and not lines[0] else []
            yield from self._nested([argument, *separator, *body], depth)

    def _defined(self, term: str, body: list[str], depth: int) -> Iterator[Part]:
        """A term or an object and its description, with its name as context."""
        yield Part(term, context=(term,))
        for part in self._nested(body, depth):
            yield replace(part, context=(term, *part.context))

    def _nested(self, body: list[str], depth: int) -> Iterator[Part]:
        if depth < _DEEPEST:
            yield from self.parts(body, depth + 1)
        else:
            yield Part("\n".join(body))

    def _paragraph(self, lines: Sequence[str]) -> Iterator[Part]:
        if _GRID.match(lines[0]):
            headed = any(line.startswith("+=") for line in lines)
            yield _table(_grid_rows(lines), headed)

        elif _SIMPLE.match(lines[0]):
            rules = sum(1 for line in lines if _SIMPLE.match(line))
            yield _table(_simple_rows(lines), headed=rules == 3)

        elif fields := [match for line in lines if (match := _FIELD.match(line))]:
            for field in fields:
                name = field.group(1).lower()
                if name in _METADATA:
                    self.fields[name] = inline_text(field.group(2))

            yield Part("\n".join(inline_text(_FIELD.sub(r"\1: \2", line)) for line in lines))

        elif not _RULE.match(lines[0]) or len(lines) > 1:
            text = "\n".join(_items(lines))
            prose = text[:-1] if text.endswith("::") else text
            yield Part("" if prose == ":" else inline_text(prose))


def _without_options(body: list[str]) -> list[str]:
    """A directive's body after its options, such as ":widths: 20 80"."""
    while body and _OPTION.match(body[0] or next(filter(None, body), "")):
        body = body[1:]
    return body


def _directive_table(
    name: str, argument: str, lines: Sequence[str], body: Sequence[str]
) -> Iterator[Part]:
    """The caption and the table of a directive whose body lists the rows."""
    header = [match.group(1) for line in lines if (match := _HEADER.match(line))]
    headed = bool(header) or any(_HEADED.match(line) for line in lines)

    if name == "csv-table":
        records = csv_rows([f"{line}\n" for line in [*header, *body]], ",")
        rows = [[" ".join(cell.split()) for cell in row] for row in records if row]
    else:
        rows = _list_table_rows(body)

    caption = inline_text(argument)
    context = (caption,) if argument else ()

    yield Part(caption, context=context, kind="caption")
    yield _table(rows, headed, context)


def _heading(lines: Sequence[str], index: int) -> tuple[str, str, int] | None:
    """(text, style, next line) of a title with a rule below, or above and below."""
    overline = _RULE.match(lines[index])
    title_line = index + 1 if overline else index
    if title_line + 1 >= len(lines):
        return None

    line, underline = lines[title_line], lines[title_line + 1]
    title = line.strip()
    if not title or _RULE.match(line):
        return None

    if not overline and line[:1].isspace():
        return None

    rule = _RULE.match(underline)
    if not rule or len(underline) < min(len(title), 4):
        return None

    mark = rule.group(1)
    if overline and overline.group(1) != mark:
        return None

    style = mark * 2 if overline else mark
    return title, style, title_line + 2


def _is_term(lines: Sequence[str], index: int) -> bool:
    """Whether an unindented line is a term defined by the indented lines below it."""
    if index + 1 >= len(lines):
        return False

    line, next_line = lines[index], lines[index + 1]
    if line[0].isspace() or not next_line[:1].isspace():
        return False

    if len(line) >= _LONGEST_TERM or line.endswith("::"):
        return False

    return not any(mark.match(line) for mark in (_ITEM, _FIELD, _GRID, _SIMPLE, _RULE))


def _body_end(lines: Sequence[str], index: int) -> int:
    """Index after the indented and empty lines."""
    unindented = (n for n in range(index, len(lines)) if lines[n] and lines[n][0] != " ")
    return next(unindented, len(lines))


def _paragraph_end(lines: Sequence[str], index: int) -> int:
    if _SIMPLE.match(lines[index]):
        return _simple_end(lines, index)
    return next((n for n in range(index + 1, len(lines)) if not lines[n]), len(lines))


def _dedent(lines: Sequence[str]) -> list[str]:
    """The lines without common indentation, and without empty lines around them."""
    return dedent("\n".join(lines)).strip("\n").split("\n")


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

        current = _BULLET.sub(r"\1- ", line) if listed else line.strip()

    if current:
        yield current


def _simple_end(lines: Sequence[str], index: int) -> int:
    """Index after the last rule of a simple table, which may contain empty lines."""
    columns = len(lines[index].split())
    end = index + 1

    for row in range(index + 1, len(lines)):
        next_line = lines[row + 1] if row + 1 < len(lines) else ""
        if not lines[row] and not next_line:
            break

        if _SIMPLE.match(lines[row]) and len(lines[row].split()) == columns:
            end = row + 1
            if not next_line:
                break

    return end


def _table(rows: Iterable[Sequence[str]], headed: bool, context: tuple[str, ...] = ()) -> Part:
    return table_part([[*map(inline_text, row)] for row in rows], headed, context)


def _grid_rows(lines: Sequence[str]) -> Iterator[list[str]]:
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
            cells[number].append(piece.strip())


def _simple_rows(lines: Sequence[str]) -> list[list[str]]:
    """Rows of a simple table by its rule; one without a first cell continues the row above."""
    starts = [match.start() for match in re.finditer(r"=+", lines[0])]
    rows: list[list[str]] = []
    for line in lines:
        if _SIMPLE.match(line) or re.fullmatch(r"[\s-]*", line):
            continue

        extents = zip(starts, [*starts[1:], None], strict=True)
        cells = [line[start:end].strip() for start, end in extents]

        if rows and not cells[0]:
            pairs = zip(rows[-1], cells, strict=True)
            rows[-1] = [f"{words} {cell}".strip() for words, cell in pairs]
        else:
            rows.append(cells)

    return rows


def _list_table_rows(lines: Sequence[str]) -> list[list[str]]:
    """Rows of a list-table: "* -" starts a row, "-" a cell."""
    rows: list[list[str]] = []
    for line in lines:
        if begins := re.match(r"\*\s+-(?:\s+|\Z)(.*)", line):
            rows.append([begins.group(1)])
        elif cell := re.match(r"\s+-(?:\s+|\Z)(.*)", line):
            rows = rows or [[]]
            rows[-1].append(cell.group(1))
        elif rows and line.strip():
            rows[-1][-1] = f"{rows[-1][-1]} {line.strip()}".strip()
    return rows


def inline_text(text: str) -> str:
    """Text without roles, links and emphasis; literals stay unchanged."""
    parts = _LITERAL_TEXT.split(text)
    return "".join(part if number % 2 else _marked(part) for number, part in enumerate(parts))


def _marked(text: str) -> str:
    text = _ESCAPED.sub(lambda escaped: chr(_HIDDEN + ord(escaped.group(1))), text)
    text = _ROLE.sub(lambda role: _shown(role.group(1)), text)
    text = _LINK.sub(r"\1", text)
    text = _MARKED.sub(lambda marked: marked.group(2), text)
    return text.replace("\\ ", "").translate(_SHOWN)


def _shown(content: str) -> str:
    """Visible part of a role: the words of "words <target>"."""
    words, opens, target = content.rpartition("<")
    title = words.rstrip() if opens and target.endswith(">") and words[-1:].isspace() else ""
    return title or content.lstrip("~!")
