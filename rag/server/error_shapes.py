"""Formats of errors: problem details (RFC 9457), and by path those of OpenAI and Dify."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field

from rag.server.collection_paths import split

OPENAI = ("/v1/models", "/v1/chat/", "/v1/responses", "/v1/vector_stores", "/v1/embeddings")
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
    _, path = split(path)
    if path.startswith(OPENAI):
        return OpenAIError
    return DifyError if path.startswith(DIFY) else None
