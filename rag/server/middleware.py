"""`RequestGate`, the middleware in front of the application: it checks key, rights, rate and size,
receives the body, and turns errors into responses. `rag.server.app` has the order of middlewares.
"""

from __future__ import annotations

import asyncio
import base64
import io
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag.errors import RagError
from rag.server import problems
from rag.server.admission import SMALL_BODY, Admission, announced, messages_of, receive_body
from rag.server.auth import Access, Right, RouteRights
from rag.server.collection_paths import NEAR, split
from rag.server.problems import ServiceError
from rag.server.request_log import RequestLog

if TYPE_CHECKING:
    from rag.server.collection_host import CollectionHost
    from rag.server.owner_files import Audit

_log = logging.getLogger("rag.requests")
_SEARXNG = ("/search", "/v1/search")


@dataclass(eq=False)
class RequestGate:
    """Lets requests in: checks key, rights and rate, finds a place and the collection, and receives
    the whole body before the application runs. Records each change that succeeded. Errors become
    problem details (RFC 9457).

    `max_upload` is in bytes. OPEN routes need no place and have no body.
    """

    app: ASGIApp
    access: Access
    rights: RouteRights
    collections: CollectionHost
    admission: Admission
    audit: Audit
    max_upload: int

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange: RequestLog = scope["state"]["exchange"]
        try:
            await self._let_in(scope, receive, send)
        except Exception as error:
            if not isinstance(error, RagError):
                _log.exception("request %s failed", exchange.request_id)
            elif error.status in (401, 403, 421):  # failed logins must be traceable
                exchange.notes["address"] = _address(scope)
            if not exchange.started:
                response = await problems.respond(Request(scope), error)
                await response(scope, receive, send)

    async def _let_in(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["state"]
        request_headers: Mapping[str, str] = Headers(scope=scope)
        if "content-length" in request_headers and "transfer-encoding" in request_headers:
            message = "Content-Length and Transfer-Encoding exclude each other"
            raise ServiceError(400, "malformed", message, "send one of them")
        state["collection"], path = split(scope["path"])
        if path != scope["path"]:
            scope.update(path=path, raw_path=path.encode())
        if path in _SEARXNG and scope["method"] == "GET":
            request_headers = _with_bearer(request_headers)
        right = self.rights.needed(scope)
        await self._authorize(scope, right, request_headers)
        if right in (Right.OPEN, Right.OPERATE):
            await _watched(self.app, scope, receive, send, io.BytesIO())
            return
        limit = self._limit(scope["method"], path)
        size = announced(request_headers, limit)
        async with (
            self.admission.place(state["caller"].key_id, size if size > SMALL_BODY else 0) as free,
            self._service(state),
        ):
            state["release_body"] = free
            with await receive_body(receive, limit) as body:
                await _watched(self.app, scope, receive, send, body)
        await self._note_change(scope, right)

    async def _authorize(
        self, scope: Scope, right: Right, request_headers: Mapping[str, str]
    ) -> None:
        state, name = scope["state"], scope["state"]["collection"]
        opens_page = scope["path"] == "/"
        key = self.access.who(right, request_headers, opens_page, scope["method"])
        state["key"] = key
        if key is None:
            return
        state["exchange"].key = state["caller"].key_id = key.id
        state["caller"].charge = partial(self.access.rate.charge, key.id)
        if name not in NEAR:
            name = await anyio.to_thread.run_sync(self.collections.id_of, name)
        self.access.admit(key, right, name)

    def _limit(self, method: str, path: str) -> int:
        """Maximum size of a body: that of an upload only where one can be."""
        uploads = path == "/v1/documents" or path.startswith("/v1/documents/")
        large = uploads and method in ("POST", "PUT")
        return self.max_upload if large else min(SMALL_BODY, self.max_upload)

    @asynccontextmanager
    async def _service(self, state: dict[str, Any]) -> AsyncIterator[None]:
        """Put the collection's service into the state, open until the response has been sent."""
        with ExitStack() as stack:
            if state["collection"] not in NEAR:
                opened = self.collections.opened(state["collection"])
                state["service"] = await anyio.to_thread.run_sync(stack.enter_context, opened)
            yield

    async def _note_change(self, scope: Scope, right: Right) -> None:
        exchange: RequestLog = scope["state"]["exchange"]
        changed = exchange.change or (right.writes and scope["method"] != "GET")
        if changed and exchange.status < 400:
            facts = {
                "path": exchange.path,
                **({"change": exchange.change} if exchange.change else {}),
                "key": exchange.key,
                "address": _address(scope),
                "status": exchange.status,
                "request_id": exchange.request_id,
            }
            await anyio.to_thread.run_sync(partial(self.audit.note, exchange.method, **facts))


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
    disconnected, messages = asyncio.Event(), messages_of(body)

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
