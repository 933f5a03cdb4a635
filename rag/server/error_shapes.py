"""Errors in the format of the API in use, for OpenAI's and Dify's clients.

Every error is made as problem details (RFC 9457) and converted by path.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from rag.server.collection_paths import split
from rag.server.openai_schemas import DifyError, OpenAIError

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
