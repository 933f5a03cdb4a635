"""Base class and helpers of the ASGI middlewares, which store facts about a request in its scope's
state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HttpLayer(ABC):
    """Middleware for HTTP requests; other scopes pass unchanged."""

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
    """Headers by lower-case name; of repeated headers, the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


def add_headers(message: Message, extra: Mapping[str, str]) -> None:
    """Add headers to the start of a response, except those already present."""
    own = [(bytes(name).lower(), value) for name, value in message.get("headers", [])]
    names = {name for name, _ in own}
    lower = [(name.lower().encode(), value.encode("latin-1")) for name, value in extra.items()]
    message["headers"] = own + [(name, value) for name, value in lower if name not in names]
