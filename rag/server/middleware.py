"""`RequestGate`, the middleware in front of the application. It checks key, rights, rate and size,
receives the body, and turns errors into responses. For each request it records one log line,
metrics, a trace, and each change that succeeded.

It refuses requests with 503 when too many, or too many bytes of their bodies, are in progress. The
other limits: `auth.Rate` refuses a key with 429. `fair_queue` chooses whose questions
`model_worker` refuses with 503 when its queue is full. `connections` limits how many connections
may be open, and how long a request may take to arrive.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import re
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO, Any

import anyio.to_thread
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.errors import RagError
from rag.server import problems
from rag.server.auth import Access, Right, RouteRights
from rag.server.caller import Caller
from rag.server.collection_host import CollectionHost
from rag.server.collection_paths import DEFAULT_NAMES, split_path
from rag.server.problems import ServiceError
from rag.server.state import DefaultService
from rag.server.telemetry import SpanSender
from rag.server.work import WorkPlaces

_log = logging.getLogger("rag.requests")
_SEARXNG = ("/search", "/v1/search")
_KEY_HEADERS = {"authorization", "x-api-key"}
_SMALL_BODY = 1 << 20
"""Size up to which a body stays in memory and reserves no bytes."""
_PIECE = 1 << 16
_WAIT_SECONDS = 20.0
_BODY_SECONDS = 30.0
_RESPONSE_SECONDS = 1.0
"""Seconds that a large response waits for its bytes, in its place for work."""
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    ),
}
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_EXPOSED = (
    "ETag",
    "Location",
    "Retry-After",
    "X-Request-ID",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
)
"""Headers of responses that pages of allowed origins may read."""


class _Allowance:
    """At most `total` units, and at most `own` for one key; without keys, all are one caller."""

    def __init__(self, total: int, of_one: int) -> None:
        self._most, self.of_one = total, of_one
        self._used: Counter[str] = Counter()

    def fits(self, key_id: str, units: int) -> bool:
        fits_key = not key_id or self._used[key_id] + units <= self.of_one
        return fits_key and self._used.total() + units <= self._most

    def add(self, key_id: str, units: int) -> None:
        self._used[key_id] += units
        if not self._used[key_id]:
            del self._used[key_id]


class Admission:
    """Admits up to `requests` requests at a time, and up to `size` bytes of large bodies, of
    requests and responses. One key gets at most three quarters of the requests and half of the
    bytes. Use it in the event loop.
    """

    def __init__(self, requests: int, size: int, seconds: float = _WAIT_SECONDS) -> None:
        self._requests = _Allowance(requests, max(1, requests * 3 // 4))
        self._bytes = _Allowance(size, size // 2)
        self._seconds = seconds
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def place(self, key_id: str, size: int) -> AsyncIterator[Held]:
        """Reserve a place for a request, and `size` bytes; wait for them if necessary. Raises
        ServiceError at once without a place, or after `seconds` without the bytes.
        """
        if not self._requests.fits(key_id, 1):
            raise problems.overloaded(1)
        held = Held(self, key_id)
        with ExitStack() as stack:
            self._requests.add(key_id, 1)
            stack.callback(self._requests.add, key_id, -1)
            await self.reserve(held, size, self._seconds)
            stack.callback(self.free, held)
            yield held

    async def reserve(self, held: Held, size: int, seconds: float) -> None:
        """Reserve bytes; of more than a key's share, the share. Raises ServiceError after
        `seconds` without them.
        """
        size = min(size, self._bytes.of_one)
        try:
            async with asyncio.timeout(seconds):
                while size and not self._bytes.fits(held.key_id, size):
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            raise problems.overloaded(5) from None
        self._bytes.add(held.key_id, size)
        held.size += size

    def free(self, held: Held) -> None:
        self._bytes.add(held.key_id, -held.size)
        held.size = 0
        self._freed.set()


class Held:
    """The bytes that a request in progress holds. Its methods are for the request's thread."""

    def __init__(self, admission: Admission, key_id: str) -> None:
        self._admission, self._loop = admission, asyncio.get_running_loop()
        self.key_id, self.size = key_id, 0

    def free(self) -> None:
        """Free them before the request ends."""
        self._loop.call_soon_threadsafe(self._admission.free, self)

    def reserve(self, size: int) -> None:
        """Reserve bytes of a large response until it has been sent, however slowly it is read.
        Raises ServiceError without them.
        """
        if size > _SMALL_BODY:
            reserved = self._admission.reserve(self, size, _RESPONSE_SECONDS)
            asyncio.run_coroutine_threadsafe(reserved, self._loop).result(_WAIT_SECONDS)


