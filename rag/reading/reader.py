"""The extractive reader: a transformer with a span head reads question and passages and scores every span."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rag.reading.heads import load_head
from rag.reading.spans import Scored, best_spans, distinct
from rag.reading.windows import Window, places, windows_of
from rag.types import Hit, Span
from rag.weights import reader_path

_BATCH_TOKENS = 4096
Place = tuple[int, int]
"""(which question, which of its hits)"""


class ExtractiveReader:
    """Any model with a question-answering head. Scores compare across passages: log-odds against "no answer here"."""

    def __init__(
        self, setting: str = "accurate", spans_per_passage: int = 3, max_answer_tokens: int = 40, bf16: bool = False
    ) -> None:
        """`setting` as in `Settings.reader`; `bf16` halves the work where the processor has it, the scores stay fp32.

        Raises ModelError if it cannot be loaded or has no span head.
        """
        self._head = load_head(setting, *reader_path(setting), bf16)
        self.name = setting
        self._spans = spans_per_passage
        self._max_answer_tokens = max_answer_tokens

    def read(self, question: str, hits: Sequence[Hit]) -> list[Span]:
        """The best spans of every hit, best first."""
        return self.read_many([(question, hits)])[0]

    def read_many(self, asked: Sequence[tuple[str, Sequence[Hit]]]) -> list[list[Span]]:
        """As `read` for each (question, hits), with the windows of all of them batched together."""
        work = [
            ((row, number), window)
            for row, (question, hits) in enumerate(asked)
            for number, made in enumerate(self._windows(question, hits))
            for window in made
        ]
        found: dict[Place, list[Scored]] = {}
        for batch in _batches(work):
            for (place, _), spans in zip(batch, self._score([window for _, window in batch]), strict=True):
                found.setdefault(place, []).extend(spans)
        return [
            self._best(hits, [found.get((row, number), []) for number in range(len(hits))]) for row, (_, hits) in enumerate(asked)
        ]

    def _best(self, hits: Sequence[Hit], found: Sequence[list[Scored]]) -> list[Span]:
        best = [
            Span(hit, start, end, score)
            for hit, scored in zip(hits, found, strict=True)
            for score, start, end in distinct(hit.passage.text, scored, self._spans)
        ]
        return sorted(best, key=lambda span: -span.score)

    def _windows(self, question: str, hits: Sequence[Hit]) -> list[list[Window]]:
        return windows_of(self._head.tokenizer, question, [(hit.passage.context, hit.passage.text) for hit in hits])

    def _score(self, batch: Sequence[Window]) -> Iterator[list[Scored]]:
        for window, (first, last) in zip(batch, self._head.logits(batch), strict=True):
            starts, ends, scored = places(window)
            found = best_spans(first[: window.tokens], last[: window.tokens], scored, self._max_answer_tokens)
            yield [(score, int(starts[a]), int(ends[b])) for score, a, b in found]


def _batches(work: list[tuple[Place, Window]]) -> Iterator[list[tuple[Place, Window]]]:
    """Windows of similar length together, each batch within the token budget, padding included."""
    batch: list[tuple[Place, Window]] = []
    for item in sorted(work, key=lambda item: item[1].tokens):
        if batch and (len(batch) + 1) * item[1].tokens > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
