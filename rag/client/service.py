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
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import rag.client.calls as calls
from rag.client.calls import Call, Event, httpx
from rag.client.transport import PAUSE, EventLines, Transport, problem_of
from rag.server.document_schemas import Job, WireDocument
from rag.server.grid_schemas import WireGrid

P = ParamSpec("P")
T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])


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


class Client(Transport):
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
        super().__init__(url, key, retries)
        self._http = http or httpx.Client(timeout=timeout)

    def __enter__(self) -> Self:
        return self

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
        """Ask a question and yield the passages as soon as they are found, then citations and the
        answer.
        """
        events = EventLines()
        request = self._request(calls.stream(question, filters, top_k))
        try:
            with self._http.stream(**request) as response:
                if not response.is_success:
                    response.read()
                    raise problem_of(response)
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
        """Upload a file, replacing one of the same name; with `wait`, return when it is
        ingested.
        """
        job = self._send(calls.put(name, content))
        return self._ended(job.id) if wait and job.state != "done" else job

    def put_file(self, path: Path, wait: bool = True) -> Job:
        return self.put(path.name, path.read_bytes(), wait)

    def run_grid(self, definition: Mapping[str, Any], wait: bool = True) -> WireGrid:
        """Ask a grid, with the values of a grid file; with `wait`, return when all cells are
        asked.
        """
        started = self._send(calls.run_grid(definition))
        if wait:
            self._ended(started.job)
        return self.grid(started.name)

    def _ended(self, job_id: str) -> Job:
        while (job := self._send(calls.job(job_id))).state != "done":
            time.sleep(PAUSE)
        return job

    def _send(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = self._http.request(**self._request(call))
            except httpx.TransportError as error:
                outcome = error
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return call.read(outcome.content)
            time.sleep(self._pause(attempt, outcome))
            attempt += 1


class AsyncClient(Transport):
    """`Client` with coroutines; its methods are documented there."""

    def __init__(
        self,
        url: str = "http://127.0.0.1:8000",
        key: str | None = None,
        timeout: float = 60.0,
        retries: int = 3,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(url, key, retries)
        self._http = http or httpx.AsyncClient(timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

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
        events = EventLines()
        request = self._request(calls.stream(question, filters, top_k))
        try:
            async with self._http.stream(**request) as response:
                if not response.is_success:
                    await response.aread()
                    raise problem_of(response)
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
            await asyncio.sleep(PAUSE)
        return job

    async def _send(self, call: Call[T]) -> T:
        attempt = 0
        while True:
            outcome: httpx.Response | httpx.TransportError
            try:
                outcome = await self._http.request(**self._request(call))
            except httpx.TransportError as error:
                outcome = error
            if isinstance(outcome, httpx.Response) and outcome.is_success:
                return call.read(outcome.content)
            await asyncio.sleep(self._pause(attempt, outcome))
            attempt += 1
