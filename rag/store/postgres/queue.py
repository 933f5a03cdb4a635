"""The queue of files in PostgreSQL, an implementation of `rag.ingestion.uploads.Queue`: one
procrastinate job for each file, inserted in the same transaction. Keys take turns, file by file.

A job is done when its documents are committed. If a worker dies, another takes over its job and
finds either no or complete documents. Jobs for the same document run in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import procrastinate
from procrastinate.exceptions import ConnectorException
from procrastinate.schema import SchemaManager
from psycopg import Connection, sql

from rag.errors import InputError, RagError, StoreError
from rag.ingestion.uploads import (
    DEADLY,
    MOST_DEATHS,
    Done,
    Queued,
    QueueState,
    Upload,
    deaths_counted,
)
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
    error text,
    deaths int NOT NULL DEFAULT 0,
    key text NOT NULL DEFAULT '',
    turn int NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS rag_uploads_batch ON rag_uploads (batch) WHERE batch <> ''"""
_LATER_COLUMNS = {
    "deaths": "int NOT NULL DEFAULT 0",
    "key": "text NOT NULL DEFAULT ''",
    "turn": "int NOT NULL DEFAULT 0",
}
"""Columns that tables of older versions lack."""
_BY_TURN = """
CREATE INDEX IF NOT EXISTS rag_uploads_key ON rag_uploads (key, turn);
CREATE INDEX IF NOT EXISTS rag_uploads_name ON rag_uploads (name, turn)"""
_TURN = """
SELECT greatest(
    coalesce(
        (SELECT -priority FROM procrastinate_jobs WHERE status = 'todo'
         ORDER BY priority DESC LIMIT 1),
        (SELECT max(turn) + 1 FROM rag_uploads)
    ),
    (SELECT max(turn) + 1 FROM rag_uploads WHERE key = %s),
    (SELECT max(turn) FROM rag_uploads WHERE name = %s),
    0
)"""
"""A file's turn: the next of its key, but not before those that are processed now, so that nobody
saves up turns, nor before an earlier file of its name.
"""
_KEPT = "1 day"
"""How long the outcome of a batch can be queried."""
_FILES = """
SELECT u.id, u.name, u.result, coalesce(j.status::text, 'failed'), u.error, u.added, u.batch, u.key
FROM rag_uploads u LEFT JOIN procrastinate_jobs j ON j.args ->> 'upload' = u.id::text"""
_OPEN_STATES = {"todo": "waiting", "doing": "working"}
_TRIES = 5
"""Maximum tries of a job that fails for a temporary reason; unreadable files get one."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between heartbeats, until a worker without one is dead, and between checks."""

    heartbeat: float = 5.0
    dead: float = 30.0
    poll: float = 5.0


class PostgresQueue:
    """The queue of the index at `dsn`; its methods are those of `Queue`."""

    def __init__(self, dsn: str, wait: float = 30.0, pace: Pace | None = None) -> None:
        """Creates its tables if needed. Raises as the store does."""
        self._database = Database(dsn, wait, 4)
        self._pace = pace or Pace()
        self._database.open(prepare)

    def enqueue(self, uploads: Sequence[Upload], batch: str = "", key_id: str = "") -> list[int]:
        return self._database.change(
            lambda connection: [_enqueue(connection, upload, batch, key_id) for upload in uploads]
        )

    def results(self, batch: str) -> list[tuple[str, Done | None]]:
        sql = f"{_FILES} WHERE u.batch = %s AND u.batch <> '' ORDER BY u.id"
        rows = self._database.change(lambda c: c.execute(sql, (batch,)).fetchall())
        return [(name, _done(result, status, error)) for _, name, result, status, error, *_ in rows]

    def state(self) -> QueueState:
        return self._database.read(state_of)

    async def turn(
        self, handle: Callable[[Upload], Done], ends: Collection[asyncio.Task[bool]]
    ) -> int:
        """Process jobs until none waits, or one of `ends` and the job are done. Returns a count."""
        count = 0
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
            nonlocal count
            count += 1
            self._handle_upload(upload, handle)

        async with app.open_async():
            await self._rescue(app)
            worker = app.run_worker_async(
                wait=False,
                concurrency=1,
                delete_jobs="successful",
                update_heartbeat_interval=self._pace.heartbeat,
                stalled_worker_timeout=self._pace.dead,
                install_signal_handlers=False,
                listen_notify=False,
            )
            running = asyncio.create_task(worker)
            await asyncio.wait({running, *ends}, return_when=asyncio.FIRST_COMPLETED)
            running.cancel()  # it finishes its job
            with contextlib.suppress(asyncio.CancelledError):
                await running
        return count

    async def _rescue(self, app: procrastinate.App) -> None:
        """Give the jobs of dead workers to others."""
        manager = app.job_manager
        await manager.prune_stalled_workers(self._pace.dead)
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=self._pace.dead):
            _log.warning("job %s is retried because its worker has died", job.id)
            await manager.retry_job(job)

    def _handle_upload(self, number: int, handle: Callable[[Upload], Done]) -> None:
        sql = "SELECT name, source, data, deaths FROM rag_uploads WHERE id = %s AND result IS NULL"
        row = self._database.change(lambda c: c.execute(sql, (number,)).fetchone())
        if row is None:  # done, but its worker died before reporting it
            return

        def count(deaths: int) -> None:
            sql = "UPDATE rag_uploads SET deaths = deaths + %s WHERE id = %s"
            self._database.change(lambda c: c.execute(sql, (deaths, number)))

        try:
            if row[3] >= MOST_DEATHS:
                raise InputError(f"{row[0]} {DEADLY}")
            with deaths_counted(count):
                result = handle(Upload(row[0], row[1], bytes(row[2])))
        except RagError as error:
            failed = "UPDATE rag_uploads SET error = %s WHERE id = %s"
            values = (error.message, number)
            self._database.change(lambda c: c.execute(failed, values))
            raise
        self._database.change(lambda connection: _finish(connection, number, result))

    def close(self) -> None:
        self._database.close()


