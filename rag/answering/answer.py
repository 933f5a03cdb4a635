"""Composes an answer from spans: equal answers become one with several citations. Below the
threshold there is no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.answering.candidates import Candidate
from rag.answering.confidence import Confidence
from rag.answering.conflicts import conflicts
from rag.answering.features import features
from rag.answering.mention import Mention, QuestionAnalysis
from rag.answering.pieces import quoted, whole
from rag.answering.table_cells import in_asked_columns
from rag.answering.values import value
from rag.english.relative_dates import document_date
from rag.english.sentences import enclosing_sentence
from rag.types import (
    LEAST_SHOWN,
    Alternative,
    Answer,
    Citation,
    Copy,
    Document,
    Hit,
    Span,
    Value,
)

MAX_CITATIONS = 5
_Documents = Callable[[str], Document | None]


@dataclass(frozen=True, slots=True)
class AbstentionPolicy:
    """The confidence that an answer needs, and how many alternatives are shown."""

    confidence: Confidence
    threshold: float
    alternatives: int
    calibrated: bool = True
    """Whether the threshold is the calibration's, which has one for each form, or a person's, for
    all forms.
    """


def compose(
    question: str,
    hits: Sequence[Hit],
    spans: Sequence[Span],
    document: _Documents,
    rule: AbstentionPolicy,
    timings: Mapping[str, float],
) -> Answer:
    """The best candidate if its confidence reaches the threshold; otherwise no answer and the
    reason. `document` finds a document by id.
    """
    asked = QuestionAnalysis.of(question)
    read = in_asked_columns(question, spans)
    ranked = [c for c in rule.confidence.rank(asked, read) if _cite(c, document)]
    if not ranked:
        return Answer(
            question, None, 0.0, (), (), tuple(hits), "no passage in the index is relevant", timings
        )
    given = [
        _alternative(_cite(c, document), rule.confidence(features(c, ranked)))
        for c in ranked[: rule.alternatives + 1]
    ]
    best, rest = given[0], tuple(given[1:])
    if best.confidence < rule.threshold:
        reason = unsure(best.text, best.confidence, rule.threshold)
        return Answer(
            question, None, best.confidence, (), tuple(given), tuple(hits), reason, timings
        )
    answer = Answer(
        question, best.text, best.confidence, best.citations, rest, tuple(hits), None, timings
    )
    against = conflicts(
        asked, ranked, lambda c, others: rule.confidence(features(c, others)), rule.threshold
    )
    return replace(
        answer,
        documents=best.documents,
        conflicts=tuple(_alternative(_cite(c, document), sure) for c, sure in against),
        value=_typed(ranked[0].best, document),
    )


def _typed(best: Mention, document: _Documents) -> Value | None:
    """The mention as a typed value; its document's day resolves relative dates."""
    found = document(best.span.hit.passage.document_id)
    return value(best, document_date(found.metadata, found.text) if found else None)


def _alternative(citations: tuple[Citation, ...], sure: float) -> Alternative:
    return Alternative(citations[0].quote, sure, citations[:MAX_CITATIONS], independent(citations))


def independent(citations: Sequence[Citation]) -> int:
    """Number of independent sources: copies of a file and documents with the same sentence count
    once.
    """
    digests, sentences, count = set[str](), set[str](), 0
    for citation in citations:
        sentence = " ".join(citation.sentence.casefold().split())
        count += citation.sha256 not in digests and sentence not in sentences
        digests.add(citation.sha256)
        sentences.add(sentence)
    return count


def _cite(candidate: Candidate, document: Callable[[str], Document | None]) -> tuple[Citation, ...]:
    """One citation per place, best first. Passages that their document no longer contains are not
    cited.
    """
    made: dict[tuple[str, int], Citation] = {}
    for span in candidate.supporting:
        found = document(span.hit.passage.document_id)
        citation = cite(span, found) if found else None
        if citation:
            made.setdefault((citation.document_id, citation.start), citation)
    return tuple(made.values())


def cite(span: Span, document: Document) -> Citation | None:
    """The span as a citation; None if the document changed after it was read."""
    passage = span.hit.passage
    inside = whole(passage.text, span.start, span.end)
    start, end = (passage.start + at for at in inside)
    if document.text[passage.start : passage.end] != passage.text:
        return None
    first, last = (
        passage.start + at for at in enclosing_sentence(passage.text, span.start, span.end)
    )
    return replace(
        quoted(document, start, end, (first, last)),
        heading=passage.heading,
        copies=tuple(
            Copy(p.document_id, p.title, p.start + inside[0], p.start + inside[1])
            for p in span.hit.copies
        ),
    )


def unsure(guess: str, confidence: float, needed: float) -> str:
    """Why the best guess is not given. Guesses below LEAST_SHOWN are not worth reading."""
    if confidence < LEAST_SHOWN:
        return "no passage answers it"
    shown = guess if len(guess) <= 80 else guess[:79] + "…"
    return f'best guess "{shown}" ({confidence:.0%}, needs {needed:.0%})'
