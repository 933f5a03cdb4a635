"""Headings from a PDF's outline (its bookmarks), with page and level.

An outline is more reliable than the type, which makes headings of running heads, title pages and
bold words.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from rag.parsing.base import Part

_MAX_BOOKMARKS = 20_000
_MAX_DEPTH = 8
_NUMBER = re.compile(
    r"(?i)\A(?:chapter |appendix |part )?(?:[0-9]+|[a-z]|[ivxlc]+)(?:\.[0-9]+)*\.? +(?=\S)"
)
_TEXT_LEVEL = 99
"""Level of text, below every heading."""
_MIN_MATCHED = 0.6
"""Minimum share of the outline's titles to find on their pages."""
Outline = list[dict[str, int]]
"""For each page, the level, from 1, of each title on it, by the title's `_key`."""


def read_outline(document: Any) -> Outline:
    """The outline of a `pypdfium2.PdfDocument`; bookmarks without a target are left out."""
    # pypdfium2 warns about each loop in a broken outline
    logging.getLogger("pypdfium2").setLevel(logging.ERROR)
    outline: Outline = [{} for _ in range(len(document))]
    for bookmark in islice(document.get_toc(max_depth=_MAX_DEPTH), _MAX_BOOKMARKS):
        target = bookmark.get_dest()
        page = target.get_index() if target else None
        key = _key(bookmark.get_title())
        if page is not None and 0 <= page < len(outline) and key:
            outline[page].setdefault(key, bookmark.level + 1)
    return outline


def apply_outline(pages: Sequence[Sequence[Part]], outline: Outline) -> list[list[Part]] | None:
    """The parts with only the outline's titles as headings; None if few are on their pages."""
    titles = sum(map(len, outline))
    levels = [_levels(blocks, on_page) for blocks, on_page in zip(pages, outline, strict=True)]
    if titles < 2 or sum(map(len, levels)) < _MIN_MATCHED * titles:
        return None
    return [
        [replace(block, level=by_block.get(number, 0)) for number, block in enumerate(blocks)]
        for blocks, by_block in zip(pages, levels, strict=True)
    ]


def _levels(blocks: Sequence[Part], titles: Mapping[str, int]) -> dict[int, int]:
    """Heading level by the index of the part; of several that match, the one in larger type."""
    headings: dict[str, int] = {}
    for number, block in enumerate(blocks if titles else ()):
        key = _key(block.text)
        if key in titles and (
            key not in headings or 0 < block.level < (blocks[headings[key]].level or _TEXT_LEVEL)
        ):
            headings[key] = number
    return {number: titles[key] for key, number in headings.items()}


def _key(title: str) -> str:
    """Letters and digits in lower case, without a leading number, which titles may lack."""
    title = " ".join(title[:300].split())
    return "".join(filter(str.isalnum, _NUMBER.sub("", title))).casefold() or title.casefold()
