"""Connections: how long a client may take to send a request, and how many there may be.

A connection without a request in progress is *waiting*. It is closed after some seconds, and at the
maximum the one that has waited longest makes room, so half-open connections lock nobody out. This
includes TLS handshakes, which uvicorn itself would neither count nor end for a minute. Only
uvicorn's documented hooks are used: a protocol class, `asyncio.Protocol`'s methods, and ASGI.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import Counter
from functools import partial
from typing import Any, cast

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.h11_impl import H11Protocol

with contextlib.suppress(ImportError):  # Windows has no such limits
    import resource

HEADER_SECONDS = 10.0
MOST_CONNECTIONS = 1000
_OWN_FILES = 128
"""File handles reserved for the index, the models, uploads and subprocesses."""
_MOST_FILES = 8192
_MOST_BACKLOG = 512
Address = tuple[str, int]


class Connections:
    """An ASGI application around `app` that knows which of at most `most` connections are waiting.

    A client has `seconds` for the handshake if there is `tls`, as long for the headers of its first
    request, and twice as long after a response.
    """

    def __init__(
        self, app: ASGIApp, limit: int, seconds: float, tls: ssl.SSLContext | None = None
    ) -> None:
        # inside, since it changes the address; uvicorn has types of its own for ASGI
        self._app: Any = ProxyHeadersMiddleware(cast(Any, app))
        self._most = limit
        self._seconds = seconds
        self._tls = tls
        self._open: dict[Address, asyncio.BaseTransport] = {}
        self._requests: Counter[Address] = Counter()
        self._waiting: dict[Address, asyncio.TimerHandle] = {}
        """Timers that close the waiting connections; the longest waiting first."""

    @property
    def protocol(self) -> Any:
        """uvicorn's protocol, as its option `http`."""
        counted = partial(_CountedProtocol, connections=self)
        return counted if self._tls is None else partial(_TlsProtocol, counted, self, self._tls)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address = tuple(scope["client"] or ("", 0))  # None if it is closed already
        self._requests[address] += 1
        self._stop_waiting(address)
        try:
            await self._app(scope, receive, send)
        finally:
            self._requests[address] -= 1
            if not self._requests[address]:  # with pipelining, the next one may have begun
                del self._requests[address]
                self._wait(address, 2 * self._seconds)

    def add(self, address: Address, transport: asyncio.BaseTransport) -> None:
        """A new connection, for which the longest waiting one may have to be closed; if all have
        requests in progress, the new one is closed. Also the transport after its TLS handshake.
        """
        self._open[address] = transport
        if len(self._open) > self._most:
            self._close(next(iter(self._waiting), address))
        self._wait(address, self._seconds)

    def remove(self, address: Address) -> None:
        self._open.pop(address, None)
        self._stop_waiting(address)

    def _wait(self, address: Address, seconds: float) -> None:
        self._stop_waiting(address)
        if address in self._open:
            loop = asyncio.get_running_loop()
            self._waiting[address] = loop.call_later(seconds, self._close, address)

    def _stop_waiting(self, address: Address) -> None:
        if timer := self._waiting.pop(address, None):
            timer.cancel()

    def _close(self, address: Address) -> None:
        transport = self._open[address]
        self.remove(address)
        assert isinstance(transport, asyncio.WriteTransport)
        transport.abort()


class _CountedProtocol(H11Protocol):
    def __init__(self, *arguments: Any, connections: Connections, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._connections = connections
        self._address: Address = ("", 0)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = _address_of(transport)
        self._connections.add(self._address, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self._address)
        super().connection_lost(exc)


class _TlsProtocol(asyncio.Protocol):
    """Makes the TLS handshake of a connection that is counted already, for uvicorn's protocol."""

    def __init__(
        self,
        protocol: Any,
        connections: Connections,
        tls: ssl.SSLContext,
        *arguments: Any,
        **kw: Any,
    ) -> None:
        self._plain: _CountedProtocol = protocol(*arguments, **kw)
        self._connections = connections
        self._tls = tls
        self._early = bytearray()
        """Data that arrived with the end of the handshake."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.pause_reading()  # what arrives is for the handshake
        self._address = _address_of(transport)
        self._connections.add(self._address, transport)
        self._handshake = asyncio.create_task(self._shake_hands(transport))

    def data_received(self, data: bytes) -> None:
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.remove(self._address)

    async def _shake_hands(self, transport: asyncio.Transport) -> None:
        loop, secure = asyncio.get_running_loop(), None
        with contextlib.suppress(OSError):  # ssl.SSLError is one
            secure = await loop.start_tls(transport, self, self._tls, server_side=True)
        if secure is None or secure.is_closing():
            self._connections.remove(self._address)
            return
        secure.set_protocol(self._plain)
        self._plain.connection_made(secure)
        if self._early:
            self._plain.data_received(bytes(self._early))


def _address_of(transport: asyncio.BaseTransport) -> Address:
    host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
    return str(host), int(port)


def most_files() -> int:
    """File handles of this process, after raising the soft limit to at most a few thousand."""
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    except NameError:
        return _MOST_FILES
    target = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < target:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
        except (OSError, ValueError):
            return soft
    return target


def limits(files: int) -> tuple[int, int]:
    """(connections, backlog) for a number of file handles. asyncio accepts up to a backlog of
    connections before any can be closed, so both must fit.
    """
    backlog = min(_MOST_BACKLOG, max(8, files // 4))
    return max(8, min(MOST_CONNECTIONS, files - _OWN_FILES - backlog)), backlog
