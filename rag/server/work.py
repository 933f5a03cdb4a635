"""Work in the threads of requests: a few pieces at a time, of each key in turn, measured and
charged to the key.

This is one rule for all endpoints. A request's thread reads and checks its body, runs the endpoint
and writes the response, all within `working`. Where it only waits, for the models, a file or a
child process, it gives its place to others: `waiting`. So no endpoint needs limits of its own to be
fair, and none can be forgotten: `WorkRoute` is the class of all routes.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Protocol, TypeVar

import anyio.to_thread
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rag.server import problems
from rag.server.fair_lane import FairLane
from rag.server.problems import ServiceError, is_json

AT_ONCE, OF_ONE_KEY = 3, 1
"""Pieces of work at a time. Python runs one thread at a time, so more would only delay all."""
_PATIENCE = 60.0
"""Seconds that a request waits for its first place."""
MOST_ENTRIES = 30_000
"""Fields and items of a JSON body; a megabyte of kept answers has fewer. Python's lock is held
while a body is read and checked, and each search of others waits for it several times.
"""
T = TypeVar("T")


class WorkPlaces:
    """At most `total` pieces of work at a time, and `own` of one key; without keys, all are one
    caller, which may have all. Those that wait are taken of each key in turn, by their work so far.
    Thread-safe.
    """

    def __init__(self, total: int = AT_ONCE, of_one_key: int = OF_ONE_KEY) -> None:
        self._total, self._own = total, of_one_key
        self._lock = threading.Lock()
        self._lane: FairLane[Future[None]] = FairLane()
        self._running: Counter[str] = Counter()

    def enter(self, key_id: str, seconds: float | None = None) -> None:
        """Wait for a place, at most `seconds`. Raises ServiceError without one."""
        entered: Future[None] = Future()
        with self._lock:
            self._lane.add(key_id, entered)
            self._admit()
        try:
            entered.result(seconds)
        except TimeoutError:
            if entered.cancel():
                raise problems.overloaded(5) from None

    def leave(self, key_id: str, seconds: float) -> None:
        """Give the place back, after so many seconds of work."""
        with self._lock:
            self._running[key_id] -= 1
            self._running += Counter()  # drops zeros
            self._lane.charge(key_id, seconds)
            self._admit()

    def _admit(self) -> None:
        while self._running.total() < self._total:
            keys = [key_id for key_id in self._lane.by_key if self._has_room(key_id)]
            if not keys:
                return
            key_id = self._lane.key_with_least_work(keys)
            entered = self._lane.take(key_id=key_id)
            if entered.set_running_or_notify_cancel():
                self._running[key_id] += 1
                entered.set_result(None)

    def _has_room(self, key_id: str) -> bool:
        return self._running[key_id] < (self._own if key_id else self._total)


class ChargedCaller(Protocol):
    """What `rag.server.caller.Caller` is to its work."""

    key_id: str
    disconnected: bool
    places: WorkPlaces | None
    charge: Callable[[float], object]


class _PieceOfWork:
    """A piece of work in progress, in its thread."""

    def __init__(self, places: WorkPlaces, caller: ChargedCaller) -> None:
        self._places, self._caller = places, caller
        self._started = 0.0

    def enter(self, seconds: float | None = None) -> None:
        self._places.enter(self._caller.key_id, seconds)
        self._started = time.thread_time()

    def leave(self) -> None:
        seconds = time.thread_time() - self._started
        self._places.leave(self._caller.key_id, seconds)
        self._caller.charge(seconds)


_piece: ContextVar[_PieceOfWork | None] = ContextVar("piece", default=None)
"""What this thread works on, if it has a place."""


@contextmanager
def working(caller: ChargedCaller) -> Iterator[None]:
    """Hold a place of the service during this block, and charge its processor time to the caller's
    key. Raises ServiceError if there is no place for long, or nobody waits for the result any more.
    """
    if caller.places is None or _piece.get() is not None:
        yield
        return
    piece = _PieceOfWork(caller.places, caller)
    piece.enter(_PATIENCE)
    token = _piece.set(piece)
    try:
        if caller.disconnected:
            raise problems.hung_up()
        yield
    finally:
        _piece.reset(token)
        piece.leave()


@contextmanager
def waiting() -> Iterator[None]:
    """Give this thread's place to others during this block, in which it does not compute. At its
    end the thread waits for a place again, so it must not hold a lock that others need with theirs.
    """
    piece = _piece.get()
    if piece is None:
        yield
        return
    piece.leave()
    try:
        yield
    finally:
        piece.enter()


def streamed(caller: ChargedCaller, events: Iterator[str]) -> Iterator[str]:
    """The events of a streamed response, each made in a place of its own."""
    while True:
        with working(caller):
            event = next(events, None)
        if event is None:
            return
        yield event


class WorkRoute(APIRoute):
    """A route whose requests run in one thread each, within `working`, from the check of the body
    to the bytes of the response. An `async` endpoint answers prepared bytes: it needs no thread.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        if not iscoroutinefunction(endpoint):
            endpoint = _awaitable(endpoint)
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        if not getattr(self.endpoint, "is_work", False):
            return handler

        async def handle(request: Request) -> Response:
            return await anyio.to_thread.run_sync(_answer, handler, request)

        return handle


def _awaitable(endpoint: Callable[..., T]) -> Callable[..., Coroutine[Any, Any, T]]:
    """The endpoint as FastAPI calls it in this thread; it would run others in another one."""

    @wraps(endpoint)
    async def call(*arguments: Any, **named: Any) -> T:
        return endpoint(*arguments, **named)

    call.is_work = True  # type: ignore[attr-defined]
    return call


def _answer(
    handler: Callable[[Request], Coroutine[Any, Any, Response]], request: Request
) -> Response:
    with working(request.state.caller):
        try:
            if is_json(request):
                check_entries(_result_at_once(request.body()))
            response = _result_at_once(handler(request))
            if held := getattr(request.state, "held", None):
                held.reserve(len(getattr(response, "body", b"")))
            return response
        except (HTTPException, RequestValidationError) as error:
            return _result_at_once(problems.respond(request, error))


def check_entries(body: bytes, limit: int = MOST_ENTRIES) -> None:
    """Raises ServiceError if the JSON has more than so many fields and items, before it is read."""
    if has_more_entries(body, limit):
        message = f"the body has more than {limit:,} fields and items"
        raise ServiceError(413, "too-large", message, "send less at a time")


def has_more_entries(body: bytes, limit: int) -> bool:
    """Whether the JSON has more than so many fields, items, lists and objects, at all depths.

    It searches for a few bytes, in a hundredth of the time that reading the body takes. A list or
    object begins with a bracket and a further entry with a comma; those in strings do not count.
    """
    if _count(body) <= limit:
        return False
    if b"\0" in body:  # in UTF-16 or UTF-32, or no JSON
        return True
    body = body.replace(b"\\\\", b"").replace(b'\\"', b"")  # what remains delimits strings
    if body.count(b'"') > 4 * (limit + 1):  # an entry has a key and a text at most
        return True
    return _count(b"".join(body.split(b'"')[::2])) > limit


def _count(text: bytes) -> int:
    return text.count(b",") + text.count(b"[") + text.count(b"{")


def _result_at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits: its request has been received."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        coroutine.close()
    raise RuntimeError("an endpoint waits for the event loop")
