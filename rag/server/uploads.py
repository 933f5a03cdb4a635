"""Uploads as jobs. A job is on disk before it is acknowledged, and off it when its documents are in the index.

So a killed service loses nothing that it accepted: it takes up again what it finds. Doing a file twice changes nothing.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rag.errors import StoreError
from rag.server import problems
from rag.server.schemas import Job, WireFile

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (id TEXT PRIMARY KEY, created TEXT NOT NULL, total INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS files (
    job TEXT NOT NULL REFERENCES jobs (id),
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    content BLOB,
    result TEXT,
    PRIMARY KEY (job, number)
);
CREATE INDEX IF NOT EXISTS files_open ON files (job) WHERE result IS NULL;
"""
_KEPT = 1000
Upload = tuple[str, bytes]
"""(name, content)"""


class Jobs:
    """The queue on disk, in one SQLite file. Safe to share between threads."""

    def __init__(self, path: Path, most_waiting: int, most_bytes: int) -> None:
        """Raises StoreError if the file cannot be opened."""
        self._path = path
        self._most_waiting = most_waiting
        self._most_bytes = most_bytes
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=30)
            self._connection.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {_SCHEMA}")
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"uploads in {path} cannot be kept: {error}", "make the index's folder writable") from error

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """Raises StoreError, whatever SQLite says."""
        with self._mutex:
            try:
                yield self._connection
            except sqlite3.Error as error:
                hint = "free some space on its disk, and see that the file can be read and written"
                raise StoreError(f"uploads in {self._path} cannot be kept: {error}", hint) from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._database() as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            self._changed.notify_all()

    def add(self, uploads: Sequence[Upload]) -> str:
        """A new job's id; on disk when this returns. Raises ServiceError if too much waits already."""
        job = uuid.uuid4().hex
        with self._transaction() as connection:
            waiting, size = connection.execute(
                "SELECT count(*), coalesce(sum(length(content)), 0) FROM files WHERE result IS NULL"
            ).fetchone()
            if waiting and (waiting + len(uploads) > self._most_waiting or size > self._most_bytes):
                raise problems.overloaded(5)
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            connection.execute("INSERT INTO jobs VALUES (?, ?, ?)", (job, now, len(uploads)))
            rows = [(job, number, name, content) for number, (name, content) in enumerate(uploads)]
            connection.executemany("INSERT INTO files VALUES (?, ?, ?, ?, NULL)", rows)
            _forget(connection)
        return job

    def next(self) -> tuple[str, int, Upload] | None:
        """(job, number, file) of the oldest file that is still to do. Raises StoreError, as all here do."""
        with self._database() as connection:
            row = connection.execute(
                "SELECT f.job, f.number, f.name, f.content FROM files f JOIN jobs j ON j.id = f.job"
                " WHERE f.result IS NULL ORDER BY j.rowid, f.number LIMIT 1"
            ).fetchone()
        return (row[0], row[1], (row[2], bytes(row[3]))) if row else None

    def finish(self, job: str, number: int, result: WireFile) -> None:
        """What became of the file; its content is no longer needed."""
        with self._transaction() as connection:
            sql = "UPDATE files SET result = ?, content = NULL WHERE job = ? AND number = ?"
            connection.execute(sql, (result.model_dump_json(), job, number))

    def get(self, job: str) -> Job | None:
        with self._database() as connection:
            return _get(connection, job)

    def wait(self, job: str, seconds: float) -> Job | None:
        """The job when it is done, or as it is after so many seconds."""
        until = time.monotonic() + seconds
        with self._database() as connection:
            while (found := _get(connection, job)) and found.state != "done" and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return found

    def wait_for_any(self, seconds: float) -> None:
        """Until something changes, at most so long."""
        with self._changed:
            self._changed.wait(seconds)

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        with self._database() as connection:
            count: int = connection.execute("SELECT count(*) FROM files WHERE result IS NULL").fetchone()[0]
        return count

    def close(self) -> None:
        with self._mutex:
            self._connection.close()


def _get(connection: sqlite3.Connection, job: str) -> Job | None:
    row = connection.execute("SELECT created, total FROM jobs WHERE id = ?", (job,)).fetchone()
    if row is None:
        return None
    sql = "SELECT result FROM files WHERE job = ? AND result IS NOT NULL ORDER BY number"
    files = [WireFile(**json.loads(result)) for (result,) in connection.execute(sql, (job,))]
    state = "done" if len(files) == row[1] else "running" if files else "queued"
    return Job(id=job, state=state, created=row[0], files=files, total=row[1])


def _forget(connection: sqlite3.Connection) -> None:
    """Old jobs that are done."""
    old = f"SELECT id FROM jobs WHERE rowid <= (SELECT max(rowid) FROM jobs) - {_KEPT}"
    still = "SELECT job FROM files WHERE result IS NULL"
    connection.execute(f"DELETE FROM files WHERE job IN ({old}) AND job NOT IN ({still})")
    connection.execute(f"DELETE FROM jobs WHERE id IN ({old}) AND id NOT IN ({still})")
