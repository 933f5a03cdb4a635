"""`/v1/gate`: passes on the answers of an OpenAI-compatible server, checked against the documents.

A client enters `…/v1/gate` as its base URL, and keeps its model's name. The server behind the gate
receives the request without `stream`. Its answer comes back with notes after the sentences that the
documents do not support and after false quotations, and with the whole report as `rag`.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from rag.claims import report as reports
from rag.claims.chat_client import MOST_BYTES, exchange, is_address
from rag.claims.results import CheckReport, NoClaimsError
from rag.errors import InputError
from rag.render.status import one_line
from rag.render.view import shortened
from rag.server.auth import Right, needs
from rag.server.openai_requests import StreamOptions
from rag.server.openapi import EVENTS, errors
from rag.server.problems import OpenAIError, ServiceError
from rag.server.routes.openai import PIECE, server_event, stream
from rag.server.schemas import MOST_CHECKED, ShortText
from rag.server.state import ServiceLibrary, Shared, caller_of
from rag.server.work import WorkRoute, waiting
from rag.types import Json

_log = logging.getLogger(__name__)
router = APIRouter(
    prefix="/v1/gate", tags=["openai"], responses=errors(OpenAIError), route_class=WorkRoute
)
_MOST_CHOICES = 8
_CLIENTS_FAULTS = frozenset((400, 404, 409, 413, 422))
"""Statuses of the server behind the gate that are passed on; 401 and 403 concern our own key."""
_OPERATOR = "ask whoever runs rag serve to look at its log, RAG_GATE and RAG_GATE_KEY"


class GatedRequest(BaseModel):
    """A chat completion's request. All fields are passed on, known here or not."""

    model_config = ConfigDict(extra="allow", strict=True)

    model: ShortText = Field(default="", examples=["llama-3.2-3b"])
    messages: list[Json] = Field(min_length=1, max_length=1000, examples=[[]])
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    n: int | None = Field(default=None, ge=1, le=_MOST_CHOICES)
    response_format: dict[str, Any] | None = None

    def passed_on(self) -> bytes:
        """The request that the server behind the gate gets. Raises InputError."""
        sent = self.model_fields_set - {"stream", "stream_options"}
        fields = {name: getattr(self, name) for name in sent}
        try:
            return json.dumps({**fields, "stream": False}).encode()
        except RecursionError as error:
            raise InputError("the request is nested too deeply", "send a flatter one") from error


class _ChatMessage(BaseModel):
    content: str | None = None
    tool_calls: list[Json] | None = None


class _Choice(BaseModel):
    message: _ChatMessage


class _ChatCompletion(BaseModel):
    """What of an answer the gate relies on."""

    choices: list[_Choice] = Field(min_length=1, max_length=_MOST_CHOICES)


@router.get("/models", response_model=dict[str, Any])
@needs(Right.READ)
def list_gated_models(request: Request) -> Any:
    """List the models of the server behind the gate."""
    return _received(request, "/models", None)


@router.post("/chat/completions", response_model=dict[str, Any], responses=EVENTS)
@needs(Right.READ)
def create_gated_completion(body: GatedRequest, request: Request, service: Shared) -> Any:
    """A model's answer, with what the documents do not support marked.

    Each choice has `rag`: the text as the model wrote it, and the report of `POST /v1/check`.
    Streamed answers are complete before the first piece is sent.
    """
    if body.response_format and body.response_format.get("type") != "text":
        message = "an answer in a response_format other than text has no place for notes"
        raise InputError(message, "leave response_format out, or ask the model's server itself")
    generation = service.engine.store.stats().generation  # fails while the models load
    completion = _received(request, "/chat/completions", body.passed_on())
    library = ServiceLibrary(service, caller_of(request))
    choices = _choices(completion)
    completion["choices"] = [_checked(choice, library, generation) for choice in choices]
    _note(request, completion["choices"])
    if body.stream:
        usage = bool(body.stream_options and body.stream_options.include_usage)
        return stream(request, _events(completion, usage))
    return completion


def _checked(choice: Json, library: ServiceLibrary, generation: int) -> Json:
    """A choice with its text marked, and the report; as it is if it has no text."""
    text = choice["message"].get("content") or ""
    if not text.strip():
        return choice
    try:
        report = library.check(text, ())
    except NoClaimsError:
        report = CheckReport(text, (), generation)
    message = {**choice["message"], "content": reports.marked(report)}
    return {**choice, "message": message, "rag": {"text": text, **report.to_dict()}}


