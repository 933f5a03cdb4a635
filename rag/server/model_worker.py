"""The model threads, shared by all connections. One thread reads questions in batches, another
answers searches, so that a search never waits for a reading.

Background work, the embedding of documents, gets a turn after each batch of readings.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from rag.engine import Engine
from rag.errors import InputError, RagError
from rag.query import Query
from rag.server import problems
from rag.server.caller import Caller, PendingQuestion
from rag.server.fair_lane import FairLane
from rag.server.fair_queue import FairQueue
from rag.server.telemetry import Metrics
from rag.server.work import waiting

_log = logging.getLogger(__name__)
_SEARCHES = 2
"""Maximum number of searches per batch: each waits until the whole batch is done."""
BATCH_PASSAGES = 85
"""Maximum number of passages per batch."""
_WINDOW = 0.003
"""Seconds that the first question of a batch waits for others."""
_BATCH_SECONDS = 1.0
"""Target duration of a batch, for which other keys wait. One question may take longer."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Call:
    """Background work of a caller, such as a check or an embedding."""

    function: Callable[[], Any]
    caller: Caller
    result: Future[Any]


class ModelThread:
    """Answers questions from a bounded queue in batches. The embedder must be thread-safe; the
    reader runs in one thread. The seconds that each question takes are charged to its key.
    """

    def __init__(
        self,
        open_engine: Callable[[], Engine],
        on_failure: Callable[[BaseException], object],
        queue: int,
    ) -> None:
        """`open_engine` is called in the reading thread, so that the service answers /health while
        models load, and `on_failure` if it fails. `queue` is the maximum number of waiting
        questions.
        """
        self._open = open_engine
        self._on_failure = on_failure
        self._most_waiting = queue
        self.metrics = Metrics()
        self.charge: Callable[[str, float], object] = lambda key_id, seconds: None
        """Takes seconds of computing from a key's rate."""
        self._changed = threading.Condition()
        self._queue = FairQueue()
        self._calls: FairLane[_Call] = FairLane()
        self.is_closing = False
        self._batch_passages = BATCH_PASSAGES
        self._running = 0
        """Passages in the current batch."""
        self._seconds_per_passage = 0.0
        """Recent reading time in seconds; 0 before the first batch."""
        self._thread = threading.Thread(target=self._run, name="models")
        self._searcher = threading.Thread(target=self._search, name="searches")
        self.opened: Future[Engine] = Future()

    def start(self) -> None:
        self._thread.start()

    def stop(self, error: RagError | None = None) -> None:
        """Refuse new work, and the work that waits. What is being computed is finished."""
        error = error or problems.closing()
        with self._changed:
            self.is_closing = True
            for question in self._queue:
                question.fail(error)
            for call in self._calls:
                call.result.set_exception(error)
            self._queue, self._calls = FairQueue(), FairLane()
            self._changed.notify_all()

    def close(self) -> None:
        """Stop, and wait until what is being computed is finished."""
        self.stop()
        if self._thread.ident:  # it was started
            self._thread.join()

    @property
    def depth(self) -> int:
        return len(self._queue)

    def submit(self, questions: Sequence[PendingQuestion]) -> None:
        """Queue all items, which belong to one caller, or none. Raises ServiceError if the queue is
        full or closed, or if they cannot be answered before their deadline; InputError if they
        could never fit.
        """
        if len(questions) > self._most_waiting:
            message = f"{len(questions):,} questions at once, {self._most_waiting:,} may wait"
            raise InputError(message, "send fewer at a time, or raise RAG_QUEUE")
        with self._changed:
            if self.is_closing:
                raise problems.closing()
            self._check_time(questions)
            key_id = questions[0].caller.key_id
            refused = self._queue.make_room(key_id, len(questions), self._most_waiting)
            overloaded = problems.overloaded(self._seconds_per_passage * self._queue.passages)
            if refused is None:
                raise overloaded
            for question in refused:
                question.fail(overloaded)
            self._queue.add(questions)
            self._changed.notify_all()

    def _check_time(self, questions: Sequence[PendingQuestion]) -> None:
        """Refuse at once what cannot be answered in time. A single question, and a client with its
        own deadline, get an answer from the passages read by then. Raises ServiceError, and
        InputError if even an idle service would be late.
        """
        costs = {question.key: question.cost for question in questions if not question.search}
        if not costs:
            return
        first_question = questions[0]
        seconds_left = max(question.deadline for question in questions) - time.monotonic()
        seconds = self._seconds_per_passage * sum(costs.values())
        if len(costs) > 1 and not first_question.client_deadline and seconds > seconds_left:
            message = (
                f"{len(costs)} questions of {first_question.cost} passages take about "
                f"{seconds:.0f} s, longer than the deadline of {seconds_left:.0f} s"
            )
            raise InputError(message, "send fewer questions at a time, or use a smaller k")
        passages_ahead = self._running + self._queue.passages_ahead(first_question.caller.key_id)
        excess = (
            self._seconds_per_passage * passages_ahead
            - seconds_left
            + (0 if first_question.client_deadline else seconds)
        )
        if passages_ahead and excess > 0:
            raise problems.overloaded(excess)

    def call(self, function: Callable[[], T], caller: Caller | None = None) -> T:
        """Run a function in this thread, after the current batch, and charge its seconds."""
        call = _Call(function, caller or Caller(), Future())
        with self._changed:
            if self.is_closing:
                raise problems.closing()
            self._calls.add(call.caller.key_id, call)
            self._changed.notify_all()
        with waiting():
            result: T = call.result.result()
        return result

    def _run(self) -> None:
        try:
            engine, started = self._open(), time.monotonic()
            engine.retriever.embedder.embed_queries(["warm"])  # the first run is slow
            _log.info("models are warm after %.1f s", time.monotonic() - started)
        except BaseException as error:
            if not isinstance(error, RagError):
                _log.exception("the index or the models cannot be opened")
            self._on_failure(error)
            self.opened.set_exception(error)
            self.stop(error if isinstance(error, RagError) else None)
            return
        self.opened.set_result(engine)
        self._searcher.start()
        while self._wait():
            if batch := self._next_batch():
                self._serve(batch)
            if self._calls:
                self._run_call()
        self._searcher.join()
        self.stop()

    def _search(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue.searches or self.is_closing)
                questions = self._queue.take_searches(_SEARCHES)
            if not questions:
                return
            self._serve(questions)

    def _run_call(self) -> None:
        with self._changed:
            if not self._calls:  # they were refused meanwhile
                return
            call = self._calls.take()
        started = time.monotonic()
        try:
            call.result.set_result(call.function())
        except BaseException as error:
            call.result.set_exception(error)
        seconds = time.monotonic() - started
        call.caller.charge(seconds)
        with self._changed:
            self._calls.charge(call.caller.key_id, seconds)

    def _wait(self) -> bool:
        """Wait for a reading or a call. Returns False when the service closes."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue.readings or self._calls or self.is_closing)
            return bool(self._queue.readings) or not self.is_closing

    def _next_batch(self) -> list[PendingQuestion]:
        """Wait for a batch of readings, so small that the next caller does not wait long."""
        until = time.monotonic() + _WINDOW
        limit = self._batch_passages
        with self._changed:
            while self._queue.readings and self._queue.passages < limit and not self.is_closing:
                if not self._changed.wait(max(0.0, until - time.monotonic())):
                    break
            return self._queue.take_readings(limit)

    def _serve(self, batch: list[PendingQuestion]) -> None:
        """Answer each collection's questions from its own index, and charge the callers."""
        started = time.monotonic()
        for question in batch:
            if question.wanted and question.deadline <= started:
                question.fail(problems.missed_deadline())
        batch = [question for question in batch if question.wanted and not question.answer.done()]
        if not batch:
            return
        self.metrics.batches.observe(len(batch))
        passages = sum({question.key: question.cost for question in batch}.values())
        if passages:  # searches read none
            self._running = passages
        for engine in dict.fromkeys(question.engine for question in batch):
            self._answer([question for question in batch if question.engine is engine], engine)
        seconds = time.monotonic() - started
        cost = sum(question.cost for question in batch)
        for question in batch:
            share = question.cost / cost if cost else 1 / len(batch)
            question.caller.charge(seconds * share)
        if passages:
            self._running = 0
            self._learn_speed(passages, seconds)

    def _learn_speed(self, passages: int, seconds: float) -> None:
        """Update the reading speed, and from it the batch size for about _BATCH_SECONDS."""
        measured, seconds_before = seconds / passages, self._seconds_per_passage
        self._seconds_per_passage = (
            0.8 * seconds_before + 0.2 * measured if seconds_before else measured
        )
        if seconds > _BATCH_SECONDS:
            self._batch_passages = max(1, int(passages * _BATCH_SECONDS / seconds))
        else:
            self._batch_passages = min(BATCH_PASSAGES, 2 * max(passages, self._batch_passages))

    def _answer(self, batch: list[PendingQuestion], engine: Engine) -> None:
        """Answer a batch. If it fails, answer each question alone to find the one at fault."""
        try:
            _answer(batch, engine, self.metrics)
        except Exception as error:
            unanswered = [question for question in batch if not question.answer.done()]
            if len(batch) == 1 or isinstance(error, RagError):
                if not isinstance(error, RagError):
                    _log.exception("a question could not be answered")
                for question in unanswered:
                    question.fail(error)
            else:
                for question in unanswered:
                    self._answer([question], engine)


