"""Dify's external knowledge API. The endpoint to enter in Dify is `…/v1/dify`."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field

from rag.errors import InputError
from rag.server.auth import Right, needs
from rag.server.routes.openai import passages_of
from rag.server.schemas import Id, Loose, Options, Short, Text
from rag.types import Document, Hit

router = APIRouter(prefix="/v1/dify", tags=["integrations"])
_OPERATORS = {
    **{"is": "=", "=": "=", "is not": "!=", "≠": "!=", ">": ">", "<": "<", "≥": ">=", "≤": "<="},
    **{"after": ">", "before": "<"},
}


class Retrieval(Loose):
    top_k: int = Field(default=5, ge=1, le=100)
    score_threshold: float | None = 0.0


class MetadataCondition(Loose):
    name: list[Id] | Id = Field(examples=[["author"]])
    comparison_operator: Short = Field(examples=["is"])
    value: str | int | float | None = None


class MetadataConditions(Loose):
    logical_operator: Short | None = "and"
    conditions: list[MetadataCondition] | None = Field(default=None, max_length=20)


class DifyQuery(Loose):
    knowledge_id: Id = Field(examples=["default"])
    query: Text = Field(examples=["secret talks"])
    retrieval_setting: Retrieval = Retrieval()
    metadata_condition: MetadataConditions | None = None


@router.post("/retrieval")
@needs(Right.ANY)
def retrieve_for_dify(body: DifyQuery, request: Request) -> dict[str, Any]:
    """The passages that best match a query, in Dify's format; `knowledge_id` is the collection."""
    setting = body.retrieval_setting
    options = Options(filters=_filters(body.metadata_condition), top_k=setting.top_k)
    threshold = setting.score_threshold or 0.0
    passages = passages_of(request, body.knowledge_id, [body.query], options, threshold)
    return {"records": [_record(*passage) for passage in passages]}


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
        message = f"the operator {condition.comparison_operator!r} is not supported"
        raise InputError(message, f"use one of {', '.join(_OPERATORS)}")
    names = [condition.name] if isinstance(condition.name, str) else condition.name
    return [f"{name}{op}{condition.value}"[:500] for name in names]


def _record(hit: Hit, url: str, document: Document | None) -> dict[str, Any]:
    passage = hit.passage
    metadata = {
        **(document.metadata if document else {}),
        "document_id": passage.document_id,
        "heading": passage.heading,
        "start_char_index": passage.start,
        "end_char_index": passage.end,
        "url": url,
    }
    text = {"content": passage.text, "score": hit.score, "title": passage.title}
    return {**text, "metadata": metadata}
