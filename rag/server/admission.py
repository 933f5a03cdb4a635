"""Refuses requests with 503 when too many, or too many bytes of their bodies, are in progress.

The other limits: `auth.Rate` refuses a key with 429; `fair_queue` chooses whose questions
`model_worker` refuses with 503 when its queue is full; `connections` limits how many connections
may be open, and how long a request may take to arrive.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from typing import IO

from starlette.types import Message, Receive

from rag.server import problems
from rag.server.problems import ServiceError

SMALL_BODY = 1 << 20
"""Size up to which a body stays in memory and reserves no bytes."""
_PIECE = 1 << 16
_WAIT_SECONDS = 20.0
_BODY_SECONDS = 30.0


class _Share:
    """At most `total` units, and at most `own` for one key; without keys, all are one caller."""

    def __init__(self, total: int, own: int) -> None:
        self._most, self._own = total, own
        self._used: Counter[str] = Counter()

    def fits(self, key_id: str, units: int) -> bool:
        own = not key_id or self._used[key_id] + units <= self._own
        return own and self._used.total() + units <= self._most

    def add(self, key_id: str, units: int) -> None:
        self._used[key_id] += units
        if not self._used[key_id]:
            del self._used[key_id]


class Admission:
    """Room for `requests` requests, of which one key may have three quarters, and for `size` bytes
    of large bodies, of which it may have half. To be used in the event loop.
    """

    def __init__(self, requests: int, size: int, seconds: float = _WAIT_SECONDS) -> None:
        self._requests = _Share(requests, max(1, requests * 3 // 4))
        self._bytes = _Share(size, size // 2)
        self._seconds = seconds
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def place(self, key_id: str, size: int) -> AsyncIterator[Callable[[], object]]:
        """Reserve a place for a request, and `size` bytes; wait for them if necessary. Raises
        ServiceError at once without a place, or after `seconds` without the bytes.

        Yields a function that frees the bytes early, from any thread.
        """
        if not self._requests.fits(key_id, 1):
            raise problems.overloaded(1)
        with ExitStack() as stack:
            self._requests.add(key_id, 1)
            stack.callback(self._requests.add, key_id, -1)
            await self._take(key_id, size)
            reserved = [size]

            def free() -> None:
                if reserved:
                    self._bytes.add(key_id, -reserved.pop())
                    self._freed.set()

            stack.callback(free)
            yield partial(asyncio.get_running_loop().call_soon_threadsafe, free)

    async def _take(self, key_id: str, size: int) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                while size and not self._bytes.fits(key_id, size):
                    self._freed.clear()
                    await self._freed.wait()
        except TimeoutError:
            raise problems.overloaded(5) from None
        self._bytes.add(key_id, size)


async def receive_body(receive: Receive, limit: int) -> IO[bytes]:
    """Receive the body; a small one stays in memory. Raises ServiceError if it is too large, too
    slow, or cut off.
    """
    body = tempfile.SpooledTemporaryFile(max_size=SMALL_BODY)  # noqa: SIM115  closed by the caller
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise problems.hung_up()
                body.write(message.get("body", b""))
                if body.tell() > limit:
                    raise _too_large(limit)
                if not message.get("more_body"):
                    return body
    except BaseException as error:
        body.close()
        if isinstance(error, TimeoutError):
            detail = f"the request did not arrive within {_BODY_SECONDS:g} seconds"
            hint = "send less at a time, or use a faster connection"
            raise ServiceError(408, "slow-body", detail, hint) from None
        raise


def messages_of(body: IO[bytes]) -> Iterator[Message]:
    """The ASGI messages of a whole body; of an empty one, too."""
    size = body.tell()
    body.seek(0)
    more = True
    while more:
        piece = body.read(_PIECE)
        more = body.tell() < size
        yield {"type": "http.request", "body": piece, "more_body": more}


def announced(headers: Mapping[str, str], limit: int) -> int:
    """Announced bytes, or `limit` without a Content-Length. Raises ServiceError above `limit`."""
    length = headers.get("content-length", str(limit) if "transfer-encoding" in headers else "0")
    if not length.isdecimal() or int(length[:20]) > limit:
        raise _too_large(limit)
    return int(length)


def _too_large(limit: int) -> ServiceError:
    size = f"{limit / 2**20:,.0f} MB" if limit >= 2**20 else f"{limit / 2**10:,.0f} kB"
    hint = "send less at a time"
    if limit > SMALL_BODY:
        hint = "send smaller files, or start the service with a higher RAG_MAX_UPLOAD_MB"
    return ServiceError(413, "too-large", f"the request is larger than {size}", hint)
