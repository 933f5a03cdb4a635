"""A small reader chooses passages, a large one reads them.

A large model spends most of its time on passages without an answer. A small one finds the likely
ones in a fifth of that time (Soldaini & Moschitti 2020, "The Cascade Transformer").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

from rag.protocols import Reader, ReaderOutput
from rag.types import Hit


class Cascade:
    """`first` reads every passage, `reader` the `most` likeliest of them. The output is that of
    `reader`, with that of `first` beside it as a second opinion.
    """

    def __init__(self, first: Reader, reader: Reader, most: int) -> None:
        self.name = reader.name
        self.reader = reader
        self._first = first
        self._most = most

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        """Read the hits for a question, or for a claim in its place."""
        return self.read_many([(question, hits)])[0]

    def read_many(self, asked: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        """`read` for several (question, hits) pairs, which share batches in each model."""
        first = self._first.read_many(asked)
        chosen = [
            (question, self._chosen(hits, output) if len(hits) > self._most else hits)
            for (question, hits), output in zip(asked, first, strict=True)
        ]
        outputs = self.reader.read_many(chosen)
        return [replace(one, first=two) for one, two in zip(outputs, first, strict=True)]

    def _chosen(self, hits: Sequence[Hit], read: ReaderOutput) -> list[Hit]:
        """The best by retrieval, the one with the best span, the second by retrieval, and so on; in
        retrieval's order.
        """
        by_span = (span.hit for span in read.spans)
        chosen = list(
            islice(
                _distinct(chain.from_iterable(zip(hits, _padded(by_span, hits), strict=False))),
                self._most,
            )
        )
        return [hit for hit in hits if any(hit is one for one in chosen)]


def _padded(by_span: Iterator[Hit], hits: Sequence[Hit]) -> Iterator[Hit]:
    """The passages by their best span, each once, then the others."""
    return _distinct(chain(by_span, hits))


def _distinct(hits: Iterator[Hit]) -> Iterator[Hit]:
    seen: list[Hit] = []
    for hit in hits:
        if not any(hit is one for one in seen):
            seen.append(hit)
            yield hit
