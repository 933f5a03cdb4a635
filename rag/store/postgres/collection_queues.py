"""The queue of an index, and if wanted those of all its collections, for one worker.

Collections take turns, so a large upload to one does not hold up the others. Only one is open at a
time; the database's notifications, which reach all schemas, start the next round.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Any, TypeVar

import psycopg
from procrastinate import signals
from procrastinate.exceptions import ConnectorException
from psycopg import Connection

from rag.errors import AbsentError, RagError
from rag.ingestion.uploads import Done, QueueState, Upload
from rag.settings import DEFAULT_COLLECTION, Settings
from rag.store.postgres.collections import PostgresCollections, listed
from rag.store.postgres.connection_pool import Database, schema_of
from rag.store.postgres.queue import Pace, PostgresQueue, forget_failed, prepare, state_of

T = TypeVar("T")
CollectionOpener = Callable[[str, Settings], AbstractContextManager[Callable[[Upload], Done]]]
"""Opens a collection, by its name and settings, for the documents of one turn."""
_log = logging.getLogger(__name__)
_TURN = 10.0
"""Seconds after which a collection's turn ends with the current document."""
_ENDS_SECONDS = 20.0
"""Seconds from a signal until a job that is not done is left to another worker."""
_IS_BUSY = """
SELECT EXISTS (
    SELECT FROM procrastinate_jobs j LEFT JOIN procrastinate_workers w ON w.id = j.worker_id
    WHERE j.status = 'todo' AND coalesce(j.scheduled_at <= now(), true)
    OR j.status = 'doing' AND coalesce(w.last_heartbeat < now() - make_interval(secs => %s), true)
)"""
"""Whether documents wait, or the worker of one is dead."""
_WITH_QUEUE = """
SELECT n.nspname, quote_ident(n.nspname)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = 'procrastinate_jobs' AND n.nspname = ANY(%s)"""


@dataclass(frozen=True, slots=True)
class _QueuePlace:
    name: str
    schema: str
    settings: Settings


