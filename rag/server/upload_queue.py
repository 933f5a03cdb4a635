"""The queue of uploads: on the disk of a single server, which ingests them itself, or in the shared
database of several, where `rag worker` does.

A job is stored durably before it is acknowledged, until its documents are in the index. A killed
service therefore loses no accepted upload: it resumes the jobs it finds. Processing a file twice
changes nothing.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rag.errors import StoreError
from rag.ingestion import uploads as shared
from rag.ingestion.pipeline import UPLOADED
from rag.ingestion.uploads import DEADLY, GRID, MOST_DEATHS
from rag.server import problems
from rag.server.schemas import FileSchema, Job
from rag.server.work import waiting

FOLDER = "uploads"
"""Prefix of the ids of uploaded documents."""
NamedContent = tuple[str, bytes]
"""(name, content)"""


@dataclass(frozen=True, slots=True)
class QueuedFile:
    """A file in the queue: its job, its number in that, and the id of the key that sent it."""

    job: str
    number: int
    upload: NamedContent
    key_id: str


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
    deaths INTEGER NOT NULL DEFAULT 0,
    key TEXT NOT NULL DEFAULT '',
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
_WAITING = """
SELECT count(*), coalesce(sum(length(content)), 0),
    coalesce(sum(key = ?), 0), coalesce(sum(length(content) * (key = ?)), 0)
FROM files WHERE result IS NULL"""
"""Number and bytes of the waiting files, and of those of a key."""
_KEPT = 1000
"""Jobs whose results are kept on the server's disk."""
_LOOK = 0.2
_TIME, _STAMP = "%Y-%m-%dT%H:%M:%SZ", "%Y%m%dT%H%M%SZ"


def file_of(upload: NamedContent) -> shared.Upload:
    """The upload with a name under `uploads/`, which distinguishes it from ingested files."""
    name, content = upload
    if name.startswith(GRID):
        return shared.Upload(name, name, content)
    return shared.Upload(f"{FOLDER}/{name}", f"{UPLOADED}{FOLDER}/{name}", content)


def outcome_of(name: str, done: shared.Done) -> FileSchema:
    ids = list(done.documents)
    return FileSchema(name=name, outcome=done.outcome, document_ids=ids, detail=done.detail)


def _job(job: str, created: str, files: list[FileSchema], total: int) -> Job:
    """A job of which these files were processed."""
    state = "done" if len(files) == total else "running" if files else "queued"
    return Job(id=job, state=state, created=created, files=files, total=total)


def _is_full(total: int, of_key: int, count: int, capacity: int, key_id: str) -> bool:
    """Whether `count` units do not fit into `capacity`, of which one key gets three quarters. What
    comes first always fits.
    """
    if total and total + count > capacity:
        return True
    return bool(key_id and of_key) and of_key + count > capacity * 3 // 4


