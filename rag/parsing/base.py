"""Results and errors of parsers, and building blocks they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate, zip_longest

from rag.types import Section


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
    sections: tuple[Section, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    pages: tuple[int, ...] = ()
    left_out: int = 0
    """Number of characters of boilerplate, such as navigation and running heads, left out of
    `text`.
    """


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside another: its path, and `read(most)`, which returns its bytes or raises
    ParseError for more than `most`.
    """

    name: str
    read: Callable[[int], bytes]


Glue = Callable[[str, str], str | None]
"""Joins two blocks if the second continues the first; else returns None."""


def of_pages(
    pages: Iterable[Iterable[Block]],
    metadata: dict[str, str],
    glue: Glue = lambda first, second: None,
) -> Parsed:
    """Join the blocks of pages, numbered from 1, into one text. An empty page starts where the next
    page with text does.
    """
    blocks: list[Block] = []
    starts: list[tuple[int, int]] = []
    for page in pages:
        starts.append((len(blocks), 0))
        for number, block in enumerate(block for block in page if block.text.strip()):
            last = blocks[-1] if blocks else Block("", 1)
            apart = last.level or block.level or last.context != block.context
            whole = None if apart else glue(last.text, block.text)
            if whole is None:
                blocks.append(replace(block, text=block.text.strip()))
                continue
            blocks[-1] = replace(last, text=whole)
            if number == 0:  # after the word that spans both pages
                starts[-1] = (len(blocks) - 1, whole.find(" ", len(last.text)) + 1 or len(whole))
    text, sections = join(blocks)
    offsets = list(accumulate((len(block.text) + 2 for block in blocks), initial=0))
    found = [min(offsets[block] + inside, len(text)) for block, inside in starts]
    return Parsed(text, sections, metadata, tuple(accumulate(reversed(found), min))[::-1])


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


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, list, table or code block; with `level` 1 to 6 a heading, with `BOLD` a heading
    if text follows.

    `section` opens a section of that name below the current headings; the name need not occur in
    the text. `context` names the subject of the block, such as the defined term or a table's
    caption; adjacent blocks of one context form a section.
    """

    text: str
    level: int = 0
    section: str = ""
    context: tuple[str, ...] = ()


def join(blocks: Iterable[Block]) -> tuple[str, tuple[Section, ...]]:
    """Join blocks into one text with blank lines, and return the sections opened by headings and
    contexts.
    """
    parts: list[str] = []
    sections: list[Section] = []
    path: list[tuple[int, str]] = []
    length = 0
    before: tuple[str, ...] = ()
    for block in _led_in(_headed([block for block in blocks if block.text.strip()])):
        text = block.text.strip()
        if block.level:
            path = [(level, heading) for level, heading in path if level < block.level]
            path.append((block.level, _one_line(text)))
        if block.level or block.section or block.context != before:
            names = [heading for _, heading in path]
            terms = [name_of(term) for term in block.context[-MOST_NAMES:]]
            names += [term for term in terms if not _is_named(term, names)]
            names += [block.section] if block.section else []
            sections.append(Section(length, " > ".join(names)))
        before = block.context
        parts.append(text)
        length += len(text) + 2
    return "\n\n".join(parts), tuple(sections)


def level_of_bold(text: str) -> int:
    """Level of a paragraph in bold type: `BOLD` if it is one short line without the punctuation
    that ends a sentence or introduces a list, else 0.
    """
    text = text.strip()
    is_line = "\n" not in text and len(text) <= _LONGEST_HEADING
    is_name = any(c.isalpha() for c in text) and text[-1] not in ".!:;,"
    return BOLD if is_line and is_name else 0


def _headed(blocks: Sequence[Block]) -> list[Block]:
    """Make bold paragraphs without text directly below into text."""
    return [
        replace(block, level=0) if block.level == BOLD and (after is None or after.level) else block
        for block, after in zip_longest(blocks, blocks[1:])
    ]


def _is_named(term: str, headings: Sequence[str]) -> bool:
    """Whether a heading is the term, or contains it if it has several words."""
    return term in headings or (" " in term and any(term in heading for heading in headings))


def _led_in(blocks: Sequence[Block]) -> Iterator[Block]:
    """Join a short line such as "Parameters:" to the block it introduces."""
    for block, after in zip_longest(blocks, blocks[1:]):
        leads = (
            after
            and not (block.level or after.level or block.section or after.section)
            and len(block.text) <= _LEADING
            and block.text.strip()[-1] not in ".!?"
        )
        deeper = (
            leads
            and len(after.context) > len(block.context)
            and after.context[: len(block.context)] == block.context
        )
        yield replace(block, context=after.context) if deeper else block


def name_of(text: str) -> str:
    """A term or caption as part of a heading path, cut at a word."""
    name = _one_line(text[: 10 * _LONGEST_NAME])
    return name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME].rsplit(" ", 1)[0] + " …"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace(" > ", " › ")  # " > " separates headings in a path
