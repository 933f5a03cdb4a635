"""Sentence boundaries with exact offsets.

Rules, not a model: the same text always splits the same way, in any process, at about 10 MB/s. A boundary is found from
the characters around it alone, so a passage cut at sentence boundaries splits into the sentences of its document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Offsets = tuple[int, int]

_BLOCK_BREAK = re.compile(
    r"(?:\r\n?|[\n\v\x85\u2028])[^\S\r\n\v\x85\u2028]*(?:\r\n?|[\n\v\x85\u2028])\s*"  # a blank line
    r"|[\f\u2029\x1c-\x1e]\s*"
    r"|[\r\n]+(?=[^\S\r\n]*(?:[-*\u2022\u2013]|\d{1,3}[.)])\s)"  # the next line is a list item
    r"|[\r\n]+(?=[^\r\n|]* \| )|(?<= \| )[^\r\n|]*[\r\n]+"  # the next line, or this one, is a table row
)
_TERMINATOR = re.compile(
    r"[.!?\u2026]+[\"'\u201d\u2019)\]\u00bb]*(?=\s)"
    r"|[\u3002\uff01\uff1f\u061f\u06d4\u0964]+[\"\u201d\u2019\uff09\u300d\u300f)\]\u00bb]*"
)
_NEXT_WORD = re.compile(r"\s*[\"'\u201c\u2018(\[]*(\w*)")
_LAST_WORD = re.compile(r"[^\s(\[\"'\u201c\u2018]+\Z")
_ABBREVIATIONS = frozenset(
    (
        "mr mrs ms dr prof gen col lt sgt capt sen rep gov pres amb hon rev st jr sr vs etc e.g i.e cf al fig "
        "figs eq no nos vol pp p art sec ch ed eds approx est inc ltd corp co dept univ jan feb mar apr jun jul "
        "aug sep sept oct nov dec mon tue wed thu fri sat sun"
    ).split()
)
_STARTERS = frozenset(
    (
        "the a an in on at it he she they we this that these those but and however after before when while since "
        "as if for from by its his her their there"
    ).split()
)


def split_sentences(text: str) -> list[Offsets]:
    """The sentences of `text`, in order, as (start, end).

    They do not overlap, have no space at either end, and together hold every non-space character of the text.
    """
    return [span for block in _blocks(text) for span in _sentences(text, *block)]


def enclosing_sentence(text: str, start: int, end: int) -> Offsets:
    """From the start of the sentence that holds `start` to the end of the one that holds `end`."""
    touched = [s for s in split_sentences(text) if s[0] < max(end, start + 1) and s[1] > start]
    return (touched[0][0], touched[-1][1]) if touched else (start, end)


def _blocks(text: str) -> Iterator[Offsets]:
    start = 0
    for gap in _BLOCK_BREAK.finditer(text):
        yield start, gap.end()
        start = gap.end()
    yield start, len(text)


def _sentences(text: str, start: int, end: int) -> Iterator[Offsets]:
    for match in _TERMINATOR.finditer(text, start, end):
        if match.end() > start and _ends_sentence(text, match, end):
            yield from trim(text, start, match.end())
            start = match.end()
    yield from trim(text, start, end)


def trim(text: str, start: int, end: int) -> Iterator[Offsets]:
    """(start, end) without the space at its ends, by moving the offsets; nothing if only space is left."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end


def _ends_sentence(text: str, match: re.Match[str], end: int) -> bool:
    following = _NEXT_WORD.match(text, match.end(), end)
    next_word = following.group(1) if following else ""
    if next_word[:1].islower():
        return False
    if match.group().rstrip("\"'\u201d\u2019)]\u00bb") != ".":
        return True
    before = _LAST_WORD.search(text, max(0, match.start() - 24), match.start())
    return not before or _can_end(before.group(), next_word)


def _can_end(word: str, next_word: str) -> bool:
    """Whether a full stop after `word` may end the sentence: not after "Dr" or an initial, after "U.S" only before "The"."""
    if word.lower() in _ABBREVIATIONS:
        return False
    initials = re.fullmatch(r"(?:[^\W\d_]\.)*[^\W\d_]", word)
    return not initials or next_word.lower() in _STARTERS
