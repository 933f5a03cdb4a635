"""The model threads, shared by all connections. One thread reads questions in batches, another
answers searches, so that a search never waits for a reading.

Background work, the embedding of documents, gets a turn after each batch of readings.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Any, TypeVar

from rag.answering.searcher import Query
from rag.engine import Engine
from rag.errors import InputError, RagError
from rag.server import problems
from rag.server.fair_queue import FairQueue
from rag.server.pending_question import PendingQuestion, QueueLimits
from rag.server.prometheus import Metrics

_log = logging.getLogger(__name__)
_SEARCHES = 4
"""Maximum number of searches per batch, for which the next search waits."""
BATCH_TOKENS = 16_384
"""Maximum batch size of the reader, in word-pieces."""
_WINDOW = 0.003
"""Seconds that the first question of a batch waits for others."""
_BATCH_SECONDS = 1.0
"""Target duration of a batch, for which another caller's question waits. A single question may take
longer.
"""
T = TypeVar("T")


class ModelThread:
    """Answers questions from a bounded queue in batches. The embedder must be thread-safe; the
    reader runs in one thread.
    """

    def __init__(
        self, open_engine: Callable[[], Engine], limits: QueueLimits, metrics: Metrics
    ) -> None:
        """`open_engine` is called in the reading thread, so that the service answers /health while
        models load.
        """
        self._open = open_engine
        self.limits = limits
        self._metrics = metrics
        self._changed = threading.Condition()
        self._queue: FairQueue[PendingQuestion] = FairQueue()
        self._calls: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._closing = False
        self._batch_tokens = BATCH_TOKENS
        self._running = 0
        """Tokens in the current batch."""
        self._seconds_per_token = 0.0
        """Recent reading time per token in seconds; 0 before the first batch."""
        self._thread = threading.Thread(target=self._run, name="models")
        self._searcher = threading.Thread(target=self._search, name="searches")
        self.opened: Future[Engine] = Future()

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """Answer the waiting questions, then stop."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread.ident:  # it was started
            self._thread.join()

    @property
    def depth(self) -> int:
        return len(self._queue)

    def submit(self, works: Sequence[PendingQuestion]) -> None:
        """Queue all items, which belong to one caller, or none. Raises ServiceError if the queue is
        full or closed, or if they cannot be answered before their deadline; InputError if they
        could never fit.
        """
        if len(works) > self.limits.queue:
            message = (
                f"{len(works):,} questions at once exceed the queue limit of {self.limits.queue:,}"
            )
            raise InputError(message, "send fewer at a time, or raise RAG_QUEUE")
        with self._changed:
            if self._closing:
                raise problems.closing()
            self._check_time(works)
            if len(self._queue) + len(works) > self.limits.queue:
                self._queue.prune()
            refused = (
                self._queue.make_room(works[0].caller, len(works), self.limits.queue)
                if works
                else []
            )
            if refused is None:
                raise problems.overloaded(_wait(self._seconds_per_token * self._queue.tokens()))
            for work in refused:
                work.fail(
                    problems.overloaded(_wait(self._seconds_per_token * self._queue.tokens()))
                )
            self._queue.add(works)
            self._changed.notify_all()

    def _check_time(self, works: Sequence[PendingQuestion]) -> None:
        """Refuse at once what cannot be answered in time. Raises ServiceError."""
        readings = [work for work in works if not work.search]
        if not readings:
            return
        ahead = self._queue.ahead(readings[0].caller)
        if not ahead and not self._running:
            return
        # a client with its own deadline accepts a partial answer
        own = (
            0
            if readings[0].client_deadline
            else sum({work.key: work.cost for work in readings}.values())
        )
        late = (
            time.monotonic()
            + self._seconds_per_token * (self._running + ahead + own)
            - max(work.deadline for work in readings)
        )
        if late > 0:
            raise problems.overloaded(_wait(late))

    def call(self, function: Callable[[], T]) -> T:
        """Run a function in this thread, after the current batch."""
        future: Future[T] = Future()
        with self._changed:
            if self._closing:
                raise problems.closing()
            self._calls.append((function, future))
            self._changed.notify_all()
        return future.result()

    def _run(self) -> None:
        try:
            engine = self._open()
        except BaseException as error:
            self.opened.set_exception(error)
            self._drop(error)
            return
        self.opened.set_result(engine)
        self._searcher.start()
        while self._wait():
            if batch := self._take():
                self._time(batch, engine)
            if self._calls:
                _call(*self._calls.popleft())
        self._searcher.join()
        self._drop(problems.closing())

    def _search(self) -> None:
        engine = self.opened.result()
        while works := self._take_searches():
            self._answer_each(works, engine)

    def _drop(self, error: BaseException) -> None:
        with self._changed:
            self._closing = True
            for work in self._queue:
                work.fail(error if isinstance(error, RagError) else problems.closing())
            for _, future in self._calls:
                future.set_exception(problems.closing())
            self._queue.clear()
            self._calls.clear()

    def _wait(self) -> bool:
        """Wait for a reading or a call. Returns False when the service closes."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue.has_readings or self._calls or self._closing)
            return self._queue.has_readings or not self._closing

    def _take_searches(self) -> list[PendingQuestion]:
        """Wait for searches. Returns [] when the service closes."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue.has_searches or self._closing)
            return self._queue.take_searches(_SEARCHES)

    def _take(self) -> list[PendingQuestion]:
        """Wait for the readings of a batch, small enough that the next caller does not wait
        long.
        """
        until = time.monotonic() + _WINDOW
        tokens = self._batch_tokens
        with self._changed:
            while self._queue.has_readings and self._queue.tokens() < tokens and not self._closing:
                if not self._changed.wait(max(0.0, until - time.monotonic())):
                    break
            return self._queue.take_readings(tokens)

    def _time(self, batch: list[PendingQuestion], engine: Engine) -> None:
        started = time.monotonic()
        batch = [work for work in batch if _in_time(work, started)]
        if batch:
            self._running = tokens = sum({work.key: work.cost for work in batch}.values())
            self._answer_each(batch, engine)
            self._running = 0
            if tokens:
                self._learn(tokens, time.monotonic() - started)

    def _answer_each(self, batch: list[PendingQuestion], engine: Engine) -> None:
        """Answer the questions of each collection from its own index; `engine` is the default
        one's.
        """
        now = time.monotonic()
        batch = [work for work in batch if _in_time(work, now)]
        if batch:
            self._metrics.batch(len(batch))
        for own in dict.fromkeys(work.engine for work in batch):
            self._answer([work for work in batch if work.engine is own], own or engine)

    def _learn(self, tokens: int, seconds: float) -> None:
        """Update the reading speed, and from it the batch size for about _BATCH_SECONDS."""
        now, before = seconds / tokens, self._seconds_per_token
        self._seconds_per_token = 0.8 * before + 0.2 * now if before else now
        if seconds > _BATCH_SECONDS:
            self._batch_tokens = max(1, int(tokens * _BATCH_SECONDS / seconds))
        else:
            self._batch_tokens = min(BATCH_TOKENS, 2 * max(tokens, self._batch_tokens))

    def _answer(self, batch: list[PendingQuestion], engine: Engine) -> None:
        """Answer a batch. If it fails, answer each question alone to find the one at fault."""
        try:
            _answer(batch, engine, self._metrics)
        except Exception as error:
            left = [work for work in batch if not work.answer.done()]
            if len(batch) == 1 or isinstance(error, RagError):
                if not isinstance(error, RagError):
                    _log.exception("a question could not be answered")
                for work in left:
                    work.fail(error)
            else:
                for work in left:
                    self._answer([work], engine)


