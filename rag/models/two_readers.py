"""Combines two readers: the first finds spans in every passage, the second reads only the most
likely passages for sentences and verdicts.

The model for sentences and verdicts was trained on them after spans, and lost some accuracy on
spans, so each does what it is best at. The second reads three of eight passages, which adds three
eighths of the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from rag.protocols import Reader
from rag.types import Hit, ReaderOutput


class TwoReaders:
    """Spans by one reader; sentences and verdicts by another, which reads the best `most`
    passages.
    """

    def __init__(self, spans: Reader, heads: Reader, most: int = 3) -> None:
        self.name = spans.name
        self.heads = heads
        """the second reader, also used when only verdicts are needed"""
        self._spans = spans
        self._most = most

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        """Read the hits for a question, or for a claim in its place."""
        return self.read_many([(question, hits)])[0]

    def read_many(self, asked: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        """`read` for several (question, hits) pairs, which share batches in each model."""
        found = self._spans.read_many(asked)
        pairs = zip(asked, found, strict=True)
        best = [(question, self._best(hits, read)) for (question, hits), read in pairs]
        heads = self.heads.read_many(best)
        return [
            ReaderOutput(spans.spans, more.sentences, more.verdicts)
            for spans, more in zip(found, heads, strict=True)
        ]

    def _best(self, hits: Sequence[Hit], read: ReaderOutput) -> list[Hit]:
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
