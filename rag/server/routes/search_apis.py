"""The search APIs of other applications, over the index: Dify's external knowledge API, to which
`…/v1/dify` is entered in Dify; and SearXNG's, `GET /search?q=…&format=json`, for Open WebUI,
LibreChat and others that can search the web with SearXNG. `GET /v1/collections/NAME/search` asks a
collection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import Field

from rag.errors import InputError
from rag.render.links import page_link
from rag.server.answer_service import ServiceLibrary
from rag.server.auth import Right, needs
from rag.server.routes.collection_routes import of_collection
from rag.server.schemas import Id, Loose, Options, Short, Text
from rag.server.state import caller_of, page_for
from rag.types import Document, Hit

router = APIRouter(tags=["integrations"])
_OPERATORS = {
    **{"is": "=", "=": "=", "is not": "!=", "≠": "!=", ">": ">", "<": "<", "≥": ">=", "≤": "<="},
    **{"after": ">", "before": "<"},
}
_ROWS = 10
_TEXT = ("", "general", "news")
"""SearXNG's categories of text; others, such as images, have no results."""


def passages_of(
    request: Request,
    collection: str,
    queries: Sequence[str],
    options: Options,
    threshold: float = 0.0,
    after: int = 0,
) -> list[tuple[Hit, str, Document | None]]:
    """The first `options.top_k` hits of all queries, best first, but those with a lower score than
    `threshold` and the first `after`: each with its address on the page and its document.
    """
    page = page_for(request, collection)
    best: dict[tuple[str, int], Hit] = {}
    passages = []
    with of_collection(collection, request) as chosen:
        for query in queries:
            for hit in ServiceLibrary(chosen, caller_of(request)).search(query, options):
                key = (hit.passage.document_id, hit.passage.start)
                best[key] = max(best.get(key, hit), hit, key=lambda hit: hit.score)
        for hit in sorted(best.values(), key=lambda hit: -hit.score)[after : options.top_k]:
            if hit.score >= threshold:
                place = hit.passage
                url = page_link(page, place.document_id, place.start, place.end)
                passages.append((hit, url, chosen.document(place.document_id)))
    return passages


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


@router.post("/v1/dify/retrieval")
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
        message = f"{metadata.logical_operator!r} of conditions is not supported"
        raise InputError(message, 'join them with "and"')
    filters = []
    for condition in conditions:
        op = _OPERATORS.get(condition.comparison_operator)
        if op is None or condition.value is None:
            message = f"the operator {condition.comparison_operator!r} is not supported"
            raise InputError(message, f"use one of {', '.join(_OPERATORS)}")
        names = [condition.name] if isinstance(condition.name, str) else condition.name
        filters += [f"{name}{op}{condition.value}"[:500] for name in names]
    return filters


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


@router.get("/search")
@router.get("/v1/search", include_in_schema=False)
@needs(Right.READ)
def search_like_searxng(
    request: Request,
    q: Annotated[str, Query(max_length=100_000, examples=["secret talks"])],
    format: Annotated[str, Query(max_length=20, examples=["json"])] = "html",
    pageno: Annotated[int, Query(ge=1, le=10)] = 1,
    categories: Annotated[str, Query(max_length=500)] = "",
) -> dict[str, Any]:
    """The passages that best match a query, ten a page, in SearXNG's format: format=json."""
    if format != "json":
        raise InputError(f"format = {format!r} is not supported", "add &format=json")
    passages = []
    if any(category.strip() in _TEXT for category in categories.split(",")):
        options, after = Options(top_k=pageno * _ROWS), (pageno - 1) * _ROWS
        passages = passages_of(request, request.state.collection, [q], options, after=after)
    results = [_result(*passage) for passage in passages]
    lists = ("answers", "corrections", "infoboxes", "suggestions", "unresponsive_engines")
    empty: dict[str, Any] = {name: [] for name in lists}
    return {"query": q, "number_of_results": len(results), "results": results, **empty}


def _result(hit: Hit, url: str, document: Document | None) -> dict[str, Any]:
    """The address of a web page or of the metadata, or else a link into the service's page."""
    metadata = document.metadata if document else {}
    own = [document.source, metadata.get("url", "")] if document else []
    web = (address for address in own if address.startswith(("http://", "https://")))
    return {
        "url": next(web, url),
        "title": hit.passage.context,
        "content": hit.passage.text,
        "engine": "rag",
        "engines": ["rag"],
        "category": "general",
        "score": hit.score,
        "publishedDate": metadata.get("date"),
    }