def _answer(batch: Sequence[PendingQuestion], engine: Engine, metrics: Metrics) -> None:
    """Read equal questions of several clients once, except those with their own deadline."""
    started = time.perf_counter()
    queries = list(dict.fromkeys(question.asked for question in batch))
    found = dict(zip(queries, engine.find_many(queries), strict=True))
    timings = {"retrieve": time.perf_counter() - started}
    metrics.stages(timings)
    to_read: dict[tuple[Query, float | None], list[PendingQuestion]] = {}
    for question in batch:
        if not question.found.done() and question.found.set_running_or_notify_cancel():
            question.found.set_result(found[question.asked])
        if not question.search and (
            question.answer.running() or question.answer.set_running_or_notify_cancel()
        ):
            deadline = question.deadline if question.client_deadline else None
            to_read.setdefault((question.asked, deadline), []).append(question)
    if to_read:
        groups = list(to_read.values())
        timely = [
            replace(questions[0].asked, deadline=min(question.deadline for question in questions))
            for questions in groups
        ]

        def on_progress(row: int) -> None:
            for question in groups[row]:
                question.started.set()

        answers = engine.answer_many(
            timely, [found[questions[0].asked] for questions in groups], timings, on_progress
        )
        metrics.answers(answers)
        for questions, answer in zip(groups, answers, strict=True):
            for question in questions:
                question.answer.set_result(answer)
