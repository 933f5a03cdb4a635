"""OpenAI's API over the documents: `/v1/models`, `/v1/chat/completions`, `/v1/responses`,
`/v1/vector_stores/{id}/search` and `/v1/embeddings`.

Answers quote the documents; no language model writes them.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from rag.errors import InputError
from rag.render.cited import cited
from rag.server import openai_requests as requests
from rag.server import openai_shapes as shapes
from rag.server.answer_service import ServiceLibrary
from rag.server.auth import Right, needs
from rag.server.ingest_worker import ModelThreadEmbedder
from rag.server.openai_requests import MODEL, collection_of_model
from rag.server.openai_shapes import Json
from rag.server.openapi import EVENTS
from rag.server.routes.collection_routes import list_collections, of_collection
from rag.server.routes.search_apis import passages_of
from rag.server.schemas import Options
from rag.server.state import Service, Shared, caller_of, page_for
from rag.settings import DEFAULT_COLLECTION as DEFAULT

router = APIRouter(prefix="/v1", tags=["openai"])
_MOST_TEXTS = 512


@router.get("/models")
@needs(Right.ANY)
def list_models(request: Request) -> Json:
    """List the models: `rag`, and `rag:NAME` for each collection."""
    names = [MODEL if name == DEFAULT else f"{MODEL}:{name}" for name in _names(request)]
    return {"object": "list", "data": [_model(name) for name in names]}


@router.get("/models/{model}")
@needs(Right.ANY)
def get_model(model: str, request: Request) -> Json:
    """Get one model."""
    with of_collection(collection_of_model(model), request):
        return _model(model)


def _model(name: str) -> Json:
    return {"id": name, "object": "model", "created": 0, "owned_by": "rag"}


@router.post("/chat/completions", response_model=dict[str, Any], responses=EVENTS)
@needs(Right.ANY)
def create_chat_completion(body: requests.ChatRequest, request: Request) -> Any:
    """Answer the user's last message, with [n] marks and quotes, also as `annotations`."""
    collection, question = collection_of_model(body.model), requests.chat_question(body)
    reply = _reply(request, body.model, collection, question, requests.options_of(body.rag))
    if body.stream:
        usage = bool(body.stream_options and body.stream_options.include_usage)
        return _stream(shapes.completion_stream(reply, usage))
    return shapes.completion(reply)


@router.post("/responses", response_model=dict[str, Any], responses=EVENTS)
@needs(Right.ANY)
def create_response(body: requests.ResponsesRequest, request: Request) -> Any:
    """Chat completions as the Responses API has them: the search, then the message."""
    tool = next((tool for tool in body.tools or [] if tool.type == "file_search"), None)
    stores = (tool.vector_store_ids or []) if tool else []
    if len(stores) > 1:
        message = f"{len(stores)} vector stores given, but only one is supported"
        raise InputError(message, "use one, or POST /v1/collections/ask")
    collection = stores[0] if stores else collection_of_model(body.model)
    question, options = requests.responses_question(body), requests.options_of(body.rag, tool)
    reply = _reply(request, body.model, collection, question, options)
    if body.stream:
        return _stream(shapes.response_stream(reply, body.metadata))
    return shapes.response(reply, body.metadata)


def _reply(
    request: Request, model: str, name: str, question: requests.InContext, options: Options
) -> shapes.Reply:
    """The answer of a collection."""
    request.state.exchange.notes["questions"] = 1
    with of_collection(name, request) as chosen:
        answered = ServiceLibrary(chosen, caller_of(request)).ask(*question, options)
    page, text = page_for(request, name), cited(answered.answer)
    return shapes.Reply(request.state.request_id, model, int(time.time()), page, text, answered)


def _stream(events: Iterator[str]) -> StreamingResponse:
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


@router.get("/vector_stores")
@needs(Right.ANY)
def list_vector_stores(request: Request, service: Shared) -> Json:
    """List the collections as vector stores, without file counts."""
    names = _names(request)
    data = [_vector_store(name, service if name == DEFAULT else None) for name in names]
    first, last = (names[0], names[-1]) if names else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": False}


@router.get("/vector_stores/{vector_store}")
@needs(Right.ANY)
def get_vector_store(vector_store: str, request: Request) -> Json:
    """Get one collection as a vector store."""
    with of_collection(vector_store, request) as chosen:
        return _vector_store(vector_store, chosen)


def _vector_store(name: str, service: Service | None = None) -> Json:
    store = {"id": name, "object": "vector_store", "created_at": 0, "name": name, "usage_bytes": 0}
    if service:
        total = service.engine.store.stats().documents
        counts = {"in_progress": 0, "completed": total, "failed": 0, "cancelled": 0, "total": total}
        store["file_counts"] = counts
    return {**store, "status": "completed", "last_active_at": 0, "metadata": {}}


@router.post("/vector_stores/{vector_store}/search")
@needs(Right.ANY)
def search_vector_store(vector_store: str, body: requests.VectorSearch, request: Request) -> Json:
    """The passages that match a query best; of several queries, with each one's best score."""
    queries = [body.query] if isinstance(body.query, str) else body.query
    if not 1 <= len(queries) <= 8:
        raise InputError(f"the request has {len(queries)} queries", "send 1 to 8")
    options = Options(filters=requests.filters_of(body.filters), top_k=body.max_num_results)
    threshold = (body.ranking_options.score_threshold if body.ranking_options else None) or 0.0
    passages = passages_of(request, vector_store, queries, options, threshold)
    return {
        "object": "vector_store.search_results.page",
        "search_query": queries,
        "data": [shapes.search_result(*passage) for passage in passages],
        "has_more": False,
        "next_page": None,
    }


@router.post("/embeddings")
@needs(Right.READ)
def create_embeddings(body: requests.EmbeddingsRequest, request: Request, service: Shared) -> Json:
    """Unit vectors of the index's embedder, as floats or as base64 of little-endian float32."""
    texts = [body.input] if isinstance(body.input, str) else body.input
    if not 1 <= len(texts) <= _MOST_TEXTS:
        raise InputError(f"the request has {len(texts)} texts", f"send 1 to {_MOST_TEXTS}")
    if not all(text.strip() for text in texts):
        raise InputError("a text to embed is empty", "leave it out")
    embedder = ModelThreadEmbedder(service.embedder, service.runner(caller_of(request)))
    if body.model not in (MODEL, embedder.name):
        raise requests.no_model(body.model, f"use {MODEL}")
    if body.dimensions not in (None, embedder.dim):
        message = f"dimensions = {body.dimensions} is not supported"
        raise InputError(message, f"vectors here have {embedder.dim}")
    embed = embedder.embed_queries if body.input_type == "query" else embedder.embed_passages
    packed = body.encoding_format == "base64"
    data = [
        {"object": "embedding", "index": number, "embedding": _base64(row) if packed else row}
        for number, row in enumerate(embed(texts).tolist())
    ]
    usage = {"prompt_tokens": 0, "total_tokens": 0}
    return {"object": "list", "data": data, "model": embedder.name, "usage": usage}


def _base64(vector: Any) -> str:
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode()


def _names(request: Request) -> list[str]:
    """Collections that may be named, the request's own first."""
    if request.state.collection != DEFAULT:
        return [DEFAULT]
    collections = list_collections(request).collections
    return [collection.name for collection in collections]
