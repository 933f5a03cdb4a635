"""Sentence boundaries with exact offsets.

Rules, not a model: the same text always splits the same way, in any process, at several MB/s. A
boundary depends only on characters from the start of its sentence to just after it, so a passage
cut at sentence boundaries splits into the sentences of its document. Every pattern is linear: runs
are matched once (possessively, or anchored at their start).

A row of a table is one sentence. Where rows are is known from a document's blocks; only in a text
without them, such as a training example or a claim, are lines with " | " taken for rows.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence

from rag.meaning.words import SHORT_NAMES

Offsets = tuple[int, int]

_NEWLINE = r"(?>\r\n|[\r\n\v\x85\u2028])"
_IN_LINE = r"[^\r\n\v\f\x1c-\x1e\x85\u2028\u2029]"
_SPACE = r"[^\S\r\n\v\f\x1c-\x1e\x85\u2028\u2029]"
_LABEL = r"[A-Z][\w'\u2019()/-]{0,20}(?: [\w'\u2019()/-]{1,20}){0,3}: \S"
_BAR = r"(?<!\S)\|(?!\S)"
_CLOSERS = "\"'\u201d\u2019)\\]\u00bb"
_BLOCK_BREAK = re.compile(
    rf"{_NEWLINE}{_SPACE}*+{_NEWLINE}\s*+"  # a blank line
    r"|[\f\u2029\x1c-\x1e]\s*+"
    # the next line is a list item
    rf"|{_NEWLINE}(?={_SPACE}*+(?:[-*\u2022\u2013]|\d{{1,3}}[.)])(?!\S))"
    # both lines are "Label: value"
    rf"|^{_LABEL}{_IN_LINE}*+{_NEWLINE}(?={_LABEL})",
    re.MULTILINE,
)
_ROW = re.compile(rf"(?<!{_IN_LINE}){_IN_LINE}*?{_BAR}{_IN_LINE}*+")
_TERMINATOR = re.compile(
    rf"(?<![.!?\u2026])[.!?\u2026]++[{_CLOSERS}]*+(?=\s)"
    rf"|[\u3002\uff01\uff1f\u061f\u06d4\u0964\u0965]++[{_CLOSERS}\uff09\u300d\u300f]*+"
)
_NEXT_WORD = re.compile(r"\s*+[\"'\u201c\u2018(\[]*+(\w*)")
_LAST_WORD = re.compile(r"[^\s(\[\"'\u201c\u2018]+\Z")
_ITEM_NUMBER = re.compile(r"\s*+\d{1,3}\Z")
_LONGEST_WORD = 24
"""Characters before a full stop in which an abbreviation is looked for."""

_TITLES = frozenset(
    "mr mrs ms dr prof gen col lt sgt capt sen rep gov pres amb hon rev st messrs vs e.g i.e cf "
    "viz approx incl excl".split()
)
_BEFORE_A_NUMBER = frozenset("no nos fig figs eq vol pp p art sec ch max min tel ref".split())
_SOMETIMES_LAST = frozenset("al etc ed eds est inc ltd corp co dept univ jr sr".split())
_DATES = frozenset(name.title() for name in SHORT_NAMES)
_STARTERS = frozenset(
    (
        "the a an in on at it he she they we this that these those but and however after before "
        "when while since "
        "as if for from by its his her their there then"
    ).split()
)


def split_sentences(text: str, rows: Sequence[Offsets] | None = None) -> list[Offsets]:
    """The sentences of `text` in order, as (start, end). They do not overlap, have no white space
    at either end, and together contain every other character of the text. `rows` are the rows of
    tables, in order; None for a text whose structure is not known.
    """
    if rows is None:
        rows = _lines_with_bars(text)
    return list(_split_sentences(text, rows))


def enclosing_sentence(
    text: str, start: int, end: int, rows: Sequence[Offsets] | None = None
) -> Offsets:
    """(start, end) from the start of the sentence that contains `start` to the end of the one that
    contains `end`. `rows` as in `split_sentences`.
    """
    kept_rows = None if rows is None else tuple(rows)
    return widen_to_sentences(_cached_sentences(text, kept_rows), start, end)


def widen_to_sentences(sentences: Sequence[Offsets], start: int, end: int) -> Offsets:
    """From the start of the first of these sentences that `[start, end)` touches to the end of the
    last; (start, end) if it touches none.
    """
    last_end = max(end, start + 1)
    touched = [sentence for sentence in sentences if sentence[0] < last_end and sentence[1] > start]
    if not touched:
        return start, end
    return touched[0][0], touched[-1][1]


@functools.lru_cache(512)
def _cached_sentences(text: str, rows: tuple[Offsets, ...] | None) -> tuple[Offsets, ...]:
    """Cached, since the sentences of a passage are needed once per span."""
    return tuple(split_sentences(text, rows))


def _lines_with_bars(text: str) -> list[Offsets]:
    return [row.span() for row in _ROW.finditer(text)]


def _split_sentences(text: str, rows: Sequence[Offsets]) -> Iterator[Offsets]:
    start = 0
    for row_start, row_end in rows:
        yield from sentences_between(text, start, row_start)
        yield from trim(text, row_start, row_end)
        start = row_end
    yield from sentences_between(text, start, len(text))


def sentences_between(text: str, start: int, end: int) -> Iterator[Offsets]:
    """The sentences of `text[start:end]`, which has no rows of tables."""
    for gap in _BLOCK_BREAK.finditer(text, start, end):
        yield from _in_block(text, start, gap.end())
        start = gap.end()
    yield from _in_block(text, start, end)


def _in_block(text: str, start: int, end: int) -> Iterator[Offsets]:
    for match in _TERMINATOR.finditer(text, start, end):
        if _ends_sentence(text, start, match, end):
            yield from trim(text, start, match.end())
            start = match.end()
    yield from trim(text, start, end)


def trim(text: str, start: int, end: int) -> Iterator[Offsets]:
    """(start, end) without white space at the ends; nothing if only white space remains."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if start < end:
        yield start, end


def _ends_sentence(text: str, start: int, match: re.Match[str], end: int) -> bool:
    """Whether the stop in `match` ends the sentence that begins at `start`."""
    following = _NEXT_WORD.match(text, match.end(), end)
    next_word = following[1] if following else ""
    if next_word[:1].islower():
        return False
    is_full_stop = match[0].rstrip("\"'\u201d\u2019)]\u00bb") == "."
    if not is_full_stop:
        return True
    if _ITEM_NUMBER.match(text, start, match.start()):
        return False

    search_start = max(start, match.start() - _LONGEST_WORD)
    previous_word = _LAST_WORD.search(text, search_start, match.start())
    if previous_word is None:
        return True
    return _can_end(previous_word[0], next_word)


def _can_end(word: str, next_word: str) -> bool:
    """Whether a full stop after `word` may end a sentence: not after "Dr", after "U.S" only before
    "The".
    """
    lowercase = word.lower()
    if lowercase in _TITLES:
        return False
    is_initial = word == "P"
    if lowercase in _BEFORE_A_NUMBER and not is_initial:
        return not next_word[:1].isdigit()
    has_initials = all(len(part) == 1 and part.isalpha() for part in word.split("."))
    if has_initials or lowercase in _SOMETIMES_LAST or word in _DATES:
        return next_word.lower() in _STARTERS
    return True
