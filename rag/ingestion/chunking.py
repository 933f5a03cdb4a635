"""Splits documents into small passages of sentences, which overlap by one, with exact offsets.

Small passages suit short answers better (Wang et al. 2019, "Multi-passage BERT", +4 EM) and leave
the reader less to read.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from rag.meaning.sentences import Offsets, trim
from rag.structure import Section, sections, sentenced, sentences_in
from rag.types import Document, Passage

TokenCounter = Callable[[Sequence[str]], list[int]]
SizedSentence = tuple[int, int, int]
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


def split_document(
    document: Document, count_tokens: TokenCounter, max_tokens: int = 160
) -> list[Passage]:
    """The passages of a document, in order.

    Each has at most `max_tokens` by `count_tokens` (and ten times as many characters), within one
    section. It starts with the last sentence of the previous passage if that fills at most a third
    of it. Together they contain every non-space character of the text. A section that is only
    a heading is joined to the next one.
    """
    document = sentenced(document)
    passages = []
    for section_start, section_end, headings in _sections(document):
        places = _split_section(
            document,
            section_start,
            section_end,
            count_tokens,
            max_tokens,
        )
        for start, end in places:
            passage = Passage(
                document_id=document.id,
                start=start,
                end=end,
                text=document.text[start:end],
                title=document.title,
                headings=headings,
            )
            passages.append(passage)
    return passages


def _sections(document: Document) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Sections with their ends; one that is only a heading is joined to the next one."""
    text = document.text
    bounds = [
        Section(0, ()),
        *sections(document.blocks),
        Section(len(text), ()),
    ]
    start = 0
    for section, following in pairwise(bounds):
        end = following.start
        words = " ".join(text[section.start : end].split())
        is_only_heading = words in ("", *section.path[-1:])
        is_last = end == len(text)
        if is_last or not is_only_heading:
            yield start, end, tuple(_short_path(section.path))
            start = end


def _short_path(path: Sequence[str]) -> Sequence[str]:
    """The path without its outermost headings if it is very long: it is a part of each passage."""
    length = 0
    for count, name in enumerate(reversed(path)):
        length += len(name)
        if length > _LONGEST_PATH:
            if count == 0:
                return [name[:_LONGEST_PATH]]
            return path[-count:]
    return path


def _split_section(
    document: Document, start: int, end: int, count: TokenCounter, limit: int
) -> Iterator[Offsets]:
    sentences = sentences_in(document.blocks, start, end)
    units = list(_sized_sentences(document.text, sentences, count, limit))
    if units:
        yield from _pack(units, limit)


def _sized_sentences(
    text: str, spans: Sequence[Offsets], count: TokenCounter, limit: int
) -> Iterator[SizedSentence]:
    """One unit per sentence; sentences above the limit are halved until they fit."""
    most_characters = limit * _CHARACTERS_PER_TOKEN  # longer text has too many tokens anyway

    for first_index in range(0, len(spans), _COUNTED):
        batch = spans[first_index : first_index + _COUNTED]
        texts = []
        for start, end in batch:
            shown_end = min(end, start + most_characters)
            texts.append(text[start:shown_end])

        for (start, end), tokens in zip(batch, count(texts), strict=True):
            length = end - start
            size = max(tokens, math.ceil(length / _CHARACTERS_PER_TOKEN))
            if size <= limit or length < 2:
                yield start, end, size
            else:
                yield from _halve(text, start, end, count, limit)


def _halve(
    text: str, start: int, end: int, count: TokenCounter, limit: int
) -> Iterator[SizedSentence]:
    middle = _middle(text, start, end)
    halves = [*trim(text, start, middle), *trim(text, middle, end)]

    previous_end = -1
    for unit_start, unit_end, size in _sized_sentences(text, halves, count, limit):
        # The two halves of a cut word may have more tokens together than apart, so they must not
        # share a passage.
        is_cut_word = unit_start == previous_end
        yield unit_start, unit_end, limit if is_cut_word else size
        previous_end = unit_end


def _middle(text: str, start: int, end: int) -> int:
    """Where to cut: at the space nearest to the middle, or at least not before a combining mark."""
    middle = (start + end) // 2
    reach = (end - start) // 4

    space_after = _SPACE.search(text, middle, middle + reach)
    backwards = text[middle - reach : middle][::-1]
    space_before = _SPACE.search(backwards)
    if space_after:
        distance = space_after.start() - middle
        if not space_before or space_before.start() >= distance:
            return space_after.start()
    if space_before:
        return middle - 1 - space_before.start()

    for offset in range(middle, min(end, middle + _LONGEST_CLUSTER)):
        if not _inside_cluster(text, offset):
            return offset
    return middle


def _inside_cluster(text: str, offset: int) -> bool:
    """Whether a cut would part a mark, a joiner or an emoji's variation selector from its base."""
    letter = text[offset]
    letter_before = text[offset - 1]
    is_mark = unicodedata.combining(letter) != 0 or letter in "\u200d\ufe0f"
    return is_mark or letter_before == "\u200d"


def _pack(units: Sequence[SizedSentence], limit: int) -> Iterator[Offsets]:
    """Pack units into few passages of about equal size, repeating a short last sentence."""
    total = sum(size for _, _, size in units)
    passages = max(1, math.ceil(total / limit))
    target = total / passages

    begin = 0  # the first unit of the passage
    tokens = 0
    for index, unit in enumerate(units):
        is_full = tokens >= target or not _room(units[begin], tokens, unit, limit)
        if index > begin and is_full:
            last_index = index - 1
            last_unit = units[last_index]
            _, last_end, last_size = last_unit
            yield units[begin][0], last_end

            is_short = last_index > begin and last_size <= limit // 3
            if is_short and _room(last_unit, last_size, unit, limit):
                begin = last_index
                tokens = last_size
            else:
                begin = index
                tokens = 0

        tokens += unit[2]

    yield units[begin][0], units[-1][1]


def _room(first_unit: SizedSentence, tokens: int, unit: SizedSentence, limit: int) -> bool:
    """Whether `unit`, with the space before it, fits after so many tokens from `first_unit` on."""
    start = first_unit[0]
    _, end, size = unit
    if tokens + size > limit:
        return False
    return end - start <= limit * _CHARACTERS_PER_TOKEN
