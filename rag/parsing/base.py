"""Results and errors of parsers, and the parts of a text from which they build documents."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import zip_longest

from rag.parsing.lists import Lists, blocks_of_lines
from rag.types import Block, BlockCell, BlockKind, Column

OnScan = Callable[[int, int, bool], object]
"""Called with a page, from 1, the number of pages, and whether text was found on it: before its
text is recognised, and again afterwards if there is any."""


def ignore_scan(page: int, pages: int, has_text: bool) -> None:
    """An `OnScan` for those who do not follow."""


on_scan: ContextVar[OnScan] = ContextVar("on_scan", default=ignore_scan)
"""Who follows the file that is being parsed; a variable, since only two parsers recognise text."""


class ParseError(Exception):
    """Why a file cannot be read; other files are still read.

    `transient` means that a retry may succeed although the file is unchanged.
    """

    def __init__(self, reason: str, transient: bool = False) -> None:
        super().__init__(reason)
        self.transient = transient


@dataclass(frozen=True, slots=True)
class Parsed:
    """A document's text with its structure, as in `rag.types.Document`. "title" in `metadata`
    becomes the title.
    """

    text: str
    blocks: Sequence[Block] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    pages: tuple[int, ...] = ()
    left_out: int = 0
    """Number of characters of boilerplate left out of `text`, such as navigation."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside another: its path, and `read(most)`, which returns its bytes or raises
    ParseError for more than `most`.
    """

    name: str
    read: Callable[[int], bytes]


DEEPEST_INDENT = 8
"""Maximum depth of nested lists; thousands of levels would turn lines into spaces."""
BOLD = 7
"""Level of a short paragraph in bold type: a heading below all others if text follows."""
_LONGEST_HEADING = 120
"""Maximum length in characters of a heading that is only bold."""
_LONGEST_NAME = 120
"""Maximum length of a term in the context of its passages."""
_LEADING = 80
MOST_NAMES = 8
"""Maximum number of terms in a passage's context; the innermost are kept."""
GAP = "\n\n"
"""Between two parts of a text."""
_NO_CHARACTER = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a document's text; the next one follows after a blank line.

    It is one block of a `kind`, with `level` 1 to 6 a heading, with `BOLD` a heading if text
    follows, and with a `name` that need not occur in the text. Or it has the structure `blocks`, as
    in `rag.types.Document`, with offsets from the start of `text` and -1 as the parent of the
    outermost; `kind` and `name` are then not used. `list_part` and `rag.parsing.tables` make such
    parts. `context` are the names of the groups that contain the part, outermost first, such as the
    defined term or a figure's caption; adjacent parts with one context share the group.
    """

    text: str
    level: int = 0
    name: str = ""
    context: tuple[str, ...] = ()
    kind: BlockKind = "paragraph"
    blocks: tuple[Block, ...] = ()


Glue = Callable[[str, str], str | None]
"""Joins two texts if the second continues the first; else returns None."""


# Parts as a document


def of_pages(
    pages: Iterable[Iterable[Part]],
    metadata: dict[str, str],
    glue: Glue = lambda a, b: None,
) -> Parsed:
    """Join the parts of pages; an empty page starts where the next page with text does."""
    parts: list[Part] = []
    starts: list[tuple[int, int]] = []

    for page in pages:
        starts.append((len(parts), 0))
        is_first = True
        for part in page:
            if not part.text.strip():
                continue

            joined_text = _joined_paragraphs(parts[-1], part, glue) if parts else None
            if joined_text is None:
                parts.append(_stripped(part))
            else:
                last_part = parts[-1]
                if is_first:
                    offset = _start_of_next_word(joined_text, len(last_part.text))
                    starts[-1] = (len(parts) - 1, offset)
                parts[-1] = replace(last_part, text=joined_text)
            is_first = False

    return with_pages(parts, starts, metadata)


def _stripped(part: Part) -> Part:
    """The part without spaces around its text, unless its blocks count on them."""
    if part.blocks:
        return part
    return replace(part, text=part.text.strip())


def _joined_paragraphs(part: Part, following: Part, glue: Glue) -> str | None:
    """The text of two paragraphs as one, if the second goes on with the first; else None."""
    if part.level or following.level or part.context != following.context:
        return None
    if part.blocks or following.blocks:
        return None
    return glue(part.text, following.text)


def _start_of_next_word(text: str, offset: int) -> int:
    """Where the word after the one at `offset` starts. The word at `offset` may be on two pages,
    and counts for the first.
    """
    space = text.find(" ", offset)
    if space < 0:
        return len(text)
    return space + 1


def with_pages(
    parts: Sequence[Part],
    starts: Sequence[tuple[int, int]],
    metadata: dict[str, str],
) -> Parsed:
    """Join parts that are not empty; a page starts at each (index of a part, offset in it)."""
    text, blocks = join(parts)
    offsets = [0]
    for part in parts:
        length = len(part.text.strip()) + len(GAP)
        offsets.append(offsets[-1] + length)

    # From the end, so that no page starts after the next one.
    pages: list[int] = []
    page_start = len(text)
    for number, offset in reversed(starts):
        page_start = min(page_start, offsets[number] + offset)
        pages.append(page_start)
    pages.reverse()
    return Parsed(text, blocks, metadata, tuple(pages))


def join(parts: Iterable[Part]) -> tuple[str, tuple[Block, ...]]:
    """Join parts into one text with blank lines between them, and return it with its blocks.

    Lines of paragraphs that begin with a marker are items of lists.
    """
    filled_parts = [part for part in parts if part.text.strip()]
    texts: list[str] = []
    outline = Outline()
    start = 0
    for part in _led_in(_with_bold_headings(filled_parts)):
        text = part.text.strip()
        outline.part(part, start, text)
        texts.append(text)
        start += len(text) + len(GAP)
    return GAP.join(texts), outline.finished()


def list_part(lines: Iterable[tuple[int, str, str]], context: tuple[str, ...] = ()) -> Part:
    """A list from its lines: (depth from 0, marker or "" for more of the item above, text)."""
    lists = Lists()
    texts: list[str] = []
    start = 0
    for depth, marker, text in lines:
        indent = "  " * min(depth, DEEPEST_INDENT)
        line = f"{indent}{marker or ' '} {text}"
        begin = start + len(line) - len(line.lstrip())
        end = start + len(line.rstrip())
        if marker:
            lists.item(begin, end, depth, marker)
        elif begin < end:
            lists.text(begin, end, depth, gap=False, is_new=True)
        texts.append(line)
        start += len(line) + 1
    return Part("\n".join(texts), context=context, blocks=tuple(lists.blocks))


def group_part(parts: Iterable[Part], name: str) -> Part:
    """The parts as one, in a group if the name is not ""."""
    text, blocks = join(parts)
    if not name or not text:
        return Part(text, blocks=blocks)

    blocks_in_group = [Block("group", 0, len(text), name=name)]
    for block in blocks:
        blocks_in_group.append(block._replace(parent=block.parent + 1))
    return Part(text, blocks=tuple(blocks_in_group))


def stacked(parts: Sequence[Part]) -> Part:
    """Lists and tables as one part, without blank lines between them."""
    outline = Outline()
    texts: list[str] = []
    start = 0
    for part in parts:
        outline.nested(start, part.blocks)
        texts.append(part.text)
        start += len(part.text) + 1
    return Part("\n".join(texts), blocks=outline.finished())


class Outline:
    """Collects the blocks of a document in order, each below the open heading and groups."""

    def __init__(self) -> None:
        self._blocks: list[Block] = []
        self._headings: list[int] = []
        """indices of the open headings, outermost first"""
        self._groups: list[int] = []
        """indices of the open groups"""
        self._context: tuple[str, ...] = ()
        self._lines: list[tuple[int, str]] = []
        """lines of text whose blocks are not added yet"""

    def part(self, part: Part, start: int, text: str) -> None:
        """Add the blocks of a part; its `text`, without spaces around it, begins at `start`."""
        end = start + len(text)
        if part.level:
            self.heading(start, end, part.level, one_line(text))
            return

        self.enter(start, part.context)
        if part.blocks:
            skipped = len(part.text) - len(part.text.lstrip())
            self.nested(start - skipped, part.blocks)
        elif part.kind == "paragraph" and not part.name:
            self.lines(start, f"{text}\n")
        else:
            self.add(Block(part.kind, start, end, name=part.name))

    def heading(self, start: int, end: int, level: int, name: str) -> None:
        """Open a heading; it closes those of its level and below, and all groups."""
        self._end_text()
        self.enter(start, ())
        while self._headings:
            last_heading = self._blocks[self._headings[-1]]
            if last_heading.level < level:
                break
            self._headings.pop()
        self.add(Block("heading", start, end, level=level, name=name))
        self._headings.append(len(self._blocks) - 1)

    def enter(self, start: int, context: tuple[str, ...]) -> None:
        """Close the groups that are not in `context`, and open the new ones at `start`."""
        context = context[-MOST_NAMES:]
        if context == self._context:
            return

        shared_names = 0
        for term, open_term in zip(context, self._context, strict=False):
            if term != open_term:
                break
            shared_names += 1

        self._end_text()
        del self._groups[shared_names:]
        self._context = context

        for term in context[shared_names:]:
            name = name_of(term)
            if self._names_around(name):
                name = ""
            self.add(Block("group", start, start, name=name))
            self._groups.append(len(self._blocks) - 1)

    def _names_around(self, name: str) -> bool:
        """Whether an open heading or group says the name already. One word in others is another
        name.
        """
        is_phrase = " " in name
        for index in (*self._headings, *self._groups):
            outer_name = self._blocks[index].name
            if name == outer_name or (is_phrase and name in outer_name):
                return True
        return False

    def add(self, block: Block) -> None:
        """Add a block below the innermost open group or heading."""
        self.nested(0, (block,))

    def nested(self, offset: int, blocks: Sequence[Block]) -> None:
        """Add blocks with their own nesting, as in `Part`, moved by `offset` characters."""
        self._end_text()
        count_before = len(self._blocks)
        outer_index = -1
        if self._groups:
            outer_index = self._groups[-1]
        elif self._headings:
            outer_index = self._headings[-1]

        for block in blocks:
            is_nested = block.parent >= 0
            parent = count_before + block.parent if is_nested else outer_index
            self._blocks.append(_moved_block(block, offset, parent))

    def lines(self, start: int, text: str) -> None:
        """Add lines of paragraphs and lists; an empty one is a gap between them."""
        for line in text.split("\n"):
            self._lines.append((start, line))
            start += len(line) + 1

    def _end_text(self) -> None:
        """Add the blocks of the lines so far."""
        if self._lines:
            lines = self._lines
            self._lines = []
            self.nested(0, blocks_of_lines(lines))

    def finished(self) -> tuple[Block, ...]:
        """All blocks; those with others in them, except headings, end with the last of these."""
        self._end_text()
        blocks = self._blocks
        for block in reversed(blocks):
            if block.parent < 0:
                continue
            parent = blocks[block.parent]
            if parent.kind != "heading" and parent.end < block.end:
                blocks[block.parent] = parent._replace(end=block.end)
        return tuple(blocks)


def _moved_block(block: Block, offset: int, parent: int) -> Block:
    """The block with another parent, `offset` characters further on."""
    kind, start, end, _, level, name, marker, cells, columns = block
    if cells:
        # In one expression, since a long table has many thousand cells.
        cells = tuple([BlockCell(cell, a + offset, b + offset) for cell, a, b in cells])
    if columns:
        columns = tuple([_moved_column(column, offset) for column in columns])
    return Block(
        kind,
        start + offset,
        end + offset,
        parent,
        level,
        name,
        marker,
        cells,
        columns,
    )


def _moved_column(column: Column, offset: int) -> Column:
    """The column further on, if its name is in the text."""
    if column.start < 0:
        return Column(column.name)
    return Column(column.name, column.start + offset, column.end + offset)


# Headings, lead-ins and names


def level_of_bold(text: str) -> int:
    """`BOLD` for one short line that neither ends a sentence nor introduces a list; else 0."""
    text = text.strip()
    is_line = "\n" not in text and len(text) <= _LONGEST_HEADING
    has_letter = any(map(str.isalpha, text))
    if not is_line or not has_letter:
        return 0
    ends_sentence = text[-1] in ".!:;,"
    return 0 if ends_sentence else BOLD


def _with_bold_headings(parts: Sequence[Part]) -> list[Part]:
    """Make bold paragraphs without text directly below into text."""
    parts_with_text: list[Part] = []
    for part, following in zip_longest(parts, parts[1:]):
        has_text_below = following is not None and not following.level
        if part.level == BOLD and not has_text_below:
            parts_with_text.append(replace(part, level=0))
        else:
            parts_with_text.append(part)
    return parts_with_text


def _led_in(parts: Sequence[Part]) -> Iterator[Part]:
    """Join a short line such as "Parameters:" to the part it introduces."""
    for part, following in zip_longest(parts, parts[1:]):
        if following is not None and _introduces(part, following):
            yield replace(part, context=following.context)
        else:
            yield part


def _introduces(part: Part, following: Part) -> bool:
    """Whether a part is a short line above one that is in more groups, but in all of its own."""
    if part.level or following.level or part.name or following.name:
        return False
    ends_sentence = part.text.strip()[-1] in ".!?"
    if len(part.text) > _LEADING or ends_sentence:
        return False
    depth = len(part.context)
    outer_context = following.context[:depth]
    return outer_context == part.context and len(following.context) > depth


def name_of(text: str, length_limit: int = _LONGEST_NAME) -> str:
    """A term, caption or heading as part of a heading path, cut at a word."""
    name = one_line(text[: 10 * length_limit])
    if len(name) <= length_limit:
        return name
    words = name[:length_limit].rsplit(" ", 1)[0]
    return f"{words} …"


def one_line(text: str) -> str:
    """The words of a text, with one space between them."""
    return " ".join(text.split())


def encodable(text: str) -> str:
    """Replace, one by one, NULs and halves of surrogate pairs, which cannot be encoded."""
    return _NO_CHARACTER.sub("\ufffd", text)
