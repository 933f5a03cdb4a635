"""Reads passages best first in rounds, until all are read, the time is up, or, if enabled, a good
answer is found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rag.protocols import Reader, ReaderOutput, SentenceScore, Verdict
from rag.types import Hit, Span

Enough = Callable[[str, Sequence[Span]], bool]
"""Decides from a question and its spans so far, best first, whether to stop."""
FIRST = 3
_CAUTION = 2.0
"""A round may use at most this fraction of the time left, since the machine may have become
slower.
"""


@dataclass(slots=True)
class ReadState:
    """A question's hits, best first, and what was read of them. `deadline` is a `time.monotonic`
    time; None for no deadline.
    """

    question: str
    hits: Sequence[Hit]
    deadline: float | None = None
    spans: list[Span] = field(default_factory=list)
    sentences: list[SentenceScore] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    read: int = 0

    @property
    def output(self) -> ReaderOutput:
        return ReaderOutput(self.spans, self.sentences, self.verdicts)


class BudgetedReader:
    """Reads with a reader and measures its speed."""

    def __init__(self, reader: Reader, enough: Enough | None = None) -> None:
        """`enough` is asked once, after the first passages, whether to skip the others; None reads
        all.
        """
        self._reader = reader
        self._enough = enough
        self._seconds_per_passage = 0.5
        """recent seconds per passage; an estimate before the first one"""

    def run(
        self, readings: Sequence[ReadState], on_progress: Callable[[int], object] = lambda row: None
    ) -> None:
        """Read; spans are sorted best first. The first passage of every question is read regardless
        of the deadline. `on_progress` is called with a question's index after each of its rounds.
        """
        while live := [row for row, one in enumerate(readings) if self._goes_on(one)]:
            sizes = [self._size(readings[row], len(live)) for row in live]
            self._round([readings[row] for row in live], sizes)
            for row in live:
                on_progress(row)

    def _goes_on(self, one: ReadState) -> bool:
        left = one.read < len(one.hits)
        in_time = one.read == 0 or one.deadline is None or time.monotonic() < one.deadline
        return (
            left
            and in_time
            and not (self._enough and one.read == FIRST and self._enough(one.question, one.spans))
        )

    def _size(self, one: ReadState, live: int) -> int:
        left = len(one.hits) - one.read
        if self._enough and one.read < FIRST:
            left = min(left, FIRST - one.read)
        if one.deadline is None:
            return left
        fits = (one.deadline - time.monotonic()) / (_CAUTION * self._seconds_per_passage * live)
        return max(1, min(left, int(fits)))

    def _round(self, live: Sequence[ReadState], sizes: Sequence[int]) -> None:
        started = time.monotonic()
        parts = [
            (one.question, one.hits[one.read : one.read + size])
            for one, size in zip(live, sizes, strict=True)
        ]
        for one, size, found in zip(live, sizes, self._reader.read_many(parts), strict=True):
            one.spans = sorted([*one.spans, *found.spans], key=lambda span: -span.score)
            one.sentences += found.sentences
            one.verdicts += found.verdicts
            one.read += size
        self._seconds_per_passage = (
            self._seconds_per_passage + (time.monotonic() - started) / sum(sizes)
        ) / 2
