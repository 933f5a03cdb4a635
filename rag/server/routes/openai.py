"""OpenAI's API over the documents: `/v1/models`, `/v1/chat/completions`, `/v1/responses`,
`/v1/vector_stores/{id}/search` and `/v1/embeddings`.

Answers quote the documents; no language model writes them. Annotation indices count code points of
the answer.
"""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from rag.errors import InputError
from rag.render.cited import CitedText, Mark, cited, place_line
from rag.render.links import page_link
from rag.server import openai_requests as requests
from rag.server.auth import Right, needs
from rag.server.ingest_worker import ModelThreadEmbedder
from rag.server.openai_requests import MODEL, collection_of_model
from rag.server.openapi import EVENTS, errors
from rag.server.problems import OpenAIError
from rag.server.routes.collection_routes import list_collections, of_collection
from rag.server.routes.integrations import passages_of
from rag.server.schemas import Options
from rag.server.state import Service, ServiceLibrary, Shared, caller_of, page_for
from rag.server.work import WorkRoute, streamed
from rag.session import Answered
from rag.settings import DEFAULT_COLLECTION as DEFAULT
from rag.types import Citation, Document, Hit, Json, Passage, path_of

router = APIRouter(
    prefix="/v1", tags=["openai"], responses=errors(OpenAIError), route_class=WorkRoute
)
PIECE = re.compile(r".{24}[^ ]* ?|.+", re.DOTALL)
"""A streamed delta: 24 characters, and the rest of a word."""
_USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
"""No model is billed by the token here."""
_FIXED: Json = {
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "user": None,
    "max_output_tokens": None,
    "previous_response_id": None,
    "parallel_tool_calls": False,
    "reasoning": {"effort": None, "summary": None},
    "store": False,
    "truncation": "disabled",
    "temperature": 0.0,
    "top_p": 1.0,
    "text": {"format": {"type": "text"}},
    "tools": [],
    "tool_choice": "auto",
    "usage": {
        "input_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0},
        "total_tokens": 0,
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
    },
}
"""Fields of a response that are always the same."""


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
        return stream(request, completion_stream(reply, usage))
    return completion(reply)


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
        return stream(request, response_stream(reply, body.metadata))
    return response(reply, body.metadata)


def _reply(
    request: Request, model: str, name: str, question: requests.InContext, options: Options
) -> Reply:
    """The answer of a collection."""
    request.state.exchange.notes["questions"] = 1
    with of_collection(name, request) as chosen:
        answered = ServiceLibrary(chosen, caller_of(request)).ask(*question, options)
    page, text = page_for(request, name), cited(answered.answer)
    return Reply(request.state.request_id, model, int(time.time()), page, text, answered)


def stream(request: Request, events: Iterator[str]) -> StreamingResponse:
    headers = {"X-Accel-Buffering": "no"}
    events = streamed(caller_of(request), events)
    return StreamingResponse(events, media_type="text/event-stream", headers=headers)


@router.get("/vector_stores")
@needs(Right.ANY)
def list_vector_stores(request: Request, service: Shared) -> Json:
    """List the collections as vector stores, without file counts."""
    names = _names(request)
    data = [_vector_store(name, service if name == DEFAULT else None) for name in names]
    first_name, last_name = (names[0], names[-1]) if names else (None, None)
    return {
        "object": "list",
        "data": data,
        "first_id": first_name,
        "last_id": last_name,
        "has_more": False,
    }


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
        "data": [search_result(*passage) for passage in passages],
        "has_more": False,
        "next_page": None,
    }


@router.post("/embeddings")
@needs(Right.READ)
def create_embeddings(body: requests.EmbeddingsRequest, request: Request, service: Shared) -> Json:
    """Unit vectors of the index's embedder, as floats or as base64 of little-endian float32."""
    texts = [body.input] if isinstance(body.input, str) else body.input
    if not 1 <= len(texts) <= requests.MOST_TEXTS:
        raise InputError(f"the request has {len(texts)} texts", f"send 1 to {requests.MOST_TEXTS}")

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

    data = []
    for number, row in enumerate(embed(texts).astype("<f4")):
        vector = base64.b64encode(row.tobytes()).decode() if packed else row.tolist()
        data.append({"object": "embedding", "index": number, "embedding": vector})

    usage = {"prompt_tokens": 0, "total_tokens": 0}
    return {"object": "list", "data": data, "model": embedder.name, "usage": usage}


def _names(request: Request) -> list[str]:
    """Collections that may be named, the request's own first."""
    if request.state.collection != DEFAULT:
        return [DEFAULT]
    collections = list_collections(request).collections
    return [collection.name for collection in collections]


# The shapes of responses


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and its context: `id` is the request's id, `page` as in `page_link`."""

    id: str
    model: str
    created: int
    page: str
    cited: CitedText
    answered: Answered

    @property
    def outcome(self) -> Json:
        """Fields of the answer for programs, beside OpenAI's."""
        answer = self.answered.answer
        return {
            "found": answer.text is not None,
            "abstention_reason": answer.abstention_reason,
            "form": answer.form,
            "confidence": answer.confidence,
            "question": self.answered.question,
            "note": self.answered.note,
        }

    def link(self, place: Citation | Passage) -> str:
        return page_link(self.page, place.document_id, place.start, place.end)

    def url_citation(self, mark: Mark) -> Json:
        place = {"start_index": mark.start, "end_index": mark.end}
        return {**place, "url": self.link(mark.citation), "title": place_line(mark.citation)}


# Chat completions


