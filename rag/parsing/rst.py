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
_CODE_OFFSET = 0xF0000
"""Added to the code of an escaped character, so that it is not read as markup."""
_ORIGINAL_CODES = {_CODE_OFFSET + code: code for code in range(128)}
_RULE = re.compile(r"([!-/:-@\[-`{-~])\1{2,}\s*\Z")
_DIRECTIVE = re.compile(r"\.\.\s+(?:\|[^|]+\|\s+)?([\w:.+-]+)::\s*(.*)\Z")
_EXPLICIT = re.compile(r"\.\.(?:\s|\Z)")
_FOOTNOTE = re.compile(r"\.\.\s+(\[[^\]]+\])\s+(.*)\Z")
_OPTION = re.compile(r":[\w -]+:(?:\s|\Z)")
_FIELD = re.compile(r":([\w -]+):\s+(.*)\Z")
_ITEM = re.compile(r"(\s*)(?:[-*+\u2022]|#\.|\(?\d{1,4}[.)]|\(?[a-zA-Z][.)])\s+")
_BULLET = re.compile(r"\A(\s*)(?:[*+\u2022]|#\.)\s+")
_BELOW_SPAN = re.compile(r"[\s-]*")
"""A line of a simple table that is empty, or that underlines a header over several columns."""
_FIRST_CELL = re.compile(r"\*\s+-(?:\s+|\Z)(.*)")
_CELL = re.compile(r"\s+-(?:\s+|\Z)(.*)")
"""The first cell of a row of a list-table, and another one."""
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
"""Maximum number of bodies in each other."""
_DEEPEST_LEVEL = 6
_LONGEST_TERM = 200
_NO_TERM = (_ITEM, _FIELD, _GRID, _SIMPLE, _RULE)
"""What a line is that is not a term, although indented lines follow."""


def parse(source: str) -> Parsed:
    """A source with its blocks; marks, comments and targets are removed."""
    lines = [line.rstrip() for line in source.expandtabs().splitlines()]
    reader = _LineReader()
    text, blocks = join(reader.parts(lines, 0))
    metadata = reader.fields
    for block in blocks:
        if block.name:
            metadata.setdefault("title", block.name)
            break
    return Parsed(text, blocks, metadata)


class _LineReader:
    """Reads the lines of one document, and keeps what applies to all of it."""

    def __init__(self) -> None:
        self._styles: list[str] = []
        """styles of headings; the first that occurs is the highest"""
        self.fields: dict[str, str] = {}
        """the metadata"""

    def parts(self, lines: Sequence[str], depth: int) -> Iterator[Part]:
        """Parts of unindented lines."""
        index = 0
        while index < len(lines):
            line = lines[index]
            if not line:
                index += 1
                continue

            heading = _heading(lines, index) if depth == 0 else None
            if heading:
                text, style, index = heading
                yield Part(inline_text(text), self._level(style))
                continue

            if _EXPLICIT.match(line):
                end = _body_end(lines, index + 1)
                yield from self._explicit_markup(line, lines[index + 1 : end], depth)
            elif _is_term(lines, index):
                end = _body_end(lines, index + 1)
                body = _dedent(lines[index + 1 : end])
                yield from self._definition_parts(inline_text(line), body, depth)
            else:
                end = _paragraph_end(lines, index)
                yield from self._paragraph(lines[index:end])
                if lines[end - 1].endswith("::"):
                    literal = end
                    end = _body_end(lines, literal)
                    yield _code(_dedent(lines[literal:end]))
            index = end

    def _level(self, style: str) -> int:
        """The level of a heading, by the order in which the styles first occur."""
        if style not in self._styles:
            self._styles.append(style)
        level = self._styles.index(style) + 1
        return min(level, _DEEPEST_LEVEL)

    def _explicit_markup(self, text: str, lines: Sequence[str], depth: int) -> Iterator[Part]:
        """Content after "..": a directive, a footnote, or something invisible."""
        note = _FOOTNOTE.match(text)
        if note:
            mark, first_words = note.groups()
            words_below = [line.strip() for line in _dedent(lines)]
            words = " ".join([mark, first_words, *words_below])
            yield Part(inline_text(words))

        directive = _DIRECTIVE.match(text)
        if directive:
            whole_name, argument = directive.groups()
            name = whole_name.lower().rsplit(":", 1)[-1]
            yield from self._directive(name, argument, lines, depth)

    def _directive(
        self,
        name: str,
        argument: str,
        lines: Sequence[str],
        depth: int,
    ) -> Iterator[Part]:
        """The content of a directive: the lines below it, read as its name says."""
        if name in _DROPPED:
            return

        body = _without_options(_dedent(lines))

        if name in _LITERAL:
            yield _code(body)
        elif name in _IMAGES:
            yield from self._nested_parts(body, depth)
        elif name in _TABLES:
            yield from _directive_table(name, argument, lines, body)
        elif name in _OBJECTS and argument:
            yield from self._definition_parts(argument, body, depth)
        else:
            is_apart = lines and not lines[0]
            separator = [""] if is_apart else []
            yield from self._nested_parts([argument, *separator, *body], depth)

    def _definition_parts(self, term: str, body: list[str], depth: int) -> Iterator[Part]:
        """A term or an object and its description, with its name as context."""
        yield Part(term, context=(term,))
        for part in self._nested_parts(body, depth):
            context = (term, *part.context)
            yield replace(part, context=context)

    def _nested_parts(self, body: list[str], depth: int) -> Iterator[Part]:
        """The parts of an indented body; too deep ones are not read any further."""
        if depth < _DEEPEST:
            yield from self.parts(body, depth + 1)
        else:
            yield Part("\n".join(body))

    def _paragraph(self, lines: Sequence[str]) -> Iterator[Part]:
        """The part of lines without an empty one between them: a table, fields or text."""
        first_line = lines[0]
        if _GRID.match(first_line):
            headed = any(line.startswith("+=") for line in lines)
            yield _table(_grid_rows(lines), headed)
            return

        if _SIMPLE.match(first_line):
            rules = sum(1 for line in lines if _SIMPLE.match(line))
            yield _table(_simple_rows(lines), headed=rules == 3)
            return

        if any(_FIELD.match(line) for line in lines):
            self._read_fields(lines)
            texts = [inline_text(_FIELD.sub(r"\1: \2", line)) for line in lines]
            yield Part("\n".join(texts))
            return

        is_rule = len(lines) == 1 and _RULE.match(first_line)
        if not is_rule:
            text = "\n".join(_items(lines))
            if text.endswith("::"):
                text = text[:-1]
            is_mark = text == ":"
            yield Part("" if is_mark else inline_text(text))

    def _read_fields(self, lines: Sequence[str]) -> None:
        """Keep the fields of a document that are metadata."""
        for line in lines:
            field = _FIELD.match(line)
            if field is None:
                continue
            name = field.group(1).lower()
            if name in _METADATA:
                self.fields[name] = inline_text(field.group(2))


