"""Request bodies: their maximum size, spooling to disk, and a limit on the bytes in flight."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from starlette.types import Message, Receive

from rag.server import problems
from rag.server.problems import ServiceError

_IN_MEMORY = 1 << 20
_PIECE = 1 << 16


class Body:
    """A complete body. Up to one mebibyte stays in memory."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115  closed by `close`
        self.size = 0
        self._sent = 0

    def add(self, piece: bytes) -> None:
        self._file.write(piece)
        self.size += len(piece)

    def next(self) -> Message | None:
        """The next ASGI message of the body; None at its end."""
        if self._sent and self._sent >= self.size:
            return None
        if not self._sent:
            self._file.seek(0)
        piece = self._file.read(_PIECE)
        self._sent += max(1, len(piece))
        return {"type": "http.request", "body": piece, "more_body": self._sent < self.size}

    def close(self) -> None:
        self._file.close()


async def receive_body(receive: Receive, given: dict[str, str], limit: int, seconds: float) -> Body:
    """Receive the whole body. Raises ServiceError if it is too large or too slow, or if the client
    disconnects.
    """
    announced(given, limit)
    body = Body()
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise problems.hung_up()
                body.add(message.get("body", b""))
                if body.size > limit:
                    raise _too_large(limit)
                if not message.get("more_body"):
                    return body
    except BaseException as error:
        body.close()
        if isinstance(error, TimeoutError):
            raise ServiceError(
                408,
                "slow-body",
                f"the body did not arrive within {seconds:g} seconds",
                "send smaller requests, or use a faster connection",
            ) from None
        raise


def announced(given: dict[str, str], limit: int) -> int:
    """Announced size of the body in bytes; `limit` without a Content-Length. Raises ServiceError if
    it is too large.
    """
    length = given.get("content-length", str(limit) if "transfer-encoding" in given else "0")
    if not length.isdecimal() or int(length[:20]) > limit:
        raise _too_large(limit)
    return int(length)


def _too_large(limit: int) -> ServiceError:
    return ServiceError(
        413, "too-large", f"the body is larger than {limit:,} bytes", "send smaller requests"
    )


class BytesInFlight:
    """Limits the bytes of bodies being received. Requests over the limit wait before their body is
    read.
    """

    def __init__(self, most: int, seconds: float = 20.0) -> None:
        self._left = most
        self._most = most
        self._seconds = seconds
        self._changed = asyncio.Condition()

    def reserve(self, size: int) -> Reservation:
        """A context manager. Entering it raises ServiceError if there is no room in time."""
        return Reservation(self, min(size, self._most))

    async def take(self, size: int) -> None:
        try:
            async with asyncio.timeout(self._seconds), self._changed:
                await self._changed.wait_for(lambda: self._left >= size)
                self._left -= size
        except TimeoutError:
            raise problems.overloaded(5) from None

    async def give(self, size: int) -> None:
        async with self._changed:
            self._left += size
            self._changed.notify_all()


class Reservation(AbstractAsyncContextManager["Reservation"]):
    """Bytes reserved for one request. `release` frees them early, from any thread."""

    def __init__(self, all: BytesInFlight, size: int) -> None:
        self._all = all
        self._size = size
        self._loop: asyncio.AbstractEventLoop | None = None

    async def __aenter__(self) -> Reservation:
        await self._all.take(self._size)
        self._loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._give()

    async def _give(self) -> None:
        size, self._size = self._size, 0
        if size:
            await self._all.give(size)

    @property
    def release(self) -> Callable[[], object]:
        loop = self._loop
        assert loop is not None
        return lambda: loop.call_soon_threadsafe(lambda: loop.create_task(self._give()))
