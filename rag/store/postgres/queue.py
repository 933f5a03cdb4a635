"""Upload queue: files in the database, with one procrastinate job each, inserted in one
transaction.

A job is done when its documents are committed. If a worker dies, another takes over its job and
finds either no or complete documents. Jobs for the same document run in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
import os
import threading
from collections.abc import Callable, Collection, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import procrastinate
import psycopg
from procrastinate import signals
from procrastinate.exceptions import ConnectorException
from procrastinate.schema import SchemaManager
from psycopg import Connection, sql

from rag.errors import AbsentError, RagError, StoreError
from rag.ingestion.uploads import Done, Queued, State, Upload
from rag.store.postgres.connection_pool import Database
from rag.store.postgres.schema import has

_log = logging.getLogger(__name__)
_TASK = "rag.put"
_UPLOADS = """
CREATE TABLE IF NOT EXISTS rag_uploads (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    source text NOT NULL,
    data bytea NOT NULL,
    added timestamptz NOT NULL DEFAULT now(),
    batch text NOT NULL DEFAULT '',
    result text,
    error text
);
CREATE INDEX IF NOT EXISTS rag_uploads_batch ON rag_uploads (batch) WHERE batch <> ''"""
_KEPT = "1 day"
"""How long the outcome of a batch can be queried."""
_FILES = """
SELECT u.id, u.name, u.result, coalesce(j.status::text, 'failed'), u.error, u.added, u.batch
FROM rag_uploads u LEFT JOIN procrastinate_jobs j ON j.args ->> 'upload' = u.id::text"""
_OPEN = {"todo": "waiting", "doing": "working"}
ENDS_SECONDS = 20.0
"""Seconds from a signal until a job that is not done is left to another worker."""
_TRIES = 5
"""Maximum number of tries of a job that fails for a temporary reason; unreadable files are not
retried.
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """Intervals in seconds: between heartbeats, until a worker without one counts as dead, and
    between checks for new jobs.
    """

    heartbeat: float = 5.0
    dead: float = 30.0
    poll: float = 5.0


class PostgresQueue:
    """The queue of the index at `dsn`."""

    def __init__(self, dsn: str, wait: float = 30.0, pace: Pace | None = None) -> None:
        """Creates its tables if needed. Raises as the store does."""
        self._database = Database(dsn, wait, 4)
        self._pace = pace or Pace()
        self._database.open(_prepare)

    def enqueue(self, uploads: Sequence[Upload], batch: str = "") -> list[int]:
        """Queue all files durably, or none. Returns their job numbers.

        The outcomes of a `batch` can be queried for a day.
        """
        return self._database.change(
            lambda connection: [_enqueue(connection, upload, batch) for upload in uploads]
        )

    def results(self, batch: str) -> list[tuple[str, Done | None]]:
        """(name, outcome, or None while it waits) of each file of the batch, in order; [] for an
        unknown batch.
        """
        sql = f"{_FILES} WHERE u.batch = %s AND u.batch <> '' ORDER BY u.id"
        rows = self._database.change(
            lambda connection: connection.execute(sql, (batch,)).fetchall()
        )
        return [(name, _done(result, status, error)) for _, name, result, status, error, *_ in rows]

    def state(self) -> State:
        """Waiting, active and failed files, with errors."""
        return self._database.read(state_of)

    def forget(self) -> int:
        """Remove the failed files. Returns their number."""
        return self._database.change(forget_failed)

    def work(self, handle: Callable[[Upload], Done], wait: bool = True) -> None:
        """Process jobs one at a time until a signal stops it, or without `wait` until the queue is
        empty.

        Searches for a lost server until it is found. RagErrors of `handle` fail the job; those of
        the store do so after several tries. Raises AbsentError if the collection is deleted.
        """
        while True:
            try:
                asyncio.run(self._until_signal(handle, wait))
                return
            except (ConnectorException, psycopg.OperationalError) as error:
                _log.warning(
                    "%s does not answer (%s); looking for it again",
                    self._database.place,
                    type(error).__name__,
                )
                self._wait_for_server()

    def _wait_for_server(self) -> None:
        """Wait a while for the database. Raises AbsentError if the collection was deleted."""
        try:
            self._database.read(lambda _: None)
        except AbsentError:
            raise
        except StoreError:
            return

    async def _until_signal(self, handle: Callable[[Upload], Done], wait: bool) -> None:
        stop = asyncio.Event()
        stopping = asyncio.create_task(stop.wait())
        with stopped_by_signals(stop.set):
            await self._work(handle, wait, {stopping})

    async def turn(
        self, handle: Callable[[Upload], Done], ends: Collection[asyncio.Task[bool]]
    ) -> None:
        """Process jobs until none waits, or one of the tasks ends and the current job is done."""
        await self._work(handle, False, ends)

    async def _work(
        self,
        handle: Callable[[Upload], Done],
        wait: bool,
        ends: Collection[asyncio.Task[bool]],
    ) -> None:
        asyncio.get_running_loop().set_exception_handler(_unless_deleted)
        connector = procrastinate.PsycopgConnector(
            conninfo=self._database.own, min_size=1, max_size=4, timeout=10
        )
        app = procrastinate.App(connector=connector)
        if not _log.isEnabledFor(logging.INFO):
            # `handle` says what fails
            logging.getLogger("procrastinate").setLevel(logging.CRITICAL)
        retry = procrastinate.RetryStrategy(
            max_attempts=_TRIES, exponential_wait=3, retry_exceptions={StoreError}
        )

        @app.task(name=_TASK, retry=retry)
        def put(upload: int) -> None:
            self._do(upload, handle)

        async with app.open_async():
            await self._rescue(app)
            watch = asyncio.create_task(self._watch(app)) if wait else None
            try:
                worker = app.run_worker_async(
                    wait=wait,
                    concurrency=1,
                    delete_jobs="successful",
                    fetch_job_polling_interval=self._pace.poll,
                    update_heartbeat_interval=self._pace.heartbeat,
                    stalled_worker_timeout=self._pace.dead,
                    install_signal_handlers=False,
                    listen_notify=wait,
                )
                await _run(worker, ends)
            finally:
                if watch:
                    watch.cancel()
                    with contextlib.suppress(asyncio.CancelledError, ConnectorException):
                        await watch

    async def _watch(self, app: procrastinate.App) -> None:
        while True:
            await asyncio.sleep(self._pace.dead / 2)
            await self._rescue(app)

    async def _rescue(self, app: procrastinate.App) -> None:
        """Give the jobs of dead workers to others."""
        manager = app.job_manager
        await manager.prune_stalled_workers(self._pace.dead)
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=self._pace.dead):
            _log.warning("job %s is retried because its worker has died", job.id)
            await manager.retry_job(job)

    def _do(self, number: int, handle: Callable[[Upload], Done]) -> None:
        sql = "SELECT name, source, data FROM rag_uploads WHERE id = %s AND result IS NULL"
        row = self._database.change(
            lambda connection: connection.execute(sql, (number,)).fetchone()
        )
        if row is None:  # done, but its worker died before reporting it
            return
        try:
            result = handle(Upload(row[0], row[1], bytes(row[2])))
        except RagError as error:
            noted = "UPDATE rag_uploads SET error = %s WHERE id = %s"
            message = error.message
            self._database.change(lambda connection: connection.execute(noted, (message, number)))
            raise
        self._database.change(lambda connection: _finish(connection, number, result))

    def close(self) -> None:
        self._database.close()


