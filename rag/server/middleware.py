"""What stands before the application: who may ask, how much, how fast and for how long; and what every answer carries.

One ASGI layer, in this order: request id, host and origin, key and scope, rate, how many run, size and speed of the body, then
the application, watched for a client that hangs up; at the end security headers, metrics and one line of log. What anyone may
get without a key takes no place of those who have one, and waits for no body.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.errors import RagError
from rag.server import problems
from rag.server.auth import Access, is_open
from rag.server.metrics import Metrics
from rag.server.problems import ServiceError

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
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
}


class Hangup:
    """That the client is gone: what is to be done then, told by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._then: list[Callable[[], object]] = []
        self.happened = False

    def then(self, call: Callable[[], object]) -> None:
        with self._lock:
            self._then.append(call)
            happened = self.happened
        if happened:
            call()

    def happen(self) -> None:
        with self._lock:
            self.happened, calls = True, list(self._then)
        for call in calls:
            call()


@dataclass(slots=True)
class Exchange:
    """A request and what is said of it in the log."""

    method: str
    request_id: str
    begun: float = field(default_factory=time.monotonic)
    status: int = 0
    started: bool = False
    key: str = ""
    notes: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Bounds:
    """`requests`: most at a time; `body`: bytes of an upload; `seconds`: in which a body must have come."""

    requests: int
    body: int
    seconds: float = 30.0


class Guard:
    def __init__(self, app: ASGIApp, access: Access, bounds: Bounds, metrics: Metrics) -> None:
        self._app = app
        self._access = access
        self._bounds = bounds
        self._metrics = metrics
        self._running = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = Exchange(scope["method"], _request_id(scope))
        scope.setdefault("state", {}).update(request_id=exchange.request_id, exchange=exchange, hangup=Hangup())
        sender = _sender(send, exchange)
        if exchange.method == "HEAD":  # all that GET would say but the body (RFC 9110, 9.3.2)
            scope = {**scope, "method": "GET"}
        try:
            await self._guarded(scope, receive, sender, exchange)
        except Exception as error:
            if not isinstance(error, RagError):
                _log.exception("request %s failed", exchange.request_id)
            if not exchange.started:
                made = problems.response(problems.problem_of(error), exchange.request_id, problems.headers_of(error))
                await made(scope, receive, sender)
        finally:
            self._note(scope, exchange)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange) -> None:
        method, path = scope["method"], scope["path"]
        key = self._access.who(method, path, headers(scope))
        if key:
            exchange.key = key.id
            self._access.admit(key, method, path)
        if is_open(method, path):
            await _watched(self._app, scope, receive, send, b"")
            return
        with self._place(path):
            limit = self._bounds.body if path == "/v1/documents" else min(_SMALL_BODY, self._bounds.body)
            body = await _body(receive, headers(scope), limit, self._bounds.seconds)
            await _watched(self._app, scope, receive, send, body)

    @contextmanager
    def _place(self, path: str) -> Iterator[None]:
        """One of those that may run at a time. Raises ServiceError if there is none."""
        if self._running >= self._bounds.requests and path != "/metrics":
            raise problems.overloaded(1)
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    def _note(self, scope: Scope, exchange: Exchange) -> None:
        seconds = time.monotonic() - exchange.begun
        route = getattr(scope.get("route"), "path", None) or "other"
        method = exchange.method if exchange.method in _METHODS else "other"
        self._metrics.request(route, method, exchange.status, seconds)
        line = {"request_id": exchange.request_id, "method": method, "route": route, "status": exchange.status}
        line |= {"ms": round(seconds * 1000, 1), "key": exchange.key, **exchange.notes}
        _log.info(json.dumps(line, ensure_ascii=True))


_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


def headers(scope: Scope) -> dict[str, str]:
    """By lower-case name; of a repeated one the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def _request_id(scope: Scope) -> str:
    given = headers(scope).get("x-request-id", "")
    return given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex


def _sender(send: Send, exchange: Exchange) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            exchange.status, exchange.started = message["status"], True
            message["headers"] = _with_headers(message, exchange.request_id)
        elif exchange.method == "HEAD":
            message = {**message, "body": b""}
        with suppress(OSError):  # the client is gone
            await send(message)

    return sending


def _with_headers(message: MutableMapping[str, Any], request_id: str) -> list[tuple[bytes, bytes]]:
    own = [(bytes(name).lower(), value) for name, value in message.get("headers", [])]
    names = {name for name, _ in own}
    added = {**_HEADERS, "X-Request-ID": request_id}
    lower = [(name.lower().encode(), value.encode("latin-1")) for name, value in added.items()]
    return own + [(name, value) for name, value in lower if name not in names]


async def _body(receive: Receive, given: dict[str, str], limit: int, seconds: float) -> bytes:
    """The whole body. Raises ServiceError if it is too large, too slow, or the client is gone."""
    length = given.get("content-length", "0")
    if not length.isdecimal() or int(length[:20]) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise problems.hung_up()
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
                if size > limit:
                    raise _too_large(limit)
                if not message.get("more_body"):
                    return b"".join(chunks)
    except TimeoutError:
        raise ServiceError(408, "slow-body", f"the body did not come within {seconds:g} seconds", "send it faster") from None


def _too_large(limit: int) -> ServiceError:
    return ServiceError(413, "too-large", f"the body is larger than {limit:,} bytes", "send less at a time")


async def _watched(app: ASGIApp, scope: Scope, receive: Receive, send: Send, body: bytes) -> None:
    """Run the application on a body that is there already, and watch the connection meanwhile."""
    gone = asyncio.Event()

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope["state"]["hangup"].happen()
        gone.set()

    left = [body]

    async def replay() -> Message:
        if left:
            return {"type": "http.request", "body": left.pop(), "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    watcher = asyncio.create_task(watch())
    try:
        await app(scope, replay, send)
    finally:
        watcher.cancel()
        with suppress(asyncio.CancelledError):
            await watcher
