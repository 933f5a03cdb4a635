"""A small reader chooses passages, a large one reads them.

A large model spends most of its time on passages without an answer. A small one finds the likely
ones in a fifth of that time (Soldaini & Moschitti 2020, "The Cascade Transformer").

Within a time limit, passages are read best first in rounds, until all are read or the time is up.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from rag.protocols import Reader, ReaderOutput, SentenceScore
from rag.types import Hit, Span

SPAN_WEIGHT = 0.2
SENTENCE_WEIGHT = 0.5
"""Weights of the best span's and the best sentence's log-odds beside the logarithm of the passage's
probability; fitted listwise by `python -m eval.experiments.fit_cascade`."""
_NO_SPAN = -12.0
_NO_SENTENCE = 1e-4
"""What a passage has of which the small reader returned no span, or no sentence."""


class Cascade:
    """`first` reads every passage, `reader` the `most` likeliest of them. The output is that of
    `reader`, with that of `first` beside it as a second opinion.
    """

    def __init__(self, first_reader: Reader, reader: Reader, reads: int) -> None:
        self.name = reader.name
        self.reader = reader
        self.first = first_reader
        self._most = reads

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        """Read the hits for a question, or for a claim in its place."""
        return self.read_many([(question, hits)])[0]

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        """`read` for several (question, hits) pairs, which share batches in each model."""
        first_outputs = self.first.read_many(questions)

        chosen = []
        for (question, hits), first_output in zip(questions, first_outputs, strict=True):
            if len(hits) > self._most:
                hits = self._chosen(hits, first_output)
            chosen.append((question, hits))

        joint_outputs = []
        outputs = self.reader.read_many(chosen)
        for output, first_output in zip(outputs, first_outputs, strict=True):
            joint_outputs.append(replace(output, first=first_output))
        return joint_outputs

    def _chosen(self, hits: Sequence[Hit], read: ReaderOutput) -> list[Hit]:
        """The likeliest by search and the small reader, in the order of search."""
        odds = log_odds(hits, read)
        by_odds = sorted(range(len(hits)), key=lambda place: -odds[place])
        likeliest_places = by_odds[: self._most]
        return [hits[place] for place in sorted(likeliest_places)]


def log_odds(hits: Sequence[Hit], read: ReaderOutput) -> list[float]:
    """How likely each passage holds the answer, as log-odds up to a constant: a log-linear model of
    the search and the small reader's output.
    """
    odds = []
    for hit, (span, sentence) in zip(hits, best_of(hits, read), strict=True):
        by_span = SPAN_WEIGHT * span
        by_sentence = SENTENCE_WEIGHT * sentence
        odds.append(hit.log_score + by_span + by_sentence)
    return odds


def best_of(hits: Sequence[Hit], read: ReaderOutput) -> list[tuple[float, float]]:
    """The log-odds of the best span and of the best sentence of each passage."""
    spans = _highest_scores(hits, read.spans, default=_NO_SPAN)
    sentences = _highest_scores(hits, read.sentences, default=_NO_SENTENCE)
    pairs = []
    for span_odds, probability in zip(spans, sentences, strict=True):
        pairs.append((span_odds, _log_odds(probability)))
    return pairs


def _highest_scores(
    hits: Sequence[Hit], scored: Iterable[Span | SentenceScore], default: float
) -> list[float]:
    """The highest score of what was read in each hit, or `default`."""
    place = {hit: number for number, hit in enumerate(hits)}
    scores = [default] * len(hits)
    for part in scored:
        number = place[part.hit]
        scores[number] = max(scores[number], part.score)
    return scores


def _log_odds(probability: float) -> float:
    """The log-odds of a probability, which is kept below 1."""
    limited = min(probability, 1 - _NO_SENTENCE)
    return math.log(limited / (1 - limited))


class LastReading:
    """Remembers its last batch: a grid's cells are read alone, some then by the cascade."""

    def __init__(self, reader: Reader) -> None:
        self.name = reader.name
        self._reader = reader
        self._last: dict[tuple[str, tuple[Hit, ...]], ReaderOutput] = {}

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        """Read the hits for a question, or for a claim in its place."""
        return self.read_many([(question, hits)])[0]

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        """`read` for several (question, hits) pairs, without those of the last batch."""
        keys = []
        for question, hits in questions:
            keys.append((question, tuple(hits)))

        outputs = dict(self._last)
        unread = [key for key in dict.fromkeys(keys) if key not in outputs]
        new_outputs = self._reader.read_many(unread)
        for key, output in zip(unread, new_outputs, strict=True):
            outputs[key] = output

        self._last = {key: outputs[key] for key in keys}
        return [outputs[key] for key in keys]


_CAUTION = 2.0
"""A round may use at most a part of the time left, since the machine may have become slower."""


@dataclass(slots=True)
class ReadState:
    """A question's hits, best first, and what was read; `deadline` is a `time.monotonic` time."""

    question: str
    hits: Sequence[Hit]
    deadline: float | None = None
    output: ReaderOutput = field(default_factory=lambda: ReaderOutput([]))
    read: int = 0

    @property
    def in_time(self) -> bool:
        """Whether the deadline is not over."""
        return self.deadline is None or time.monotonic() < self.deadline


class BudgetedReader:
    """Reads with a reader and measures its speed."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._seconds_per_passage = 0.5
        """recent seconds per passage; an estimate before the first one"""

    def run(
        self, readings: Sequence[ReadState], on_progress: Callable[[int], object] = lambda row: None
    ) -> None:
        """Read; spans are sorted best first. The first passage of every question is read regardless
        of the deadline. `on_progress` is called with a question's index after each of its rounds.
        """
        while True:
            active_states = {
                row: state for row, state in enumerate(readings) if self._goes_on(state)
            }
            if not active_states:
                return
            self._round(list(active_states.values()))
            for row in active_states:
                on_progress(row)

    def _goes_on(self, state: ReadState) -> bool:
        if state.read >= len(state.hits):
            return False
        return state.read == 0 or state.in_time

    def _size(self, state: ReadState, active_count: int) -> int:
        """How many passages of a question to read in a round of `active_count` questions."""
        unread = len(state.hits) - state.read
        if state.deadline is None:
            return unread
        seconds_left = state.deadline - time.monotonic()
        cost = _CAUTION * self._seconds_per_passage * active_count
        return max(1, min(unread, int(seconds_left / cost)))

    def _round(self, states: Sequence[ReadState]) -> None:
        """Read the next passages of each question, and measure the time."""
        started = time.monotonic()
        parts = []
        for state in states:
            end = state.read + self._size(state, len(states))
            hits = state.hits[state.read : end]
            parts.append((state.question, hits))

        passages = 0
        outputs = self._reader.read_many(parts)
        for state, (_, hits), output in zip(states, parts, outputs, strict=True):
            state.output = joined(state.output, output)
            state.read += len(hits)
            passages += len(hits)

        elapsed = time.monotonic() - started
        seconds_per_passage = elapsed / passages
        self._seconds_per_passage = (self._seconds_per_passage + seconds_per_passage) / 2


def joined(first_output: ReaderOutput, second_output: ReaderOutput) -> ReaderOutput:
    """The output for the passages of both."""
    small_output = first_output.first or second_output.first
    if first_output.first and second_output.first:
        small_output = joined(first_output.first, second_output.first)

    spans = [*first_output.spans, *second_output.spans]
    spans.sort(key=lambda span: -span.score)
    return ReaderOutput(
        spans=spans,
        sentences=[*first_output.sentences, *second_output.sentences],
        verdicts=[*first_output.verdicts, *second_output.verdicts],
        first=small_output,
    )
