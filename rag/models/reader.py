"""The extractive reader: a transformer that scores spans, sentences and verdicts."""

from __future__ import annotations

import re
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rag.meaning.sentences import trim
from rag.models.device import ON_CPU, Arithmetic
from rag.models.qa_heads import HeadOutput, Logits, Window, batches, load_head, places, windows_of
from rag.models.registry import reader_path
from rag.protocols import ReaderOutput, SentenceScore, Verdict
from rag.structure import passage_sentences
from rag.types import Hit, Passage, Span

_BATCH_TOKENS = 1024
_SPANS, _MAX_ANSWER_TOKENS = 3, 40
"""Most spans of a passage, and most tokens of a span."""
Place = tuple[int, int]
"""(index of the question, index of its hit)"""
Read = tuple[Window, HeadOutput]
"""A window of a passage and the model's output for it."""
Scored = tuple[float, int, int]
"""(score, start, end)"""


class ExtractiveReader:
    """A model with a question-answering head. Scores are log-odds against "no answer here"."""

    def __init__(self, setting: str = "accurate", arithmetic: Arithmetic = ON_CPU) -> None:
        """`setting` as in `Settings.reader`; scores are always fp32.

        Raises ModelError if the model cannot be loaded or has no span head.
        """
        self._head = load_head(setting, *reader_path(setting), arithmetic)
        self.name = setting
        self.tokenizer: Any = self._head.tokenizer
        """The model's, of tokenizers or transformers."""

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        """Read the hits for a question, or for a claim in its place."""
        return self.read_many([(question, hits)])[0]

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        """`read` for several (question, hits) pairs, whose windows share batches."""
        windows: list[tuple[Place, Window]] = []
        for row, (question, hits) in enumerate(questions):
            passages = [(hit.passage.context, hit.passage.text) for hit in hits]
            for number, passage_windows in enumerate(
                windows_of(self.tokenizer, question, passages)
            ):
                windows += [((row, number), window) for window in passage_windows]
        by_place = defaultdict[Place, list[Read]](list)
        for batch in batches(windows, lambda item: item[1].tokens, _BATCH_TOKENS):
            outputs = self._head.outputs([window for _, window in batch])
            for (place, window), output in zip(batch, outputs, strict=True):
                by_place[place].append((window, output))

        return [
            _output([(hit, by_place[row, number]) for number, hit in enumerate(hits)])
            for row, (_, hits) in enumerate(questions)
        ]


def _output(read: Sequence[tuple[Hit, Sequence[Read]]]) -> ReaderOutput:
    spans = [
        Span(hit, start, end, score)
        for hit, windows in read
        for score, start, end in distinct(hit.passage, _scored(windows), _SPANS)
    ]
    sentences = [s for hit, windows in read for s in sentence_scores(hit, windows)]
    verdicts = [v for hit, windows in read if (v := verdict(hit, windows))]
    return ReaderOutput(sorted(spans, key=lambda span: -span.score), sentences, verdicts)


def _scored(windows: Sequence[Read]) -> Iterator[Scored]:
    for window, output in windows:
        starts, ends, scored = places(window)
        spans = best_spans(
            start=output.first[: window.tokens],
            end=output.last[: window.tokens],
            scored=scored,
            max_tokens=_MAX_ANSWER_TOKENS,
        )
        for score, start_token, end_token in spans:
            yield score, int(starts[start_token]), int(ends[end_token])


def sentence_scores(hit: Hit, windows: Sequence[Read]) -> list[SentenceScore]:
    """Scores of every sentence of the passage that lies in a window, in order; [] without a
    sentence head.

    A sentence's logit is the mean of its tokens'; if two windows contain it, the higher one counts.
    """
    logits: dict[tuple[int, int], float] = {}
    sentences = passage_sentences(hit.passage)
    for window, output in windows:
        if output.sentence is None:
            continue
        starts, ends, scored = places(window)
        for start, end in sentences:
            tokens = scored & (starts < end) & (ends > start)
            if tokens.any():
                logit = float(output.sentence[: window.tokens][tokens].mean())
                logits[start, end] = max(logits.get((start, end), -np.inf), logit)
    scores = {place: float(1 / (1 + np.exp(-logit))) for place, logit in sorted(logits.items())}
    return [SentenceScore(hit, *place, score) for place, score in scores.items()]


def verdict(hit: Hit, windows: Sequence[Read]) -> Verdict | None:
    """The passage's verdict on a yes/no question; None without a verdict head.

    If a passage has several windows, the most decided one counts.
    """
    logits = [output.verdict for _, output in windows if output.verdict is not None]
    if not logits:
        return None
    shares = [np.exp(logit - np.logaddexp.reduce(logit)) for logit in logits]
    decided = min(shares, key=lambda share: float(share[2]))
    return Verdict(hit, *(float(share) for share in decided))


_EDGE = ",;:"
_BAR = re.compile(r"\s\|\s")
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
    allowed = np.argwhere((length >= 0) & (length < max_tokens))
    return [(float(scores[r, c]), int(firsts[r]), int(lasts[c])) for r, c in allowed]


def distinct(passage: Passage, spans: Iterable[Scored], limit: int) -> list[Scored]:
    """The `limit` best spans without overlaps, best first: whole words of one sentence and cell."""
    text = passage.text

    chosen: list[Scored] = []
    sentences = [start for start, _ in passage_sentences(passage)]
    cell_ends = _cell_ends(passage)

    for score, raw_start, raw_end in sorted(spans, key=lambda s: (-s[0], s[1], s[2])):
        for start, end in _trimmed(text, *_words(text, raw_start, raw_end)):
            is_whole = bisect(sentences, start) == bisect(sentences, end - 1) and not any(
                start < cell_end < end for cell_end in cell_ends
            )

            if is_whole and all(end <= earlier[1] or start >= earlier[2] for earlier in chosen):
                chosen.append((score, start, end))

        if len(chosen) == limit:
            break

    return chosen


def _cell_ends(passage: Passage) -> list[int]:
    """Where a cell ends before another one of its row; before every bar if rows are not known."""
    if passage.rows is None:
        return [bar.start() for bar in _BAR.finditer(passage.text)]
    return [cell.end for row in passage.rows for cell in row.cells[:-1]]


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
