"""Results and errors of parsers, and the parts of a text from which they build documents."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from itertools import accumulate, repeat, takewhile, zip_longest

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


def of_pages(
    pages: Iterable[Iterable[Part]], metadata: dict[str, str], glue: Glue = lambda a, b: None
) -> Parsed:
    """Join the parts of pages; an empty page starts where the next page with text does."""
    parts: list[Part] = []
    starts: list[tuple[int, int]] = []

    for page in pages:
        starts.append((len(parts), 0))

        for number, part in enumerate(part for part in page if part.text.strip()):
            previous = parts[-1] if parts else Part("", 1)
            is_apart = previous.level or part.level or previous.context != part.context
            joined = (
                None
                if is_apart or previous.blocks or part.blocks
                else glue(previous.text, part.text)
            )

            if joined is None:
                parts.append(part if part.blocks else replace(part, text=part.text.strip()))
                continue

            parts[-1] = replace(previous, text=joined)
            if number == 0:  # after the word that spans both pages
                starts[-1] = (
                    len(parts) - 1,
                    joined.find(" ", len(previous.text)) + 1 or len(joined),
                )

    return with_pages(parts, starts, metadata)


def with_pages(
    parts: Sequence[Part], starts: Sequence[tuple[int, int]], metadata: dict[str, str]
) -> Parsed:
    """Join parts that are not empty; a page starts at each (index of a part, offset in it)."""
    text, blocks = join(parts)
    offsets = list(accumulate((len(part.text.strip()) + len(GAP) for part in parts), initial=0))
    pages = [min(offsets[part] + offset, len(text)) for part, offset in starts]
    return Parsed(text, blocks, metadata, tuple(accumulate(reversed(pages), min))[::-1])


def join(parts: Iterable[Part]) -> tuple[str, tuple[Block, ...]]:
    """Join parts into one text with blank lines between them, and return it with its blocks.

    Lines of paragraphs that begin with a marker are items of lists.
    """
    texts: list[str] = []
    outline = Outline()
    start = 0
    for part in _led_in(_headed([part for part in parts if part.text.strip()])):
        text = part.text.strip()
        texts.append(text)
        if part.level:
            outline.heading(start, start + len(text), part.level, one_line(text))
        else:
            outline.enter(start, part.context)
            if part.blocks:
                skipped = len(part.text) - len(part.text.lstrip())
                outline.nested(start - skipped, part.blocks)
            elif part.kind == "paragraph" and not part.name:
                outline.lines(start, f"{text}\n")
            else:
                outline.add(Block(part.kind, start, start + len(text), name=part.name))
        start += len(text) + len(GAP)
    return GAP.join(texts), outline.finished()


def list_part(lines: Iterable[tuple[int, str, str]], context: tuple[str, ...] = ()) -> Part:
    """A list from its lines: (depth from 0, marker or "" for more of the item above, text)."""
    lists, texts, start = Lists(), list[str](), 0
    for depth, marker, text in lines:
        line = f"{'  ' * min(depth, DEEPEST_INDENT)}{marker or ' '} {text}"
        begin, end = start + len(line) - len(line.lstrip()), start + len(line.rstrip())
        if marker:
            lists.item(begin, end, depth, marker)
        elif begin < end:
            lists.text(begin, end, depth, gap=False, new=True)
        texts.append(line)
        start += len(line) + 1
    return Part("\n".join(texts), context=context, blocks=tuple(lists.blocks))


def group_part(parts: Iterable[Part], name: str) -> Part:
    """The parts as one, in a group if the name is not ""."""
    text, blocks = join(parts)
    if name and text:
        group = Block("group", 0, len(text), name=name)
        blocks = (group, *(block._replace(parent=block.parent + 1) for block in blocks))
    return Part(text, blocks=blocks)


def stacked(parts: Sequence[Part]) -> Part:
    """Lists and tables as one part, without blank lines between them."""
    outline, start = Outline(), 0
    for part in parts:
        outline.nested(start, part.blocks)
        start += len(part.text) + 1
    return Part("\n".join(part.text for part in parts), blocks=outline.finished())


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

    def heading(self, start: int, end: int, level: int, name: str) -> None:
        """Open a heading; it closes those of its level and below, and all groups."""
        self._end_text()
        self.enter(start, ())
        while self._headings and self._blocks[self._headings[-1]].level >= level:
            self._headings.pop()
        self.add(Block("heading", start, end, level=level, name=name))
        self._headings.append(len(self._blocks) - 1)

    def enter(self, start: int, context: tuple[str, ...]) -> None:
        """Close the groups that are not in `context`, and open the new ones at `start`."""
        context = context[-MOST_NAMES:]
        if context == self._context:
            return

        pairs = zip(context, self._context, strict=False)
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))

        self._end_text()
        del self._groups[shared:]
        self._context = context

        for term in context[shared:]:
            outer_names = [self._blocks[i].name for i in (*self._headings, *self._groups)]
            name = name_of(term)
            is_named = name in outer_names or (
                " " in name and any(name in text for text in outer_names)
            )
            self.add(Block("group", start, start, name="" if is_named else name))
            self._groups.append(len(self._blocks) - 1)

    def add(self, block: Block) -> None:
        """Add a block below the innermost open group or heading."""
        self.nested(0, (block,))

    def nested(self, offset: int, blocks: Sequence[Block]) -> None:
        """Add blocks with their own nesting, as in `Part`, moved by `offset` characters."""
        self._end_text()
        offset_of_blocks = len(self._blocks)
        parent = (self._groups or self._headings or (-1,))[-1]
        parents = (
            offset_of_blocks + block.parent if block.parent >= 0 else parent for block in blocks
        )
        self._blocks += map(_moved, blocks, repeat(offset), parents)

    def lines(self, start: int, text: str) -> None:
        """Add lines of paragraphs and lists; an empty one is a gap between them."""
        for line in text.split("\n"):
            self._lines.append((start, line))
            start += len(line) + 1

    def _end_text(self) -> None:
        if self._lines:
            lines, self._lines = self._lines, []
            self.nested(0, blocks_of_lines(lines))

    def finished(self) -> tuple[Block, ...]:
        """All blocks; those with others in them, except headings, end with the last of these."""
        self._end_text()
        for block in reversed(self._blocks):
            parent = self._blocks[block.parent] if block.parent >= 0 else block
            if parent.kind != "heading" and parent.end < block.end:
                self._blocks[block.parent] = parent._replace(end=block.end)
        return tuple(self._blocks)


def _moved(block: Block, offset: int, parent: int) -> Block:
    """The block with another parent, `offset` characters further on."""
    kind, start, end, _, level, name, marker, cells, columns = block
    cells = tuple([BlockCell(cell, a + offset, b + offset) for cell, a, b in cells])
    columns = tuple(
        [Column(c, a + offset, b + offset) if a >= 0 else Column(c) for c, a, b in columns]
    )
    return Block(kind, start + offset, end + offset, parent, level, name, marker, cells, columns)


def level_of_bold(text: str) -> int:
    """`BOLD` for one short line that neither ends a sentence nor introduces a list; else 0."""
    text = text.strip()
    is_line = "\n" not in text and len(text) <= _LONGEST_HEADING
    is_name = any(c.isalpha() for c in text) and text[-1] not in ".!:;,"
    return BOLD if is_line and is_name else 0


def _headed(parts: Sequence[Part]) -> list[Part]:
    """Make bold paragraphs without text directly below into text."""
    return [
        replace(part, level=0)
        if part.level == BOLD and (following is None or following.level)
        else part
        for part, following in zip_longest(parts, parts[1:])
    ]


def _led_in(parts: Sequence[Part]) -> Iterator[Part]:
    """Join a short line such as "Parameters:" to the part it introduces."""
    for part, following in zip_longest(parts, parts[1:]):
        is_short = len(part.text) <= _LEADING and part.text.strip()[-1] not in ".!?"
        if (
            following
            and is_short
            and not (part.level or following.level or part.name or following.name)
        ):
            depth = len(part.context)
            if len(following.context) > depth and following.context[:depth] == part.context:
                part = replace(part, context=following.context)
        yield part


def name_of(text: str, longest: int = _LONGEST_NAME) -> str:
    """A term, caption or heading as part of a heading path, cut at a word."""
    name = one_line(text[: 10 * longest])
    return name if len(name) <= longest else name[:longest].rsplit(" ", 1)[0] + " …"


def one_line(text: str) -> str:
    return " ".join(text.split())


def encodable(text: str) -> str:
    """Replace, one by one, NULs and halves of surrogate pairs, which cannot be encoded."""
    return _NO_CHARACTER.sub("\ufffd", text)
