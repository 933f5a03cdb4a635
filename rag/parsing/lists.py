"""Lists: their blocks, from items, or from the markers and indentation of lines of text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from rag.types import Block

BULLETS = "-*+•‣◦▪–"
_MARKED = re.compile(
    rf"[ \t]*([{BULLETS}]|\(?(?:\d{{1,3}}|[a-zA-Z]|[ivx]{{1,5}})[.)]"
    r"|(?:Step|STEP) \d{1,3}[.:)]?)[ \t]+\S"
)
_OTHER = re.compile(rf"^{_MARKED.pattern}|\n[ \t]*\n", re.MULTILINE)
_RULE = re.compile(r"\s*([-=~*_^\"#+.])\1{2,}\s*")
"""A rule; the line above it is a heading, not an item."""
_TAB = 8


class Lists:
    """The blocks of lists and of paragraphs between them, in order."""

    def __init__(self) -> None:
        self.is_open = False
        self._blocks: list[Block] = []
        self._ends: list[int] = []
        self._levels: list[tuple[int, bool, int, int]] = []
        """(indent, is it numbered, indices of list and last item) of open lists, outermost first"""

    def item(self, start: int, end: int, indent: int, marker: str) -> None:
        """Add an item; it closes lists that are indented more, or as much but of the other kind."""
        levels, is_numbered = self._levels, marker not in BULLETS
        while levels and (indent, is_numbered) != levels[-1][:2] and indent <= levels[-1][0]:
            levels.pop()
        if levels and levels[-1][0] == indent:
            index = levels.pop()[2]
        else:
            index = len(self._blocks)
            self._add(Block("list", start, end, levels[-1][3] if levels else -1))
        levels.append((indent, is_numbered, index, len(self._blocks)))
        self._add(Block("item", start, end, index, marker=marker))
        self._extend(end)
        self.is_open = True

    def text(self, start: int, end: int, indent: int, is_after_gap: bool) -> bool:
        """Add a line without a marker to the open item that it belongs to, and return whether there
        is one. Text to the left of an item's marker, or below it after an empty line, ends the
        list.
        """
        levels = self._levels
        while levels and (indent < levels[-1][0] or (indent == levels[-1][0] and is_after_gap)):
            levels.pop()
        self.is_open = bool(levels)
        self._extend(end)
        return self.is_open

    def paragraph(self, start: int, end: int, is_new: bool) -> None:
        """Add a paragraph, or a line of the one that was added last."""
        if is_new:
            self._add(Block("paragraph", start, end))
        self._ends[-1] = end

    def finished(self) -> list[Block]:
        pairs = zip(self._blocks, self._ends, strict=True)
        return [block if block.end == end else block._replace(end=end) for block, end in pairs]

    def _add(self, block: Block) -> None:
        self._blocks.append(block)
        self._ends.append(block.end)

    def _extend(self, end: int) -> None:
        for _, _, container, last in self._levels:
            self._ends[container] = self._ends[last] = end


def blocks_of_lines(lines: Iterable[tuple[int, str]]) -> list[Block]:
    """The paragraphs and lists of plain text, from its (offset, line) in order."""
    lists = Lists()
    in_paragraph = is_after_gap = False
    rows = list(lines)
    for number, (start, line) in enumerate(rows):
        text = line.strip()
        if not text:
            in_paragraph, is_after_gap = False, True
            continue
        begin = start + len(line) - len(line.lstrip())
        end = begin + len(text)
        marked = _MARKED.match(line)
        if marked and number + 1 < len(rows) and _RULE.fullmatch(rows[number + 1][1]):
            marked = None
        if marked:
            lists.item(begin, end, _indent(line), marked.group(1))
            in_paragraph = False
        elif lists.is_open and lists.text(begin, end, _indent(line), is_after_gap):
            in_paragraph = False
        else:
            lists.paragraph(begin, end, is_new=not in_paragraph)
            in_paragraph = True
        is_after_gap = False
    return _without_single_numbers(lists.finished())


def _indent(line: str) -> int:
    line = line.expandtabs(_TAB)
    return len(line) - len(line.lstrip())


def _without_single_numbers(blocks: list[Block]) -> list[Block]:
    """Make a numbered item without others beside it a paragraph, such as "A. Smith wrote"."""
    parents = Counter(block.parent for block in blocks)
    single = {
        index
        for index, block in enumerate(blocks)
        if block.kind == "list"
        and parents[index] == 1
        and blocks[index + 1].marker not in BULLETS
        and index + 1 not in parents
    }
    if not single:
        return blocks
    places: dict[int, int] = {-1: -1}
    remaining: list[Block] = []
    for index, block in enumerate(blocks):
        if index - 1 in single:
            continue
        places[index] = len(remaining)
        kind = "paragraph" if index in single else block.kind
        remaining.append(block._replace(kind=kind, parent=places[block.parent]))
    return remaining


def is_paragraph(text: str) -> bool:
    """Whether no line begins with the marker of an item, and none is empty."""
    return not _OTHER.search(text)
