"""Reading best-first in rounds: until all is read, the time is up, or, where that is wished, a good
answer is found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rag.protocols import Reader
from rag.types import Hit, ReaderOutput, SentenceScore, Span, Verdict

Enough = Callable[[str, Sequence[Span]], bool]
"""Of a question and what was read for it so far, best first."""
FIRST = 3
_CAUTION = 2.0
"""A round is planned to take at most this part of the time left: the machine may be slower than it
was.
"""


@dataclass(slots=True)
class ReadState:
    """A question's hits, best first, and what was read of them. `deadline` is a moment of
    `time.monotonic`; None: no haste.
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
    """Reads with a reader, and learns how fast that is."""

    def __init__(self, reader: Reader, enough: Enough | None = None) -> None:
        """`enough` is asked once, when the first passages are read, whether the others may be left;
        None: all are read.
        """
        self._reader = reader
        self._enough = enough
        self._pace = 0.5
        """Seconds that a passage took lately; of a first one nothing is known."""

    def run(
        self, readings: Sequence[ReadState], seen: Callable[[int], object] = lambda row: None
    ) -> None:
        """Read; spans come best first. Of every question the first passage is read, whatever the
        time. `seen` is called with a question's number after each of its rounds."""
        while live := [row for row, one in enumerate(readings) if self._goes_on(one)]:
            sizes = [self._size(readings[row], len(live)) for row in live]
            self._round([readings[row] for row in live], sizes)
            for row in live:
                seen(row)

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
        fits = (one.deadline - time.monotonic()) / (_CAUTION * self._pace * live)
        return max(1, min(left, int(fits)))

    def _round(self, live: Sequence[ReadState], sizes: Sequence[int]) -> None:
        begun = time.monotonic()
        parts = [
            (one.question, one.hits[one.read : one.read + size])
            for one, size in zip(live, sizes, strict=True)
        ]
        for one, size, found in zip(live, sizes, self._reader.read_many(parts), strict=True):
            one.spans = sorted([*one.spans, *found.spans], key=lambda span: -span.score)
            one.sentences += found.sentences
            one.verdicts += found.verdicts
            one.read += size
        self._pace = (self._pace + (time.monotonic() - begun) / sum(sizes)) / 2
