"""What was read for one question: passages, spans, sentences and verdicts, ready for ranking."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from rag.answering.lists import in_asked_columns
from rag.answering.selection import (
    Sentence,
    around,
    is_heading,
    ranked,
    sentences_of,
    without_headings,
)
from rag.answering.spans import Mention, QuestionAnalysis, SpanGroup, grouped, mention
from rag.meaning.sentences import Offsets
from rag.protocols import ReaderOutput
from rag.types import Document, Hit

SPANS, _SENTENCES = 4, 5
"""Groups of spans, and sentences, from which candidates are made."""
FIRST = 3
"""The same of the small reader, which read more passages."""
RETRIEVAL = 20.0
"""Log-odds of a span that one unit of its passage's fused score is worth in ranking."""
_TYPE = 6.0
"""Log-odds that a date or an amount gains if the question asks for one."""
_LABEL = 4.0
"""Log-odds that a figure of a table loses if the question has no word of its row's label, so that
"net income" is not answered from the row "Net interest income" (eval/results/evidence.md).
"""


@dataclass(frozen=True)
class Reading:
    """A question, its hits, best first, the reader's output, and the hits' documents by id.

    `form_odds` has the probability of each form, by the form classifier; {} without one.
    """

    question: str
    hits: Sequence[Hit]
    output: ReaderOutput
    documents: Mapping[str, Document]
    form_odds: Mapping[str, float] = field(default_factory=dict)

    @functools.cached_property
    def analysis(self) -> QuestionAnalysis:
        return QuestionAnalysis.of(self.question)

    @functools.cached_property
    def spans(self) -> list[SpanGroup]:
        """Spans with equal meanings grouped, best group first; only those still in a document."""
        spans = [
            span
            for span in in_asked_columns(self.question, self.output.spans, self.documents.get)
            if self._is_current(span.hit)
        ]
        return grouped([mention(self.analysis, span) for span in spans], span_score)

    @functools.cached_property
    def scored(self) -> list[Sentence]:
        """Every sentence with a score from the sentence head, best first, headings too."""
        return [
            sentence for sentence in sentences_of(self.output) if self._is_current(sentence.hit)
        ]

    @functools.cached_property
    def sentences(self) -> list[Sentence]:
        """The scored sentences without headings, ranked by their score and their passage's."""
        return ranked(without_headings(self.scored, self.documents), self.hits)

    @functools.cached_property
    def first(self) -> Reading | None:
        """The same question as the small reader read it, which chose the passages."""
        return replace(self, output=self.output.first) if self.output.first else None

    @functools.cached_property
    def anchors(self) -> list[Sentence]:
        """The sentences from which candidates are made: the best by score, and the best spans'."""
        by_place: dict[tuple[str, int], Sentence] = {}
        for sentence in self.sentences[:_SENTENCES]:
            by_place.setdefault((sentence.document_id, sentence.start), sentence)
        spans = [group.best.span for group in self.spans[:SPANS]]
        if self.first:
            for sentence in self.first.sentences[:FIRST]:
                by_place.setdefault((sentence.document_id, sentence.start), sentence)
            spans += [group.best.span for group in self.first.spans[:FIRST]]
        for span in spans:
            sentence = around(span)
            if not is_heading(sentence, self.documents[sentence.document_id]):
                by_place.setdefault((sentence.document_id, sentence.start), sentence)
        return list(by_place.values())

    @functools.cached_property
    def read_hits(self) -> list[Hit]:
        """The hits that the reader said something about, in order of retrieval."""
        parts = (self.output.spans, self.output.sentences, self.output.verdicts)
        places = {
            (span.hit.passage.document_id, span.hit.passage.start) for p in parts for span in p
        }
        return [hit for hit in self.hits if (hit.passage.document_id, hit.passage.start) in places]

    def text(self, document_id: str, offsets: Offsets) -> str:
        """The text of a document between two offsets."""
        return self.documents[document_id].text[slice(*offsets)]

    def without(self, group: SpanGroup) -> Reading:
        """The same reading as if the spans of a group had not been found."""
        dropped = set(group.spans)
        spans = [span for span in self.output.spans if span not in dropped]
        return replace(self, output=replace(self.output, spans=spans))

    def _is_current(self, hit: Hit) -> bool:
        return hit.passage.is_in(self.documents.get(hit.passage.document_id))


def span_score(mention: Mention) -> float:
    """The log-odds that rank spans: the reader's, retrieval's, and whether the type fits."""
    evidence = RETRIEVAL * mention.span.hit.score + _TYPE * mention.typed
    return mention.span.score + evidence - _LABEL * mention.unasked