def _unless_deleted(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report errors of tasks that nobody awaits, except that a job's outcome cannot be stored: its
    collection was deleted, or another worker takes the job over.
    """
    if not isinstance(context.get("exception"), ConnectorException):
        loop.default_exception_handler(context)


def prepare(connection: Connection[Any]) -> None:
    """Create the tables of the queue if needed."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('rag schema', 0))")
        # the store's connections need it
        connection.execute("CREATE EXTENSION IF NOT EXISTS vector SCHEMA public")
        connection.execute(_UPLOADS)
        columns = "SELECT attname FROM pg_attribute WHERE attrelid = 'rag_uploads'::regclass"
        known_columns = {name for (name,) in connection.execute(columns).fetchall()}
        for name, kind in _LATER_COLUMNS.items():
            if name not in known_columns:
                connection.execute(f"ALTER TABLE rag_uploads ADD COLUMN {name} {kind}")
        connection.execute(_BY_TURN)
        if not has(connection, "procrastinate_jobs"):
            connection.execute(sql.SQL(SchemaManager.get_schema()))


def _enqueue(connection: Connection[Any], upload: Upload, batch: str, key_id: str) -> int:
    """Queue the file in its key's turn. Files of one name stay in order, which `lock` and the
    priorities ensure.
    """
    (turn,) = connection.execute(_TURN, (key_id, upload.name)).fetchall()[0]
    columns = "name, source, data, batch, key, turn"
    sql = f"INSERT INTO rag_uploads ({columns}) VALUES (%s, %s, %s, %s, %s, %s) RETURNING id"
    values = (upload.name, upload.source, upload.data, batch, key_id, turn)
    number = int(connection.execute(sql, values).fetchall()[0][0])
    app = procrastinate.App(connector=procrastinate.SyncPsycopgConnector())
    task = app.configure_task(_TASK, lock=upload.name, priority=-turn, connection=connection)
    try:
        task.defer(upload=number)
    except ConnectorException as error:  # what it hides says whether a retry may succeed
        raise error.__cause__ or error from None
    return number


def _finish(connection: Connection[Any], number: int, outcome: Done) -> None:
    """Keep the result of a batch's file without its content."""
    sql = "UPDATE rag_uploads SET result = %s, data = '', error = NULL WHERE id = %s"
    connection.execute(sql, (json.dumps(dataclasses.asdict(outcome)), number))
    is_old = f"batch = '' OR added < now() - interval '{_KEPT}'"
    connection.execute(f"DELETE FROM rag_uploads WHERE result IS NOT NULL AND ({is_old})")


def _done(result: str | None, status: str, error: str | None) -> Done | None:
    if result is None:
        is_open = status in _OPEN_STATES
        return None if is_open else Done("rejected", detail=error or "it could not be read")
    record = json.loads(result)
    return Done(record["outcome"], tuple(record["documents"]), record["detail"])


def state_of(connection: Connection[Any]) -> QueueState:
    rows = connection.execute(f"{_FILES} WHERE u.result IS NULL ORDER BY u.id").fetchall()
    jobs = (
        Queued(n, name, _OPEN_STATES.get(status, "failed"), error, str(added), batch, key_id)
        for n, name, _, status, error, added, batch, key_id in rows
    )
    return QueueState(tuple(jobs))


def forget_failed(connection: Connection[Any]) -> int:
    failed = [queued.number for queued in state_of(connection).jobs if queued.state == "failed"]
    sql = "DELETE FROM procrastinate_jobs WHERE (args ->> 'upload')::bigint = ANY(%s)"
    connection.execute(sql, (failed,))
    connection.execute("DELETE FROM rag_uploads WHERE id = ANY(%s)", (failed,))
    return len(failed)
