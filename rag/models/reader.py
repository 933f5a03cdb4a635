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
_MAX_SPANS = 3
"""Most spans of a passage."""
_MAX_ANSWER_TOKENS = 40
"""Most tokens of a span."""
HitIndex = tuple[int, int]
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

        def tokens(indexed: tuple[HitIndex, Window]) -> int:
            _, window = indexed
            return window.tokens

        reads = defaultdict[HitIndex, list[Read]](list)
        for batch in batches(self._windows(questions), tokens, _BATCH_TOKENS):
            outputs = self._head.outputs([window for _, window in batch])
            for (index, window), output in zip(batch, outputs, strict=True):
                reads[index].append((window, output))

        results = []
        for row, (_, hits) in enumerate(questions):
            hit_reads = []
            for number, hit in enumerate(hits):
                hit_reads.append((hit, reads[row, number]))
            results.append(_output(hit_reads))
        return results

    def _windows(
        self, questions: Sequence[tuple[str, Sequence[Hit]]]
    ) -> list[tuple[HitIndex, Window]]:
        """The windows of all passages, each with the index of its hit."""
        windows = []
        for row, (question, hits) in enumerate(questions):
            passages = []
            for hit in hits:
                passages.append((hit.passage.context, hit.passage.text))

            by_passage = windows_of(self.tokenizer, question, passages)
            for number, passage_windows in enumerate(by_passage):
                index = (row, number)
                windows += [(index, window) for window in passage_windows]
        return windows


def _output(hit_reads: Sequence[tuple[Hit, Sequence[Read]]]) -> ReaderOutput:
    """The output for a question, from what was read of each of its hits."""
    spans: list[Span] = []
    sentences: list[SentenceScore] = []
    verdicts: list[Verdict] = []

    for hit, windows in hit_reads:
        for score, start, end in distinct(hit.passage, _scored(windows), _MAX_SPANS):
            spans.append(Span(hit, start, end, score))
        sentences += sentence_scores(hit, windows)
        hit_verdict = verdict(hit, windows)
        if hit_verdict:
            verdicts.append(hit_verdict)

    spans.sort(key=lambda span: -span.score)
    return ReaderOutput(spans, sentences, verdicts)


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

        window_logits = output.sentence[: window.tokens]
        starts, ends, scored = places(window)
        for sentence in sentences:
            start, end = sentence
            tokens = scored & (starts < end) & (ends > start)
            if not tokens.any():
                continue
            logit = float(window_logits[tokens].mean())
            if sentence in logits:
                logit = max(logits[sentence], logit)
            logits[sentence] = logit

    scores = []
    for (start, end), logit in sorted(logits.items()):
        probability = float(1 / (1 + np.exp(-logit)))
        scores.append(SentenceScore(hit, start, end, probability))
    return scores


def verdict(hit: Hit, windows: Sequence[Read]) -> Verdict | None:
    """The passage's verdict on a yes/no question; None without a verdict head.

    If a passage has several windows, the most decided one counts.
    """
    window_shares = []
    for _, output in windows:
        if output.verdict is not None:
            normaliser = np.logaddexp.reduce(output.verdict)
            window_shares.append(np.exp(output.verdict - normaliser))
    if not window_shares:
        return None

    decided = min(window_shares, key=lambda shares: float(shares[2]))  # the share of "neither"
    return Verdict(hit, *map(float, decided))


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

    by_start = np.argsort(-start[tokens], kind="stable")
    by_end = np.argsort(-end[tokens], kind="stable")
    firsts = tokens[by_start[:_CANDIDATES]]
    lasts = tokens[by_end[:_CANDIDATES]]

    # each first token with each last one: rows are first tokens, columns last ones
    start_scores = start[firsts] - start[0]
    end_scores = end[lasts] - end[0]
    scores = start_scores[:, None] + end_scores[None, :]
    length = lasts[None, :] - firsts[:, None]
    is_allowed = (length >= 0) & (length < max_tokens)

    spans = []
    for row, column in np.argwhere(is_allowed):
        score = float(scores[row, column])
        spans.append((score, int(firsts[row]), int(lasts[column])))
    return spans


def distinct(passage: Passage, spans: Iterable[Scored], limit: int) -> list[Scored]:
    """The `limit` best spans without overlaps, best first: whole words of one sentence and cell."""
    text = passage.text
    sentence_starts = [start for start, _ in passage_sentences(passage)]
    cell_ends = _cell_ends(passage)

    def is_whole(start: int, end: int) -> bool:
        """Whether it is in one sentence and one cell."""
        if bisect(sentence_starts, start) != bisect(sentence_starts, end - 1):
            return False
        return not any(start < cell_end < end for cell_end in cell_ends)

    chosen: list[Scored] = []

    def is_free(start: int, end: int) -> bool:
        """Whether it overlaps with none of those chosen."""
        for _, chosen_start, chosen_end in chosen:
            if start < chosen_end and chosen_start < end:
                return False
        return True

    for score, raw_start, raw_end in sorted(spans, key=_by_score):
        words = _words(text, raw_start, raw_end)
        for start, end in _trimmed(text, *words):
            if is_whole(start, end) and is_free(start, end):
                chosen.append((score, start, end))

        if len(chosen) == limit:
            break

    return chosen


def _by_score(span: Scored) -> Scored:
    """The key that sorts the best span first, and of equal ones the first and shortest."""
    score, start, end = span
    return -score, start, end


def _cell_ends(passage: Passage) -> list[int]:
    """Where a cell ends before another one of its row; before every bar if rows are not known."""
    if passage.rows is None:
        return [bar.start() for bar in _BAR.finditer(passage.text)]

    ends = []
    for row in passage.rows:
        for cell in row.cells[:-1]:
            ends.append(cell.end)
    return ends


def _words(text: str, start: int, end: int) -> tuple[int, int]:
    """Extend to whole words, since tokens may be parts of words."""
    while _is_inside_word(text, start):
        start -= 1
    while _is_inside_word(text, end):
        end += 1
    return start, end


def _is_inside_word(text: str, place: int) -> bool:
    """Whether the place is between two letters or digits."""
    if not 0 < place < len(text):
        return False
    return bool(_SPELT.match(text[place]) and _SPELT.match(text[place - 1]))


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The place without spaces and commas at its edges; nothing if no word is left."""
    while end > start and _is_edge(text[end - 1]):
        end -= 1
    while start < end and _is_edge(text[start]):
        start += 1
    if re.search(r"\w", text[start:end]):
        yield from trim(text, start, end)


def _is_edge(character: str) -> bool:
    return character in _EDGE or character.isspace()
