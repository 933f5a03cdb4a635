"""Requests, which become the methods of both clients, and how their responses are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from rag.errors import InputError, RagError, install_line
from rag.server import schemas
from rag.server.schemas import Job, WireAnswer, WireDocuments, WireHit

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
    """`name` is search_results, citation, final_answer or done; `data` holds its fields."""

    name: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request, and the function that parses the body of its response."""

    method: str
    path: str
    read: Callable[[bytes], T]
    send: dict[str, Any] = field(default_factory=dict)


def _body(question: str | Sequence[str], **options: Any) -> dict[str, Any]:
    """The JSON of a question; options that are not set are left out."""
    name = "question" if isinstance(question, str) else "questions"
    return {"json": {name: question, **{key: value for key, value in options.items() if value}}}


def ask(
    question: str,
    filters: Sequence[str] = (),
    top_k: int | None = None,
    deadline_ms: int | None = None,
) -> Call[WireAnswer]:
    """Ask a question. `answer` is None if none was found; `abstention_reason` says why."""
    body = _body(question, filters=list(filters), top_k=top_k, deadline_ms=deadline_ms)
    return Call("POST", "/v1/ask", WireAnswer.model_validate_json, body)


def ask_many(
    questions: Sequence[str], filters: Sequence[str] = (), top_k: int | None = None
) -> Call[list[WireAnswer]]:
    """Ask up to 64 questions, which are read together; answers are in the same order."""
    body = _body(list(questions), filters=list(filters), top_k=top_k)
    read = schemas.WireAnswers.model_validate_json
    return Call("POST", "/v1/ask/batch", lambda content: read(content).answers, body)


def stream(question: str, filters: Sequence[str] = (), top_k: int | None = None) -> Call[None]:
    """A question whose answer comes as events."""
    body = _body(question, filters=list(filters), top_k=top_k, stream=True)
    return Call("POST", "/v1/ask", lambda _: None, body)


def search(question: str, filters: Sequence[str] = (), top_k: int = 10) -> Call[list[WireHit]]:
    """The `top_k` passages that best match the question, best first."""
    body = _body(question, filters=list(filters), top_k=top_k)
    read = schemas.WireHits.model_validate_json
    return Call("POST", "/v1/search", lambda content: read(content).hits, body)


def page(after: str) -> Call[WireDocuments]:
    """The documents after this id, and the last of them, or None at the end."""
    values = {"after": after, "limit": 1000}
    return Call("GET", "/v1/documents", WireDocuments.model_validate_json, {"params": values})


def _document(document_id: str) -> str:
    return f"/v1/documents/{quote(document_id)}"


def document(document_id: str) -> Call[schemas.WireDocumentDetail]:
    """A document without its text."""
    return Call("GET", _document(document_id), schemas.WireDocumentDetail.model_validate_json)


def text(document_id: str) -> Call[str]:
    """The document's text, to which all offsets refer."""
    return Call("GET", f"{_document(document_id)}/text", bytes.decode)


def delete(document_id: str) -> Call[schemas.Deleted]:
    """Delete a document."""
    return Call("DELETE", _document(document_id), schemas.Deleted.model_validate_json)


def put(name: str, content: str | bytes) -> Call[Job]:
    data = content.encode() if isinstance(content, str) else content
    files = [("file", (name, data))]
    return Call("POST", "/v1/documents", Job.model_validate_json, {"files": files})


def job(job_id: str) -> Call[Job]:
    return Call("GET", f"/v1/jobs/{quote(job_id, safe='')}", Job.model_validate_json)


def check(
    text: str, filters: Sequence[str] = (), sources: Mapping[int, str] | None = None
) -> Call[schemas.WireReport]:
    """Check a text's sentences and quotations; `sources` maps its [n] marks to document ids."""
    cited = [{"index": number, "document_id": name} for number, name in (sources or {}).items()]
    body = {"text": text, "filters": list(filters), "sources": cited}
    return Call("POST", "/v1/check", schemas.WireReport.model_validate_json, {"json": body})


def grids() -> Call[list[schemas.WireGridSummary]]:
    """All grids with the states of their cells."""
    return Call("GET", "/v1/grids", lambda body: schemas.WireGrids.model_validate_json(body).grids)


def grid(name: str) -> Call[schemas.WireGrid]:
    """A grid with its cells."""
    limit = {"params": {"limit": 10_000}}
    return Call("GET", _grid(name), schemas.WireGrid.model_validate_json, limit)


def run_grid(definition: Mapping[str, Any]) -> Call[schemas.WireGridJob]:
    body = {"json": dict(definition)}
    return Call("POST", "/v1/grids", schemas.WireGridJob.model_validate_json, body)


def delete_grid(name: str) -> Call[None]:
    """Delete a grid with its answers."""
    return Call("DELETE", _grid(name), lambda _: None)


def rate_cell(
    name: str, row: str, column: str, verdict: str, value: str = ""
) -> Call[dict[str, Any]]:
    """Say that a cell is "confirmed", "corrected" to `value`, or "rejected"."""
    body = {"row": row, "column": column, "verdict": verdict, "value": value}
    return Call("POST", f"{_grid(name)}/ratings", json.loads, {"json": body})


def _grid(name: str) -> str:
    return f"/v1/grids/{quote(name, safe='')}"


def verify(citation: schemas.WireCitation) -> Call[schemas.WireVerdict]:
    """Check whether a citation still holds."""
    body = citation.model_dump(mode="json")
    return Call("POST", "/v1/verify", schemas.WireVerdict.model_validate_json, {"json": body})
