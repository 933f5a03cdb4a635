"""A client of a running `rag serve`, for programs: typed answers, errors with hints, retries,
streams.

    from rag.client import Client

    with Client("http://127.0.0.1:8000") as rag:
        answer = rag.ask("When was the JCPOA signed?")
        print(answer.answer, [citation.uri for citation in answer.citations])

`AsyncClient` has the same methods, to await. Needs httpx, which the extra `client` brings.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Self, TypeVar
from urllib.parse import quote

from rag.errors import InputError, RagError, install_line
from rag.server.schemas import (
    Claim,
    Deleted,
    Highlight,
    Job,
    WireAnswer,
    WireAnswers,
    WireCitation,
    WireDocument,
    WireDocumentDetail,
    WireDocuments,
    WireHit,
    WireHits,
    WireVerdict,
)

try:
    import httpx
except ModuleNotFoundError as error:
    raise InputError(
        "rag.client needs httpx, which is not installed", f"run: {install_line('client')}"
    ) from error

T = TypeVar("T")
_AGAIN = (429, 503)
"""Statuses of requests that were not taken up, so that they may be sent again."""
_LONGEST_WAIT = 30.0
_PAUSE = 0.5


class ServiceProblem(RagError):
    """What the service answered instead: `status` is HTTP's, `type` the problem's URN."""

    def __init__(self, status: int, type: str, detail: str, hint: str, request_id: str) -> None:
        super().__init__(detail, hint)
        self.status = status
        self.type = type
        self.request_id = request_id


class Unreachable(RagError):
    """No service answers at the address."""


@dataclass(frozen=True, slots=True)
class Event:
    """One of a streamed answer: `name` is search_results, citation, final_answer or done; `data`
    its fields.
    """

    name: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Call(Generic[T]):
    """A request, and what is made of its answer."""

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    send: dict[str, Any] = field(default_factory=dict)


def _options(
    filters: Sequence[str], k: int | None, deadline_ms: int | None = None
) -> dict[str, Any]:
    given = {"filters": list(filters), "k": k, "deadline_ms": deadline_ms}
    return {name: value for name, value in given.items() if value}


def _ask(
    question: str, filters: Sequence[str], k: int | None, deadline_ms: int | None
) -> _Call[WireAnswer]:
    body = {"question": question, **_options(filters, k, deadline_ms)}
    return _Call(
        "POST", "/v1/ask", lambda r: WireAnswer.model_validate_json(r.content), {"json": body}
    )


def _ask_many(
    questions: Sequence[str], filters: Sequence[str], k: int | None
) -> _Call[list[WireAnswer]]:
    body = {"questions": list(questions), **_options(filters, k)}
    return _Call(
        "POST",
        "/v1/ask/batch",
        lambda r: WireAnswers.model_validate_json(r.content).answers,
        {"json": body},
    )


def _search(question: str, filters: Sequence[str], k: int) -> _Call[list[WireHit]]:
    body = {"question": question, **_options(filters, k)}
    return _Call(
        "POST", "/v1/search", lambda r: WireHits.model_validate_json(r.content).hits, {"json": body}
    )


def _page(after: str, limit: int) -> _Call[WireDocuments]:
    given = {"after": after, "limit": limit}
    return _Call(
        "GET",
        "/v1/documents",
        lambda r: WireDocuments.model_validate_json(r.content),
        {"params": given},
    )


def _address(document_id: str) -> str:
    return f"/v1/documents/{quote(document_id)}"


def _document(document_id: str) -> _Call[WireDocumentDetail]:
    return _Call(
        "GET", _address(document_id), lambda r: WireDocumentDetail.model_validate_json(r.content)
    )


def _text(document_id: str) -> _Call[str]:
    return _Call("GET", f"{_address(document_id)}/text", lambda r: r.content.decode())


def _delete(document_id: str) -> _Call[Deleted]:
    return _Call("DELETE", _address(document_id), lambda r: Deleted.model_validate_json(r.content))


def _put(name: str, content: str | bytes) -> _Call[Job]:
    data = content.encode() if isinstance(content, str) else content
    return _Call(
        "POST",
        "/v1/documents",
        lambda r: Job.model_validate_json(r.content),
        {"files": [("file", (name, data))]},
    )


def _job(job_id: str) -> _Call[Job]:
    return _Call(
        "GET", f"/v1/jobs/{quote(job_id, safe='')}", lambda r: Job.model_validate_json(r.content)
    )


def _verify(citation: WireCitation) -> _Call[WireVerdict]:
    highlight = Highlight(**citation.highlight.model_dump())
    claim = Claim(
        document_id=citation.document_id,
        highlight=highlight,
        cited_text=citation.cited_text,
        document_sha256=citation.document_sha256,
    )
    return _Call(
        "POST",
        "/v1/verify",
        lambda r: WireVerdict.model_validate_json(r.content),
        {"json": claim.model_dump()},
    )


class _Shared:
    """What both clients know: the address, the key, how often to try."""

    def __init__(self, url: str, key: str | None, retries: int) -> None:
        self._url = url.rstrip("/")
        self._retries = retries
        given = os.environ.get("RAG_KEY", "") if key is None else key
        self._headers = {"Authorization": f"Bearer {given}"} if given else {}

    def _pause(self, tried: int, response: httpx.Response | None) -> float | None:
        """Seconds to wait before the request is sent again; None where it is not."""
        if tried >= self._retries or (response is not None and response.status_code not in _AGAIN):
            return None
        after = response.headers.get("Retry-After", "") if response is not None else ""
        wanted = float(after) if after.isdecimal() else _PAUSE * 2**tried
        return wanted if wanted <= _LONGEST_WAIT else None

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        return Unreachable(
            f"no service answers at {self._url}: {error or type(error).__name__}",
            "start one: rag serve",
        )


def _problem(response: httpx.Response) -> ServiceProblem:
    """What the service says of a request that failed; a proxy before it may say it in other
    words.
    """
    try:
        problem = response.json()
        detail, hint = str(problem["detail"]), str(problem.get("hint", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        problem, detail, hint = {}, f"HTTP {response.status_code}: {response.text[:200]}", ""
    request_id = response.headers.get("X-Request-ID", "")
    return ServiceProblem(
        response.status_code, str(problem.get("type", "")), detail, hint, request_id
    )


class _Events:
    """Puts the lines of a stream together; raises ServiceProblem at an `error`."""

    def __init__(self) -> None:
        self._name = ""

    def take(self, line: str) -> Event | None:
        if line.startswith("event: "):
            self._name = line.removeprefix("event: ")
            return None
        if not line.startswith("data: "):
            return None
        data = json.loads(line.removeprefix("data: "))
        if self._name == "error":
            raise ServiceProblem(
                data["status"],
                data["type"],
                data["detail"],
                data.get("hint", ""),
                data.get("request_id", ""),
            )
        return Event(self._name, data)


class Client(_Shared):
    """`key` is by default RAG_KEY of the environment. Raises ServiceProblem and Unreachable, both
    RagErrors.

    A request that the service has refused for the moment is sent again up to `retries` times.
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
        k: int | None = None,
        deadline_ms: int | None = None,
    ) -> WireAnswer:
        """The answer, or `answer` None with the `reason`."""
        return self._send(_ask(question, filters, k, deadline_ms))

    def ask_many(
        self, questions: Sequence[str], filters: Sequence[str] = (), k: int | None = None
    ) -> list[WireAnswer]:
        """Up to 64 questions, read together; in their order."""
        return self._send(_ask_many(questions, filters, k))

    def stream(
        self, question: str, filters: Sequence[str] = (), k: int | None = None
    ) -> Iterator[Event]:
        """The passages as soon as they are found, then citations and the answer."""
        body = {"question": question, "stream": True, **_options(filters, k)}
        events = _Events()
        try:
            with self._http.stream(
                "POST", f"{self._url}/v1/ask", json=body, headers=self._headers
            ) as response:
                if not response.is_success:
                    response.read()
                    raise _problem(response)
                for line in response.iter_lines():
                    if event := events.take(line):
                        yield event
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def search(self, question: str, filters: Sequence[str] = (), k: int = 10) -> list[WireHit]:
        """The passages nearest to a question, best first."""
        return self._send(_search(question, filters, k))

    def documents(self) -> Iterator[WireDocument]:
        """All, by id."""
        after: str | None = ""
        while after is not None:
            page = self._send(_page(after, 1000))
            yield from page.documents
            after = page.next

    def document(self, document_id: str) -> WireDocumentDetail:
        return self._send(_document(document_id))

    def text(self, document_id: str) -> str:
        """The document's text, which every offset counts in."""
        return self._send(_text(document_id))

    def put(self, name: str, content: str | bytes, wait: bool = True) -> Job:
        """Put a file in, in place of one under the same name; with `wait` the job is done on
        return.
        """
        job = self._send(_put(name, content))
        while wait and job.state != "done":
            time.sleep(_PAUSE)
            job = self._send(_job(job.id))
        return job

    def put_file(self, path: Path, wait: bool = True) -> Job:
        return self.put(path.name, path.read_bytes(), wait)

    def delete(self, document_id: str) -> Deleted:
        return self._send(_delete(document_id))

    def verify(self, citation: WireCitation) -> WireVerdict:
        """Whether a citation of an answer still stands."""
        return self._send(_verify(citation))

    def _send(self, call: _Call[T]) -> T:
        tried = 0
        while True:
            response, failed = None, httpx.ConnectError("")
            try:
                response = self._http.request(
                    call.method, f"{self._url}{call.path}", headers=self._headers, **call.send
                )
            except httpx.ConnectError as error:
                failed = error
            except httpx.TransportError as error:
                raise self._unreachable(error) from error
            if response is not None and response.is_success:
                return call.read(response)
            pause = self._pause(tried, response)
            if pause is None:
                raise _problem(response) if response is not None else self._unreachable(failed)
            time.sleep(pause)
            tried += 1


