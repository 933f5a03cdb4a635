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
from pathlib import Path

from rag.parsing.load import Loaded
from rag.parsing.pool import ParseOutcome
from rag.structure import cut_blocks, parts
from rag.types import Document

_WINDOW = 60
"""Maximum number of pages of a folder to compare with each other."""
_FEWEST = 8
_SHARE = 0.4
"""Minimum number and share of the compared pages that contain a recurring block."""
_MOST_OF = 0.3
"""Maximum share of a page's characters to remove; a page that would lose more stays unchanged."""
_LONGEST_LINE = 100
_FEWEST_LETTERS = 12
"""Maximum characters and minimum letters of a line that may recur with other numbers."""
_NUMBER = re.compile(r"\d+")
FurnitureByFolder = dict[str, list[str]]
"""Digests of each folder's recurring blocks. They also apply to pages in its subfolders, which may
be few, and to pages that change later and are read alone.
"""


def without_recurring(
    results: Iterable[ParseOutcome], furniture_of: FurnitureByFolder
) -> Iterator[ParseOutcome]:
    """The results without their folders' recurring blocks; adds their digests to `furniture_of`."""
    waiting: list[ParseOutcome] = []
    for result in results:
        _, loaded = result
        has_pages = isinstance(loaded, Loaded) and any(map(_is_page, loaded.documents))
        if not has_pages:
            yield result
            continue

        if waiting:
            is_full = len(waiting) == _WINDOW
            is_other_folder = _folder_of(waiting[0]) != _folder_of(result)
            if is_full or is_other_folder:
                yield from _without_repeated_blocks(waiting, furniture_of)
                waiting = []
        waiting.append(result)
    yield from _without_repeated_blocks(waiting, furniture_of)


def _folder_of(result: ParseOutcome) -> Path:
    job, _ = result
    return job.found.path.parent


def _is_page(document: Document) -> bool:
    return document.metadata.get("type") in ("html", "htm", "xhtml")


def _without_repeated_blocks(
    results: Sequence[ParseOutcome], furniture_of: FurnitureByFolder
) -> Iterator[ParseOutcome]:
    """Results of one folder without its recurring blocks, and those of the folders above it."""
    if not results:
        return

    folder = _folder_of(results[0])
    folder_furniture = set(furniture_of.get(str(folder), ()))
    folder_furniture |= _recurring(results)
    if folder_furniture:
        furniture_of[str(folder)] = sorted(folder_furniture)

    furniture = folder_furniture
    for folder_above in folder.parents:
        furniture = furniture.union(furniture_of.get(str(folder_above), ()))

    for job, loaded in results:
        if furniture and isinstance(loaded, Loaded):
            loaded = _stripped(loaded, furniture)
        yield job, loaded


def _recurring(results: Sequence[ParseOutcome]) -> set[str]:
    """Digests of the blocks that enough of the pages have, with or without their numbers."""
    pages = 0
    counts = Counter[str]()
    for _, loaded in results:
        if not isinstance(loaded, Loaded):
            continue
        for document in loaded.documents:
            pages += 1
            blocks = _texts(document)
            without_numbers = [_but_numbers(block) for block in blocks]
            counts.update({_digest(block) for block in [*blocks, *without_numbers]})

    threshold = max(_FEWEST, _SHARE * pages)
    return {digest for digest, count in counts.items() if count >= threshold}


def _stripped(loaded: Loaded, furniture: set[str]) -> Loaded:
    """What was loaded of a file, its pages without recurring parts."""
    documents = []
    removed = 0
    for document in loaded.documents:
        stripped = document
        if _is_page(document):
            stripped = _without_furniture(document, furniture)
        removed += len(document.text) - len(stripped.text)
        documents.append(stripped)
    return replace(loaded, documents=documents, left_out=loaded.left_out + removed)


def _digest(block: str) -> str:
    return blake2b(block.encode(), digest_size=8).hexdigest()


def _but_numbers(block: str) -> str:
    """A short line without its numbers, such as a date of change; other blocks unchanged."""
    if len(block) > _LONGEST_LINE:
        return block
    letters = sum(map(str.isalpha, block))
    if letters < _FEWEST_LETTERS:
        return block
    return _NUMBER.sub("\0", block)


def _without_furniture(document: Document, furniture: set[str]) -> Document:
    """The document without recurring parts at its start and end."""
    places = [(part.start, part.end) for part in parts(document.blocks)]
    texts = _texts(document)
    is_known = [_digest(text) in furniture for text in texts]
    if all(is_known):
        return document

    first_kept = is_known.index(False)
    last_kept = len(texts) - 1
    while last_kept >= first_kept and _is_foot(texts[last_kept], furniture):
        last_kept -= 1

    start, _ = places[first_kept]
    _, end = places[last_kept]
    if end - start < (1 - _MOST_OF) * len(document.text):
        return document
    blocks = cut_blocks(document.blocks, start, end)
    return replace(document, text=document.text[start:end], blocks=blocks)


def _is_foot(text: str, furniture: set[str]) -> bool:
    """Whether the text recurs at the end of pages, there also with other numbers."""
    return _digest(text) in furniture or _digest(_but_numbers(text)) in furniture


def _texts(document: Document) -> list[str]:
    return [document.text[part.start : part.end] for part in parts(document.blocks)]
