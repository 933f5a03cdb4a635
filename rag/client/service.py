"""Python client for a running `rag serve`: typed answers, errors with hints, retries and streaming.

    from rag.client import Client

    with Client("http://127.0.0.1:8000") as rag:
        answer = rag.ask("When was the JCPOA signed?")
        print(answer.answer, [citation.uri for citation in answer.citations])

`AsyncClient` has the same methods as coroutines. Needs httpx, from the extra `client`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import rag.client.calls as calls
from rag.client.calls import Event, httpx
from rag.client.transport import PAUSE, EventLines, Transport, problem_of
from rag.server.document_schemas import (
    Deleted,
    Job,
    WireDocument,
    WireDocumentDetail,
)
from rag.server.grid_schemas import WireGrid, WireGridSummary
from rag.server.schemas import (
    WireAnswer,
    WireCitation,
    WireHit,
    WireReport,
    WireVerdict,
)

T = TypeVar("T")


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

    def ask(
        self,
        question: str,
        filters: Sequence[str] = (),
        top_k: int | None = None,
        deadline_ms: int | None = None,
    ) -> WireAnswer:
        """Ask a question. `answer` is None if none was found; `abstention_reason` says why."""
        return self._send(calls.ask(question, filters, top_k, deadline_ms))

    def ask_many(
        self, questions: Sequence[str], filters: Sequence[str] = (), top_k: int | None = None
    ) -> list[WireAnswer]:
        """Ask up to 64 questions, which are read together; answers are in the same order."""
        return self._send(calls.ask_many(questions, filters, top_k)).answers

    def stream(
        self, question: str, filters: Sequence[str] = (), top_k: int | None = None
    ) -> Iterator[Event]:
        """Ask a question and yield the passages as soon as they are found, then citations and the
        answer.
        """
        body = {"question": question, "stream": True, **calls.options(filters, top_k)}
        events = EventLines()
        try:
            with self._http.stream(
                "POST", f"{self._url}/v1/ask", json=body, headers=self._headers
            ) as response:
                if not response.is_success:
                    response.read()
                    raise problem_of(response)
                for line in response.iter_lines():
                    if event := events.take(line):
                        yield event
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def search(self, question: str, filters: Sequence[str] = (), top_k: int = 10) -> list[WireHit]:
        """The `top_k` passages that best match the question, best first."""
        return self._send(calls.search(question, filters, top_k)).hits

    def documents(self) -> Iterator[WireDocument]:
        """All documents in order of id."""
        after: str | None = ""
        while after is not None:
            page = self._send(calls.page(after, 1000))
            yield from page.documents
            after = page.next

    def document(self, document_id: str) -> WireDocumentDetail:
        return self._send(calls.document(document_id))

    def text(self, document_id: str) -> str:
        """The document's text, to which all offsets refer."""
        return self._send(calls.text(document_id))

    def put(self, name: str, content: str | bytes, wait: bool = True) -> Job:
        """Upload a file, replacing one of the same name; with `wait`, return when it is
        ingested.
        """
        job = self._send(calls.put(name, content))
        while wait and job.state != "done":
            time.sleep(PAUSE)
            job = self._send(calls.job(job.id))
        return job

    def put_file(self, path: Path, wait: bool = True) -> Job:
        return self.put(path.name, path.read_bytes(), wait)

    def delete(self, document_id: str) -> Deleted:
        return self._send(calls.delete(document_id))

    def check(
        self, text: str, filters: Sequence[str] = (), sources: Mapping[int, str] | None = None
    ) -> WireReport:
        """Check each sentence and quotation of a text against the documents; `sources` maps its
        [n] marks to document ids.
        """
        return self._send(calls.check(text, filters, sources or {}))

    def run_grid(self, definition: Mapping[str, Any], wait: bool = True) -> WireGrid:
        """Ask a grid, with the values of a grid file; with `wait`, return when all cells are
        asked.
        """
        started = self._send(calls.run_grid(definition))
        while wait and self._send(calls.job(started.job)).state != "done":
            time.sleep(PAUSE)
        return self.grid(started.name)

    def grids(self) -> list[WireGridSummary]:
        """All grids with the states of their cells."""
        return self._send(calls.grids()).grids

    def grid(self, name: str) -> WireGrid:
        """A grid with its cells."""
        return self._send(calls.grid(name))

    def delete_grid(self, name: str) -> None:
        self._send(calls.delete_grid(name))

    def rate_cell(
        self, name: str, row: str, column: str, verdict: str, value: str = ""
    ) -> dict[str, Any]:
        """Say that a cell is "confirmed", "corrected" to `value`, or "rejected"."""
        return self._send(calls.rate_cell(name, row, column, verdict, value))

    def verify(self, citation: WireCitation) -> WireVerdict:
        """Check whether a citation still holds."""
        return self._send(calls.verify(citation))

    def _send(self, call: calls.Call[T]) -> T:
        tried = 0
        while True:
            got: httpx.Response | httpx.ConnectError
            try:
                got = self._http.request(
                    call.method, f"{self._url}{call.path}", headers=self._headers, **call.send
                )
                if got.is_success:
                    return call.read(got.content)
            except httpx.ConnectError as error:
                got = error
            except httpx.TransportError as error:
                raise self._unreachable(error) from error
            time.sleep(self._pause(tried, got))
            tried += 1


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

    async def ask(
        self,
        question: str,
        filters: Sequence[str] = (),
        top_k: int | None = None,
        deadline_ms: int | None = None,
    ) -> WireAnswer:
        return await self._send(calls.ask(question, filters, top_k, deadline_ms))

    async def ask_many(
        self, questions: Sequence[str], filters: Sequence[str] = (), top_k: int | None = None
    ) -> list[WireAnswer]:
        return (await self._send(calls.ask_many(questions, filters, top_k))).answers

    async def stream(
        self, question: str, filters: Sequence[str] = (), top_k: int | None = None
    ) -> AsyncIterator[Event]:
        body = {"question": question, "stream": True, **calls.options(filters, top_k)}
        events = EventLines()
        try:
            async with self._http.stream(
                "POST", f"{self._url}/v1/ask", json=body, headers=self._headers
            ) as response:
                if not response.is_success:
                    await response.aread()
                    raise problem_of(response)
                async for line in response.aiter_lines():
                    if event := events.take(line):
                        yield event
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    async def search(
        self, question: str, filters: Sequence[str] = (), top_k: int = 10
    ) -> list[WireHit]:
        return (await self._send(calls.search(question, filters, top_k))).hits

    async def documents(self) -> AsyncIterator[WireDocument]:
        after: str | None = ""
        while after is not None:
            page = await self._send(calls.page(after, 1000))
            for document in page.documents:
                yield document
            after = page.next

    async def document(self, document_id: str) -> WireDocumentDetail:
        return await self._send(calls.document(document_id))

    async def text(self, document_id: str) -> str:
        return await self._send(calls.text(document_id))

    async def put(self, name: str, content: str | bytes, wait: bool = True) -> Job:
        job = await self._send(calls.put(name, content))
        while wait and job.state != "done":
            await asyncio.sleep(PAUSE)
            job = await self._send(calls.job(job.id))
        return job

    async def put_file(self, path: Path, wait: bool = True) -> Job:
        return await self.put(path.name, await asyncio.to_thread(path.read_bytes), wait)

    async def delete(self, document_id: str) -> Deleted:
        return await self._send(calls.delete(document_id))

    async def check(
        self, text: str, filters: Sequence[str] = (), sources: Mapping[int, str] | None = None
    ) -> WireReport:
        return await self._send(calls.check(text, filters, sources or {}))

    async def run_grid(self, definition: Mapping[str, Any], wait: bool = True) -> WireGrid:
        started = await self._send(calls.run_grid(definition))
        while wait and (await self._send(calls.job(started.job))).state != "done":
            await asyncio.sleep(PAUSE)
        return await self.grid(started.name)

    async def grids(self) -> list[WireGridSummary]:
        return (await self._send(calls.grids())).grids

    async def grid(self, name: str) -> WireGrid:
        return await self._send(calls.grid(name))

    async def delete_grid(self, name: str) -> None:
        await self._send(calls.delete_grid(name))

    async def rate_cell(
        self, name: str, row: str, column: str, verdict: str, value: str = ""
    ) -> dict[str, Any]:
        return await self._send(calls.rate_cell(name, row, column, verdict, value))

    async def verify(self, citation: WireCitation) -> WireVerdict:
        return await self._send(calls.verify(citation))

    async def _send(self, call: calls.Call[T]) -> T:
        tried = 0
        while True:
            got: httpx.Response | httpx.ConnectError
            try:
                got = await self._http.request(
                    call.method, f"{self._url}{call.path}", headers=self._headers, **call.send
                )
                if got.is_success:
                    return call.read(got.content)
            except httpx.ConnectError as error:
                got = error
            except httpx.TransportError as error:
                raise self._unreachable(error) from error
            await asyncio.sleep(self._pause(tried, got))
            tried += 1