class AsyncClient(_Shared):
    """As `Client`, to await."""

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
        k: int | None = None,
        deadline_ms: int | None = None,
    ) -> WireAnswer:
        """The answer, or `answer` None with the `reason`."""
        return await self._send(_ask(question, filters, k, deadline_ms))

    async def ask_many(
        self, questions: Sequence[str], filters: Sequence[str] = (), k: int | None = None
    ) -> list[WireAnswer]:
        """Up to 64 questions, read together; in their order."""
        return await self._send(_ask_many(questions, filters, k))

    async def stream(
        self, question: str, filters: Sequence[str] = (), k: int | None = None
    ) -> AsyncIterator[Event]:
        """The passages as soon as they are found, then citations and the answer."""
        body = {"question": question, "stream": True, **_options(filters, k)}
        events = _Events()
        try:
            async with self._http.stream(
                "POST", f"{self._url}/v1/ask", json=body, headers=self._headers
            ) as response:
                if not response.is_success:
                    await response.aread()
                    raise _problem(response)
                async for line in response.aiter_lines():
                    if event := events.take(line):
                        yield event
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    async def search(
        self, question: str, filters: Sequence[str] = (), k: int = 10
    ) -> list[WireHit]:
        """The passages nearest to a question, best first."""
        return await self._send(_search(question, filters, k))

    async def documents(self) -> AsyncIterator[WireDocument]:
        """All, by id."""
        after: str | None = ""
        while after is not None:
            page = await self._send(_page(after, 1000))
            for document in page.documents:
                yield document
            after = page.next

    async def document(self, document_id: str) -> WireDocumentDetail:
        return await self._send(_document(document_id))

    async def text(self, document_id: str) -> str:
        """The document's text, which every offset counts in."""
        return await self._send(_text(document_id))

    async def put(self, name: str, content: str | bytes, wait: bool = True) -> Job:
        """Put a file in, in place of one under the same name; with `wait` the job is done on
        return.
        """
        job = await self._send(_put(name, content))
        while wait and job.state != "done":
            await asyncio.sleep(_PAUSE)
            job = await self._send(_job(job.id))
        return job

    async def put_file(self, path: Path, wait: bool = True) -> Job:
        return await self.put(path.name, await asyncio.to_thread(path.read_bytes), wait)

    async def delete(self, document_id: str) -> Deleted:
        return await self._send(_delete(document_id))

    async def verify(self, citation: WireCitation) -> WireVerdict:
        """Whether a citation of an answer still stands."""
        return await self._send(_verify(citation))

    async def _send(self, call: _Call[T]) -> T:
        tried = 0
        while True:
            response, failed = None, httpx.ConnectError("")
            try:
                response = await self._http.request(
                    call.method, f"{self._url}{call.path}", headers=self._headers, **call.send
                )
            except httpx.ConnectError as error:
                failed = error
            except httpx.TransportError as error:
                raise self._unreachable(error) from error
            if response is not None and response.is_success:
                return call.read(response)
            pause = self._pause(tried, response)
            if pause is None:
                raise _problem(response) if response is not None else self._unreachable(failed)
            await asyncio.sleep(pause)
            tried += 1
