"""Answers made of pieces, and refusals with the closest passages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rag.answering.catalogue import Catalogued
from rag.answering.citations import joined
from rag.types import Alternative, Answer, Piece, Value


def given(
    spans: Answer,
    form: str,
    pieces: Sequence[Piece],
    confidence: float,
    lead: str = "",
    more: int = 0,
) -> Answer:
    """An answer made of these pieces; everything else comes from `spans`, the answer as a span."""
    citations = tuple(piece.citation for piece in pieces)
    documents = len({citation.document_id for citation in citations})
    return replace(
        spans,
        text=joined(form, pieces, lead),
        confidence=confidence,
        citations=citations,
        abstention_reason=None,
        form=form,
        pieces=tuple(pieces),
        more=more,
        documents=documents,
        conflicts=(),
        value=_value(form, pieces, lead),
    )


def refused(
    spans: Answer,
    form: str,
    reason: str,
    confidence: float | None = None,
    nearest: Sequence[Piece] = (),
) -> Answer:
    """A refusal in this form; the `nearest` piece becomes its first alternative."""
    sure = spans.confidence if confidence is None else confidence
    near = tuple(Alternative(p.text, sure, (p.citation,), 1) for p in nearest[:1])
    best = (
        (Alternative(spans.text, spans.confidence, spans.citations, spans.documents),)
        if spans.text
        else ()
    )
    return replace(
        spans,
        text=None,
        confidence=sure,
        citations=(),
        alternatives=(near or best) + spans.alternatives,
        abstention_reason=reason,
        form=form,
        pieces=(),
        documents=0,
        conflicts=(),
        value=None,
    )


def of_documents(spans: Answer, form: str, about: Catalogued) -> Answer:
    """An overview of a document, or an answer from titles, metadata and counts."""
    made = given(spans, form, about.pieces, 1.0, more=about.more)
    if form == "overview":
        return made
    labels = [piece.label for piece in about.pieces]
    return replace(
        made, text=about.said or "\n".join(labels), documents=len(about.pieces) + about.more
    )


def _value(form: str, pieces: Sequence[Piece], lead: str) -> Value | None:
    return Value("boolean", pieces[0].text, yes=lead == "Yes.") if form == "yes_no" else None
