"""Removes blocks that recur at the top or bottom of a folder's HTML pages, such as a footer without
a semantic element.

A paragraph that recurs between others, as in letters made from a template, is kept.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import takewhile

from rag.parsing.load import Loaded
from rag.parsing.pool import Result
from rag.structure import cut, parts
from rag.types import Document

_WINDOW = 60
"""Maximum number of pages of a folder to compare with each other."""
_FEWEST, _SHARE = 8, 0.4
"""Minimum number and share of the compared pages that contain a recurring block."""
_MOST_OF = 0.3
"""Maximum share of a page's characters to remove; a page that would lose more stays unchanged."""
_LONGEST_LINE, _FEWEST_LETTERS = 100, 12
"""Maximum characters and minimum letters of a line that may recur with other numbers."""
_NUMBER = re.compile(r"\d+")
Known = dict[str, list[str]]
"""Digests of each folder's recurring blocks. They also apply to pages in its subfolders, which may
be few, and to pages that change later and are read alone.
"""


def without_recurring(results: Iterable[Result], furniture_of: Known) -> Iterator[Result]:
    """The results without their folders' recurring blocks; adds their digests to `furniture_of`."""
    waiting: list[Result] = []
    for result in results:
        job, loaded = result
        if not isinstance(loaded, Loaded) or not any(map(_is_page, loaded.documents)):
            yield result
            continue
        if waiting and (
            len(waiting) == _WINDOW or waiting[0][0].found.path.parent != job.found.path.parent
        ):
            yield from _cleaned(waiting, furniture_of)
            waiting = []
        waiting.append(result)
    yield from _cleaned(waiting, furniture_of)


def _is_page(document: Document) -> bool:
    return document.metadata.get("type") in ("html", "htm", "xhtml")


def _cleaned(results: Sequence[Result], furniture_of: Known) -> Iterator[Result]:
    if not results:
        return

    folder = results[0][0].found.path.parent
    pages = [d for _, loaded in results if isinstance(loaded, Loaded) for d in loaded.documents]
    texts = [_texts(document) for document in pages]

    counts = Counter(
        digest
        for blocks in texts
        for digest in {*map(_digest, [*blocks, *map(_but_numbers, blocks)])}
    )

    threshold = max(_FEWEST, _SHARE * len(pages))
    repeated = {digest for digest, count in counts.items() if count >= threshold}

    if known := repeated.union(furniture_of.get(str(folder), ())):
        furniture_of[str(folder)] = sorted(known)

    furniture = known.union(
        *(furniture_of.get(str(folder_above), ()) for folder_above in folder.parents)
    )

    for job, loaded in results:
        if furniture and isinstance(loaded, Loaded):
            documents = [_without(d, furniture) if _is_page(d) else d for d in loaded.documents]
            removed = sum(len(d.text) for d in loaded.documents) - sum(
                len(d.text) for d in documents
            )
            loaded = replace(loaded, documents=documents, left_out=loaded.left_out + removed)
        yield job, loaded


def _digest(block: str) -> str:
    return blake2b(block.encode(), digest_size=8).hexdigest()


def _but_numbers(block: str) -> str:
    """A short line without its numbers, such as a date of change; other blocks unchanged."""
    is_line = len(block) <= _LONGEST_LINE and sum(map(str.isalpha, block)) >= _FEWEST_LETTERS
    return _NUMBER.sub("\0", block) if is_line else block


def _without(document: Document, furniture: set[str]) -> Document:
    """The document without recurring parts at its start and end."""
    places = [(part.start, part.end) for part in parts(document.blocks)]
    texts = _texts(document)
    is_known = [_digest(text) in furniture for text in texts]
    if all(is_known):
        return document
    head_count = sum(1 for _ in takewhile(bool, is_known))
    feet = (
        {_digest(t), _digest(_but_numbers(t))} & furniture for t in reversed(texts[head_count:])
    )
    foot_start = len(texts) - sum(1 for _ in takewhile(bool, feet))
    start, end = places[head_count][0], places[foot_start - 1][1]
    if end - start < (1 - _MOST_OF) * len(document.text):
        return document
    blocks = cut(document.blocks, start, end)
    return replace(document, text=document.text[start:end], blocks=blocks)


def _texts(document: Document) -> list[str]:
    return [document.text[part.start : part.end] for part in parts(document.blocks)]
