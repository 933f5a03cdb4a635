"""Python client for a running `rag serve`: typed answers, errors with hints, retries and streaming.

    from rag.client import Client

    with Client("http://127.0.0.1:8000") as rag:
        answer = rag.ask("When was the JCPOA signed?")
        print(answer.answer, [citation.uri for citation in answer.citations])

`AsyncClient` has the same methods as coroutines. Needs httpx, from the extra `client`.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import time
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, AbstractContextManager, aclosing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from urllib.parse import quote

from pydantic import BaseModel

from rag.errors import RagError, needs_extra
from rag.server import schemas
from rag.server.schemas import AnswerSchema, DocumentSchema, GridSchema, HitSchema, Job

with needs_extra("client", "rag.client"):
    import httpx

P = ParamSpec("P")
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
_AGAIN = (429, 503)
"""Statuses of requests that were not processed, so that they can safely be sent again."""
_LONGEST_WAIT = 30.0
_PAUSE = 0.5


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


class AsyncClient(AbstractAsyncContextManager["AsyncClient"]):
    """`Client` with coroutines."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        timeout: float = 60.0,
        retries: int = 3,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._retries = retries
        self._http = http or httpx.AsyncClient(timeout=timeout)
        secret = os.environ.get("RAG_KEY", "") if key is None else key
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(
        self,
        question: str,
        filters: Sequence[str] = (),
        top_k: int | None = None,
        deadline_ms: int | None = None,
    ) -> AnswerSchema:
        """Ask a question. `answer` is None if none was found; `abstention_reason` says why."""
        deadline = {"deadline_ms": deadline_ms} if deadline_ms else {}
        body = _question(filters, top_k, question=question, **deadline)
        return await self._post("/v1/ask", AnswerSchema, body)

    async def ask_many(
        self, questions: Sequence[str], filters: Sequence[str] = (), top_k: int | None = None
    ) -> list[AnswerSchema]:
        """Ask up to 64 questions, which are read together; answers are in the same order."""
        body = _question(filters, top_k, questions=list(questions))
        return (await self._post("/v1/ask/batch", schemas.AnswersSchema, body)).answers

    async def stream(
        self, question: str, filters: Sequence[str] = (), top_k: int | None = None
    ) -> AsyncGenerator[Event, None]:
        """Ask a question and yield the passages once they are found, citations and the answer."""
        body, name = _question(filters, top_k, question=question, stream=True), ""
        try:
            async with aclosing(self._lines(self._request("POST", "/v1/ask", json=body))) as lines:
                async for line in lines:
                    field, _, content = line.partition(": ")
                    if field == "event":
                        name = content
                    elif field == "data":
                        data = json.loads(content)
                        if name == "error":
                            raise _problem(data["status"], data, data.get("request_id", ""))
                        yield Event(name, data)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    async def search(
        self, question: str, filters: Sequence[str] = (), top_k: int = 10
    ) -> list[HitSchema]:
        """The `top_k` passages that best match the question, best first."""
        body = _question(filters, top_k, question=question)
        return (await self._post("/v1/search", schemas.HitsSchema, body)).hits

    async def documents(self) -> AsyncGenerator[DocumentSchema, None]:
        """All documents in order of id."""
        after: str | None = ""
        while after is not None:
            values = {"after": after, "limit": 1000}
            page = await self._get("/v1/documents", schemas.DocumentsSchema, values)
            for document in page.documents:
                yield document
            after = page.next

    async def document(self, document_id: str) -> schemas.DocumentDetailSchema:
        """A document without its text."""
        return await self._get(_document(document_id), schemas.DocumentDetailSchema)

    async def text(self, document_id: str) -> str:
        """The document's text, to which all offsets refer."""
        return (await self._send("GET", f"{_document(document_id)}/text")).decode()

    async def put(self, name: str, content: str | bytes, wait: bool = True) -> Job:
        """Upload a file, replacing one of that name; with `wait`, return when it is ingested."""
        data = content.encode() if isinstance(content, str) else content
        sent = await self._send("POST", "/v1/documents", files=[("file", (name, data))])
        job = Job.model_validate_json(sent)
        return await self._wait_for_job(job.id) if wait and job.state != "done" else job

    async def put_file(self, path: Path, wait: bool = True) -> Job:
        return await self.put(path.name, await asyncio.to_thread(path.read_bytes), wait)

    async def delete(self, document_id: str) -> schemas.Deleted:
        """Delete a document."""
        deleted = await self._send("DELETE", _document(document_id))
        return schemas.Deleted.model_validate_json(deleted)

    async def check(
        self, text: str, filters: Sequence[str] = (), sources: Mapping[int, str] | None = None
    ) -> schemas.ReportSchema:
        """Check a text's sentences and quotations; `sources` maps its [n] marks to document ids."""
        cited = [{"index": number, "document_id": name} for number, name in (sources or {}).items()]
        body = {"text": text, "filters": list(filters), "sources": cited}
        return await self._post("/v1/check", schemas.ReportSchema, body)

    async def verify(self, citation: schemas.CitationSchema) -> schemas.CitationCheckSchema:
        """Check whether a citation still holds."""
        return await self._post(
            "/v1/verify", schemas.CitationCheckSchema, citation.model_dump(mode="json")
        )

    async def grids(self) -> list[schemas.GridSummarySchema]:
        """All grids with the states of their cells."""
        return (await self._get("/v1/grids", schemas.GridsSchema)).grids

    async def grid(self, name: str) -> GridSchema:
        """A grid with its cells."""
        return await self._get(_grid(name), GridSchema, {"limit": 10_000})

    async def run_grid(self, definition: Mapping[str, Any], wait: bool = True) -> GridSchema:
        """Ask a grid, with the values of a grid file; with `wait`, return when all are asked."""
        started = await self._post("/v1/grids", schemas.GridJobSchema, dict(definition))
        if wait:
            await self._wait_for_job(started.job)
        return await self.grid(started.name)

    async def delete_grid(self, name: str) -> None:
        """Delete a grid with its answers."""
        await self._send("DELETE", _grid(name))

    async def rate_cell(
        self, name: str, row: str, column: str, verdict: str, value: str = ""
    ) -> dict[str, Any]:
        """Say that a cell is "confirmed", "corrected" to `value`, or "rejected"."""
        body = {"row": row, "column": column, "verdict": verdict, "value": value}
        return dict(json.loads(await self._send("POST", f"{_grid(name)}/ratings", json=body)))

    async def _wait_for_job(self, job_id: str) -> Job:
        path = f"/v1/jobs/{quote(job_id, safe='')}"
        while (job := await self._get(path, Job)).state != "done":
            await self._wait(_PAUSE)
        return job

    async def _get(self, path: str, model: type[M], params: dict[str, Any] | None = None) -> M:
        return model.model_validate_json(await self._send("GET", path, params=params))

    async def _post(self, path: str, model: type[M], body: dict[str, Any]) -> M:
        return model.model_validate_json(await self._send("POST", path, json=body))

    async def _send(self, method: str, path: str, **sent: Any) -> bytes:
        """The body of the response. Raises ServiceProblem, Unreachable."""
        for attempt in count():
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = await self._exchange(self._request(method, path, **sent))
            except httpx.TransportError as error:
                outcome = error
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return outcome.content
            await self._wait(self._pause(attempt, outcome))
        raise AssertionError("_pause ends the attempts")

    def _request(self, method: str, path: str, **sent: Any) -> dict[str, Any]:
        """The arguments with which httpx sends the request."""
        return {"method": method, "url": f"{self._url}{path}", "headers": self._headers, **sent}

    def _pause(self, attempt: int, outcome: httpx.Response | httpx.TransportError) -> float:
        """Seconds until the next attempt. Raises the outcome's error if no attempt can help."""
        is_passing, after = isinstance(outcome, httpx.ConnectError), ""
        if isinstance(outcome, httpx.Response):
            is_passing = outcome.status_code in _AGAIN
            after = outcome.headers.get("Retry-After", "")
        seconds = float(after) if after.isdecimal() else _PAUSE * 2**attempt
        if attempt < self._retries and is_passing and seconds <= _LONGEST_WAIT:
            return seconds
        if isinstance(outcome, httpx.Response):
            raise _problem_of(outcome)
        raise self._unreachable(outcome) from outcome

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        message = f"no service answers at {self._url}: {error or type(error).__name__}"
        return Unreachable(message, "start one: rag serve")

    async def _wait(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _exchange(self, request: dict[str, Any]) -> httpx.Response:
        return await self._http.request(**request)

    async def _lines(self, request: dict[str, Any]) -> AsyncGenerator[str, None]:
        async with self._http.stream(**request) as response:
            if not response.is_success:
                await response.aread()
                raise _problem_of(response)
            async for line in response.aiter_lines():
                yield line


def _question(filters: Sequence[str], top_k: int | None, **fields: Any) -> dict[str, Any]:
    """The JSON of a question; options that are not set are left out."""
    options = {"filters": list(filters), "top_k": top_k}
    return fields | {key: value for key, value in options.items() if value}


def _document(document_id: str) -> str:
    return f"/v1/documents/{quote(document_id)}"


def _grid(name: str) -> str:
    return f"/v1/grids/{quote(name, safe='')}"


def _problem_of(response: httpx.Response) -> ServiceProblem:
    """The service's problem document, or the plain response of a proxy in front of it."""
    request_id = response.headers.get("X-Request-ID", "")
    try:
        return _problem(response.status_code, response.json(), request_id)
    except (ValueError, KeyError, TypeError, AttributeError):
        detail = f"HTTP {response.status_code}: {response.text[:200]}"
        return ServiceProblem(response.status_code, "", detail, "", request_id)


def _problem(status: int, problem: Any, request_id: str) -> ServiceProblem:
    detail, hint = str(problem["detail"]), str(problem.get("hint", ""))
    return ServiceProblem(status, str(problem.get("type", "")), detail, hint, request_id)


class _Blocking(AsyncClient):
    """Its coroutines wait for nothing but the network, and end at their first step."""

    def __init__(self, url: str, key: str | None, retries: int, http: httpx.Client) -> None:
        super().__init__(url, key, retries=retries, http=cast(Any, http))
        self._client = http

    async def _wait(self, seconds: float) -> None:
        time.sleep(seconds)

    async def _exchange(self, request: dict[str, Any]) -> httpx.Response:
        return self._client.request(**request)

    async def _lines(self, request: dict[str, Any]) -> AsyncGenerator[str, None]:
        with self._client.stream(**request) as response:
            if not response.is_success:
                response.read()
                raise _problem_of(response)
            for line in response.iter_lines():
                yield line

    async def put_file(self, path: Path, wait: bool = True) -> Job:
        return await self.put(path.name, path.read_bytes(), wait)


def _result_of_step(step: Awaitable[T]) -> T:
    """The result of a step of `_Blocking`."""
    try:
        next(step.__await__())
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("a blocking client waits for no event loop")


def _as_blocking(
    method: Callable[Concatenate[_Blocking, P], Coroutine[Any, Any, T]],
) -> Callable[Concatenate[Client, P], T]:
    @functools.wraps(method)
    def blocking(self: Client, /, *arguments: P.args, **options: P.kwargs) -> T:
        return _result_of_step(method(self._calls, *arguments, **options))

    return blocking


def _as_blocking_iterator(
    method: Callable[Concatenate[_Blocking, P], AsyncGenerator[T, None]],
) -> Callable[Concatenate[Client, P], Iterator[T]]:
    @functools.wraps(method)
    def blocking(self: Client, /, *arguments: P.args, **options: P.kwargs) -> Iterator[T]:
        steps = method(self._calls, *arguments, **options)
        try:
            while True:
                yield _result_of_step(anext(steps))
        except StopAsyncIteration:
            return
        finally:
            _result_of_step(steps.aclose())

    return blocking


class Client(AbstractContextManager["Client"]):
    """Synchronous client. `key` defaults to the variable RAG_KEY. Raises ServiceProblem and
    Unreachable, which are RagErrors.

    Requests refused with 429 or 503 are repeated up to `retries` times.
    """

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        timeout: float = 60.0,
        retries: int = 3,
        http: httpx.Client | None = None,
    ) -> None:
        self._http = http or httpx.Client(timeout=timeout)
        self._calls = _Blocking(url, key, retries, self._http)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    ask = _as_blocking(_Blocking.ask)
    ask_many = _as_blocking(_Blocking.ask_many)
    stream = _as_blocking_iterator(_Blocking.stream)
    search = _as_blocking(_Blocking.search)
    documents = _as_blocking_iterator(_Blocking.documents)
    document = _as_blocking(_Blocking.document)
    text = _as_blocking(_Blocking.text)
    put = _as_blocking(_Blocking.put)
    put_file = _as_blocking(_Blocking.put_file)
    delete = _as_blocking(_Blocking.delete)
    check = _as_blocking(_Blocking.check)
    verify = _as_blocking(_Blocking.verify)
    grids = _as_blocking(_Blocking.grids)
    grid = _as_blocking(_Blocking.grid)
    run_grid = _as_blocking(_Blocking.run_grid)
    delete_grid = _as_blocking(_Blocking.delete_grid)
    rate_cell = _as_blocking(_Blocking.rate_cell)
