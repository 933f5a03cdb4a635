"""Errors in responses: problem details (RFC 9457), and by path the formats of OpenAI and Dify."""

from __future__ import annotations

import errno
import http
import math
import re
import reprlib
import sqlite3
from itertools import islice
from typing import Any, Self

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from rag.errors import BusyError, ModelError, RagError, StoreError
from rag.render.view import shortened
from rag.server.collection_paths import split_path

_FOLDERS = re.compile(r"(?<![\w/:.])(?:~|[A-Za-z]:)?(?:[/\\][^\s/\\:;,'\"()]+)*[/\\](?=[^\s/\\])")
_FIELD = re.compile(r"\d+|(?!(?:str|int|float|bool)$)[a-z_][a-z0-9_]*")
_PROCESS = re.compile(r"process \d+", re.IGNORECASE)
MEDIA_TYPE = "application/problem+json"
OPENAI = (
    "/v1/models",
    "/v1/chat/",
    "/v1/responses",
    "/v1/vector_stores",
    "/v1/embeddings",
    "/v1/gate/",
)
DIFY = ("/v1/dify/",)
_TYPES = {403: "permission_error", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded"}
_DIFY_CODES = {401: 1002, 403: 1002, 404: 2001}


class Problem(BaseModel):
    """Problem details as in RFC 9457, plus `hint`, the next step."""

    type: str = Field(description="URN of the kind of problem.", examples=["urn:rag:input"])
    title: str = Field(description="The HTTP status in words.")
    status: int = Field(description="The HTTP status.", examples=[422])
    detail: str = Field(description="This request's error.", examples=["the question is empty"])
    hint: str = Field(default="", description="What to do next.")
    request_id: str = Field(default="", description="As in the header X-Request-ID and the log.")
    errors: list[dict[str, str]] = Field(default=[], description="Which fields are wrong, and how.")

    @property
    def message(self) -> str:
        return f"{self.detail} ({self.hint})" if self.hint else self.detail


class ErrorBody(BaseModel):
    message: str
    type: str = Field(examples=["invalid_request_error"])
    param: str | None = None
    code: str | None = None


class OpenAIError(BaseModel):
    """OpenAI's error format."""

    error: ErrorBody

    @classmethod
    def of(cls, problem: Problem) -> Self:
        kind = "server_error" if problem.status >= 500 else "invalid_request_error"
        body = ErrorBody(
            message=problem.message,
            type=_TYPES.get(problem.status, kind),
            param=problem.errors[0]["field"] if problem.errors else None,
            code=_CODES.get(problem.status, problem.type.removeprefix("urn:rag:")),
        )
        return cls(error=body)


class DifyError(BaseModel):
    """Dify's error format."""

    error_code: int
    error_msg: str

    @classmethod
    def of(cls, problem: Problem) -> Self:
        code = _DIFY_CODES.get(problem.status, problem.status)
        return cls(error_code=code, error_msg=problem.message)


def shape_of(path: str) -> type[OpenAIError] | type[DifyError] | None:
    """The format of errors on this path; None for problem details."""
    _, path = split_path(path)
    if path.startswith(OPENAI):
        return OpenAIError
    return DifyError if path.startswith(DIFY) else None


class ServiceError(RagError):
    """An error of the service: `kind` ends the problem's type, `retry_after` is in seconds."""

    def __init__(
        self, status: int, kind: str, message: str, hint: str = "", retry_after: int | None = None
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.kind = kind
        self.retry_after = retry_after


def overloaded(seconds: float) -> ServiceError:
    """`seconds` is how long the requests before this one take."""
    message, hint = "the service has too many requests", "try again in a moment"
    retry_after = max(1, min(60, math.ceil(seconds)))
    return ServiceError(503, "overloaded", message, hint, retry_after)


def missed_deadline() -> ServiceError:
    hint = "send a larger deadline_ms, or try again"
    return ServiceError(503, "deadline", "there was no answer within deadline_ms", hint, 1)


def loading() -> ServiceError:
    """The models, or a new index, are not there yet."""
    return ServiceError(503, "loading", "the models are still loading", "try again in a moment", 2)


def closing() -> ServiceError:
    return ServiceError(503, "closing", "the service is shutting down", "try again in a moment", 2)


def hung_up() -> ServiceError:
    return ServiceError(499, "hung-up", "the client has closed the connection")


def _of_framework(error: HTTPException, request: Request) -> Problem:
    """The problem of an error that the framework raised: a path or a method that no route has."""
    path = str(request.scope["path"])[:200]
    words = {
        404: f"there is no {path}",
        405: f"{request.method} is not a method of {path}",
    }.get(error.status_code)
    allowed = (error.headers or {}).get("Allow", "")
    hint = f"its methods: {allowed}; see /openapi.json" if allowed else "see /openapi.json"
    return _problem(error.status_code, "http", words or str(error.detail), hint if words else "")


def problem_of(error: Exception) -> Problem:
    """The problem of any error but RequestValidationError and those of the framework."""
    if not isinstance(error, RagError):
        hint = "search the log for this request's id"
        return _problem(500, "unforeseen", "unexpected error", hint)
    if _is_disk_full(error):
        hint = "free some space on it; nothing was lost"
        return _problem(507, "disk-full", "the disk of the index is full", hint)
    words = re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__.removesuffix("Error")).lower()
    kind = error.kind if isinstance(error, ServiceError) else words
    message, hint = error.message, error.hint
    if isinstance(error, (StoreError, ModelError, BusyError)):  # clients need not know the paths
        message, hint = without_places(message), without_places(hint)
    return _problem(error.status, kind, message, hint)


def _is_disk_full(error: BaseException | None) -> bool:
    """Whether a full disk caused the error, in SQLite, PostgreSQL or the system."""
    return error is not None and (
        getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        or getattr(error, "sqlstate", "") == "53100"
        or _is_disk_full(error.__cause__)
    )


def without_places(text: str) -> str:
    """Remove folders and process ids; the log has them."""
    return _PROCESS.sub("another process", _FOLDERS.sub("…/", text))


def _problem(
    status: int, kind: str, detail: str, hint: str = "", errors: list[dict[str, str]] | None = None
) -> Problem:
    title = "Client Closed Request" if status == 499 else http.HTTPStatus(status).phrase
    return Problem(
        type=f"urn:rag:{kind}",
        title=title,
        status=status,
        detail=printable(detail),
        hint=hint,
        errors=errors or [],
    )


def printable(text: str) -> str:
    """The text in valid UTF-8: JSON can contain lone surrogates."""
    return text.encode("utf-8", "replace").decode()


async def respond(request: Request, error: Exception) -> Response:
    """The error in the format of the API in use, with Retry-After and WWW-Authenticate where they
    apply. OpenAI's API answers invalid requests with 400; a person who opens the page gets words.
    """
    if isinstance(error, RequestValidationError):
        problem = _invalid(error, request)
    elif isinstance(error, HTTPException):
        problem = _of_framework(error, request)
    else:
        problem = problem_of(error)
    headers = dict(getattr(error, "headers", None) or {})
    seconds = getattr(error, "retry_after", 2 if isinstance(error, BusyError) else None)
    if seconds is not None:
        headers["Retry-After"] = str(seconds)
    if problem.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    path = request.scope["path"]
    if path == "/" and request.method == "GET":
        words = [f"{text[0].upper()}{text[1:]}." for text in (problem.detail, problem.hint) if text]
        return PlainTextResponse("\n\n".join(words), problem.status, headers)
    if shape := shape_of(path):
        is_400 = shape is OpenAIError and problem.status == 422
        body = shape.of(problem).model_dump()
        return JSONResponse(body, 400 if is_400 else problem.status, headers)
    body = problem.model_dump() | {"request_id": request.state.request_id}
    return JSONResponse(body, problem.status, headers, MEDIA_TYPE)


def _invalid(error: RequestValidationError, request: Request) -> Problem:
    faults = error.errors()[:20]
    if any(tuple(fault["loc"]) == ("body",) for fault in faults) and not is_json(request):
        message, hint = "the body's media type is not JSON", "Content-Type: application/json"
        return _problem(415, "media-type", message, f"send the header {hint}")
    descriptions = [_fault(fault) for fault in faults]
    status, kind, detail = 422, "invalid", "invalid request"
    if any(fault["type"] == "json_invalid" for fault in faults):
        status, kind, detail = 400, "malformed", f"the body {descriptions[0]['message']}"
    elif faults:
        detail = f"the field {sentence(faults[0])}"
    return _problem(status, kind, detail, "see /openapi.json", descriptions)


def media_type(request: Request) -> str:
    """Media type of the request's body, or ""."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def is_json(request: Request) -> bool:
    """Whether the request says that its body is JSON."""
    kind = media_type(request)
    return kind.startswith("application/") and kind.endswith(("/json", "+json"))


def _fault(fault: Any) -> dict[str, str]:
    if fault["type"] == "json_invalid":
        why = (fault.get("ctx") or {}).get("error", fault["msg"])
        place = f" at character {fault['loc'][-1]}" if fault["loc"] else ""
        return {"field": "body", "message": printable(f"is not JSON: {why}{place}")}
    return {"field": _place(fault["loc"]), "message": printable(str(fault["msg"]))}


def _place(location: Any) -> str:
    """The path to a field. pydantic adds names of types, which contain no field of ours."""
    parts = [str(part) for part in location if part not in ("body", "query", "path")]
    fields = [part for part in parts if _FIELD.fullmatch(part)]
    return printable(".".join(fields))[:200] or "body"


def sentence(fault: Any) -> str:
    """What is wrong with a value, after "the field": "`top_k` is wrong: …"."""
    place = f"`{_place(fault['loc'])}`"
    if fault["type"] == "missing":
        return f"{place} is missing"
    if fault["type"] == "extra_forbidden":
        return printable(f"`{str(fault['loc'][-1])[:100]}` is not known")
    reason = str(fault["msg"])[:1].lower() + str(fault["msg"])[1:]
    received = shortened(_BEGINNING.repr(fault["input"]), 80)
    return printable(f"{place} is wrong: {reason}, not {received}")


class _Beginning(reprlib.Repr):
    """Shows the beginning of a value: to write all of it takes as long as to read it."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 2
        self.maxstring = 100
        self.maxother = 100
        self.maxlong = 100

    def repr_dict(self, x: dict[Any, Any], level: int) -> str:
        """The first fields only; `reprlib` sorts all of them before it shows a few."""
        beginning = dict(islice(x.items(), self.maxdict))
        return super().repr_dict(beginning, level)


_BEGINNING = _Beginning()
