"""Responses in OpenAI's formats. Annotation indices count code points of the answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from rag.render.cited import CitedText, Mark, where
from rag.render.links import page_link
from rag.server.answer_service import Answered
from rag.types import Citation, Document, Hit, Passage

Json = dict[str, Any]
_DELTA = 24
"""About the length of a streamed delta in characters; words are not split."""
USAGE = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
"""No model is billed by the token here."""
_FIXED: Json = {
    **{"error": None, "incomplete_details": None, "instructions": None, "user": None},
    **{"max_output_tokens": None, "previous_response_id": None, "parallel_tool_calls": False},
    **{"reasoning": {"effort": None, "summary": None}, "store": False, "truncation": "disabled"},
    **{"temperature": 0.0, "top_p": 1.0, "text": {"format": {"type": "text"}}},
    **{"tools": [], "tool_choice": "auto"},
    "usage": {
        **{"input_tokens": 0, "input_tokens_details": {"cached_tokens": 0}, "total_tokens": 0},
        **{"output_tokens": 0, "output_tokens_details": {"reasoning_tokens": 0}},
    },
}
"""Fields of a response that are always the same."""


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
        names = ("abstention_reason", "form", "confidence")
        fields = {
            "found": answer.text is not None,
            **{name: getattr(answer, name) for name in names},
        }
        return {**fields, "question": self.answered.question, "note": self.answered.note}

    def link(self, place: Citation | Passage) -> str:
        return page_link(self.page, place.document_id, place.start, place.end)

    def url_citation(self, mark: Mark) -> Json:
        place = {"start_index": mark.start, "end_index": mark.end}
        return {**place, "url": self.link(mark.citation), "title": where(mark.citation)}


# Chat completions


def completion(reply: Reply) -> Json:
    message: Json = {"role": "assistant", "refusal": None, "content": reply.cited.text}
    message["annotations"] = _chat_annotations(reply)
    choice = {"index": 0, "finish_reason": "stop", "logprobs": None, "message": message}
    body = {"choices": [choice], "usage": USAGE, "rag": reply.outcome}
    return {**_completion(reply, "chat.completion"), **body}


def completion_stream(reply: Reply, usage: bool) -> Iterator[str]:
    """Server-sent events, ending with `[DONE]`; annotations are in a delta, where Open WebUI reads
    them, the outcome in the chunk with the finish reason.
    """
    deltas: list[Json] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": piece} for piece in _pieces(reply.cited.text)]
    if annotations := _chat_annotations(reply):
        deltas.append({"annotations": annotations})
    head = _completion(reply, "chat.completion.chunk")
    for delta in [*deltas, {}]:
        finished = None if delta else "stop"
        choice = {"index": 0, "delta": delta, "finish_reason": finished, "logprobs": None}
        yield _data({**head, "choices": [choice], **({} if delta else {"rag": reply.outcome})})
    if usage:
        yield _data({**head, "choices": [], "usage": USAGE})
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
        yield f"event: {event['type']}\n{_data(event)}"


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
    for piece in _pieces(content["text"]):
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
    place |= {"title": passage.title, "heading": passage.heading}
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


def _pieces(text: str) -> Iterator[str]:
    """The text in pieces that end between words."""
    start = 0
    while start < len(text):
        end = text.find(" ", start + _DELTA)
        end = len(text) if end < 0 else end + 1
        yield text[start:end]
        start = end


def _data(value: Json) -> str:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"