def _code(lines: Sequence[str]) -> Part:
    """A block of code."""
    return Part("\n".join(lines), kind="code")


def _without_options(body: list[str]) -> list[str]:
    """A directive's body after its options, such as ":widths: 20 80"."""
    while body:
        first_filled = next(filter(None, body), "")
        if not _OPTION.match(first_filled):
            break
        body = body[1:]
    return body


def _directive_table(
    name: str,
    argument: str,
    lines: Sequence[str],
    body: Sequence[str],
) -> Iterator[Part]:
    """The caption and the table of a directive whose body lists the rows."""
    headers: list[str] = []
    headed = False
    for line in lines:
        header = _HEADER.match(line)
        if header:
            headers.append(header.group(1))
        if header or _HEADED.match(line):
            headed = True

    is_csv = name == "csv-table"
    rows = _csv_rows([*headers, *body]) if is_csv else _list_table_rows(body)

    caption = inline_text(argument)
    context = (caption,) if argument else ()
    yield Part(caption, context=context, kind="caption")
    yield _table(rows, headed, context)


def _csv_rows(lines: Sequence[str]) -> list[list[str]]:
    """Rows of a csv-table; a cell may have several lines."""
    rows: list[list[str]] = []
    for record in csv_rows([f"{line}\n" for line in lines], ","):
        if record:
            rows.append([" ".join(cell.split()) for cell in record])
    return rows


def _heading(lines: Sequence[str], index: int) -> tuple[str, str, int] | None:
    """(text, style, next line) of a title with a rule below, or above and below."""
    overline = _RULE.match(lines[index])
    title_line = index + 1 if overline else index
    if title_line + 1 >= len(lines):
        return None

    line = lines[title_line]
    title = line.strip()
    if not title or _RULE.match(line):
        return None

    is_indented = line[:1].isspace()
    if is_indented and not overline:
        return None

    underline = lines[title_line + 1]
    rule = _RULE.match(underline)
    if not rule or len(underline) < min(len(title), 4):
        return None

    mark = rule.group(1)
    if not overline:
        return title, mark, title_line + 2
    if overline.group(1) != mark:
        return None
    return title, mark * 2, title_line + 2


def _is_term(lines: Sequence[str], index: int) -> bool:
    """Whether an unindented line is a term defined by the indented lines below it."""
    if index + 1 >= len(lines):
        return False

    line = lines[index]
    next_line = lines[index + 1]
    if line[0].isspace() or not next_line[:1].isspace():
        return False

    if len(line) >= _LONGEST_TERM or line.endswith("::"):
        return False

    return not any(mark.match(line) for mark in _NO_TERM)


def _body_end(lines: Sequence[str], index: int) -> int:
    """Index after the indented and empty lines."""
    for number in range(index, len(lines)):
        line = lines[number]
        if line and line[0] != " ":
            return number
    return len(lines)


