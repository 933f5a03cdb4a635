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
import inspect
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar

import rag.client.calls as calls
from rag.client.calls import Call, Event, ServiceProblem, Unreachable, httpx
from rag.server.schemas import Job, WireDocument, WireGrid

P = ParamSpec("P")
T = TypeVar("T")
Http = TypeVar("Http", httpx.Client, httpx.AsyncClient)
Method = TypeVar("Method", bound=Callable[..., Any])
_AGAIN = (429, 503)
"""Statuses of requests that were not processed, so that they can safely be sent again."""
_LONGEST_WAIT = 30.0
_PAUSE = 0.5


def _described(method: Method, request: Callable[..., Any]) -> Method:
    """Give the method the name, the documentation and the parameters of its request."""
    functools.update_wrapper(method, request)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
    parameters = [own, *inspect.signature(request).parameters.values()]
    method.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return method


def _method(request: Callable[P, Call[T]]) -> Callable[Concatenate[Client, P], T]:
    def method(client: Client, /, *arguments: P.args, **options: P.kwargs) -> T:
        return client._send(request(*arguments, **options))

    return _described(method, request)


def _coroutine(
    request: Callable[P, Call[T]],
) -> Callable[Concatenate[AsyncClient, P], Coroutine[Any, Any, T]]:
    async def method(client: AsyncClient, /, *arguments: P.args, **options: P.kwargs) -> T:
        return await client._send(request(*arguments, **options))

    return _described(method, request)


class _Transport(Generic[Http]):
    """Shared by both clients: address, key and number of retries."""

    _make_http: type[Http]

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        timeout: float = 60.0,
        retries: int = 3,
        http: Http | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._retries = retries
        self._http: Http = http or self._make_http(timeout=timeout)
        secret = os.environ.get("RAG_KEY", "") if key is None else key
        self._headers = {"Authorization": f"Bearer {secret}"} if secret else {}

    def _request(self, call: Call[Any]) -> dict[str, Any]:
        """The arguments with which httpx sends the request."""
        url = f"{self._url}{call.path}"
        return {"method": call.method, "url": url, "headers": self._headers, **call.send}

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


