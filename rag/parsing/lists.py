"""Lists: their blocks, from items, or from the markers and indentation of lines of text."""

import re
from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

from rag.types import Block

BULLETS = "-*+•‣◦▪–"
_MARKED = re.compile(
    rf"[ \t]*([{BULLETS}]|\(?(?:\d{{1,3}}|[a-zA-Z]|[ivx]{{1,5}})[.)]"
    r"|(?:Step|STEP) \d{1,3}[.:)]?)[ \t]+\S"
)
_RULE = re.compile(r"\s*([-=~*_^\"#+.])\1{2,}\s*")
"""A rule; the line above it is a heading, not an item."""
_TAB = 8


class _OpenList(NamedTuple):
    """An open list: its indentation, whether it is numbered, and the indices of its block and of
    that of its last item.
    """

    indent: int
    is_numbered: bool
    list_index: int
    last_item: int


class Lists:
    """The blocks of lists and of paragraphs between them, in order. A list ends with its first line
    until `rag.parsing.base.Outline` extends it.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._levels: list[_OpenList] = []
        """of open lists, outermost first"""

    def item(self, start: int, end: int, indent: int, marker: str) -> None:
        """Add an item; it closes lists that are indented more, or as much but of the other kind."""
        levels = self._levels
        is_numbered = marker not in BULLETS
        while levels:
            last_level = levels[-1]
            is_same = indent == last_level.indent and is_numbered == last_level.is_numbered
            if is_same or indent > last_level.indent:
                break
            levels.pop()

        if levels and levels[-1].indent == indent:
            index = levels.pop().list_index
        else:
            index = len(self.blocks)
            outer_item = levels[-1].last_item if levels else -1
            self.blocks.append(Block("list", start, end, outer_item))
        level = _OpenList(
            indent=indent,
            is_numbered=is_numbered,
            list_index=index,
            last_item=len(self.blocks),
        )
        levels.append(level)
        self.blocks.append(Block("item", start, end, index, marker=marker))

    def text(self, start: int, end: int, indent: int, *, gap: bool, is_new: bool) -> bool:
        """Add a line without a marker to the open item that it belongs to, and return whether there
        is one; else it is a paragraph if it `is_new`, or a line of the last one. Text to the left
        of an item's marker, or below it after a `gap`, an empty line, ends the list.
        """
        levels = self._levels
        while levels:
            last_indent = levels[-1].indent
            is_below_after_gap = gap and indent == last_indent
            if indent >= last_indent and not is_below_after_gap:
                break
            levels.pop()

        if is_new and not levels:
            self.blocks.append(Block("paragraph", start, end))
        index = levels[-1].last_item if levels else -1
        self.blocks[index] = self.blocks[index]._replace(end=end)
        return bool(levels)


def blocks_of_lines(lines: Sequence[tuple[int, str]]) -> list[Block]:
    """The paragraphs and lists of plain text, from its (offset, line) in order."""
    lists = Lists()
    in_paragraph = False
    is_after_gap = False
    for (start, line), (_, next_line) in zip_longest(lines, lines[1:], fillvalue=(0, "")):
        text = line.strip()
        expanded = line.expandtabs(_TAB)
        indent = len(expanded) - len(expanded.lstrip())
        begin = start + len(line) - len(line.lstrip())
        end = begin + len(text)
        marked = _MARKED.match(line)
        if not text:
            in_paragraph = False
        elif marked and not _RULE.fullmatch(next_line):
            lists.item(begin, end, indent, marked.group(1))
            in_paragraph = False
        else:
            is_new = not in_paragraph
            in_paragraph = not lists.text(begin, end, indent, gap=is_after_gap, is_new=is_new)
        is_after_gap = not text
    return _without_single_numbers(lists.blocks)


def _without_single_numbers(blocks: Sequence[Block]) -> list[Block]:
    """Make a numbered item without others beside it a paragraph, such as "A. Smith wrote"."""
    single_lists = _lists_of_one_item(blocks)
    places = {-1: -1}
    """the new index of each block that is kept"""
    for index in range(len(blocks)):
        if index not in single_lists:
            places[index] = len(places) - 1

    kept_blocks: list[Block] = []
    for index, block in enumerate(blocks):
        if index in single_lists:
            continue
        if index - 1 in single_lists:  # the only item of that list
            outer_item = blocks[index - 1].parent
            kept_blocks.append(Block("paragraph", block.start, block.end, places[outer_item]))
        else:
            kept_blocks.append(block._replace(parent=places[block.parent]))
    return kept_blocks


def _lists_of_one_item(blocks: Sequence[Block]) -> set[int]:
    """The indices of lists of one numbered item, which has nothing below it."""
    children = Counter(block.parent for block in blocks)
    single_lists: set[int] = set()
    for index, block in enumerate(blocks):
        if block.kind != "list":
            continue
        has_one_item = children[index] == 1 and not children[index + 1]
        if has_one_item and blocks[index + 1].marker not in BULLETS:
            single_lists.add(index)
    return single_lists