def _paragraph_end(lines: Sequence[str], index: int) -> int:
    """Index after the lines up to an empty one, which a simple table may contain."""
    if _SIMPLE.match(lines[index]):
        return _simple_end(lines, index)
    for number in range(index + 1, len(lines)):
        if not lines[number]:
            return number
    return len(lines)


def _dedent(lines: Sequence[str]) -> list[str]:
    """The lines without common indentation, and without empty lines around them."""
    text = dedent("\n".join(lines))
    return text.strip("\n").split("\n")


def _items(lines: Sequence[str]) -> Iterator[str]:
    """One line per list item; other lines unchanged."""
    is_list = bool(_ITEM.match(lines[0]))
    item = ""
    for line in lines:
        if is_list and not _ITEM.match(line):
            item += " " + line.strip()
            continue

        if item:
            yield item
        item = _BULLET.sub(r"\1- ", line) if is_list else line.strip()

    if item:
        yield item


# Tables


def _simple_end(lines: Sequence[str], index: int) -> int:
    """Index after the last rule of a simple table, which may contain empty lines."""
    columns = len(lines[index].split())
    end = index + 1
    for row in range(index + 1, len(lines)):
        line = lines[row]
        next_line = lines[row + 1] if row + 1 < len(lines) else ""
        if not line and not next_line:
            break

        is_rule = _SIMPLE.match(line) and len(line.split()) == columns
        if is_rule:
            end = row + 1
            if not next_line:
                break
    return end


def _table(rows: Iterable[Sequence[str]], headed: bool, context: tuple[str, ...] = ()) -> Part:
    """A table whose cells have markup."""
    texts: list[list[str]] = []
    for row in rows:
        texts.append([inline_text(cell) for cell in row])
    return table_part(texts, headed, context)


def _grid_rows(lines: Sequence[str]) -> Iterator[list[str]]:
    """Rows of a grid table; the lines of a cell are joined."""
    cells: list[list[str]] = []
    for line in lines:
        if _GRID.match(line):
            has_text = any(map(any, cells))
            if has_text:
                yield [" ".join(filter(None, cell)) for cell in cells]
            cells = []
            continue

        pieces = line.strip().strip("|").split("|")
        for number, piece in enumerate(pieces):
            if number == len(cells):
                cells.append([])
            cells[number].append(piece.strip())


def _simple_rows(lines: Sequence[str]) -> list[list[str]]:
    """Rows of a simple table by its rule; one without a first cell continues the row above."""
    starts = [match.start() for match in re.finditer(r"=+", lines[0])]
    extents = list(zip(starts, [*starts[1:], None], strict=True))
    rows: list[list[str]] = []
    for line in lines:
        if _SIMPLE.match(line) or _BELOW_SPAN.fullmatch(line):
            continue

        cells = [line[start:end].strip() for start, end in extents]
        if not rows or cells[0]:
            rows.append(cells)
            continue
        row_above = rows[-1]
        for column, cell in enumerate(cells):
            row_above[column] = f"{row_above[column]} {cell}".strip()
    return rows


def _list_table_rows(lines: Sequence[str]) -> list[list[str]]:
    """Rows of a list-table: "* -" starts a row, "-" a cell."""
    rows: list[list[str]] = []
    for line in lines:
        first_cell = _FIRST_CELL.match(line)
        if first_cell:
            rows.append([first_cell.group(1)])
            continue

        cell = _CELL.match(line)
        if cell:
            if not rows:
                rows.append([])
            rows[-1].append(cell.group(1))
            continue

        if rows and line.strip():
            last_row = rows[-1]
            last_row[-1] = f"{last_row[-1]} {line.strip()}".strip()
    return rows


# Text in a line


def inline_text(text: str) -> str:
    """Text without roles, links and emphasis; literals stay unchanged."""
    parts = _LITERAL_TEXT.split(text)
    parts[::2] = [_without_marks(part) for part in parts[::2]]
    return "".join(parts)


def _without_marks(text: str) -> str:
    """Text between literals, without markup; what is escaped stays."""
    text = _ESCAPED.sub(_placeholder, text)
    text = _ROLE.sub(lambda role: _visible_words(role.group(1)), text)
    text = _LINK.sub(r"\1", text)
    text = _MARKED.sub(r"\2", text)
    text = text.replace("\\ ", "")
    return text.translate(_ORIGINAL_CODES)


def _placeholder(escaped: re.Match[str]) -> str:
    """Another character for an escaped one, until the markup has been read."""
    character = escaped.group(1)
    return chr(_CODE_OFFSET + ord(character))


def _visible_words(content: str) -> str:
    """Visible part of a role: the words of "words <target>"."""
    words, opens, target = content.rpartition("<")
    has_target = opens and target.endswith(">") and words[-1:].isspace()
    if has_target and words.strip():
        return words.rstrip()
    return content.lstrip("~!")
