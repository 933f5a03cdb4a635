"""The layer in front of the application: access, limits, timeouts, and headers of every response.

One ASGI layer, in this order: request id, host and origin, key and scope, rate, concurrency, size
and speed of the body, then the application, watched for a disconnecting client; finally security
headers, metrics and one log line. Public paths do not use up places of authenticated clients and do
not wait for a body.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, MutableMapping
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.errors import RagError
from rag.server import problems
from rag.server.auth import Access, changes, is_open
from rag.server.bodies import Body, BytesInFlight, announced, receive_body
from rag.server.collection_paths import split
from rag.server.cors import Cors, cors_headers
from rag.server.disconnect import ClientDisconnect
from rag.server.prometheus import Metrics
from rag.settings import DEFAULT_COLLECTION

if TYPE_CHECKING:
    from rag.server.api_keys import Key
    from rag.server.audit import Audit
    from rag.server.collection_host import CollectionHost
    from rag.server.tracing import Spans

_log = logging.getLogger("rag.requests")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
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


@dataclass(slots=True)
class RequestLog:
    """A request and what is said of it in the log. `change`: what it changed, where its path does
    not say so.
    """

    method: str
    request_id: str
    begun: float = field(default_factory=time.monotonic)
    status: int = 0
    started: bool = False
    key: str = ""
    origin: str = ""
    change: str = ""
    notes: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """`requests` is the maximum in progress, `body` the maximum of an upload in bytes, `seconds`
    the timeout for a body.
    """

    requests: int
    body: int
    seconds: float = 30.0


class Guard:
    def __init__(
        self,
        app: ASGIApp,
        access: Access,
        bounds: RequestLimits,
        metrics: Metrics,
        cors: Cors,
        collections: CollectionHost,
        audit: Audit,
        spans: Spans | None = None,
    ) -> None:
        self._spans = spans
        self._audit = audit
        self._collections = collections
        self._cors = cors
        self._app = app
        self._access = access
        self._bounds = bounds
        self._metrics = metrics
        self._running: Counter[str] = Counter()
        self._in_flight = BytesInFlight(2 * bounds.body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = RequestLog(scope["method"], _request_id(scope))
        scope.setdefault("state", {}).update(
            request_id=exchange.request_id, exchange=exchange, hangup=ClientDisconnect()
        )
        sender = _sender(send, exchange, self._access)
        if exchange.method == "HEAD":  # the same headers as GET, without a body (RFC 9110, 9.3.2)
            scope = {**scope, "method": "GET"}
        exchange.origin = self._cors.allowed(headers(scope).get("origin", ""))
        try:
            if exchange.origin and exchange.method == "OPTIONS":
                await self._cors.preflight()(scope, receive, sender)
                return
            await self._guarded(scope, receive, sender, exchange)
        except Exception as error:
            if not isinstance(error, RagError):
                _log.exception("request %s failed", exchange.request_id)
            elif error.status in (401, 403, 421):  # failed logins must be traceable
                exchange.notes["address"] = (scope.get("client") or ("",))[0]
            if not exchange.started:
                made = problems.response(
                    problems.problem_of(error), exchange.request_id, problems.headers_of(error)
                )
                await made(scope, receive, sender)
        finally:
            self._note(scope, exchange)

    async def _guarded(
        self, scope: Scope, receive: Receive, send: Send, exchange: RequestLog
    ) -> None:
        method, whole = scope["method"], scope["path"]
        name, path = split(whole)
        key = self._access.who(method, whole, headers(scope))
        scope["state"].update(key=key, collection=name)
        if key:
            exchange.key = key.id
            self._access.admit(key, method, path, await self._id(name, key))
            hangup: ClientDisconnect = scope["state"]["hangup"]
            hangup.caller, hangup.charge = key.id, partial(self._access.charge, key)
        if path != whole:
            scope.update(path=path, raw_path=path.encode())
        if is_open(method, path):
            with closing(Body()) as body:
                await _watched(self._app, scope, receive, send, body)
            return
        with self._place(path, exchange.key):
            limit = self._bounds.body if takes_files(path) else min(_SMALL_BODY, self._bounds.body)
            given = headers(scope)
            size = announced(given, limit)
            async with self._in_flight.reserve(size if size > _SMALL_BODY else 0) as reservation:
                scope["state"]["release_body"] = reservation.release
                body = await receive_body(receive, given, limit, self._bounds.seconds)
                with closing(body):
                    async with self._entered(name, scope):
                        await _watched(self._app, scope, receive, send, body)
        if (exchange.change or changes(method, path)) and exchange.status < 400:
            facts = {
                "path": whole,
                **({"change": exchange.change} if exchange.change else {}),
                "key": exchange.key,
                "address": (scope.get("client") or ("",))[0],
            }
            note = partial(
                self._audit.note,
                method,
                **facts,
                status=exchange.status,
                request_id=exchange.request_id,
            )
            await anyio.to_thread.run_sync(note)

    async def _id(self, name: str, key: Key) -> str:
        """Id of the requested collection. For a bound key, a forbidden collection and an unknown
        one look the same.
        """
        if name in ("", DEFAULT_COLLECTION):
            return name
        found = await anyio.to_thread.run_sync(self._collections.registry.get, name)
        return found.id if found else "none"

    @asynccontextmanager
    async def _entered(self, name: str, scope: Scope) -> AsyncIterator[None]:
        """Put the collection's service into the request's state; it stays open until the response
        has been sent.
        """
        if name in ("", DEFAULT_COLLECTION):
            yield
            return
        service = await anyio.to_thread.run_sync(self._collections.enter, name)
        scope["state"]["service"] = service
        try:
            yield
        finally:
            self._collections.leave(name, service)

    @contextmanager
    def _place(self, path: str, caller: str) -> Iterator[None]:
        """Take one of the places for concurrent requests; one key may use at most three in four.
        Raises ServiceError if there is none.
        """
        own = self._running[caller] if caller else 0
        full = self._running.total() >= self._bounds.requests or own >= max(
            1, self._bounds.requests * 3 // 4
        )
        if full and path != "/metrics":
            raise problems.overloaded(1)
        self._running[caller] += 1
        try:
            yield
        finally:
            self._running[caller] -= 1
            if not self._running[caller]:
                del self._running[caller]

    def _note(self, scope: Scope, exchange: RequestLog) -> None:
        seconds = time.monotonic() - exchange.begun
        route = getattr(scope.get("route"), "path", None) or "other"
        method = exchange.method if exchange.method in _METHODS else "other"
        self._metrics.request(route, method, exchange.status, seconds)
        line = {
            "request_id": exchange.request_id,
            "method": method,
            "route": route,
            "status": exchange.status,
        }
        line |= {"ms": round(seconds * 1000, 1), "key": exchange.key, **exchange.notes}
        _log.info(json.dumps(line, ensure_ascii=True))
        if self._spans:
            facts = {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": exchange.status,
            }
            facts |= {"rag.request_id": exchange.request_id, "rag.key": exchange.key}
            self._spans.request(headers(scope), facts, seconds, _timings(scope["state"]["hangup"]))


def _timings(hangup: ClientDisconnect) -> list[Mapping[str, float]]:
    """Stage timings in seconds of each batch that answered the client; questions of a batch share
    them.
    """
    done = (
        work.answer for work in hangup.works if work.answer.done() and not work.answer.cancelled()
    )
    answers = [future.result() for future in done if future.exception() is None]
    return list({tuple(answer.timings.items()): answer.timings for answer in answers}.values())


def takes_files(path: str) -> bool:
    """Whether bodies on this path may be as large as an upload."""
    return path == "/v1/documents" or path.startswith("/v1/documents/")


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def headers(scope: Scope) -> dict[str, str]:
    """Headers by lower-case name; the last of repeated ones."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _request_id(scope: Scope) -> str:
    given = headers(scope).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _sender(send: Send, exchange: RequestLog, access: Access) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status, exchange.started = message["status"], True
            more = cors_headers(exchange.origin) if exchange.origin else {}
            more |= {
                "X-Request-ID": exchange.request_id,
                **(access.rate_headers(exchange.key) if exchange.key else {}),
            }
            message["headers"] = _with_headers(message, more)
        elif exchange.method == "HEAD":
            message = {**message, "body": b""}
        with suppress(OSError):  # the client has disconnected
            await send(message)

    return sending


def _with_headers(
    message: MutableMapping[str, Any], more: Mapping[str, str]
) -> list[tuple[bytes, bytes]]:
    own = [(bytes(name).lower(), value) for name, value in message.get("headers", [])]
    names = {name for name, _ in own}
    added = {**_HEADERS, **more}
    lower = [(name.lower().encode(), value.encode("latin-1")) for name, value in added.items()]
    return own + [(name, value) for name, value in lower if name not in names]


async def _watched(app: ASGIApp, scope: Scope, receive: Receive, send: Send, body: Body) -> None:
    """Run the application with a body that has been received, and watch the connection
    meanwhile.
    """
    gone = asyncio.Event()

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope["state"]["hangup"].happen()
        gone.set()

    async def replay() -> Message:
        if piece := body.next():
            return piece
        await gone.wait()
        return {"type": "http.disconnect"}

    watcher = asyncio.create_task(watch())
    try:
        await app(scope, replay, send)
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
