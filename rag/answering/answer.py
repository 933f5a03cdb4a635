"""Composes an answer from spans: equal answers become one with several citations. Below the
threshold there is no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from rag.answering.citations import cite_all, independent
from rag.answering.confidence import Confidence
from rag.answering.conflicts import conflicts
from rag.answering.features import features
from rag.answering.mention import Mention, QuestionAnalysis
from rag.answering.table_cells import in_asked_columns
from rag.answering.values import value
from rag.meaning.relative_dates import document_date
from rag.types import (
    LEAST_SHOWN,
    Alternative,
    Answer,
    Citation,
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
    """Whether the threshold comes from the calibration, which has one per form, or from a setting,
    which is for all forms.
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
    read = in_asked_columns(question, spans, document)
    ranked = [c for c in rule.confidence.rank(asked, read) if cite_all(c.supporting, document)]
    if not ranked:
        return Answer(
            question, None, 0.0, (), (), tuple(hits), "no passage in the index is relevant", timings
        )
    given = [
        _alternative(cite_all(c.supporting, document), rule.confidence(features(c, ranked)))
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
        conflicts=tuple(
            _alternative(cite_all(c.supporting, document), sure) for c, sure in against
        ),
        value=_typed(ranked[0].best, document),
    )


def _typed(best: Mention, document: _Documents) -> Value | None:
    """The mention as a typed value; its document's day resolves relative dates."""
    found = document(best.span.hit.passage.document_id)
    return value(best, document_date(found.metadata, found.text) if found else None)


def _alternative(citations: tuple[Citation, ...], sure: float) -> Alternative:
    return Alternative(citations[0].quote, sure, citations[:MAX_CITATIONS], independent(citations))


def unsure(guess: str, confidence: float, needed: float) -> str:
    """Why the best guess is not given. Guesses below LEAST_SHOWN are not worth reading."""
    if confidence < LEAST_SHOWN:
        return "no passage answers it"
    shown = guess if len(guess) <= 80 else guess[:79] + "…"
    return f'best guess "{shown}" ({confidence:.0%}, needs {needed:.0%})'
