"""Errors in the format of the API in use, for OpenAI's and Dify's clients.

The service reports every error as problem details (RFC 9457). This outer layer converts them by
path.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.server.collection_paths import split
from rag.server.openai_schemas import DifyError, OpenAIError
from rag.server.problems import MEDIA_TYPE

OPENAI = ("/v1/models", "/v1/chat/", "/v1/responses", "/v1/vector_stores", "/v1/embeddings")
DIFY = ("/v1/dify/",)
_TYPES = {
    401: "invalid_request_error",
    403: "permission_error",
    404: "invalid_request_error",
    429: "rate_limit_error",
}
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_DIFY_CODES = {401: 1002, 403: 1002, 404: 2001}

Shape = Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]


def shape_of(path: str) -> Shape | None:
    """Converter from a problem to (status, body) for this path; None for no conversion."""
    _, path = split(path)
    if path.startswith(OPENAI):
        return openai_error
    return dify_error if path.startswith(DIFY) else None


def error_model(path: str) -> type[BaseModel] | None:
    """Schema of errors on this path; None for problem details."""
    shape = shape_of(path)
    if shape is None:
        return None
    return OpenAIError if shape is openai_error else DifyError


def openai_error(problem: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """OpenAI answers every invalid request with status 400."""
    status = int(problem["status"])
    kind = _TYPES.get(status, "server_error" if status >= 500 else "invalid_request_error")
    code = _CODES.get(status, str(problem["type"]).removeprefix("urn:rag:"))
    errors = problem.get("errors") or [{}]
    error = {
        "message": _message(problem),
        "type": kind,
        "param": errors[0].get("field"),
        "code": code,
    }
    return 400 if status == 422 else status, {"error": error}


def dify_error(problem: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    status = int(problem["status"])
    return status, {"error_code": _DIFY_CODES.get(status, status), "error_msg": _message(problem)}


def _message(problem: dict[str, Any]) -> str:
    return (
        f"{problem['detail']} ({problem['hint']})"
        if problem.get("hint")
        else str(problem["detail"])
    )


class ErrorShapes:
    """ASGI middleware. It is outermost because the inner layers raise errors, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        shape = shape_of(split(scope["path"])[1]) if scope["type"] == "http" else None
        if shape is None:
            await self._app(scope, receive, send)
            return
        starts: list[Message] = []

        async def reshape(message: Message) -> None:
            if message["type"] == "http.response.start" and _is_problem(message):
                starts.append(message)
            elif starts:
                start = starts.pop()
                body = message.get("body", b"")
                if body:
                    start["status"], shaped = shape(json.loads(body))
                    body = json.dumps(shaped, ensure_ascii=False).encode()
                headers = MutableHeaders(raw=start["headers"])
                headers["content-type"] = "application/json"
                headers["content-length"] = str(len(body))
                await send(start)
                await send({**message, "body": body})
            else:
                await send(message)

        await self._app(scope, receive, reshape)


def _is_problem(message: Message) -> bool:
    response_headers = {
        bytes(name).lower(): bytes(value) for name, value in message.get("headers", [])
    }
    return response_headers.get(b"content-type", b"").startswith(MEDIA_TYPE.encode())
