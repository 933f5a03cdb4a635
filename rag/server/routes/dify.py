"""Dify's external knowledge API: `POST /v1/dify/retrieval`. The endpoint to enter in Dify is
`…/v1/dify`.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field

from rag.errors import InputError
from rag.render.links import page_link
from rag.server.answer_service import ServiceLibrary
from rag.server.openai_input import options_of
from rag.server.openai_schemas import Id, Loose, Text
from rag.server.openapi import described
from rag.server.rights import Right, needs
from rag.server.routes.openai import of_collection, page_for
from rag.server.state import Shared, caller_of
from rag.types import Document, Hit

router = APIRouter(prefix="/v1/dify", tags=["integrations"])
_OPERATORS = {
    "is": "=",
    "=": "=",
    "is not": "!=",
    "≠": "!=",
    ">": ">",
    "<": "<",
    "≥": ">=",
    "≤": "<=",
    "after": ">",
    "before": "<",
}


class Retrieval(Loose):
    top_k: int = Field(default=5, ge=1, le=100)
    score_threshold: float | None = 0.0


class MetadataCondition(Loose):
    name: list[Id] | Id = Field(examples=[["author"]])
    comparison_operator: str = Field(max_length=40, examples=["is"])
    value: str | int | float | None = None


class MetadataConditions(Loose):
    logical_operator: str | None = Field(default="and", max_length=10)
    conditions: list[MetadataCondition] | None = Field(default=None, max_length=20)


class DifyQuery(Loose):
    knowledge_id: Id = Field(examples=["default"])
    query: Text = Field(examples=["secret talks"])
    retrieval_setting: Retrieval = Retrieval()
    metadata_condition: MetadataConditions | None = None


@router.post("/retrieval", responses=described(404, 409, 503))
@needs(Right.ANY)
def retrieve_for_dify(body: DifyQuery, request: Request, service: Shared) -> dict[str, Any]:
    """The passages that best match a query, in Dify's format; `knowledge_id` is the collection."""
    options = options_of(_filters(body.metadata_condition), body.retrieval_setting.top_k)
    threshold = body.retrieval_setting.score_threshold or 0.0
    page = page_for(request, body.knowledge_id)
    with of_collection(body.knowledge_id, request, service) as chosen:
        hits = ServiceLibrary(chosen, caller_of(request)).search(body.query, options)
        records = [
            _record(hit, chosen.document(hit.passage.document_id), page)
            for hit in hits
            if hit.score >= threshold
        ]
    return {"records": records}


def _filters(metadata: MetadataConditions | None) -> list[str]:
    conditions = (metadata.conditions if metadata else None) or []
    if metadata and len(conditions) > 1 and metadata.logical_operator != "and":
        raise InputError(
            f"{metadata.logical_operator!r} of conditions is not supported", 'join them with "and"'
        )
    return [text for condition in conditions for text in _texts(condition)]


def _texts(condition: MetadataCondition) -> list[str]:
    op = _OPERATORS.get(condition.comparison_operator)
    if op is None or condition.value is None:
        operators = ", ".join(_OPERATORS)
        raise InputError(
            f"the operator {condition.comparison_operator!r} is not supported",
            f"use one of {operators}",
        )
    names = [condition.name] if isinstance(condition.name, str) else condition.name
    return [f"{name}{op}{condition.value}"[:500] for name in names]


def _record(hit: Hit, document: Document | None, page: str) -> dict[str, Any]:
    passage = hit.passage
    metadata = {
        **(document.metadata if document else {}),
        "document_id": passage.document_id,
        "heading": passage.heading,
        "start_char_index": passage.start,
        "end_char_index": passage.end,
        "url": page_link(page, passage.document_id, passage.start, passage.end),
    }
    return {
        "content": passage.text,
        "score": hit.score,
        "title": passage.title,
        "metadata": metadata,
    }
