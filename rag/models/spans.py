"""Token scores to spans."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from rag.meaning.sentences import split_sentences, trim

Logits = NDArray[np.float32]
Scored = tuple[float, int, int]
"""(score, start, end)"""
_EDGE = ",;:"
_CELL = re.compile(r"\s\|\s")
_SPELT = re.compile(r"[0-9A-Za-z\u00c0-\u024f\u0370-\u052f]")
"""Letters and digits of scripts that separate words by spaces."""
_CANDIDATES = 16


def best_spans(
    start: Logits, end: Logits, scored: NDArray[np.bool_], max_tokens: int
) -> list[Scored]:
    """(score, first token, last token) of the most likely spans of one window; arrays of shape
    (t,).

    The score is start + end - null, with the null at token 0. Spans satisfy first ≤ last, have at
    most `max_tokens` tokens, and use only `scored` tokens.
    """
    tokens = np.flatnonzero(scored)
    if not len(tokens):
        return []
    firsts = tokens[np.argsort(-start[tokens], kind="stable")[:_CANDIDATES]]
    lasts = tokens[np.argsort(-end[tokens], kind="stable")[:_CANDIDATES]]
    scores = (start[firsts] - start[0])[:, None] + (end[lasts] - end[0])[None, :]
    length = lasts[None, :] - firsts[:, None]
    rows, columns = np.nonzero((length >= 0) & (length < max_tokens))
    return [
        (float(scores[r, c]), int(firsts[r]), int(lasts[c]))
        for r, c in zip(rows, columns, strict=True)
    ]


def distinct(text: str, spans: Iterable[Scored], most: int) -> list[Scored]:
    """The `most` best spans without overlaps, best first: whole words within one sentence and one
    table cell, trimmed.
    """
    chosen: list[Scored] = []
    sentences = [start for start, _ in split_sentences(text)]
    for score, raw_start, raw_end in sorted(spans, key=lambda s: (-s[0], s[1], s[2])):
        for start, end in _trimmed(text, *_words(text, raw_start, raw_end)):
            whole = bisect(sentences, start) == bisect(sentences, end - 1) and not _CELL.search(
                text, start, end
            )
            if whole and all(end <= other[1] or start >= other[2] for other in chosen):
                chosen.append((score, start, end))
        if len(chosen) == most:
            break
    return chosen


def _words(text: str, start: int, end: int) -> tuple[int, int]:
    """Extend to whole words, since tokens may be parts of words."""
    while 0 < start < len(text) and _SPELT.match(text[start]) and _SPELT.match(text[start - 1]):
        start -= 1
    while 0 < end < len(text) and _SPELT.match(text[end - 1]) and _SPELT.match(text[end]):
        end += 1
    return start, end


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    while end > start and (text[end - 1] in _EDGE or text[end - 1].isspace()):
        end -= 1
    while start < end and (text[start] in _EDGE or text[start].isspace()):
        start += 1
    if re.search(r"\w", text[start:end]):
        yield from trim(text, start, end)