def completion(reply: Reply) -> Json:
    message: Json = {"role": "assistant", "refusal": None, "content": reply.cited.text}
    message["annotations"] = _chat_annotations(reply)
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}
    body = {"choices": [choice], "usage": _USAGE, "rag": reply.outcome}
    return {**_completion(reply, "chat.completion"), **body}


def completion_stream(reply: Reply, usage: bool) -> Iterator[str]:
    """Server-sent events, ending with `[DONE]`; annotations are in a delta, where Open WebUI reads
    them, the outcome in the chunk with the finish reason.
    """
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in PIECE.findall(reply.cited.text)]
    if annotations := _chat_annotations(reply):
        deltas.append({"annotations": annotations})
    head = _completion(reply, "chat.completion.chunk")
    for delta in [*deltas, {}]:
        finished = None if delta else "stop"
        choice = {"index": 0, "delta": delta, "finish_reason": finished, "logprobs": None}
        yield server_event(
            {**head, "choices": [choice], **({} if delta else {"rag": reply.outcome})}
        )
    if usage:
        yield server_event({**head, "choices": [], "usage": _USAGE})
    yield "data: [DONE]\n\n"


def _completion(reply: Reply, kind: str) -> Json:
    head = {"id": f"chatcmpl-{reply.id}", "object": kind, "created": reply.created}
    return {**head, "model": reply.model}


def _chat_annotations(reply: Reply) -> list[Json]:
    citations = map(reply.url_citation, reply.cited.marks)
    return [{"type": "url_citation", "url_citation": citation} for citation in citations]


# Responses


def response(reply: Reply, metadata: dict[str, str] | None = None) -> Json:
    head = {"id": f"resp_{reply.id}", "object": "response", "created_at": reply.created}
    body = {"output": [_search_call(reply), _message(reply)], "rag": reply.outcome}
    status = {"status": "completed", "model": reply.model, "metadata": metadata or {}}
    return {**_FIXED, **head, **status, **body}


def response_stream(reply: Reply, metadata: dict[str, str] | None = None) -> Iterator[str]:
    """Numbered server-sent events in OpenAI's order."""
    for number, (kind, fields) in enumerate(_response_events(response(reply, metadata))):
        event = {"type": f"response.{kind}", **fields, "sequence_number": number}
        yield f"event: {event['type']}\n{server_event(event)}"


def _response_events(complete: Json) -> Iterator[tuple[str, Json]]:
    started = {"response": {**complete, "status": "in_progress", "usage": None, "output": []}}
    yield "created", started
    yield "in_progress", started

    search, message = complete["output"]
    yield "output_item.added", _item(0, {**search, "status": "in_progress", "results": None})
    for stage in ("in_progress", "searching", "completed"):
        yield f"file_search_call.{stage}", {"output_index": 0, "item_id": search["id"]}
    yield "output_item.done", _item(0, search)
    yield "output_item.added", _item(1, {**message, "status": "in_progress", "content": []})

    (content,) = message["content"]
    place = {"output_index": 1, "item_id": message["id"], "content_index": 0}
    yield "content_part.added", {**place, "part": {**content, "text": "", "annotations": []}}

    for piece in PIECE.findall(content["text"]):
        yield "output_text.delta", {**place, "delta": piece, "logprobs": []}

    for number, annotation in enumerate(content["annotations"]):
        fields = {"annotation_index": number, "annotation": annotation}
        yield "output_text.annotation.added", {**place, **fields}

    yield "output_text.done", {**place, "text": content["text"], "logprobs": []}
    yield "content_part.done", {**place, "part": content}
    yield "output_item.done", _item(1, message)
    yield "completed", {"response": complete}


def _item(index: int, item: Json) -> Json:
    return {"output_index": index, "item": item}


def _search_call(reply: Reply) -> Json:
    results = []
    for hit in reply.answered.answer.hits:
        result = search_result(hit, reply.link(hit.passage))
        (content,) = result.pop("content")
        results.append({**result, "text": content["text"]})
    call = {"type": "file_search_call", "id": f"fs_{reply.id}", "status": "completed"}
    return {**call, "queries": [reply.answered.question], "results": results}


def _message(reply: Reply) -> Json:
    """The answer, with each mark twice, since clients read one type of annotation or the other."""
    annotations: list[Json] = []
    for mark in reply.cited.marks:
        document = mark.citation.document_id
        file = {"file_id": document, "filename": _filename(document)}
        annotations.append({"type": "file_citation", "index": mark.end, **file})
        annotations.append({"type": "url_citation", **reply.url_citation(mark)})
    content = {"type": "output_text", "text": reply.cited.text, "annotations": annotations}
    message = {"type": "message", "id": f"msg_{reply.id}", "status": "completed"}
    return {**message, "role": "assistant", "content": [{**content, "logprobs": []}]}


# Vector stores


def search_result(hit: Hit, url: str, document: Document | None = None) -> Json:
    """A passage, with its offsets in the attributes, of which OpenAI allows 16."""
    passage = hit.passage
    place: Json = {"start_char_index": passage.start, "end_char_index": passage.end, "url": url}
    place |= {"title": passage.title, "heading": path_of(passage.headings)}
    attributes = {**place, **(document.metadata if document else {}), **place}
    return {
        "file_id": passage.document_id,
        "filename": _filename(passage.document_id),
        "score": hit.score,
        "attributes": dict([*attributes.items()][:16]),
        "content": [{"type": "text", "text": passage.text}],
    }


def _filename(document_id: str) -> str:
    return PurePosixPath(document_id).name or document_id


# Streams


def server_event(value: Json) -> str:
    """A server-sent event of a JSON value."""
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
