"""Limits on connections: a timeout for request headers, and a maximum number in all and per
address.

A connection between requests, or whose headers are incomplete, is *waiting*. At the limit, the
connection that has waited longest is closed; only if none is waiting is the new one refused. So a
flood of half-open connections does not lock out clients that send requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

with contextlib.suppress(ImportError):  # Windows has no such limits
    import resource

_log = logging.getLogger(__name__)
_OWN_FILES = 128
"""File handles reserved for the index, the models, uploads and subprocesses."""
_MOST_FILES = 8192
_MOST_BACKLOG = 512
_REFUSED = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain\r\nretry-after: 1\r\n"
    b"content-length: 21\r\nconnection: close\r\n\r\ntoo many connections\n"
)


@dataclass(slots=True)
class Connections:
    """Connections of one service. Addresses in `exempt` have no limit of their own, since this
    machine's processes share one.
    """

    total: int
    per_address: int
    header_seconds: float = 10.0
    exempt: frozenset[str] = frozenset({"127.0.0.1", "::1"})
    waiting: dict[LimitedProtocol, None] = field(default_factory=dict)
    """Ordered by the time at which they began to wait."""
    by_address: Counter[str] = field(default_factory=Counter)

    def admit(self, one: LimitedProtocol) -> bool:
        """Whether a new connection may stay, perhaps after another one was closed."""
        own = self.by_address[one.address]
        if (
            own >= self.per_address
            and one.address not in self.exempt
            and not self._close_oldest(one.address)
        ):
            return False
        if self.by_address.total() >= self.total and not self._close_oldest():
            return False
        self.by_address[one.address] += 1
        return True

    def _close_oldest(self, address: str = "") -> bool:
        oldest = next((one for one in self.waiting if address in ("", one.address)), None)
        if oldest is not None:
            oldest.drop()
        return oldest is not None

    def leave(self, one: LimitedProtocol) -> None:
        self.waiting.pop(one, None)
        self.by_address[one.address] -= 1
        if self.by_address[one.address] <= 0:
            del self.by_address[one.address]


class LimitedProtocol(H11Protocol):
    """uvicorn's HTTP/1.1 protocol with a timeout for headers."""

    def __init__(self, *arguments: Any, connections: Connections, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._all = connections
        self._timer: asyncio.TimerHandle | None = None
        self._admitted = False
        self.address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""
        self._admitted = self._all.admit(self)
        if self._admitted:
            self._wait()
        else:
            transport.write(_REFUSED)
            transport.close()

    def data_received(self, data: bytes) -> None:
        if not self._admitted:
            return
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._timer is None:  # part of the next request has arrived
            self._wait()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._stop_waiting()
        if self.conn.trailing_data[0]:  # part of the next request's headers has already arrived
            self._wait()
        else:
            self._all.waiting[self] = None  # uvicorn's own timer closes idle connections

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close at once, to make room."""
        self._forget()
        self.transport.abort()

    def _wait(self) -> None:
        self._all.waiting[self] = None
        self._timer = self.loop.call_later(self._all.header_seconds, self.drop)

    def _stop_waiting(self) -> None:
        self._all.waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _forget(self) -> None:
        self._stop_waiting()
        if self._admitted:
            self._admitted = False
            self._all.leave(self)


def most_files() -> int:
    """Number of file handles for this process. Raises the soft limit as far as allowed, up to a few
    thousand.
    """
    try:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    except NameError:
        return _MOST_FILES
    wanted = _MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, _MOST_FILES)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft


def limits(
    files: int, most: int, per_address: int, header_seconds: float = 10.0
) -> tuple[Connections, int]:
    """Returns (connections, backlog) for a number of file handles. `most` is the maximum of
    connections.

    asyncio accepts up to a backlog of connections at once, before any can be refused, so both must
    fit.
    """
    backlog = min(_MOST_BACKLOG, max(8, files // 4))
    return Connections(
        max(8, min(most, files - _OWN_FILES - backlog)), per_address, header_seconds
    ), backlog


class AcceptErrors:
    """asyncio error handler that logs accept errors once in a while instead of once per
    connection.
    """

    def __init__(self, every: float = 10.0) -> None:
        self._every = every
        self._said = -every

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "accept" not in context.get("message", ""):
            loop.default_exception_handler(context)
        elif loop.time() - self._said >= self._every:
            self._said = loop.time()
            _log.error(
                "connections cannot be accepted: %s", context.get("exception", context["message"])
            )