class LocalUploadQueue:
    """A queue of uploads in one SQLite file. Thread-safe; methods raise StoreError."""

    def __init__(self, path: Path, most_waiting: int, most_bytes: int) -> None:
        """Raises StoreError if the file cannot be opened."""
        self._path = path
        self._most_waiting = most_waiting
        self._most_bytes = most_bytes
        self._changed = threading.Condition()
        self._busy: dict[tuple[str, int], tuple[str, str]] = {}
        """(owner, name) of the files in progress"""
        self._work: dict[str, float] = {}
        self._clock = 0.0
        with _as_store_errors(path):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path, isolation_level=None, check_same_thread=False, timeout=30
            )
            self._connection.executescript(f"{_PRAGMAS} {_SCHEMA}")
            columns = self._connection.execute("PRAGMA table_info(files)").fetchall()
            for column in ("deaths INTEGER NOT NULL DEFAULT 0", "key TEXT NOT NULL DEFAULT ''"):
                if column.split()[0] not in {name for _, name, *_ in columns}:  # an older version's
                    self._connection.execute(f"ALTER TABLE files ADD COLUMN {column}")
            (vacuum,) = self._connection.execute("PRAGMA auto_vacuum").fetchone()
            if vacuum != _INCREMENTAL:  # created by an older version
                self._connection.execute("VACUUM")
            _give_back(self._connection)
        self._reject_deadly()

    def _reject_deadly(self) -> None:
        """Give up the files that the service worked on when it ended, twice; others are retried."""
        with self._database() as connection:
            sql = "SELECT job, number, name FROM files WHERE result IS NULL AND deaths >= ?"
            deadly = connection.execute(sql, (MOST_DEATHS,)).fetchall()
        for job, number, name in deadly:
            self.finish(job, number, FileSchema(name=name, outcome="rejected", detail=DEADLY))

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with self._changed, _as_store_errors(self._path):
            yield self._connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._database() as connection:
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
            self._changed.notify_all()

    def add(self, uploads: Sequence[NamedContent], key_id: str = "") -> str:
        """Store a new job of a key durably and return its id. Raises ServiceError if too much is
        waiting.
        """
        job = uuid.uuid4().hex
        with self._transaction() as connection:
            waiting, size, of_key, own_size = connection.execute(
                _WAITING, (key_id, key_id)
            ).fetchone()
            is_full = _is_full(waiting, of_key, len(uploads), self._most_waiting, key_id)
            if is_full or _is_full(size, own_size, 1, self._most_bytes, key_id):
                raise problems.overloaded(5)
            added_at = time.strftime(_TIME, time.gmtime())
            connection.execute("INSERT INTO jobs VALUES (?, ?, ?)", (job, added_at, len(uploads)))
            rows = [
                (job, number, name, content, key_id)
                for number, (name, content) in enumerate(uploads)
            ]
            columns = "job, number, name, content, key"
            connection.executemany(f"INSERT INTO files ({columns}) VALUES (?, ?, ?, ?, ?)", rows)
            _forget(connection)
        return job

    @contextmanager
    def next(self, seconds: float) -> Iterator[QueuedFile | None]:
        """The oldest unprocessed file of the key that has had the least work, for this block; None
        if nothing comes within `seconds`. Each key has one at a time, and files of one name come in
        order. Grids wait for all files.
        """
        entry, started = self._next_file(seconds), time.monotonic()
        try:
            yield entry
        finally:
            if entry:
                with self._changed:
                    owner, _ = self._busy.pop((entry.job, entry.number))
                    self._work[owner] = self._clock + time.monotonic() - started
                    self._changed.notify_all()

    def _next_file(self, seconds: float) -> QueuedFile | None:
        with self._database() as connection:
            sql = (
                "SELECT f.job, f.number, f.name, f.key FROM files f JOIN jobs j ON j.id = f.job "
                "WHERE f.result IS NULL ORDER BY instr(f.name, ?) = 1, j.rowid, f.number"
            )
            entries = list(self._free_files(connection.execute(sql, (GRID,)).fetchall()))
            if not entries:
                self._changed.wait(seconds)
                return None
            owner, job, number, name, key_id = min(
                entries, key=lambda entry: self._work_of(entry[0])
            )
            sql = "SELECT content FROM files WHERE job = ? AND number = ?"
            (content,) = connection.execute(sql, (job, number)).fetchone()
            self._busy[job, number] = owner, name
            self._clock = self._work_of(owner)
        return QueuedFile(job, number, (name, bytes(content)), key_id)

    def _work_of(self, owner: str) -> float:
        """Seconds of work on a common clock, so that nobody saves up."""
        return max(self._clock, self._work.get(owner, 0.0))

    def _free_files(
        self, rows: Iterable[tuple[str, int, str, str]]
    ) -> Iterator[tuple[str, str, int, str, str]]:
        """(owner, job, number, name, key) of the files that may be taken now. A grid's owner is not
        its key: it goes on when no file waits.
        """
        owners, names = map(set, zip(*self._busy.values(), strict=True)) if self._busy else ((), ())
        names, files = set(names), False
        for job, number, name, key_id in rows:
            is_grid = name.startswith(GRID)
            owner = GRID if is_grid else key_id
            files = files or not is_grid
            if owner not in owners and name not in names and not (is_grid and files):
                yield owner, job, number, name, key_id
            names.add(name)

    def is_open(self, job: str, number: int) -> bool:
        """Whether the file has no outcome yet: it has one once it is cancelled."""
        with self._database() as connection:
            sql = "SELECT 1 FROM files WHERE job = ? AND number = ? AND result IS NULL"
            return connection.execute(sql, (job, number)).fetchone() is not None

    def count_death(self, job: str, number: int, deaths: int) -> None:
        """Count the end of the service while it works on the file, before it happens; or, with -1,
        that it did not happen.
        """
        with self._database() as connection:
            sql = "UPDATE files SET deaths = deaths + ? WHERE job = ? AND number = ?"
            connection.execute(sql, (deaths, job, number))

    def finish(self, job: str, number: int, result: FileSchema) -> None:
        """Record the outcome of a file that has none yet, and drop its content."""
        with self._transaction() as connection:
            sql = "UPDATE files SET result = ?, content = NULL WHERE job = ? AND number = ?"
            found = f"{sql} AND result IS NULL"
            connection.execute(found, (result.model_dump_json(), job, number))
        with self._database() as connection:
            _give_back(connection)

    def scrub(self, document_id: str) -> dict[str, int]:
        """Free what the queue no longer needs of a deleted document. Returns the rest: `waiting`
        files of its name, which will be ingested again, and `log_bytes` of the write-ahead log,
        which may contain any upload's text.
        """
        with self._database() as connection:
            logged = _give_back(connection)
            sql = "SELECT name FROM files WHERE content IS NOT NULL"
            names = [f"{FOLDER}/{name}" for (name,) in connection.execute(sql)]
        waiting = sum(name == document_id or document_id.startswith(f"{name}/") for name in names)
        return {"waiting": waiting, "log_bytes": logged}

    def get(self, job: str) -> Job | None:
        with self._database() as connection:
            return _get(connection, job)

    def asking(self, name: str) -> str:
        """The unfinished job of the entry with this name, or ""."""
        with self._database() as connection:
            sql = "SELECT job FROM files WHERE name = ? AND result IS NULL"
            row = connection.execute(sql, (name,)).fetchone()
        return row[0] if row else ""

    def list_newest(self, limit: int, state: str | None = None) -> list[Job]:
        """Jobs, newest first; `state` selects only those in that state."""
        with self._database() as connection:
            ids = connection.execute("SELECT id FROM jobs ORDER BY rowid DESC").fetchall()
            jobs = (_get(connection, job) for (job,) in ids)
            chosen = (job for job in jobs if job and state in (None, job.state))
            return list(islice(chosen, limit))

    def cancel(self, job: str) -> None:
        """Reject a job's files that are not done. Work on the one in progress ends."""
        with self._database() as connection:
            sql = "SELECT number, name FROM files WHERE job = ? AND result IS NULL ORDER BY number"
            waiting = connection.execute(sql, (job,)).fetchall()
        for number, name in waiting:
            self.finish(job, number, FileSchema(name=name, outcome="rejected", detail="cancelled"))

    def wait(self, job: str, seconds: float) -> Job | None:
        """The job when it is done, or its state after `seconds`."""
        with waiting(), self._database() as connection:  # no place is waited for with the lock

            def is_over() -> bool:
                entry = _get(connection, job)
                return entry is None or entry.state == "done"

            self._changed.wait_for(is_over, seconds)
            return _get(connection, job)

    def wake(self) -> None:
        with self._changed:
            self._changed.notify_all()

    @property
    def waiting(self) -> int:
        sql = "SELECT count(*) FROM files WHERE result IS NULL"
        with self._database() as connection:
            return int(connection.execute(sql).fetchone()[0])

    def close(self) -> None:
        with self._changed:
            self._connection.close()


