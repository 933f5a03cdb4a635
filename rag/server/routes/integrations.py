"""The APIs of other applications. Over the index, Dify's external knowledge API, for which
`…/v1/dify` is entered in Dify; and SearXNG's, `GET /search?q=…&format=json`, for Open WebUI,
LibreChat and others that can search the web with SearXNG. `GET /v1/collections/NAME/search` asks a
collection.

Over texts that come with the request, reranking in Jina's and Cohere's format: `POST /v1/rerank`
(`/v2/rerank` for Cohere's clients). A text is as relevant as its best passage is likely, by the
reader, to contain an answer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from rag import build
from rag.errors import InputError
from rag.ingestion.chunking import split_document
from rag.query import check_question
from rag.render.links import page_link
from rag.server.auth import Right, needs
from rag.server.caller import Caller
from rag.server.openapi import errors
from rag.server.problems import DifyError
from rag.server.routes.collection_routes import of_collection
from rag.server.schemas import Id, Loose, Options, ShortText, Text
from rag.server.state import Service, ServiceLibrary, Shared, caller_of, page_for
from rag.server.work import WorkRoute
from rag.types import Document, Hit, Span, path_of

router = APIRouter(tags=["integrations"], route_class=WorkRoute)
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
_ROWS = 10
_TEXT = ("", "general", "news")
"""SearXNG's categories of text; others, such as images, have no results."""
_BLANK_SCORE = -9.0
"""Log-odds of a text without words."""
_CHARACTERS_PER_TOKEN = 4
_READ_TOGETHER = 16
"""Texts that are split, and passages that are read, before another caller's turn."""
_READ_AGAIN = 8
"""Texts whose best passage the large reader reads, too; their score is the mean of both."""


def passages_of(
    request: Request,
    collection: str,
    queries: Sequence[str],
    options: Options,
    threshold: float = 0.0,
    offset: int = 0,
) -> list[tuple[Hit, str, Document | None]]:
    """The first `options.top_k` hits of all queries, best first, but those with a lower score than
    `threshold` and the first `offset`: each with its address on the page and its document.
    """
    page = page_for(request, collection)
    by_place: dict[tuple[str, int], Hit] = {}
    passages = []
    with of_collection(collection, request) as chosen:
        for query in queries:
            for hit in ServiceLibrary(chosen, caller_of(request)).search(query, options):
                key = (hit.passage.document_id, hit.passage.start)
                by_place[key] = max(by_place.get(key, hit), hit, key=lambda hit: hit.score)
        for hit in sorted(by_place.values(), key=lambda hit: -hit.score)[offset : options.top_k]:
            if hit.score >= threshold:
                place = hit.passage
                url = page_link(page, place.document_id, place.start, place.end)
                passages.append((hit, url, chosen.document(place.document_id)))
    return passages


class Retrieval(Loose):
    top_k: int = Field(default=5, ge=1, le=100)
    score_threshold: float | None = 0.0


class MetadataCondition(Loose):
    name: Annotated[list[Id], Field(max_length=20)] | Id = Field(examples=[["author"]])
    comparison_operator: ShortText = Field(examples=["is"])
    value: str | int | float | None = None


class MetadataConditions(Loose):
    logical_operator: ShortText | None = "and"
    conditions: list[MetadataCondition] | None = Field(default=None, max_length=20)


class DifyQuery(Loose):
    knowledge_id: Id = Field(examples=["default"])
    query: Text = Field(examples=["secret talks"])
    retrieval_setting: Retrieval = Retrieval()
    metadata_condition: MetadataConditions | None = None


@router.post("/v1/dify/retrieval", responses=errors(DifyError))
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
        "heading": path_of(passage.headings),
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
        options, offset = Options(top_k=pageno * _ROWS), (pageno - 1) * _ROWS
        passages = passages_of(request, request.state.collection, [q], options, offset=offset)

    results = [_result(*passage) for passage in passages]
    lists = ("answers", "corrections", "infoboxes", "suggestions", "unresponsive_engines")
    blank: dict[str, Any] = {name: [] for name in lists}
    return {"query": q, "number_of_results": len(results), "results": results, **blank}


