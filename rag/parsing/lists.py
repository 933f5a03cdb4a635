"""Lists: their blocks, from items, or from the markers and indentation of lines of text."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

from rag.types import Block

BULLETS = "-*+•‣◦▪–"
_MARKED = re.compile(
    rf"[ \t]*([{BULLETS}]|\(?(?:\d{{1,3}}|[a-zA-Z]|[ivx]{{1,5}})[.)]"
    r"|(?:Step|STEP) \d{1,3}[.:)]?)[ \t]+\S"
)
_RULE = re.compile(r"\s*([-=~*_^\"#+.])\1{2,}\s*")
"""A rule; the line above it is a heading, not an item."""
_TAB = 8


class Lists:
    """The blocks of lists and of paragraphs between them, in order. A list ends with its first line
    until `rag.parsing.base.Outline` extends it.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
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
            index = len(self.blocks)
            self.blocks.append(Block("list", start, end, levels[-1][3] if levels else -1))
        levels.append((indent, is_numbered, index, len(self.blocks)))
        self.blocks.append(Block("item", start, end, index, marker=marker))

    def text(self, start: int, end: int, indent: int, *, gap: bool, new: bool) -> bool:
        """Add a line without a marker to the open item that it belongs to, and return whether there
        is one; else it is a `new` paragraph, or a line of the last one. Text to the left of an
        item's marker, or below it after a `gap`, an empty line, ends the list.
        """
        levels = self._levels
        while levels and (indent < levels[-1][0] or (indent == levels[-1][0] and gap)):
            levels.pop()
        if new and not levels:
            self.blocks.append(Block("paragraph", start, end))
        index = levels[-1][3] if levels else -1
        self.blocks[index] = self.blocks[index]._replace(end=end)
        return bool(levels)


def blocks_of_lines(lines: Sequence[tuple[int, str]]) -> list[Block]:
    """The paragraphs and lists of plain text, from its (offset, line) in order."""
    lists = Lists()
    in_paragraph = is_after_gap = False
    for (start, line), (_, next_line) in zip_longest(lines, lines[1:], fillvalue=(0, "")):
        text, expanded = line.strip(), line.expandtabs(_TAB)
        begin, indent = (
            start + len(line) - len(line.lstrip()),
            len(expanded) - len(expanded.lstrip()),
        )
        end = begin + len(text)
        marked = _MARKED.match(line)
        if not text:
            in_paragraph = False
        elif marked and not _RULE.fullmatch(next_line):
            lists.item(begin, end, indent, marked.group(1))
            in_paragraph = False
        else:
            is_new = not in_paragraph
            in_paragraph = not lists.text(begin, end, indent, gap=is_after_gap, new=is_new)
        is_after_gap = not text
    return _without_single_numbers(lists.blocks)


def _without_single_numbers(blocks: Sequence[Block]) -> list[Block]:
    """Make a numbered item without others beside it a paragraph, such as "A. Smith wrote"."""
    children = Counter(block.parent for block in blocks)
    single = {
        index
        for index, block in enumerate(blocks)
        if block.kind == "list" and children[index] == 1 and not children[index + 1]
        if blocks[index + 1].marker not in BULLETS
    }
    kept = [index for index in range(len(blocks)) if index not in single]
    places = {index: place for place, index in enumerate([-1, *kept], -1)}
    return [
        Block("paragraph", blocks[index].start, blocks[index].end, places[blocks[index - 1].parent])
        if index - 1 in single
        else blocks[index]._replace(parent=places[blocks[index].parent])
        for index in kept
    ]
