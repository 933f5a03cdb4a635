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
OutlineLevels = list[dict[str, int]]
"""For each page, the level, from 1, of each title on it, by the title's `_key`."""


def read_outline(document: Any) -> OutlineLevels:
    """The outline of a `pypdfium2.PdfDocument`; bookmarks without a target are left out."""
    # pypdfium2 warns about each loop in a broken outline
    logging.getLogger("pypdfium2").setLevel(logging.ERROR)
    outline: OutlineLevels = [{} for _ in range(len(document))]
    bookmarks = document.get_toc(max_depth=_MAX_DEPTH)
    for bookmark in islice(bookmarks, _MAX_BOOKMARKS):
        target = bookmark.get_dest()
        page = target.get_index() if target else None
        if page is None or not 0 <= page < len(outline):
            continue
        key = _key(bookmark.get_title())
        if key:
            outline[page].setdefault(key, bookmark.level + 1)
    return outline


def apply_outline(
    pages: Sequence[Sequence[Part]], outline: OutlineLevels
) -> list[list[Part]] | None:
    """The parts with only the outline's titles as headings; None if few are on their pages."""
    levels_by_page: list[dict[int, int]] = []
    for parts, titles in zip(pages, outline, strict=True):
        levels_by_page.append(_levels(parts, titles))

    count = sum(map(len, outline))
    found_titles = sum(map(len, levels_by_page))
    if count < 2 or found_titles < _MIN_MATCHED * count:
        return None

    with_headings: list[list[Part]] = []
    for parts, levels in zip(pages, levels_by_page, strict=True):
        page: list[Part] = []
        for number, part in enumerate(parts):
            page.append(replace(part, level=levels.get(number, 0)))
        with_headings.append(page)
    return with_headings


def _levels(parts: Sequence[Part], titles: Mapping[str, int]) -> dict[int, int]:
    """Heading level by the index of the part; of several that match, the one in larger type."""
    if not titles:
        return {}
    headings: dict[str, int] = {}
    for number, part in enumerate(parts):
        key = _key(part.text)
        if key not in titles:
            continue
        if key not in headings:
            headings[key] = number
            continue
        earlier_part = parts[headings[key]]
        if 0 < part.level < (earlier_part.level or _TEXT_LEVEL):
            headings[key] = number
    return {number: titles[key] for key, number in headings.items()}


def _key(title: str) -> str:
    """Letters and digits in lower case, without a leading number, which titles may lack."""
    title = " ".join(title[:300].split())
    without_number = _NUMBER.sub("", title)
    signs = "".join(filter(str.isalnum, without_number))
    return (signs or title).casefold()
