"""Converts the package's types to response schemas."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from rag.answering.explain import explain
from rag.answering.searcher import RetrievalResult
from rag.answering.verification import CitationCheck
from rag.server import document_schemas, schemas
from rag.structure import sections
from rag.types import Alternative, Answer, Citation, Document, Hit, Piece

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+:")


def answer(made: Answer, found: RetrievalResult) -> schemas.WireAnswer:
    return schemas.WireAnswer(
        question=made.question,
        understood=made.understood,
        answer=made.text,
        confidence=made.confidence,
        abstention_reason=made.abstention_reason,
        form=made.form,
        pieces=[_piece(number, piece, made) for number, piece in enumerate(made.pieces, 1)],
        more=made.more,
        citations=_citations(made.citations, made.hits, made.text or ""),
        alternatives=[_alternative(other, made.hits) for other in made.alternatives],
        conflicts=[_alternative(other, made.hits) for other in made.conflicts],
        value=schemas.WireValue.model_validate(made.value, from_attributes=True)
        if made.value
        else None,
        documents=made.documents,
        explain=explain(made),
        nearest=[hit(one) for one in made.hits],
        passages_found=len(made.hits),
        passages_read=len(made.hits_read),
        receipt=dataclasses.asdict(made.receipt) if made.receipt else None,
        generation=found.generation,
        timings_ms={stage: round(seconds * 1000, 1) for stage, seconds in made.timings.items()},
    )


def _piece(number: int, piece: Piece, made: Answer) -> schemas.WirePiece:
    citation = _citation(number, piece.citation, made.hits, made.text or "")
    return schemas.WirePiece(
        text=piece.text, citation=citation, gap=piece.gap, heading=piece.heading, label=piece.label
    )


def _alternative(other: Alternative, hits: Sequence[Hit]) -> schemas.WireAlternative:
    return schemas.WireAlternative(
        text=other.text,
        confidence=other.confidence,
        documents=other.documents,
        citations=_citations(other.citations, hits, other.text),
    )


def _citations(
    citations: Sequence[Citation], hits: Sequence[Hit], text: str
) -> list[schemas.WireCitation]:
    return [_citation(number, citation, hits, text) for number, citation in enumerate(citations, 1)]


def _citation(
    number: int, citation: Citation, hits: Sequence[Hit], text: str
) -> schemas.WireCitation:
    start, end = _part(text, citation.quote)
    holds = (h for h in hits if h.passage.document_id == citation.document_id)
    source = next(
        (h for h in holds if h.passage.start <= citation.start and citation.end <= h.passage.end),
        None,
    )
    return schemas.WireCitation(
        index=number,
        document_id=citation.document_id,
        title=citation.title,
        uri=uri(citation.source, citation.document_id),
        page=citation.page,
        headings=headings(citation.heading),
        cited_text=citation.sentence,
        start_char_index=citation.sentence_start,
        end_char_index=citation.sentence_end,
        highlight=schemas.Highlight(
            text=citation.quote, start_char_index=citation.start, end_char_index=citation.end
        ),
        start=start,
        end=end,
        document_sha256=citation.sha256,
        scores=_scores(source) if source else None,
        copies=[
            schemas.WireCopy(
                document_id=c.document_id,
                title=c.title,
                start_char_index=c.start,
                end_char_index=c.end,
            )
            for c in citation.copies
        ],
    )


def _part(text: str, quote: str) -> tuple[int, int]:
    """Offsets of the quote within the answer; the whole answer if its words differ ("2015" for "14
    July 2015").
    """
    at = text.find(quote)
    return (at, at + len(quote)) if at >= 0 else (0, len(text))


def uri(source: str, document_id: str) -> str:
    """The address of a web page or an upload, and of a file its id: clients need not know the
    server's folders.
    """
    return source if _SCHEME.match(source) else document_id


def headings(path: str) -> list[str]:
    return path.split(" > ") if path else []


def _scores(found: Hit) -> schemas.Scores:
    return schemas.Scores.model_validate(found, from_attributes=True)


def hit(found: Hit) -> schemas.WireHit:
    passage = found.passage
    return schemas.WireHit(
        document_id=passage.document_id,
        title=passage.title,
        headings=headings(passage.heading),
        text=passage.text,
        start_char_index=passage.start,
        end_char_index=passage.end,
        scores=_scores(found),
    )


def document(found: Document) -> document_schemas.WireDocument:
    return document_schemas.WireDocument(
        id=found.id,
        title=found.title,
        uri=uri(found.source, found.id),
        sha256=found.sha256,
        metadata=dict(found.metadata),
    )


def document_detail(found: Document) -> document_schemas.WireDocumentDetail:
    outline = [
        document_schemas.WireSection(start=section.start, headings=list(section.path))
        for section in sections(found.blocks)
    ]
    return document_schemas.WireDocumentDetail(
        **document(found).model_dump(), characters=len(found.text), sections=outline
    )


def verdict(found: CitationCheck) -> schemas.WireVerdict:
    return schemas.WireVerdict(
        status=found.status,
        document_id=found.document_id,
        text=found.quote,
        start_char_index=found.start,
        end_char_index=found.end,
        edited=found.edited,
        detail=found.detail,
        now=found.now,
    )
