"""Responses in OpenAI's formats. Annotation indices count code points of the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from rag.render.cited import CitedText, Mark, where
from rag.render.links import page_link
from rag.types import Document, Hit

Json = dict[str, Any]
_DELTA = 24
"""Approximate length of a streamed delta in characters; the answer is complete before it is sent,
and words are not split.
"""
USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
"""No model is billed by the token here."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and its context: `id` is the request's id, `page` as in `page_link`."""

    id: str
    model: str
    created: int
    page: str
    cited: CitedText
    question: str
    hits: Sequence[Hit] = ()


# Chat completions


def completion(reply: Reply) -> Json:
    message = {
        "role": "assistant",
        "refusal": None,
        "content": reply.cited.text,
        "annotations": chat_annotations(reply),
    }
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}
    return {**_completion(reply, "chat.completion"), "choices": [choice], "usage": USAGE}


def completion_stream(reply: Reply, usage: bool) -> Iterator[str]:
    """Server-sent events, ending with `[DONE]`; annotations are in a delta, where Open WebUI reads
    them.
    """
    head = _completion(reply, "chat.completion.chunk")
    yield _data({**head, "choices": [_choice({"role": "assistant", "content": ""})]})
    for piece in deltas(reply.cited.text):
        yield _data({**head, "choices": [_choice({"content": piece})]})
    if annotations := chat_annotations(reply):
        yield _data({**head, "choices": [_choice({"annotations": annotations})]})
    yield _data({**head, "choices": [_choice({}, "stop")]})
    if usage:
        yield _data({**head, "choices": [], "usage": USAGE})
    yield "data: [DONE]\n\n"


def chat_annotations(reply: Reply) -> list[Json]:
    return [
        {"type": "url_citation", "url_citation": _url_citation(mark, reply)}
        for mark in reply.cited.marks
    ]


def _completion(reply: Reply, kind: str) -> Json:
    return {
        "id": f"chatcmpl-{reply.id}",
        "object": kind,
        "created": reply.created,
        "model": reply.model,
    }


def _choice(delta: Json, finished: str | None = None) -> Json:
    return {"index": 0, "delta": delta, "finish_reason": finished, "logprobs": None}


# Responses


def response(reply: Reply, metadata: dict[str, str] | None = None) -> Json:
    return {
        **_response(reply, "completed", metadata),
        "output": [_search_call(reply), _message(reply)],
    }


def response_stream(reply: Reply, metadata: dict[str, str] | None = None) -> Iterator[str]:
    """Numbered server-sent events in OpenAI's order."""
    for number, event in enumerate(_response_events(reply, metadata)):
        yield f"event: {event['type']}\n{_data({**event, 'sequence_number': number})}"


def _response_events(reply: Reply, metadata: dict[str, str] | None) -> Iterator[Json]:
    started = {**_response(reply, "in_progress", metadata), "output": []}
    yield {"type": "response.created", "response": started}
    yield {"type": "response.in_progress", "response": started}
    searched, message = _search_call(reply), _message(reply)
    opened = {**searched, "status": "in_progress", "results": None}
    call = {"output_index": 0, "item_id": searched["id"]}
    yield {"type": "response.output_item.added", "output_index": 0, "item": opened}
    for stage in ("in_progress", "searching", "completed"):
        yield {"type": f"response.file_search_call.{stage}", **call}
    yield {"type": "response.output_item.done", "output_index": 0, "item": searched}
    yield from _message_events(message, reply.cited.text)
    yield {"type": "response.completed", "response": response(reply, metadata)}


def _message_events(message: Json, text: str) -> Iterator[Json]:
    (content,) = message["content"]
    at = {"output_index": 1, "item_id": message["id"], "content_index": 0}
    empty = {**content, "text": "", "annotations": []}
    opened = {**message, "status": "in_progress", "content": []}
    yield {"type": "response.output_item.added", "output_index": 1, "item": opened}
    yield {"type": "response.content_part.added", **at, "part": empty}
    for piece in deltas(text):
        yield {"type": "response.output_text.delta", **at, "delta": piece, "logprobs": []}
    for number, annotation in enumerate(content["annotations"]):
        added = {"annotation_index": number, "annotation": annotation}
        yield {"type": "response.output_text.annotation.added", **at, **added}
    yield {"type": "response.output_text.done", **at, "text": text, "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": content}
    yield {"type": "response.output_item.done", "output_index": 1, "item": message}


def _response(reply: Reply, status: str, metadata: dict[str, str] | None) -> Json:
    usage = {
        "input_tokens": 0,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 0,
    }
    return {
        "id": f"resp_{reply.id}",
        "object": "response",
        "created_at": reply.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "model": reply.model,
        "parallel_tool_calls": False,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "store": False,
        "temperature": 0.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": usage if status == "completed" else None,
        "user": None,
        "metadata": metadata or {},
    }


def _search_call(reply: Reply) -> Json:
    results = [search_result(hit, reply.page) for hit in reply.hits]
    flat = [
        {
            **{key: one[key] for key in ("file_id", "filename", "score", "attributes")},
            "text": one["content"][0]["text"],
        }
        for one in results
    ]
    return {
        "type": "file_search_call",
        "id": f"fs_{reply.id}",
        "status": "completed",
        "queries": [reply.question],
        "results": flat,
    }


def _message(reply: Reply) -> Json:
    content = {
        "type": "output_text",
        "text": reply.cited.text,
        "annotations": _annotations(reply),
        "logprobs": [],
    }
    return {
        "type": "message",
        "id": f"msg_{reply.id}",
        "status": "completed",
        "role": "assistant",
        "content": [content],
    }


def _annotations(reply: Reply) -> list[Json]:
    """Each mark twice, since clients read one type or the other."""
    made: list[Json] = []
    for mark in reply.cited.marks:
        document = mark.citation.document_id
        made.append(
            {
                "type": "file_citation",
                "index": mark.end,
                "file_id": document,
                "filename": filename(document),
            }
        )
        made.append({"type": "url_citation", **_url_citation(mark, reply)})
    return made


def _url_citation(mark: Mark, reply: Reply) -> Json:
    citation = mark.citation
    return {
        "start_index": mark.start,
        "end_index": mark.end,
        "url": page_link(reply.page, citation.document_id, citation.start, citation.end),
        "title": where(citation),
    }


# Vector stores


def search_result(hit: Hit, page: str, document: Document | None = None) -> Json:
    """A passage, with its offsets in the attributes, of which OpenAI allows 16."""
    passage = hit.passage
    place: Json = {
        "start_char_index": passage.start,
        "end_char_index": passage.end,
        "url": page_link(page, passage.document_id, passage.start, passage.end),
        "title": passage.title,
        "heading": passage.heading,
    }
    known = {
        key: value
        for key, value in (document.metadata if document else {}).items()
        if key not in place
    }
    return {
        "file_id": passage.document_id,
        "filename": filename(passage.document_id),
        "score": hit.score,
        "attributes": dict([*place.items(), *known.items()][:16]),
        "content": [{"type": "text", "text": passage.text}],
    }


def filename(document_id: str) -> str:
    return PurePosixPath(document_id).name or document_id


# Streams


def deltas(text: str) -> Iterator[str]:
    """The text in pieces that end between words."""
    start = 0
    while start < len(text):
        end = text.find(" ", start + _DELTA)
        end = len(text) if end < 0 else end + 1
        yield text[start:end]
        start = end


def _data(value: Json) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