class CollectionQueues:
    """The queues of the index of the settings, and of collections as long as they exist."""

    def __init__(
        self, settings: Settings, with_others: bool = True, pace: Pace | None = None
    ) -> None:
        """Only its own queue, created if needed, unless `with_others`. Raises as the store does."""
        self._settings = settings
        self._others = with_others
        self._database = Database(settings.store, wait=5.0, size=2, vectors=False)
        self._pace = pace or Pace()
        self._errors: dict[str, str] = {}
        self._database.open((lambda _: None) if with_others else prepare)

    def states(self) -> dict[str, QueueState]:
        """Waiting, active and failed files of each collection that has a queue."""
        return {place.name: state for place, state in self._in_each_schema(state_of)}

    def forget(self) -> dict[str, int]:
        """Remove the failed files. Returns their number in each collection that has a queue."""
        return {place.name: count for place, count in self._in_each_schema(forget_failed)}

    def work(self, opened: CollectionOpener, wait: bool = True) -> dict[str, str]:
        """Process documents one at a time until a signal stops it, or without `wait` until the
        queues are empty. Returns the errors of collections that could not be opened.

        Searches for a lost server until it is found. RagErrors of a document fail its job; those of
        the store do so after several tries. Raises AbsentError if the only collection is deleted.
        """

        asyncio.run(self._work(opened, wait))
        return self._errors

    def close(self) -> None:
        self._database.close()

    async def _work(self, opened: CollectionOpener, wait: bool) -> None:
        """Rounds until the first SIGINT or SIGTERM. After one without documents, the next begins
        once a document is queued in any schema of the server, or after a while; without `wait`,
        none does. A document that takes too long after a signal ends with the process: its worker
        counts as dead, and another takes its job over.
        """
        stop, news = asyncio.Event(), asyncio.Event()
        stopping = asyncio.create_task(stop.wait())
        listening = asyncio.create_task(self._listen(news)) if wait else stopping

        def stopped() -> None:
            stop.set()
            timer = threading.Timer(_ENDS_SECONDS, _exit_at_once)
            timer.daemon = True
            timer.start()

        with signals.on_stop(stopped):
            while not stop.is_set():
                news.clear()
                if await self._round(opened, stopping):
                    continue
                if not wait:
                    break
                notified = asyncio.create_task(news.wait())
                condition = asyncio.FIRST_COMPLETED
                await asyncio.wait(
                    {notified, stopping}, timeout=self._pace.poll, return_when=condition
                )
                notified.cancel()
        listening.cancel()

    async def _listen(self, news: asyncio.Event) -> None:
        """Set `news` when a document is queued in any schema. Polling covers a lost connection."""
        primary = self._database.primary
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                async with await psycopg.AsyncConnection.connect(primary, autocommit=True) as heard:
                    await heard.execute("LISTEN procrastinate_any_queue_v1")
                    async for _ in heard.notifies():
                        news.set()
            await asyncio.sleep(self._pace.poll)

    async def _round(self, opened: CollectionOpener, stopping: asyncio.Task[bool]) -> int:
        """One turn for each collection with documents. Returns how many were processed."""
        count = 0
        try:
            dead = (self._pace.dead,)
            places = self._in_each_schema(lambda c: c.execute(_IS_BUSY, dead).fetchone() == (True,))
        except RagError as error:
            if isinstance(error, AbsentError) and not self._others:
                raise
            _log.warning("%s; looking for it again", error.message)
            return 0
        for place in (place for place, waits in places if waits):
            if not stopping.done():
                count += await self._turn(place, opened, stopping)
        return count

    async def _turn(
        self, place: _QueuePlace, opened: CollectionOpener, stopping: asyncio.Task[bool]
    ) -> int:
        """Process the collection's documents for a while. Returns their number."""
        loop, has_ended, started = asyncio.get_running_loop(), asyncio.Event(), time.monotonic()
        count = 0
        try:
            with (
                closing(PostgresQueue(place.settings.store, pace=self._pace)) as queue,
                opened(place.name, place.settings) as handle,
            ):

                def timed(upload: Upload) -> Done:
                    try:
                        return handle(upload)
                    finally:
                        if time.monotonic() - started >= _TURN:
                            loop.call_soon_threadsafe(has_ended.set)

                ends = (stopping, asyncio.create_task(has_ended.wait()))
                count = await queue.turn(timed, ends)
            self._errors.pop(place.name, None)
        except (RagError, ConnectorException, psycopg.Error) as error:
            self._note(place, error)
        has_ended.set()
        return count

    def _note(self, place: _QueuePlace, error: Exception) -> None:
        """Log what stopped a turn, once, unless it is that the collection was deleted."""
        message = error.message if isinstance(error, RagError) else type(error).__name__
        with contextlib.suppress(RagError):
            sql = "SELECT to_regnamespace(%s) IS NULL"
            row = self._database.read(lambda c: c.execute(sql, (place.schema,)).fetchone())
            if row == (True,):
                _log.info("collection %s was deleted", place.name)
                return
        if self._errors.get(place.name) != message:
            self._errors[place.name] = message
            _log.warning("collection %s: %s", place.name, message)

    def _in_each_schema(self, task: Callable[[Connection[Any]], T]) -> list[tuple[_QueuePlace, T]]:
        """Run `task` in the schema of each collection that has a queue."""

        def all_results(connection: Connection[Any]) -> list[tuple[_QueuePlace, T]]:
            results = []
            for place, schema in self._places(connection):
                connection.execute("SELECT set_config('search_path', %s, true)", (schema,))
                results.append((place, task(connection)))
            return results

        for _ in range(9):
            with contextlib.suppress(AbsentError):  # a collection was deleted meanwhile
                return self._database.change(all_results)
        return self._database.change(all_results)

    def _places(self, connection: Connection[Any]) -> list[tuple[_QueuePlace, str]]:
        """The places that have a queue, each with its schema as in a search path."""
        (schema,) = connection.execute("SELECT current_schema()").fetchone() or (None,)
        places = [_QueuePlace(DEFAULT_COLLECTION, schema or "", self._settings)]
        collections = listed(connection, "ORDER BY name") if self._others else ()
        for collection in collections:
            settings = PostgresCollections.inside(collection, self._settings)
            places.append(_QueuePlace(collection.name, schema_of(collection.id), settings))

        schemas = [place.schema for place in places]
        quoted = dict(connection.execute(_WITH_QUEUE, (schemas,)).fetchall())
        with_queue = []
        for place in places:
            if place.schema in quoted:
                with_queue.append((place, quoted[place.schema]))
        return with_queue


def _exit_at_once() -> None:
    os.write(2, b"rag: stopped in the middle of a document; another worker takes it over\n")
    os._exit(1)