def _answer(batch: Sequence[PendingQuestion], engine: Engine, metrics: Metrics) -> None:
    """Read equal questions of several clients once, except those with their own deadline."""
    started = time.perf_counter()
    asked = list(dict.fromkeys(work.asked for work in batch))
    found = dict(zip(asked, engine.find_many(asked), strict=True))
    timings = {"retrieve": time.perf_counter() - started}
    metrics.stages(timings)
    to_read: dict[tuple[Query, float | None], list[PendingQuestion]] = {}
    for work in batch:
        _give(work.found, found[work.asked])
        if not work.search and (
            work.answer.running() or work.answer.set_running_or_notify_cancel()
        ):
            to_read.setdefault(
                (work.asked, work.deadline if work.client_deadline else None), []
            ).append(work)
    if to_read:
        groups = list(to_read.values())
        timely = [
            replace(works[0].asked, deadline=min(work.deadline for work in works))
            for works in groups
        ]

        def on_progress(row: int) -> None:
            for work in groups[row]:
                work.started.set()

        answers = engine.answer_many(
            timely, [found[works[0].asked] for works in groups], timings, on_progress
        )
        metrics.answers(answers)
        for works, answer in zip(groups, answers, strict=True):
            for work in works:
                work.answer.set_result(answer)


def _give(future: Future[T], value: T) -> None:
    """Set the result unless it is already set or cancelled."""
    if not future.done() and future.set_running_or_notify_cancel():
        future.set_result(value)


def _in_time(work: PendingQuestion, now: float) -> bool:
    if work.wanted and work.deadline <= now:
        work.fail(problems.late())
    return work.wanted and not work.answer.done()


def _wait(seconds: float) -> int:
    """Whole seconds for Retry-After."""
    return max(1, min(60, math.ceil(seconds)))


def _call(function: Callable[[], Any], future: Future[Any]) -> None:
    try:
        future.set_result(function())
    except BaseException as error:
        future.set_exception(error)
