"""Records each request: one log line, metrics and a trace."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.server.auth import Access
from rag.server.caller import Caller
from rag.server.telemetry import Metrics

if TYPE_CHECKING:
    from rag.server.telemetry import Spans

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
class RequestLogging:
    """Middleware that puts a RequestLog and a Caller into the request's state, adds the request id,
    the caller's rate and security headers to the response, and records the request when it is done.
    """

    app: ASGIApp
    access: Access
    metrics: Metrics
    spans: Spans | None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent_id = Headers(scope=scope).get("x-request-id", "")
        request_id = sent_id if _REQUEST_ID.fullmatch(sent_id) else uuid.uuid4().hex
        exchange = RequestLog(scope["method"], scope["path"], request_id)
        scope.setdefault("state", {}).update(
            request_id=request_id, exchange=exchange, caller=Caller()
        )
        if exchange.method == "HEAD":  # the same headers as GET, without a body (RFC 9110, 9.3.2)
            scope = {**scope, "method": "GET"}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status, exchange.started = message["status"], True
                rate = self.access.rate.headers(exchange.key) if exchange.key else {}
                own = {**_HEADERS, "X-Request-ID": request_id, **rate}
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
        _log.info(json.dumps(line))
        if self.spans:
            facts = {"http.request.method": method, "http.route": route}
            facts |= {"rag.request_id": exchange.request_id, "rag.key": exchange.key}
            facts |= {"http.response.status_code": exchange.status}
            timings = _timings(scope["state"]["caller"])
            self.spans.request(Headers(scope=scope), facts, seconds, timings)


def _timings(caller: Caller) -> list[Mapping[str, float]]:
    """Seconds of each stage, of each batch that answered the client."""
    futures = [question.answer for question in caller.questions]
    finished = [one for one in futures if one.done() and not one.cancelled()]
    timings = [one.result().timings for one in finished if one.exception() is None]
    return list({tuple(stages.items()): stages for stages in timings}.values())
