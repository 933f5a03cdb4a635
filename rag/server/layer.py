"""What the ASGI middlewares share. They pass facts about a request on in the state of its scope."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HttpLayer(ABC):
    """Middleware of HTTP requests; other scopes pass."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self.http(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    @abstractmethod
    async def http(self, scope: Scope, receive: Receive, send: Send) -> None: ...


def headers(scope: Scope) -> dict[str, str]:
    """Headers by lower-case name; the last of repeated ones."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def add_headers(message: Message, more: Mapping[str, str]) -> None:
    """Add headers to the start of a response, except those that it has."""
    own = [(bytes(name).lower(), value) for name, value in message.get("headers", [])]
    names = {name for name, _ in own}
    lower = [(name.lower().encode(), value.encode("latin-1")) for name, value in more.items()]
    message["headers"] = own + [(name, value) for name, value in lower if name not in names]
