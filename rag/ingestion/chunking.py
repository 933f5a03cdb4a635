"""Splits documents into small passages of sentences, which overlap by one, with exact offsets.

Small passages suit short answers better (Wang et al. 2019, "Multi-passage BERT", +4 EM) and leave
the reader less to read.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise, takewhile

from rag.meaning.sentences import Offsets, trim
from rag.structure import Section, sections, sentenced, sentences_in
from rag.types import Document, Passage

TokenCounter = Callable[[Sequence[str]], list[int]]
Unit = tuple[int, int, int]
"""(start, end, size) of a sentence, or of a part of a long one; the size is in tokens."""
_CHARACTERS_PER_TOKEN = 10
"""A run without spaces is one token to WordPiece, so this also limits a passage's characters."""
_SPACE = re.compile(r"\s")
_COUNTED = 2000
"""Sentences to tokenize at a time: a tokenizer keeps more per sentence than its text."""
_LONGEST_PATH = 600
"""Maximum length of the headings that are kept with each passage: the innermost ones."""
_LONGEST_CLUSTER = 64
"""Maximum length of a base character with its combining marks; real ones are much shorter."""


def split(document: Document, count_tokens: TokenCounter, max_tokens: int = 160) -> list[Passage]:
    """The passages of a document, in order.

    Each has at most `max_tokens` by `count_tokens` (and ten times as many characters), lies within
    one section, and starts with the last sentence of the previous passage if that fills at most a
    third of it. Together they contain every non-space character of the text. A section that is only
    a heading is joined to the next one.
    """
    document = sentenced(document)
    return [
        Passage(document.id, start, end, document.text[start:end], document.title, headings)
        for section_start, section_end, headings in _sections(document)
        for start, end in _split_section(
            document, section_start, section_end, count_tokens, max_tokens
        )
    ]


def _sections(document: Document) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Sections with their ends; one that is only a heading is joined to the next one."""
    text = document.text
    bounds = [Section(0, ()), *sections(document.blocks), Section(len(text), ())]
    pending = 0
    for section, following in pairwise(bounds):
        words = " ".join(text[section.start : following.start].split())
        is_only_heading = words in ("", *section.path[-1:])
        if following.start == len(text) or not is_only_heading:
            yield pending, following.start, tuple(_innermost(section.path))
            pending = following.start


def _innermost(path: Sequence[str]) -> Sequence[str]:
    """The path without its outermost headings if it is very long: it is a part of each passage."""
    lengths = accumulate(len(name) for name in reversed(path))
    kept = sum(1 for _ in takewhile(lambda length: length <= _LONGEST_PATH, lengths))
    return path[len(path) - kept :] if kept else [name[:_LONGEST_PATH] for name in path[-1:]]


def _split_section(
    document: Document, start: int, end: int, count: TokenCounter, limit: int
) -> Iterator[Offsets]:
    sentences = sentences_in(document.blocks, start, end)
    units = list(_fit(document.text, sentences, count, limit))
    if units:
        yield from _pack(units, limit)


def _fit(text: str, spans: Sequence[Offsets], count: TokenCounter, limit: int) -> Iterator[Unit]:
    """One unit per sentence; sentences above the limit are halved until they fit."""
    longest = limit * _CHARACTERS_PER_TOKEN  # longer text has too many tokens anyway
    batches = (spans[row : row + _COUNTED] for row in range(0, len(spans), _COUNTED))
    counts = (
        size
        for batch in batches
        for size in count([text[a : min(b, a + longest)] for a, b in batch])
    )
    for (start, end), tokens in zip(spans, counts, strict=True):
        size = max(tokens, -(-(end - start) // _CHARACTERS_PER_TOKEN))
        if size <= limit or end - start < 2:
            yield start, end, size
        else:
            yield from _halve(text, start, end, count, limit)


def _halve(text: str, start: int, end: int, count: TokenCounter, limit: int) -> Iterator[Unit]:
    middle = _middle(text, start, end)
    units = list(_fit(text, [*trim(text, start, middle), *trim(text, middle, end)], count, limit))
    for previous, (unit_start, unit_end, size) in zip([None, *units], units, strict=False):
        # The two halves of a cut word may have more tokens together than apart, so they must not
        # share a passage.
        yield unit_start, unit_end, limit if previous and previous[1] == unit_start else size


def _middle(text: str, start: int, end: int) -> int:
    """Where to cut: at the space nearest to the middle, or at least not before a combining mark."""
    middle, reach = (start + end) // 2, (end - start) // 4
    space_after = _SPACE.search(text, middle, middle + reach)
    space_before = _SPACE.search(text[middle - reach : middle][::-1])
    if space_after and not (space_before and space_before.start() < space_after.start() - middle):
        return space_after.start()
    if space_before:
        return middle - 1 - space_before.start()
    offsets = range(middle, min(end, middle + _LONGEST_CLUSTER))
    return next((offset for offset in offsets if not _inside_cluster(text, offset)), middle)


def _inside_cluster(text: str, offset: int) -> bool:
    """Whether a cut would part a mark, a joiner or an emoji's variation selector from its base."""
    is_mark = bool(unicodedata.combining(text[offset])) or text[offset] in "\u200d\ufe0f"
    return is_mark or text[offset - 1] == "\u200d"


def _pack(units: Sequence[Unit], limit: int) -> Iterator[Offsets]:
    """Pack units into few passages of about equal size, repeating a short last sentence."""
    total = sum(size for _, _, size in units)
    target = total / max(1, -(-total // limit))

    begin, tokens = 0, 0

    for index, unit in enumerate(units):
        if index > begin and (tokens >= target or not _room(units[begin], tokens, unit, limit)):
            last_unit = units[index - 1]
            yield units[begin][0], last_unit[1]

            is_short = index - 1 > begin and last_unit[2] <= limit // 3
            repeat = is_short and _room(last_unit, last_unit[2], unit, limit)
            begin, tokens = (index - 1, last_unit[2]) if repeat else (index, 0)

        tokens += unit[2]

    yield units[begin][0], units[-1][1]


def _room(first_unit: Unit, tokens: int, unit: Unit, limit: int) -> bool:
    """Whether `unit`, with the space before it, fits after so many tokens from `first_unit` on."""
    return tokens + unit[2] <= limit and unit[1] - first_unit[0] <= limit * _CHARACTERS_PER_TOKEN
