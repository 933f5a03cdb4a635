"""The middlewares in front of the application; `rag.server.app` has their order.

Public paths do not use up places of authenticated clients and do not wait for a body.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio.to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.errors import RagError
from rag.server import problems
from rag.server.auth import Access, changes, is_open
from rag.server.collection_paths import split
from rag.server.disconnect import ClientDisconnect
from rag.server.middleware_base import HttpLayer, add_headers, headers
from rag.server.request_bodies import Body, BytesInFlight, announced, receive_body
from rag.server.request_log import RequestLog
from rag.settings.index_folder import DEFAULT_COLLECTION

if TYPE_CHECKING:
    from rag.server.audit import Audit
    from rag.server.collection_host import CollectionHost

_log = logging.getLogger("rag.requests")
_SMALL_BODY = 1 << 20
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


class ResponseHeaders(HttpLayer):
    """Adds the request id, the caller's rate, and security headers to every response."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        super().__init__(app)
        self._access = access

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange: RequestLog = scope["state"]["exchange"]

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                rate = self._access.rate_headers(exchange.key) if exchange.key else {}
                add_headers(message, {**_HEADERS, "X-Request-ID": exchange.request_id, **rate})
            await send(message)

        await self.app(scope, receive, sending)


class ErrorResponses(HttpLayer):
    """Turns errors of the inner layers into problem details (RFC 9457)."""

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange: RequestLog = scope["state"]["exchange"]
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            if not isinstance(error, RagError):
                _log.exception("request %s failed", exchange.request_id)
            elif error.status in (401, 403, 421):  # failed logins must be traceable
                exchange.notes["address"] = _address(scope)
            if not exchange.started:
                made = problems.response(
                    problems.problem_of(error), exchange.request_id, problems.headers_of(error)
                )
                await made(scope, receive, send)


class Authentication(HttpLayer):
    """Checks the key, its scope and its rate, and takes the collection's name off the path."""

    def __init__(self, app: ASGIApp, access: Access, collections: CollectionHost) -> None:
        super().__init__(app)
        self._access = access
        self._collections = collections

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, whole = scope["method"], scope["path"]
        name, path = split(whole)
        key = self._access.who(method, whole, headers(scope))
        scope["state"].update(key=key, collection=name)
        if key:
            exchange: RequestLog = scope["state"]["exchange"]
            exchange.key = key.id
            self._access.admit(key, method, path, await self._id(name))
            disconnect: ClientDisconnect = scope["state"]["disconnect"]
            disconnect.caller, disconnect.charge = key.id, partial(self._access.charge, key)
        if path != whole:
            scope.update(path=path, raw_path=path.encode())
        await self.app(scope, receive, send)

    async def _id(self, name: str) -> str:
        """Id of the requested collection. For a bound key, a forbidden collection and an unknown
        one look the same.
        """
        if name in ("", DEFAULT_COLLECTION):
            return name
        found = await anyio.to_thread.run_sync(self._collections.registry.get, name)
        return found.id if found else "none"


class AuditLog(HttpLayer):
    """Notes each change that succeeded."""

    def __init__(self, app: ASGIApp, audit: Audit) -> None:
        super().__init__(app)
        self._audit = audit

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange: RequestLog = scope["state"]["exchange"]
        method, path = scope["method"], scope["path"]
        await self.app(scope, receive, send)
        if (exchange.change or changes(method, path)) and exchange.status < 400:
            facts = {
                "path": exchange.path,
                **({"change": exchange.change} if exchange.change else {}),
                "key": exchange.key,
                "address": _address(scope),
                "status": exchange.status,
                "request_id": exchange.request_id,
            }
            await anyio.to_thread.run_sync(partial(self._audit.note, method, **facts))


class Concurrency(HttpLayer):
    """Limits the requests in progress; one key may use at most three places in four. Raises
    ServiceError if there is no place.
    """

    def __init__(self, app: ASGIApp, most: int) -> None:
        super().__init__(app)
        self._most = most
        self._running: Counter[str] = Counter()

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if is_open(scope["method"], path):
            await self.app(scope, receive, send)
            return
        with self._place(path, scope["state"]["exchange"].key):
            await self.app(scope, receive, send)

    @contextmanager
    def _place(self, path: str, caller: str) -> Iterator[None]:
        own = self._running[caller] if caller else 0
        full = self._running.total() >= self._most or own >= max(1, self._most * 3 // 4)
        if full and path != "/metrics":
            raise problems.overloaded(1)
        self._running[caller] += 1
        try:
            yield
        finally:
            self._running[caller] -= 1
            if not self._running[caller]:
                del self._running[caller]


class RequestBodies(HttpLayer):
    """Receives the whole body, of at most `most` bytes for an upload, before the application runs,
    and then watches the connection.
    """

    def __init__(self, app: ASGIApp, most: int, seconds: float = 30.0) -> None:
        """`seconds` is the timeout for a body."""
        super().__init__(app)
        self._most = most
        self._seconds = seconds
        self._in_flight = BytesInFlight(2 * most)

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if is_open(scope["method"], scope["path"]):
            with closing(Body()) as body:
                await _watched(self.app, scope, receive, send, body)
            return
        limit = self._most if takes_files(scope["path"]) else min(_SMALL_BODY, self._most)
        given = headers(scope)
        size = announced(given, limit)
        async with self._in_flight.reserve(size if size > _SMALL_BODY else 0) as reservation:
            scope["state"]["release_body"] = reservation.release
            with closing(await receive_body(receive, given, limit, self._seconds)) as body:
                await _watched(self.app, scope, receive, send, body)


class CollectionService(HttpLayer):
    """Puts the collection's service into the request's state; it stays open until the response has
    been sent.
    """

    def __init__(self, app: ASGIApp, collections: CollectionHost) -> None:
        super().__init__(app)
        self._collections = collections

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["state"]["collection"]
        if name in ("", DEFAULT_COLLECTION):
            await self.app(scope, receive, send)
            return
        service = await anyio.to_thread.run_sync(self._collections.enter, name)
        scope["state"]["service"] = service
        try:
            await self.app(scope, receive, send)
        finally:
            self._collections.leave(name, service)


def takes_files(path: str) -> bool:
    """Whether bodies on this path may be as large as an upload."""
    return path == "/v1/documents" or path.startswith("/v1/documents/")


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


async def _watched(app: ASGIApp, scope: Scope, receive: Receive, send: Send, body: Body) -> None:
    """Run the application with a body that has been received, and watch the connection
    meanwhile.
    """
    disconnected = asyncio.Event()

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope["state"]["disconnect"].happen()
        disconnected.set()

    async def replay() -> Message:
        if piece := body.next():
            return piece
        await disconnected.wait()
        return {"type": "http.disconnect"}

    watcher = asyncio.create_task(watch())
    try:
        await app(scope, replay, send)
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
