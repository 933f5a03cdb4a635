"""The one serialisation: converts the package's types to response schemas."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel

from rag.answering.verification import CitationCheck
from rag.claims.results import CheckReport, FoundEvidence
from rag.engine import Found
from rag.render.view import explain
from rag.server import schemas
from rag.structure import sections
from rag.types import Alternative, Answer, Citation, Document, Hit, heading_parts

M = TypeVar("M", bound=BaseModel)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:")


def _as(model: type[M], value: object, /, **extra: Any) -> M:
    """A response with the value's fields of the same names, and others."""
    names = [name for name in model.model_fields if name not in extra and hasattr(value, name)]
    return model(**{name: getattr(value, name) for name in names}, **extra)


def answer(answer: Answer, found: Found) -> schemas.WireAnswer:
    text, hits = answer.text or "", answer.hits
    pieces = [
        _as(schemas.WirePiece, piece, citation=_citation(number, piece.citation, hits, text))
        for number, piece in enumerate(answer.pieces, 1)
    ]
    return _as(
        schemas.WireAnswer,
        answer,
        answer=answer.text,
        pieces=pieces,
        citations=_citations(answer.citations, hits, text),
        alternatives=_alternatives(answer.alternatives, hits),
        conflicts=_alternatives(answer.conflicts, hits),
        explain=explain(answer),
        nearest=list(map(hit, hits)),
        passages_found=len(hits),
        passages_read=len(answer.hits_read),
        receipt=dataclasses.asdict(answer.receipt) if answer.receipt else None,
        generation=found.retrieved.generation,
        timings_ms={stage: round(seconds * 1000, 1) for stage, seconds in answer.timings.items()},
    )


def _alternatives(
    rivals: Sequence[Alternative], hits: Sequence[Hit]
) -> list[schemas.WireAlternative]:
    return [
        _as(schemas.WireAlternative, rival, citations=_citations(rival.citations, hits, rival.text))
        for rival in rivals
    ]


def _citations(
    citations: Sequence[Citation], hits: Sequence[Hit], text: str
) -> list[schemas.WireCitation]:
    return [_citation(number, citation, hits, text) for number, citation in enumerate(citations, 1)]


def _citation(
    number: int, citation: Citation, hits: Sequence[Hit], text: str
) -> schemas.WireCitation:
    """`start` and `end` are the quote's in the answer; the whole answer's if its words differ."""
    start = text.find(citation.quote)
    start, end = (start, start + len(citation.quote)) if start >= 0 else (0, len(text))
    scores = (
        _as(schemas.Scores, hit)
        for hit in hits
        if hit.passage.document_id == citation.document_id
        and hit.passage.start <= citation.start
        and citation.end <= hit.passage.end
    )
    return _as(
        schemas.WireCitation,
        citation,
        index=number,
        uri=uri(citation),
        headings=list(heading_parts(citation.heading)),
        cited_text=citation.sentence,
        start_char_index=citation.sentence_start,
        end_char_index=citation.sentence_end,
        highlight=_placed(schemas.Highlight, citation, text=citation.quote),
        start=start,
        end=end,
        document_sha256=citation.sha256,
        scores=next(scores, None),
        copies=[_placed(schemas.WireSpan, copy) for copy in citation.copies],
    )


def _placed(model: type[M], place: Any, **extra: Any) -> M:
    """`_as` with the offsets of the place."""
    return _as(model, place, start_char_index=place.start, end_char_index=place.end, **extra)


def uri(place: Citation | Document) -> str:
    """A web page's or upload's address; a file's id, so that clients learn no folders."""
    document_id = place.id if isinstance(place, Document) else place.document_id
    return place.source if _SCHEME.match(place.source) else document_id


def hit(hit: Hit) -> schemas.WireHit:
    scores = _as(schemas.Scores, hit)
    heading = list(heading_parts(hit.passage.heading))
    return _placed(schemas.WireHit, hit.passage, headings=heading, scores=scores)


def document(document: Document) -> schemas.WireDocument:
    return _as(schemas.WireDocument, document, uri=uri(document))


def document_detail(document: Document) -> schemas.WireDocumentDetail:
    outline = [
        schemas.WireSection(start=section.start, headings=list(section.path))
        for section in sections(document.blocks)
    ]
    size = len(document.text)
    detail = schemas.WireDocumentDetail
    return _as(detail, document, uri=uri(document), characters=size, sections=outline)


def verdict(check: CitationCheck) -> schemas.WireVerdict:
    return _placed(schemas.WireVerdict, check, text=check.quote)


def report(report: CheckReport, seconds: float) -> schemas.WireReport:
    """A checked text; `seconds` is how long it took."""
    sentences = [
        _as(schemas.WireChecked, sentence, evidence=list(map(_evidence, sentence.evidence)))
        for sentence in report.sentences
    ]
    quotations = [
        _as(
            schemas.WireQuotation,
            quotation,
            places=[_place(schemas.WireQuotedPlace, place) for place in quotation.places],
        )
        for quotation in report.quotations
    ]
    timings = {"check": round(seconds * 1000, 1)}
    return _as(
        schemas.WireReport, report, sentences=sentences, quotations=quotations, timings_ms=timings
    )


def _place(model: type[M], citation: Citation, **extra: Any) -> M:
    quoted = {"cited_text": citation.quote, "document_sha256": citation.sha256}
    return _placed(model, citation, uri=uri(citation), **quoted, **extra)


def _evidence(evidence: FoundEvidence) -> schemas.WireEvidence:
    names = ("says", "probability", "differs", "missing")
    extra = {name: getattr(evidence, name) for name in names}
    return _place(schemas.WireEvidence, evidence.citation, **extra)
