"""The extractive reader: a transformer that reads question and passages and scores spans, sentences
and verdicts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rag.models.device import ON_CPU, Arithmetic
from rag.models.qa_heads import HeadOutput, load_head
from rag.models.registry import reader_path
from rag.models.sentence_scores import sentence_scores, verdict
from rag.models.spans import Scored, best_spans, distinct
from rag.models.windows import Window, places, windows_of
from rag.protocols import ReaderOutput
from rag.types import Hit, Span

_BATCH_TOKENS = 4096
Place = tuple[int, int]
"""(index of the question, index of its hit)"""


class ExtractiveReader:
    """Any model with a question-answering head. Scores are log-odds against "no answer here",
    comparable across passages.
    """

    def __init__(
        self,
        setting: str = "accurate",
        spans_per_passage: int = 3,
        max_answer_tokens: int = 40,
        arithmetic: Arithmetic = ON_CPU,
    ) -> None:
        """`setting` as in `Settings.reader`; scores are always fp32.

        Raises ModelError if the model cannot be loaded or has no span head.
        """
        self._head = load_head(setting, *reader_path(setting), arithmetic)
        self.name = setting
        self._spans = spans_per_passage
        self._max_answer_tokens = max_answer_tokens

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer, of tokenizers or transformers."""
        return self._head.tokenizer

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        """Read the hits for a question, or for a claim in its place."""
        return self.read_many([(question, hits)])[0]

    def read_many(self, asked: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        """`read` for several (question, hits) pairs, whose windows share batches."""
        work = [
            ((row, number), window)
            for row, (question, hits) in enumerate(asked)
            for number, made in enumerate(self._windows(question, hits))
            for window in made
        ]
        found: dict[Place, list[tuple[Window, HeadOutput]]] = {}
        for batch in _batches(work):
            outputs = self._head.outputs([window for _, window in batch])
            for (place, window), output in zip(batch, outputs, strict=True):
                found.setdefault(place, []).append((window, output))
        return [
            self._output(hits, [found.get((row, number), []) for number in range(len(hits))])
            for row, (_, hits) in enumerate(asked)
        ]

    def _output(
        self, hits: Sequence[Hit], found: Sequence[list[tuple[Window, HeadOutput]]]
    ) -> ReaderOutput:
        spans = [
            Span(hit, start, end, score)
            for hit, windows in zip(hits, found, strict=True)
            for score, start, end in distinct(hit.passage.text, self._scored(windows), self._spans)
        ]
        sentences = [
            s
            for hit, windows in zip(hits, found, strict=True)
            for s in sentence_scores(hit, windows)
        ]
        verdicts = [
            v for hit, windows in zip(hits, found, strict=True) if (v := verdict(hit, windows))
        ]
        return ReaderOutput(sorted(spans, key=lambda span: -span.score), sentences, verdicts)

    def _windows(self, question: str, hits: Sequence[Hit]) -> list[list[Window]]:
        return windows_of(
            self._head.tokenizer,
            question,
            [(hit.passage.context, hit.passage.text) for hit in hits],
        )

    def _scored(self, windows: Sequence[tuple[Window, HeadOutput]]) -> Iterator[Scored]:
        for window, output in windows:
            starts, ends, scored = places(window)
            found = best_spans(
                output.first[: window.tokens],
                output.last[: window.tokens],
                scored,
                self._max_answer_tokens,
            )
            yield from ((score, int(starts[a]), int(ends[b])) for score, a, b in found)


def _batches(work: list[tuple[Place, Window]]) -> Iterator[list[tuple[Place, Window]]]:
    """Windows of similar length in batches within the token budget, including padding."""
    batch: list[tuple[Place, Window]] = []
    for item in sorted(work, key=lambda item: item[1].tokens):
        if batch and (len(batch) + 1) * item[1].tokens > _BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
