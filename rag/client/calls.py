"""Requests of both clients, and the functions that parse their responses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from rag.errors import InputError, RagError, install_line
from rag.server.document_schemas import (
    Deleted,
    Job,
    WireDocumentDetail,
    WireDocuments,
)
from rag.server.schemas import (
    Claim,
    Highlight,
    WireAnswer,
    WireAnswers,
    WireCitation,
    WireHit,
    WireHits,
    WireVerdict,
)

try:
    import httpx as httpx  # for the other modules, so that the hint stands once
except ModuleNotFoundError as error:
    raise InputError(
        "rag.client needs httpx, which is not installed", f"run: {install_line('client')}"
    ) from error

T = TypeVar("T")


class ServiceProblem(RagError):
    """An error response: `status` is the HTTP status, `type` the problem's URN."""

    def __init__(self, status: int, type: str, detail: str, hint: str, request_id: str) -> None:
        super().__init__(detail, hint)
        self.status = status
        self.type = type
        self.request_id = request_id


class Unreachable(RagError):
    """Nothing answers at the service's address."""


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a streamed answer: `name` is search_results, citation, final_answer or done;
    `data` holds its fields.
    """

    name: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and the function that parses its response."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    send: dict[str, Any] = field(default_factory=dict)


def options(
    filters: Sequence[str], k: int | None, deadline_ms: int | None = None
) -> dict[str, Any]:
    given = {"filters": list(filters), "k": k, "deadline_ms": deadline_ms}
    return {name: value for name, value in given.items() if value}


def ask(
    question: str, filters: Sequence[str], k: int | None, deadline_ms: int | None
) -> Call[WireAnswer]:
    body = {"question": question, **options(filters, k, deadline_ms)}
    return Call(
        "POST", "/v1/ask", lambda r: WireAnswer.model_validate_json(r.content), {"json": body}
    )


def ask_many(
    questions: Sequence[str], filters: Sequence[str], k: int | None
) -> Call[list[WireAnswer]]:
    body = {"questions": list(questions), **options(filters, k)}
    return Call(
        "POST",
        "/v1/ask/batch",
        lambda r: WireAnswers.model_validate_json(r.content).answers,
        {"json": body},
    )


def search(question: str, filters: Sequence[str], k: int) -> Call[list[WireHit]]:
    body = {"question": question, **options(filters, k)}
    return Call(
        "POST", "/v1/search", lambda r: WireHits.model_validate_json(r.content).hits, {"json": body}
    )


def page(after: str, limit: int) -> Call[WireDocuments]:
    given = {"after": after, "limit": limit}
    return Call(
        "GET",
        "/v1/documents",
        lambda r: WireDocuments.model_validate_json(r.content),
        {"params": given},
    )


def address(document_id: str) -> str:
    return f"/v1/documents/{quote(document_id)}"


def document(document_id: str) -> Call[WireDocumentDetail]:
    return Call(
        "GET", address(document_id), lambda r: WireDocumentDetail.model_validate_json(r.content)
    )


def text(document_id: str) -> Call[str]:
    return Call("GET", f"{address(document_id)}/text", lambda r: r.content.decode())


def delete(document_id: str) -> Call[Deleted]:
    return Call("DELETE", address(document_id), lambda r: Deleted.model_validate_json(r.content))


def put(name: str, content: str | bytes) -> Call[Job]:
    data = content.encode() if isinstance(content, str) else content
    return Call(
        "POST",
        "/v1/documents",
        lambda r: Job.model_validate_json(r.content),
        {"files": [("file", (name, data))]},
    )


def job(job_id: str) -> Call[Job]:
    return Call(
        "GET", f"/v1/jobs/{quote(job_id, safe='')}", lambda r: Job.model_validate_json(r.content)
    )


def verify(citation: WireCitation) -> Call[WireVerdict]:
    highlight = Highlight(**citation.highlight.model_dump())
    claim = Claim(
        document_id=citation.document_id,
        highlight=highlight,
        cited_text=citation.cited_text,
        document_sha256=citation.document_sha256,
    )
    return Call(
        "POST",
        "/v1/verify",
        lambda r: WireVerdict.model_validate_json(r.content),
        {"json": claim.model_dump()},
    )