def _problem_of(response: httpx.Response) -> ServiceProblem:
    """The service's problem document, or the plain response of a proxy in front of it."""
    try:
        problem = response.json()
        detail, hint = str(problem["detail"]), str(problem.get("hint", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        problem, detail, hint = {}, f"HTTP {response.status_code}: {response.text[:200]}", ""
    kind, request_id = str(problem.get("type", "")), response.headers.get("X-Request-ID", "")
    return ServiceProblem(response.status_code, kind, detail, hint, request_id)


class _EventLines:
    """Assembles events from the lines of a stream. Raises ServiceProblem for an `error` event."""

    def __init__(self) -> None:
        self._name = ""

    def take(self, line: str) -> Event | None:
        field, _, content = line.partition(": ")
        if field == "event":
            self._name = content
        if field != "data":
            return None
        data = json.loads(content)
        if self._name == "error":
            hint, request_id = data.get("hint", ""), data.get("request_id", "")
            raise ServiceProblem(data["status"], data["type"], data["detail"], hint, request_id)
        return Event(self._name, data)


class Client(_Transport[httpx.Client], AbstractContextManager["Client"]):
    """Synchronous client. `key` defaults to the variable RAG_KEY. Raises ServiceProblem and
    Unreachable, which are RagErrors.

    Requests refused with 429 or 503 are repeated up to `retries` times.
    """

    _make_http = httpx.Client

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    ask = _method(calls.ask)
    ask_many = _method(calls.ask_many)
    search = _method(calls.search)
    document = _method(calls.document)
    text = _method(calls.text)
    delete = _method(calls.delete)
    check = _method(calls.check)
    grids = _method(calls.grids)
    grid = _method(calls.grid)
    delete_grid = _method(calls.delete_grid)
    rate_cell = _method(calls.rate_cell)
    verify = _method(calls.verify)

    def stream(
        self, question: str, filters: Sequence[str] = (), top_k: int | None = None
    ) -> Iterator[Event]:
        """Ask a question and yield the passages once they are found, citations and the answer."""
        events = _EventLines()
        request = self._request(calls.stream(question, filters, top_k))
        try:
            with self._http.stream(**request) as response:
                if not response.is_success:
                    response.read()
                    raise _problem_of(response)
                for line in response.iter_lines():
                    if event := events.take(line):
                        yield event
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def documents(self) -> Iterator[WireDocument]:
        """All documents in order of id."""
        after: str | None = ""
        while after is not None:
            page = self._send(calls.page(after))
            yield from page.documents
            after = page.next

    def put(self, name: str, content: str | bytes, wait: bool = True) -> Job:
        """Upload a file, replacing one of that name; with `wait`, return when it is ingested."""
        job = self._send(calls.put(name, content))
        return self._ended(job.id) if wait and job.state != "done" else job

    def put_file(self, path: Path, wait: bool = True) -> Job:
        return self.put(path.name, path.read_bytes(), wait)

    def run_grid(self, definition: Mapping[str, Any], wait: bool = True) -> WireGrid:
        """Ask a grid, with the values of a grid file; with `wait`, return when all are asked."""
        started = self._send(calls.run_grid(definition))
        if wait:
            self._ended(started.job)
        return self.grid(started.name)

    def _ended(self, job_id: str) -> Job:
        while (job := self._send(calls.job(job_id))).state != "done":
            time.sleep(_PAUSE)
        return job

    def _send(self, call: Call[T]) -> T:
        for attempt in count():
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = self._http.request(**self._request(call))
            except httpx.TransportError as error:
                outcome = error
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return call.read(outcome.content)
            time.sleep(self._pause(attempt, outcome))
        raise AssertionError("_pause ends the attempts")


class AsyncClient(_Transport[httpx.AsyncClient], AbstractAsyncContextManager["AsyncClient"]):
    """`Client` with coroutines; its methods are documented there."""

    _make_http = httpx.AsyncClient

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        await self._http.aclose()

    ask = _coroutine(calls.ask)
    ask_many = _coroutine(calls.ask_many)
    search = _coroutine(calls.search)
    document = _coroutine(calls.document)
    text = _coroutine(calls.text)
    delete = _coroutine(calls.delete)
    check = _coroutine(calls.check)
    grids = _coroutine(calls.grids)
    grid = _coroutine(calls.grid)
    delete_grid = _coroutine(calls.delete_grid)
    rate_cell = _coroutine(calls.rate_cell)
    verify = _coroutine(calls.verify)

    async def stream(
        self, question: str, filters: Sequence[str] = (), top_k: int | None = None
    ) -> AsyncIterator[Event]:
        events = _EventLines()
        request = self._request(calls.stream(question, filters, top_k))
        try:
            async with self._http.stream(**request) as response:
                if not response.is_success:
                    await response.aread()
                    raise _problem_of(response)
                async for line in response.aiter_lines():
                    if event := events.take(line):
                        yield event
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    async def documents(self) -> AsyncIterator[WireDocument]:
        after: str | None = ""
        while after is not None:
            page = await self._send(calls.page(after))
            for document in page.documents:
                yield document
            after = page.next

    async def put(self, name: str, content: str | bytes, wait: bool = True) -> Job:
        job = await self._send(calls.put(name, content))
        return await self._ended(job.id) if wait and job.state != "done" else job

    async def put_file(self, path: Path, wait: bool = True) -> Job:
        return await self.put(path.name, await asyncio.to_thread(path.read_bytes), wait)

    async def run_grid(self, definition: Mapping[str, Any], wait: bool = True) -> WireGrid:
        started = await self._send(calls.run_grid(definition))
        if wait:
            await self._ended(started.job)
        return await self.grid(started.name)

    async def _ended(self, job_id: str) -> Job:
        while (job := await self._send(calls.job(job_id))).state != "done":
            await asyncio.sleep(_PAUSE)
        return job

    async def _send(self, call: Call[T]) -> T:
        for attempt in count():
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = await self._http.request(**self._request(call))
            except httpx.TransportError as error:
                outcome = error
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return call.read(outcome.content)
            await asyncio.sleep(self._pause(attempt, outcome))
        raise AssertionError("_pause ends the attempts")
