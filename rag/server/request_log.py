"""Records each request: one log line, metrics and a trace."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.server.auth import Access
from rag.server.caller import Caller
from rag.server.prometheus import Metrics

if TYPE_CHECKING:
    from rag.server.tracing import Spans

_log = logging.getLogger("rag.requests")
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


@dataclass(slots=True)
class RequestLog:
    """A request and its fields in the log. `path` is the full path, with the collection. `change`
    names what it changed if the path does not.
    """

    method: str
    path: str
    request_id: str
    started_at: float = field(default_factory=time.monotonic)
    status: int = 0
    started: bool = False
    key: str = ""
    change: str = ""
    notes: dict[str, object] = field(default_factory=dict)


@dataclass(eq=False)
class HttpLayer(ABC):
    """Middleware for HTTP requests only. Layers share facts in the scope's state."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self.http if scope["type"] == "http" else self.app)(scope, receive, send)

    @abstractmethod
    async def http(self, scope: Scope, receive: Receive, send: Send) -> None: ...


@dataclass(eq=False)
class RequestLogging(HttpLayer):
    """Puts a RequestLog and a Caller into the request's state, adds the request id, the caller's
    rate and security headers to the response, and records the request when it is done.
    """

    access: Access
    metrics: Metrics
    spans: Spans | None

    async def http(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = RequestLog(scope["method"], scope["path"], _request_id(scope))
        scope.setdefault("state", {}).update(
            request_id=exchange.request_id, exchange=exchange, caller=Caller()
        )
        if exchange.method == "HEAD":  # the same headers as GET, without a body (RFC 9110, 9.3.2)
            scope = {**scope, "method": "GET"}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status, exchange.started = message["status"], True
                rate = self.access.rate_headers(exchange.key) if exchange.key else {}
                own = {**_HEADERS, "X-Request-ID": exchange.request_id, **rate}
                response_headers = MutableHeaders(scope=message)
                for name, value in own.items():
                    response_headers.setdefault(name, value)
            elif exchange.method == "HEAD":
                message = {**message, "body": b""}
            with suppress(OSError):  # the client has disconnected
                await send(message)

        try:
            await self.app(scope, receive, sending)
        finally:
            self._note(scope, exchange)

    def _note(self, scope: Scope, exchange: RequestLog) -> None:
        seconds = time.monotonic() - exchange.started_at
        route = getattr(scope.get("route"), "path", None) or "other"
        method = exchange.method if exchange.method in _METHODS else "other"
        self.metrics.request(route, method, exchange.status, seconds)
        line = {
            "request_id": exchange.request_id,
            "method": method,
            "route": route,
            "status": exchange.status,
            "ms": round(seconds * 1000, 1),
            "key": exchange.key,
            **exchange.notes,
        }
        _log.info(json.dumps(line, ensure_ascii=True))
        if self.spans:
            facts = {
                "http.request.method": method,
                "http.route": route,
                "http.response.status_code": exchange.status,
                "rag.request_id": exchange.request_id,
                "rag.key": exchange.key,
            }
            timings = _timings(scope["state"]["caller"])
            self.spans.request(Headers(scope=scope), facts, seconds, timings)


def _timings(caller: Caller) -> list[Mapping[str, float]]:
    """Seconds of each stage, of each batch that answered the client."""
    answers = [
        question.answer.result()
        for question in caller.questions
        if question.answer.done()
        and not question.answer.cancelled()
        and question.answer.exception() is None
    ]
    return list({tuple(answer.timings.items()): answer.timings for answer in answers}.values())


def _request_id(scope: Scope) -> str:
    request_id = Headers(scope=scope).get("x-request-id", "")
    return request_id if _REQUEST_ID.fullmatch(request_id) else uuid.uuid4().hex