@contextlib.contextmanager
def stopped_by_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` at the first SIGINT or SIGTERM. A job that takes longer than `ENDS_SECONDS` after
    it ends with the process: its worker counts as dead, and another takes the job over.
    """

    def stopped() -> None:
        stop()
        timer = threading.Timer(ENDS_SECONDS, _end)
        timer.daemon = True
        timer.start()

    with signals.on_stop(stopped):
        yield


def _end() -> None:
    os.write(2, b"rag: stopped in the middle of a document; another worker takes it over\n")
    os._exit(1)


async def _run(worker: Coroutine[Any, Any, None], ends: Collection[asyncio.Task[bool]]) -> None:
    """Run the worker until one of the tasks ends; it finishes its job."""
    running = asyncio.create_task(worker)
    await asyncio.wait({running, *ends}, return_when=asyncio.FIRST_COMPLETED)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running


def _unless_deleted(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report errors of tasks that nobody awaits, except that a job's outcome cannot be stored: its
    collection was deleted, or another worker takes the job over.
    """
    if not isinstance(context.get("exception"), ConnectorException):
        loop.default_exception_handler(context)


def _prepare(connection: Connection[Any]) -> None:
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('rag schema', 0))")
        connection.execute(
            "CREATE EXTENSION IF NOT EXISTS vector SCHEMA public"
        )  # the store's connections need it
        connection.execute(_UPLOADS)
        if not has(connection, "procrastinate_jobs"):
            connection.execute(sql.SQL(SchemaManager.get_schema()))


def _enqueue(connection: Connection[Any], upload: Upload, batch: str) -> int:
    inserted = connection.execute(
        "INSERT INTO rag_uploads (name, source, data, batch) VALUES (%s, %s, %s, %s) RETURNING id",
        (upload.name, upload.source, upload.data, batch),
    ).fetchone()
    number = int(inserted[0]) if inserted else 0
    app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())
    task = app.configure_task(_TASK, lock=upload.name, connection=connection)
    try:
        task.defer(upload=number)
    except ConnectorException as error:  # what it hides says whether a retry may succeed
        raise error.__cause__ or error from None
    return number


def _finish(connection: Connection[Any], number: int, done: Done) -> None:
    """Keep the result of a batch's file without its content."""
    result = json.dumps(dataclasses.asdict(done))
    connection.execute(
        "UPDATE rag_uploads SET result = %s, data = '', error = NULL WHERE id = %s",
        (result, number),
    )
    old = f"batch = '' OR added < now() - interval '{_KEPT}'"
    connection.execute(f"DELETE FROM rag_uploads WHERE result IS NOT NULL AND ({old})")


def _done(result: str | None, status: str, error: str | None) -> Done | None:
    if result is None:
        return (
            Done("rejected", detail=error or "it could not be read")
            if status not in _OPEN
            else None
        )
    record = json.loads(result)
    return Done(record["outcome"], tuple(record["documents"]), record["detail"])


def state_of(connection: Connection[Any]) -> State:
    rows = connection.execute(f"{_FILES} WHERE u.result IS NULL ORDER BY u.id").fetchall()
    jobs = (
        Queued(n, name, _OPEN.get(status, "failed"), error, str(added), batch)
        for n, name, _, status, error, added, batch in rows
    )
    return State(tuple(jobs))


def forget_failed(connection: Connection[Any]) -> int:
    failed = [queued.number for queued in state_of(connection).jobs if queued.state == "failed"]
    connection.execute(
        "DELETE FROM procrastinate_jobs WHERE (args ->> 'upload')::bigint = ANY(%s)", (failed,)
    )
    connection.execute("DELETE FROM rag_uploads WHERE id = ANY(%s)", (failed,))
    return len(failed)
