"""Uploads to a single server: queued on its disk and ingested by it."""

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
from rag.ingestion.uploads import GRID
from rag.server import problems
from rag.server.schemas import Job, WireFile
from rag.server.upload_queue import FOLDER, Remains, Upload

_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY,
    created TEXT NOT NULL,
    total INTEGER NOT NULL
);
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
_INCREMENTAL = 2
_PRAGMAS = f"""
PRAGMA auto_vacuum = {_INCREMENTAL};
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA secure_delete = ON;
"""
_KEPT = 1000


class LocalUploadQueue:
    """A queue of uploads in one SQLite file. Thread-safe; methods raise StoreError."""

    def __init__(self, path: Path, most_waiting: int, most_bytes: int) -> None:
        """Raises StoreError if the file cannot be opened."""
        self._path = path
        self._most_waiting = most_waiting
        self._most_bytes = most_bytes
        self._mutex = threading.Lock()
        self._changed = threading.Condition(self._mutex)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=30
            )
            self._connection.executescript(f"{_PRAGMAS} {_SCHEMA}")
            if (
                self._connection.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL
            ):  # created by an older version
                self._connection.execute("VACUUM")
            _give_back(self._connection)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"uploads cannot be stored in {path}: {error}", "make the index's folder writable"
            ) from error

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        """A connection whose errors become StoreError."""
        with self._mutex:
            try:
                yield self._connection
            except sqlite3.Error as error:
                hint = "free some disk space, and check the file's permissions"
                raise StoreError(
                    f"uploads cannot be stored in {self._path}: {error}", hint
                ) from error

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
        """Store a new job durably and return its id. Raises ServiceError if too much is waiting."""
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
        """(job, number, file) of the oldest unprocessed file; grids wait for all files."""
        with self._database() as connection:
            row = connection.execute(
                "SELECT f.job, f.number, f.name, f.content FROM files f JOIN jobs j ON j.id = f.job"
                " WHERE f.result IS NULL ORDER BY instr(f.name, ?) = 1, j.rowid, f.number LIMIT 1",
                (GRID,),
            ).fetchone()
        return (row[0], row[1], (row[2], bytes(row[3]))) if row else None

    def finish(self, job: str, number: int, result: WireFile) -> None:
        """Record the file's outcome and drop its content."""
        with self._transaction() as connection:
            sql = "UPDATE files SET result = ?, content = NULL WHERE job = ? AND number = ?"
            connection.execute(sql, (result.model_dump_json(), job, number))
        with self._database() as connection:
            _give_back(connection)

    def scrub(self, document_id: str) -> Remains:
        """Free what the queue no longer needs of a deleted document, and report what remains."""
        with self._database() as connection:
            logged = _give_back(connection)
            sql = "SELECT name FROM files WHERE content IS NOT NULL"
            names = [f"{FOLDER}/{name}" for (name,) in connection.execute(sql)]
        waiting = sum(name == document_id or document_id.startswith(f"{name}/") for name in names)
        return Remains(waiting, logged)

    def get(self, job: str) -> Job | None:
        with self._database() as connection:
            return _get(connection, job)

    def asking(self, name: str) -> str:
        """The unfinished job of the entry with this name, or ""."""
        with self._database() as connection:
            sql = "SELECT job FROM files WHERE name = ? AND result IS NULL"
            row = connection.execute(sql, (name,)).fetchone()
        return row[0] if row else ""

    def last(self, limit: int, state: str | None = None) -> list[Job]:
        """Jobs, newest first; `state` selects only those in that state."""
        with self._database() as connection:
            ids = connection.execute("SELECT id FROM jobs ORDER BY rowid DESC").fetchall()
            jobs: list[Job] = []
            for (job,) in ids:
                described = _get(connection, job)
                if described and state in (None, described.state):
                    jobs.append(described)
                if len(jobs) == limit:
                    break
        return jobs

    def cancel(self, job: str) -> None:
        """Reject a job's waiting files, perhaps including the one in progress."""
        with self._database() as connection:
            sql = "SELECT number, name FROM files WHERE job = ? AND result IS NULL ORDER BY number"
            waiting = connection.execute(sql, (job,)).fetchall()
        for number, name in waiting:
            self.finish(job, number, WireFile(name=name, outcome="rejected", detail="cancelled"))

    def wait(self, job: str, seconds: float) -> Job | None:
        """The job when it is done, or its state after `seconds`."""
        until = time.monotonic() + seconds
        with self._database() as connection:
            while (
                (current := _get(connection, job))
                and current.state != "done"
                and (left := until - time.monotonic()) > 0
            ):
                self._changed.wait(left)
            return current

    def wait_for_any(self, seconds: float) -> None:
        """Wait until something changes, at most `seconds`."""
        with self._changed:
            self._changed.wait(seconds)

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        with self._database() as connection:
            count: int = connection.execute(
                "SELECT count(*) FROM files WHERE result IS NULL"
            ).fetchone()[0]
        return count

    def close(self) -> None:
        with self._mutex:
            self._connection.close()


def _give_back(connection: sqlite3.Connection) -> int:
    """Give free pages back and truncate the log. Returns bytes left in it, if others read it."""
    connection.executescript("PRAGMA incremental_vacuum")  # execute would free only one page
    busy, pages, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    size: int = connection.execute("PRAGMA page_size").fetchone()[0]
    return pages * size if busy else 0


def _get(connection: sqlite3.Connection, job: str) -> Job | None:
    row = connection.execute("SELECT created, total FROM jobs WHERE id = ?", (job,)).fetchone()
    if row is None:
        return None
    sql = "SELECT result FROM files WHERE job = ? AND result IS NOT NULL ORDER BY number"
    files = [WireFile(**json.loads(result)) for (result,) in connection.execute(sql, (job,))]
    state = "done" if len(files) == row[1] else "running" if files else "queued"
    return Job(id=job, state=state, created=row[0], files=files, total=row[1])


def _forget(connection: sqlite3.Connection) -> None:
    """Drop old finished jobs."""
    old = f"SELECT id FROM jobs WHERE rowid <= (SELECT max(rowid) FROM jobs) - {_KEPT}"
    still = "SELECT job FROM files WHERE result IS NULL"
    connection.execute(f"DELETE FROM files WHERE job IN ({old}) AND job NOT IN ({still})")
    connection.execute(f"DELETE FROM jobs WHERE id IN ({old}) AND id NOT IN ({still})")