@dataclass(slots=True)
class RequestLog:
    """A request and its fields in the log. `path` is the full path, with the collection. `change`
    names what it changed if the path does not. `status` is 0 until the response starts.
    """

    method: str
    path: str
    request_id: str
    started_at: float = field(default_factory=time.monotonic)
    status: int = 0
    change: str = ""
    notes: dict[str, object] = field(default_factory=dict)


class RequestGate:
    """Lets requests in: checks key, rights and rate, finds a place and the collection, and receives
    the whole body before the application runs. Errors become problem details (RFC 9457). Puts a
    RequestLog and a Caller into the request's state, and adds the request id, the caller's rate and
    security headers to the response.

    OPEN routes need no place and have no body. `origins` are those whose pages may send requests.
    """

    def __init__(
        self,
        app: ASGIApp,
        service: DefaultService,
        collections: CollectionHost,
        access: Access,
        rights: RouteRights,
        admission: Admission,
        spans: SpanSender | None,
        origins: list[str],
    ) -> None:
        self._app, self._service, self._collections = app, service, collections
        self._access, self._rights, self._admission = access, rights, admission
        self._spans = spans
        self._places = WorkPlaces()
        self._max_upload = service.settings.max_upload_mb << 20
        self._cors = CORSMiddleware(
            self._answer,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "If-Match", "If-None-Match", "X-Request-ID"],
            expose_headers=_EXPOSED,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent_id = Headers(scope=scope).get("x-request-id", "")
        request_id = sent_id if _REQUEST_ID.fullmatch(sent_id) else uuid.uuid4().hex
        exchange = RequestLog(scope["method"], scope["path"], request_id)
        caller = Caller()
        caller.places = self._places
        scope.setdefault("state", {}).update(
            request_id=request_id, exchange=exchange, caller=caller
        )
        if exchange.method == "HEAD":  # the same headers as GET, without a body (RFC 9110, 9.3.2)
            scope = {**scope, "method": "GET"}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                rate = self._access.rate.headers(caller.key_id) if caller.key_id else {}
                headers = {**_HEADERS, "X-Request-ID": request_id, **rate}
                response_headers = MutableHeaders(scope=message)
                for name, value in headers.items():
                    response_headers.setdefault(name, value)
            elif exchange.method == "HEAD":
                message = {**message, "body": b""}
            with suppress(OSError):  # the client has disconnected
                for part in _parts(message):
                    if caller.disconnected and message["type"] == "http.response.body":
                        break
                    await send(part)
                    await asyncio.sleep(0)  # to hear that the client has disconnected

        try:
            await self._cors(scope, receive, sending)
        finally:
            self._note(scope, exchange, caller)

    def _note(self, scope: Scope, exchange: RequestLog, caller: Caller) -> None:
        seconds = time.monotonic() - exchange.started_at
        route = getattr(scope.get("route"), "path", None) or "other"
        method = exchange.method if exchange.method in _METHODS else "other"
        self._service.models.metrics.request(route, method, exchange.status, seconds)
        line = {
            "request_id": exchange.request_id,
            "method": method,
            "route": route,
            "status": exchange.status,
            "ms": round(seconds * 1000, 1),
            "key": caller.key_id,
            **exchange.notes,
        }
        sent = Headers(scope=scope).keys()
        is_wrong_key = exchange.status == 401 and not _KEY_HEADERS.isdisjoint(sent)
        # always shown, so that attempts can be traced
        _log.log(logging.WARNING if is_wrong_key else logging.INFO, json.dumps(line))
        if self._spans:
            facts = {"http.request.method": method, "http.route": route}
            facts |= {"http.response.status_code": exchange.status}
            facts |= {"rag.request_id": exchange.request_id, "rag.key": caller.key_id}
            self._spans.request(Headers(scope=scope), facts, seconds, _timings(caller))

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange: RequestLog = scope["state"]["exchange"]
        try:
            await self._let_in(scope, receive, send)
        except Exception as error:
            if not isinstance(error, RagError):
                _log.exception("request %s failed", exchange.request_id)
            elif error.status in (401, 403, 421):  # failed logins must be traceable
                exchange.notes["address"] = _address(scope)
            if not exchange.status:
                response = await problems.respond(Request(scope), error)
                await response(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["state"]
        request_headers: Mapping[str, str] = Headers(scope=scope)

        if "content-length" in request_headers and "transfer-encoding" in request_headers:
            message = "Content-Length and Transfer-Encoding exclude each other"
            raise ServiceError(400, "malformed", message, "send one of them")

        state["collection"], path = split_path(scope["path"])
        if path != scope["path"]:
            scope.update(path=path, raw_path=path.encode())

        if path in _SEARXNG and scope["method"] == "GET":
            request_headers = _with_bearer(request_headers)

        right = self._rights.needed(scope)
        await self._authorize(scope, right, request_headers)

        if right in (Right.OPEN, Right.OPERATE):
            await _watched(self._app, scope, receive, send, io.BytesIO())
            return

        takes_files = f"{path}/".startswith(("/v1/documents/", "/v1/check/file/"))
        uploads = scope["method"] in ("POST", "PUT") and takes_files
        limit = self._max_upload if uploads else min(_SMALL_BODY, self._max_upload)

        size = _announced_bytes(request_headers, limit)

        body_bytes, key_id = size if size > _SMALL_BODY else 0, state["caller"].key_id
        async with (
            self._admission.place(key_id, body_bytes) as held,
            self._opened_collection(state),
        ):
            state["held"] = held
            with await _receive_body(receive, limit) as body:
                await _watched(self._app, scope, receive, send, body)

        await self._note_change(scope, right)

    async def _authorize(
        self, scope: Scope, right: Right, request_headers: Mapping[str, str]
    ) -> None:
        state, name = scope["state"], scope["state"]["collection"]
        opens_page = scope["path"] == "/"
        key = self._access.who(right, request_headers, opens_page, scope["method"])
        state["key"] = key
        if key is None:
            return
        state["caller"].key_id = key.id
        state["caller"].charge = partial(self._access.rate.charge, key.id)
        if name not in DEFAULT_NAMES:
            name = await anyio.to_thread.run_sync(self._collections.id_of, name)
        self._access.admit(key, right, name)

    @asynccontextmanager
    async def _opened_collection(self, state: dict[str, Any]) -> AsyncIterator[None]:
        """Put the collection's service into the state, open until the response has been sent."""
        with ExitStack() as stack:
            if state["collection"] not in DEFAULT_NAMES:
                opened = self._collections.opened(state["collection"])
                state["service"] = await anyio.to_thread.run_sync(stack.enter_context, opened)
            yield

    async def _note_change(self, scope: Scope, right: Right) -> None:
        exchange: RequestLog = scope["state"]["exchange"]
        changed = exchange.change or (right.writes and scope["method"] != "GET")
        if changed and exchange.status < 400:
            facts = {
                "path": exchange.path,
                **({"change": exchange.change} if exchange.change else {}),
                "key": scope["state"]["caller"].key_id,
                "address": _address(scope),
                "status": exchange.status,
                "request_id": exchange.request_id,
            }
            await anyio.to_thread.run_sync(
                partial(self._service.audit.note, exchange.method, **facts)
            )


def _parts(message: Message) -> Iterator[Message]:
    """The message in parts, so that a connection holds little of a body that is read slowly."""
    body = message.get("body", b"")
    if len(body) <= _PIECE:
        yield message
        return
    for start in range(0, len(body), _PIECE):
        has_more = message.get("more_body", False) or start + _PIECE < len(body)
        yield {**message, "body": body[start : start + _PIECE], "more_body": has_more}


def _with_bearer(request_headers: Mapping[str, str]) -> dict[str, str]:
    """The key as a bearer token. SearXNG's clients send it as X-API-Key, or as the password of the
    address (http://rag:KEY@host/search). Only its GET route takes these: browsers repeat passwords.
    """
    scheme, _, credentials = request_headers.get("authorization", "").partition(" ")
    key = request_headers.get("x-api-key", "")
    if scheme.lower() == "basic":
        with suppress(ValueError):
            key = base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    return {**request_headers, **({"authorization": f"Bearer {key}"} if key else {})}


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


async def _watched(
    app: ASGIApp, scope: Scope, receive: Receive, send: Send, body: IO[bytes]
) -> None:
    """Run the application with a received body, and watch the connection."""
    disconnected, messages = asyncio.Event(), _messages_of(body)

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope["state"]["caller"].disconnect()
        disconnected.set()

    async def replay() -> Message:
        if message := next(messages, None):
            return message
        await disconnected.wait()
        return {"type": "http.disconnect"}

    watcher = asyncio.create_task(watch())
    try:
        await app(scope, replay, send)
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher


def _timings(caller: Caller) -> list[Mapping[str, float]]:
    """Seconds of each stage, of each batch that answered the client."""
    futures = [question.answer for question in caller.questions]
    finished = [one for one in futures if one.done() and not one.cancelled()]
    timings = [one.result().timings for one in finished if one.exception() is None]
    return list({tuple(stages.items()): stages for stages in timings}.values())


async def _receive_body(receive: Receive, limit: int) -> IO[bytes]:
    """Receive the body; a small one stays in memory. Raises ServiceError if it is too large, too
    slow, or cut off.
    """
    body = tempfile.SpooledTemporaryFile(max_size=_SMALL_BODY)  # noqa: SIM115  closed by the caller
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise problems.hung_up()
                body.write(message.get("body", b""))
                if body.tell() > limit:
                    raise _too_large(limit)
                if not message.get("more_body"):
                    return body
    except BaseException as error:
        body.close()
        if isinstance(error, TimeoutError):
            detail = f"the request did not arrive within {_BODY_SECONDS:g} seconds"
            hint = "send less at a time, or use a faster connection"
            raise ServiceError(408, "slow-body", detail, hint) from None
        raise


def _messages_of(body: IO[bytes]) -> Iterator[Message]:
    """The ASGI messages of a whole body; of an empty one, too."""
    size = body.tell()
    body.seek(0)
    has_more = True
    while has_more:
        piece = body.read(_PIECE)
        has_more = body.tell() < size
        yield {"type": "http.request", "body": piece, "more_body": has_more}


def _announced_bytes(headers: Mapping[str, str], limit: int) -> int:
    """Announced bytes, or `limit` without a Content-Length. Raises ServiceError above `limit`."""
    length = headers.get("content-length", str(limit) if "transfer-encoding" in headers else "0")
    if not length.isdecimal() or int(length[:20]) > limit:
        raise _too_large(limit)
    return int(length)


def _too_large(limit: int) -> ServiceError:
    size = f"{limit / 2**20:,.0f} MB" if limit >= 2**20 else f"{limit / 2**10:,.0f} kB"
    hint = "send less at a time"
    if limit > _SMALL_BODY:
        hint = "send smaller files, or start the service with a higher RAG_MAX_UPLOAD_MB"
    return ServiceError(413, "too-large", f"the request is larger than {size}", hint)
