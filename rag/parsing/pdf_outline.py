"""A PDF's own outline (its bookmarks): which headings it has, on which page, how deep.

Where there is one it is better than the look of the type: running heads, title pages and bold words
are no headings.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from rag.parsing.base import Block

_MOST = 20_000
_DEEPEST = 8
_NUMBER = re.compile(
    r"\A(?:chapter |appendix |part )?(?:[0-9]+|[a-z]|[ivxlc]+)(?:\.[0-9]+)*\.? +(?=\S)",
    re.IGNORECASE,
)
_SMALL = 99
"""Below every level: text."""
_ENOUGH = 0.6
"""The share of an outline's titles that must stand on their pages."""
Outline = list[dict[str, int]]
"""For each page the titles that begin there, as `_key` writes them, with their level from 1."""


def read(document: Any) -> Outline:
    """Of a `pypdfium2.PdfDocument`; bookmarks that lead nowhere are left out."""
    logging.getLogger("pypdfium2").setLevel(
        logging.ERROR
    )  # it warns of each loop in a broken outline
    outline: Outline = [{} for _ in range(len(document))]
    for bookmark in islice(document.get_toc(max_depth=_DEEPEST), _MOST):
        target = bookmark.get_dest()
        page = target.get_index() if target else None
        key = _key(bookmark.get_title())
        if page is not None and 0 <= page < len(outline) and key:
            outline[page].setdefault(key, bookmark.level + 1)
    return outline


def apply(pages: Sequence[Sequence[Block]], outline: Outline) -> list[list[Block]] | None:
    """The blocks with the outline's titles as the only headings; None where too few of these stand
    on their pages.
    """
    wanted = sum(map(len, outline))
    places = [_places(blocks, titles) for blocks, titles in zip(pages, outline, strict=True)]
    if wanted < 2 or sum(map(len, places)) < _ENOUGH * wanted:
        return None
    return [
        [replace(block, level=here.get(number, 0)) for number, block in enumerate(blocks)]
        for blocks, here in zip(pages, places, strict=True)
    ]


def _places(blocks: Sequence[Block], titles: Mapping[str, int]) -> dict[int, int]:
    """Levels of headings by the number of their block: of those with the words of a title the one
    in the largest type.
    """
    found: dict[str, int] = {}
    for number, block in enumerate(blocks):
        key = _key(block.text) if titles else ""
        if key in titles and (
            key not in found or 0 < block.level < (blocks[found[key]].level or _SMALL)
        ):
            found[key] = number
    return {number: titles[key] for key, number in found.items()}


def _key(title: str) -> str:
    """Letters and digits in lower case, without a number in front; a heading may have one that its
    bookmark lacks.
    """
    title = " ".join(title[:300].split())
    return "".join(filter(str.isalnum, _NUMBER.sub("", title))).casefold() or title.casefold()
