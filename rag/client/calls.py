"""Requests of both clients, and the functions that parse their responses."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
from rag.server.grid_schemas import WireGrid, WireGridJob, WireGrids
from rag.server.schemas import (
    Claim,
    Highlight,
    WireAnswer,
    WireAnswers,
    WireCitation,
    WireHits,
    WireReport,
    WireVerdict,
)

try:
    import httpx as httpx  # for the other modules, so that the hint is here only
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
    """A request, and the function that parses the body of its response."""

    method: str
    path: str
    read: Callable[[bytes], T]
    send: dict[str, Any] = field(default_factory=dict)


def options(
    filters: Sequence[str], top_k: int | None, deadline_ms: int | None = None
) -> dict[str, Any]:
    values = {"filters": list(filters), "top_k": top_k, "deadline_ms": deadline_ms}
    return {name: value for name, value in values.items() if value}


def ask(
    question: str, filters: Sequence[str], top_k: int | None, deadline_ms: int | None
) -> Call[WireAnswer]:
    body = {"question": question, **options(filters, top_k, deadline_ms)}
    return Call("POST", "/v1/ask", WireAnswer.model_validate_json, {"json": body})


def ask_many(
    questions: Sequence[str], filters: Sequence[str], top_k: int | None
) -> Call[WireAnswers]:
    body = {"questions": list(questions), **options(filters, top_k)}
    return Call("POST", "/v1/ask/batch", WireAnswers.model_validate_json, {"json": body})


def search(question: str, filters: Sequence[str], top_k: int) -> Call[WireHits]:
    body = {"question": question, **options(filters, top_k)}
    return Call("POST", "/v1/search", WireHits.model_validate_json, {"json": body})


def page(after: str, limit: int) -> Call[WireDocuments]:
    values = {"after": after, "limit": limit}
    return Call("GET", "/v1/documents", WireDocuments.model_validate_json, {"params": values})


def address(document_id: str) -> str:
    return f"/v1/documents/{quote(document_id)}"


def document(document_id: str) -> Call[WireDocumentDetail]:
    return Call("GET", address(document_id), WireDocumentDetail.model_validate_json)


def text(document_id: str) -> Call[str]:
    return Call("GET", f"{address(document_id)}/text", bytes.decode)


def delete(document_id: str) -> Call[Deleted]:
    return Call("DELETE", address(document_id), Deleted.model_validate_json)


def put(name: str, content: str | bytes) -> Call[Job]:
    data = content.encode() if isinstance(content, str) else content
    files = [("file", (name, data))]
    return Call("POST", "/v1/documents", Job.model_validate_json, {"files": files})


def job(job_id: str) -> Call[Job]:
    return Call("GET", f"/v1/jobs/{quote(job_id, safe='')}", Job.model_validate_json)


def check(text: str, filters: Sequence[str], sources: Mapping[int, str]) -> Call[WireReport]:
    cited = [{"index": number, "document_id": name} for number, name in sources.items()]
    body = {"text": text, "filters": list(filters), "sources": cited}
    return Call("POST", "/v1/check", WireReport.model_validate_json, {"json": body})


def grids() -> Call[WireGrids]:
    return Call("GET", "/v1/grids", WireGrids.model_validate_json)


def grid(name: str) -> Call[WireGrid]:
    given = {"params": {"limit": 10_000}}
    return Call("GET", _grid_path(name), WireGrid.model_validate_json, given)


def run_grid(definition: Mapping[str, Any]) -> Call[WireGridJob]:
    return Call("POST", "/v1/grids", WireGridJob.model_validate_json, {"json": dict(definition)})


def delete_grid(name: str) -> Call[WireGrids]:
    return Call("DELETE", _grid_path(name), WireGrids.model_validate_json)


def rate_cell(name: str, row: str, column: str, verdict: str, value: str) -> Call[dict[str, Any]]:
    body = {"row": row, "column": column, "verdict": verdict, "value": value}
    return Call("POST", f"{_grid_path(name)}/ratings", json.loads, {"json": body})


def _grid_path(name: str) -> str:
    return f"/v1/grids/{quote(name, safe='')}"


def verify(citation: WireCitation) -> Call[WireVerdict]:
    claim = Claim(
        document_id=citation.document_id,
        highlight=Highlight(**citation.highlight.model_dump()),
        cited_text=citation.cited_text,
        document_sha256=citation.document_sha256,
    )
    body = {"json": claim.model_dump()}
    return Call("POST", "/v1/verify", WireVerdict.model_validate_json, body)