@contextmanager
def _as_store_errors(path: Path) -> Iterator[None]:
    """Turns errors of the database into StoreError."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        hint = "make the index's folder writable, and free some disk space"
        raise StoreError(f"uploads cannot be stored in {path}: {error}", hint) from error


def _give_back(connection: sqlite3.Connection) -> int:
    """Give free pages back and truncate the log. Returns bytes left in it, if others read it."""
    connection.executescript("PRAGMA incremental_vacuum")  # execute would free only one page
    is_busy, pages, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    size: int = connection.execute("PRAGMA page_size").fetchone()[0]
    return pages * size if is_busy else 0


def _get(connection: sqlite3.Connection, job: str) -> Job | None:
    row = connection.execute("SELECT created, total FROM jobs WHERE id = ?", (job,)).fetchone()
    if row is None:
        return None
    sql = "SELECT result FROM files WHERE job = ? AND result IS NOT NULL ORDER BY number"
    results = connection.execute(sql, (job,))
    files = [FileSchema.model_validate_json(result) for (result,) in results]
    return _job(job, row[0], files, row[1])


def _forget(connection: sqlite3.Connection) -> None:
    """Drop old finished jobs."""
    old_jobs = f"SELECT id FROM jobs WHERE rowid <= (SELECT max(rowid) FROM jobs) - {_KEPT}"
    unfinished = "SELECT job FROM files WHERE result IS NULL"
    connection.execute(f"DELETE FROM files WHERE job IN ({old_jobs}) AND job NOT IN ({unfinished})")
    connection.execute(f"DELETE FROM jobs WHERE id IN ({old_jobs}) AND id NOT IN ({unfinished})")


class SharedUploadQueue:
    """A queue of uploads in a database, which workers process. Methods as in LocalUploadQueue."""

    def __init__(self, queue: shared.Queue, most_waiting: int) -> None:
        self._queue = queue
        self._most_waiting = most_waiting

    def add(self, uploads: Sequence[NamedContent], key_id: str = "") -> str:
        waiting = [job.key_id for job in self._queue.state().jobs if job.state != "failed"]
        of_key = waiting.count(key_id)
        if _is_full(len(waiting), of_key, len(uploads), self._most_waiting, key_id):
            raise problems.overloaded(5)
        job = f"{time.strftime(_STAMP, time.gmtime())}-{uuid.uuid4().hex}"
        self._queue.enqueue([file_of(upload) for upload in uploads], job, key_id)
        return job

    def get(self, job: str) -> Job | None:
        # PostgreSQL text cannot contain NUL
        rows = [] if "\0" in job else self._queue.results(job)
        if not rows:
            return None
        files = [outcome_of(name.removeprefix(f"{FOLDER}/"), done) for name, done in rows if done]
        created = time.strftime(_TIME, time.strptime(job.partition("-")[0], _STAMP))
        return _job(job, created, files, len(rows))

    def wait(self, job: str, seconds: float) -> Job | None:
        until = time.monotonic() + seconds
        while (entry := self.get(job)) and entry.state != "done" and time.monotonic() < until:
            with waiting():
                time.sleep(_LOOK)
        return entry

    @property
    def waiting(self) -> int:
        state = self._queue.state()
        return state.count("waiting") + state.count("working")

    def asking(self, name: str) -> str:
        waiting = (entry for entry in self._queue.state().jobs if entry.state != "failed")
        return next((entry.batch for entry in waiting if entry.name == name), "")

    def list_newest(self, limit: int, state: str | None = None) -> list[Job]:
        message = "uploads to a database are not listed here"
        raise problems.ServiceError(404, "http", message, "see: rag worker --status")

    def cancel(self, job: str) -> None:
        message = "uploads to a database cannot be cancelled here"
        raise problems.ServiceError(404, "http", message, "see: rag worker --forget")

    def scrub(self, document_id: str) -> dict[str, int]:
        """Waiting uploads are in the database, which cleans up itself."""
        return {"waiting": 0, "log_bytes": 0}

    def close(self) -> None:
        self._queue.close()
