"""`/mcp`: the tools of `rag.server.mcp` over stateless streamable HTTP, for clients of both
protocol versions.

Keys, Host, Origin and body size are checked before, as for every request. The SDK is imported at
the first request, so that it does not slow down the start of a service without agents.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from rag.engine import Engine
from rag.errors import InputError, NotFoundError, install_line
from rag.ingestion.uploads import GRID
from rag.protocols import Store
from rag.render.links import page_link
from rag.server.api_keys import WRITE, Key
from rag.server.auth import Right
from rag.server.ingest_worker import check_names, safe_name
from rag.server.mcp.index_access import IndexAccess
from rag.server.middleware import RequestLog
from rag.server.routes.collection_routes import of_collection
from rag.server.routes.documents import delete_everywhere
from rag.server.state import ServiceLibrary, caller_of, page_for
from rag.server.work import has_more_entries, working
from rag.settings import DEFAULT_COLLECTION
from rag.types import Document

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

PATH = "/mcp"
_WAIT = 20.0
_PARSE_ERROR, _INVALID_REQUEST = -32700, -32600
_MOST_ENTRIES = 5000
"""Fields and items of a message: the SDK checks each in the thread of all requests."""


@dataclass(frozen=True)
class ServedLibrary(ServiceLibrary, IndexAccess):
    """The service's index for one request; `page` as in `page_link`. Changes are noted in
    `exchange` for the audit log, with the `collection` that the call named.
    """

    page: str
    exchange: RequestLog
    collection: str = ""

    @property
    def store(self) -> Store:
        return self.service.engine.store

    @property
    def engine(self) -> Engine:
        return self.service.engine

    def link(self, document_id: str, start: int, end: int) -> str:
        return page_link(self.page, document_id, start, end)

    def address(self, document: Document) -> str:
        return document.uri

    def start_grid(self, name: str) -> str:
        self.exchange.change = f"grid {name}"
        return self.service.jobs.add([(f"{GRID}{name}", b"")], self.caller.key_id)

    def ingest(self, name: str, text: str) -> tuple[str, list[str], str]:
        files = [(safe_name(name), text.encode())]
        check_names(self.store, files)
        number = self.service.jobs.add(files, self.caller.key_id)
        self._note(f"ingest {files[0][0]}")
        job = self.service.jobs.wait(number, _WAIT)
        if job is None or job.state != "done":
            return "waiting", [], "it is stored and will be ingested"
        (file,) = job.files
        if file.outcome == "rejected":
            hint = "send text, with a suffix in the name: notes.md"
            raise InputError(f"{file.name}: {file.detail}", hint)
        return file.outcome, file.document_ids, file.detail

    def delete(self, document_id: str) -> bool:
        with suppress(NotFoundError):
            delete_everywhere(self.service, document_id)
            self._note(f"delete {document_id}")
            return True
        return False

    def _note(self, change: str) -> None:
        self.exchange.change = f"{change} in {self.collection}" if self.collection else change


class McpEndpoint:
    """The ASGI application at `/mcp`. It works inside `running()`."""

    right = Right.READ

    def __init__(self) -> None:
        self._tasks: anyio.abc.TaskGroup | None = None
        self._opening = anyio.Lock()
        self._managers: dict[bool, Any] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            yield
            tasks.cancel_scope.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        refused = await anyio.to_thread.run_sync(_refusal, request, body)
        if refused is not None:
            await refused(scope, receive, send)
            return
        key: Key | None = request.state.key
        # without keys nobody may write: agents should not by default
        manager = await self._manager(key is not None and key.scope == WRITE)
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await manager.handle_request(scope, replay, send)

    async def _manager(self, writes: bool) -> Any:
        """The session manager of the server that may write, or of the one that only reads; started
        when it is first needed. Raises NotFoundError if the SDK is not installed.
        """
        async with self._opening:
            if writes not in self._managers:
                assert self._tasks is not None
                manager = await anyio.to_thread.run_sync(self._make_manager, writes)
                await self._tasks.start(_run, manager)
                self._managers[writes] = manager
            return self._managers[writes]

    def _make_manager(self, writes: bool) -> Any:
        try:
            from mcp.server.transport_security import TransportSecuritySettings

            from rag.server.mcp.server import make_server
        except ModuleNotFoundError as error:
            message = "MCP needs mcp, which is not installed here"
            raise NotFoundError(message, f"run: {install_line('mcp')}") from error
        server = make_server(self._library, writes)
        checked_before = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        server.streamable_http_app(
            stateless_http=True, json_response=True, transport_security=checked_before
        )
        return server.session_manager

    def _library(self, request: Request, collection: str, stack: ExitStack) -> ServedLibrary:
        """Raises ServiceError if the key may not use the collection."""
        name = collection or DEFAULT_COLLECTION
        service = stack.enter_context(of_collection(name, request))
        page = page_for(request, name)
        return ServedLibrary(service, caller_of(request), page, request.state.exchange, collection)


async def _run(manager: Any, *, task_status: TaskStatus[None]) -> None:
    async with manager.run():
        task_status.started()
        await anyio.sleep_forever()


def _refusal(request: Request, body: bytes) -> Response | None:
    """The response to an invalid message, or None. Nothing is there to GET or DELETE."""
    if request.method != "POST":
        return _error(405, _INVALID_REQUEST, "send messages with POST", {"Allow": "POST"})
    with working(caller_of(request)):
        if has_more_entries(body, _MOST_ENTRIES):
            text = f"the message has more than {_MOST_ENTRIES:,} fields and items"
            return _error(400, _INVALID_REQUEST, text)
        try:
            message = json.loads(body)
            # half of a surrogate pair is not valid text
            json.dumps(message, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            return _error(400, _PARSE_ERROR, "the body is not JSON in UTF-8")
    return None


def _error(
    status: int, code: int, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
    return JSONResponse(body, status, headers)