def _result(hit: Hit, url: str, document: Document | None) -> dict[str, Any]:
    """The address of a web page or of the metadata, or else a link into the service's page."""
    metadata = document.metadata if document else {}
    addresses = [document.source, metadata.get("url", "")] if document else []
    web = (address for address in addresses if address.startswith(("http://", "https://")))
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


class TextOf(Loose):
    text: Text


class RerankRequest(Loose):
    """Jina's and Cohere's fields; `model` is repeated in the answer, and others are ignored."""

    model: ShortText = "rag"
    query: Text = Field(examples=["Who led the talks?"])
    documents: list[Text | TextOf] = Field(min_length=1, max_length=1000)
    top_n: int | None = Field(default=None, ge=1, description="By default, all are returned.")
    return_documents: bool | None = True


class RankedDocument(BaseModel):
    index: int = Field(description="Its place in `documents`, from 0.")
    relevance_score: float = Field(ge=0, le=1)
    document: TextOf | None = None


class Reranked(BaseModel):
    """The documents, most relevant first. No tokens are billed, so `usage` and `meta` are zeros."""

    id: str
    model: str
    results: list[RankedDocument]
    usage: dict[str, int] = {"prompt_tokens": 0, "total_tokens": 0}
    meta: dict[str, Any] = {"api_version": {"version": "1"}, "billed_units": {"search_units": 0}}


@router.post("/v1/rerank", response_model_exclude_none=True)
@router.post("/v2/rerank", response_model_exclude_none=True, include_in_schema=False)
@needs(Right.ANY)
def rerank(body: RerankRequest, request: Request, service: Shared) -> Reranked:
    """Order texts by how likely each answers a question."""
    query = check_question(body.query, service.settings.max_question)
    texts = [
        document if isinstance(document, str) else document.text for document in body.documents
    ]
    caller = caller_of(request)
    scores = _scores(query, texts, service, caller)
    ranked = sorted(range(len(texts)), key=lambda index: -scores[index])[: body.top_n]
    results = [
        RankedDocument(
            index=index,
            relevance_score=1 / (1 + math.exp(-scores[index])),
            document=TextOf(text=texts[index]) if body.return_documents else None,
        )
        for index in ranked
    ]
    return Reranked(id=request.state.request_id, model=body.model, results=results)


def _scores(query: str, texts: Sequence[str], service: Service, caller: Caller) -> list[float]:
    """Log-odds that each text answers the query. Raises ServiceError after the deadline."""
    run = service.runner(caller)
    hits: list[Hit] = []
    for start in range(0, len(texts), _READ_TOGETHER):
        hits += run(partial(_passages, texts[start : start + _READ_TOGETHER], start))

    small_reader, large_reader = build.stages(service.engine.reader)

    spans: dict[int, Span] = {}
    for start in range(0, len(hits), _READ_TOGETHER):
        for span in run(
            partial(small_reader.read, query, hits[start : start + _READ_TOGETHER])
        ).spans:
            index = int(span.hit.passage.document_id)
            spans[index] = max(span, spans.get(index, span), key=lambda span: span.score)

    scores = [spans[index].score if index in spans else _BLANK_SCORE for index in range(len(texts))]

    if large_reader is not small_reader:
        to_read_again = sorted(spans, key=lambda index: -scores[index])[:_READ_AGAIN]
        second_scores = run(
            partial(large_reader.read, query, [spans[index].hit for index in to_read_again])
        ).spans

        for index in to_read_again:
            of_text = [
                span.score for span in second_scores if span.hit.passage.document_id == str(index)
            ]
            scores[index] = (scores[index] + max(of_text, default=_BLANK_SCORE)) / 2

    return scores


def _passages(texts: Sequence[str], start: int) -> list[Hit]:
    """The texts' passages; `document_id` is the number of the text, from `start`."""
    return [
        Hit(passage, 0.0, 0.0, 0.0)
        for index, text in enumerate(texts, start)
        for passage in split_document(Document(str(index), text, "", "", ""), _tokens)
    ]


def _tokens(texts: Sequence[str]) -> list[int]:
    """About as many as there are, without a tokenizer, which belongs to the model thread."""
    return [1 + len(text) // _CHARACTERS_PER_TOKEN for text in texts]
