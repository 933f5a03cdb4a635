"""Two readers as one: the first finds spans in every passage, the second reads the likeliest
passages for the rest.

Sentences and verdicts come from a model that was trained on them after spans, and lost a little of
what it knew about spans. So each does what it is best at; the second reads three of eight passages,
three eighths of a reading more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, islice

from rag.protocols import Reader
from rag.types import Hit, ReaderOutput


class TwoReaders:
    """Spans by one reader, sentences and verdicts by another, which reads the best `most` passages
    of a question.
    """

    def __init__(self, spans: Reader, heads: Reader, most: int = 3) -> None:
        self.name = spans.name
        self.heads = heads
        """The second one: what asks for verdicts alone reads with it."""
        self._spans = spans
        self._most = most

    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        """What the hits say to the question, or to a claim in its place."""
        return self.read_many([(question, hits)])[0]

    def read_many(self, asked: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        """As `read` for each (question, hits); each model takes them in common batches."""
        found = self._spans.read_many(asked)
        pairs = zip(asked, found, strict=True)
        best = [(question, self._best(hits, read)) for (question, hits), read in pairs]
        heads = self.heads.read_many(best)
        return [
            ReaderOutput(spans.spans, more.sentences, more.verdicts)
            for spans, more in zip(found, heads, strict=True)
        ]

    def _best(self, hits: Sequence[Hit], read: ReaderOutput) -> list[Hit]:
        """The first by retrieval, the one with the best span, the second by retrieval, and so on;
        in retrieval's order.
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