def _note(request: Request, choices: list[Json]) -> None:
    """Write into the request's log line how much was checked."""
    checked = [choice["rag"] for choice in choices if "rag" in choice]
    for name in ("sentences", "quotations"):
        request.state.exchange.notes[name] = sum(len(report[name]) for report in checked)


def _choices(completion: Json) -> list[Json]:
    """The choices of a completion. Raises ServiceError for anything else, and for texts that cannot
    be checked.
    """
    try:
        parsed = _ChatCompletion.model_validate(completion, strict=True)
    except ValidationError as error:
        raise _gate_error("sent something other than a chat completion") from error
    if any(len(choice.message.content or "") > MOST_CHECKED for choice in parsed.choices):
        raise _gate_error(f"sent more than {MOST_CHECKED:,} characters")
    choices: list[Json] = completion["choices"]
    return choices


def _events(completion: Json, usage: bool) -> Iterator[str]:
    """The completion as server-sent events, ending with `[DONE]`."""
    head = {name: completion[name] for name in completion if name not in ("choices", "usage")}
    head["object"] = "chat.completion.chunk"
    for number, choice in enumerate(completion["choices"]):
        message = choice["message"]
        text = message.get("content") or ""
        calls = [
            {"index": place, **call} for place, call in enumerate(message.get("tool_calls") or [])
        ]
        opening = {**message, "tool_calls": calls} if calls else message
        deltas = [{**opening, "content": ""}, *({"content": part} for part in PIECE.findall(text))]
        place = {"index": choice.get("index", number), "logprobs": None}
        for delta in deltas:
            yield server_event(
                {**head, "choices": [{**place, "delta": delta, "finish_reason": None}]}
            )
        finished = {"delta": {}, "finish_reason": choice.get("finish_reason", "stop")}
        yield server_event({**head, "choices": [{**place, **finished, "rag": choice.get("rag")}]})
    if usage:
        yield server_event({**head, "choices": [], "usage": completion.get("usage")})
    yield "data: [DONE]\n\n"


# The server behind the gate


def _received(request: Request, path: str, data: bytes | None) -> Json:
    """The JSON object that the server behind the gate answers with. Raises ServiceError."""
    settings = request.app.state.service.settings
    address, seconds = settings.gate.rstrip("/"), settings.gate_seconds
    if not is_address(address):
        raise _gate_error("has an address that is neither http nor https")
    try:
        with waiting():
            deadline = time.monotonic() + seconds
            received = exchange(f"{address}{path}", data, settings.gate_key, deadline)
    except TimeoutError as error:
        message = f"the model's server did not answer within {seconds} s"
        hint = "ask for a shorter answer, or raise RAG_GATE_SECONDS"
        raise ServiceError(504, "gate-late", message, hint) from error
    except (OSError, HTTPException) as error:
        _log.warning("the gate's server %s cannot be reached: %s", address, error)
        raise _gate_error("cannot be reached") from error
    if received.status != 200:
        raise _error_of_status(received.status, received.content, received.retry_after)
    if len(received.content) > MOST_BYTES:
        raise _gate_error(f"sent more than {MOST_BYTES:,} bytes")
    try:
        value = from_json(received.content, allow_inf_nan=False)
    except ValueError as error:
        raise _gate_error("sent something other than JSON") from error
    if not isinstance(value, dict):
        raise _gate_error("sent something other than a JSON object")
    return value


def _error_of_status(status: int, content: bytes, retry_after: str) -> ServiceError:
    """The error for a status of the server behind the gate."""
    reason = _reason(content)
    _log.warning("the gate's server answered %d: %s", status, reason)
    if status in _CLIENTS_FAULTS:
        hint = "correct the request; it was passed on as it is"
        return ServiceError(status, "gate-refused", f"the model's server says: {reason}", hint)
    if status == 429:
        seconds = int(retry_after) if retry_after.isdecimal() and len(retry_after) < 5 else 5
        message = "the model's server has too many requests"
        return ServiceError(429, "gate-busy", message, "try again later", seconds)
    if status in (401, 403):
        return _gate_error("refuses the key of this service")
    return _gate_error(f"answered {status}")


def _reason(content: bytes) -> str:
    """The message of an error in OpenAI's format, or the start of what was sent."""
    text = content.decode("utf-8", "replace")
    with suppress(ValueError, KeyError, TypeError):
        text = str(from_json(content)["error"]["message"])
    return shortened(one_line(text), 300)


def _gate_error(problem: str) -> ServiceError:
    return ServiceError(502, "gate-failed", f"the model's server {problem}", _OPERATOR)
