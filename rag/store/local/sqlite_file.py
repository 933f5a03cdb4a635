"""Opens the SQLite file of a local store and reports its problems; one process writes at a time.

A reserve of space is given back for deletions, so that they work on a full disk.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from rag.errors import AbsentError, BusyError, StoreError
from rag.files import acquire_lock
from rag.settings import Settings
from rag.store.local import schema

_OUTSIDE_CAUSES = {
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
}
"""Errors caused by the disk or the folder; all others concern the file itself."""
RESTORE = "restore a snapshot: rag index restore SNAPSHOT --replace"


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into StoreErrors that name the file and the next step."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a bug in our code, not a corrupt file
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorcode", 0)
        if code & 0xFF == sqlite3.SQLITE_BUSY:
            hint = "try again when it has finished"
            raise BusyError(f"{path} is locked by another program", hint) from error
        is_truncated = code == sqlite3.SQLITE_IOERR_SHORT_READ
        if code & 0xFF in _OUTSIDE_CAUSES and not is_truncated:
            hint = "free some space, make it writable, or choose another with --index"
            raise StoreError(f"index {path.parent} cannot be written: {error}", hint) from error
        message = f"{path} is not a readable database ({error}); it was left unchanged"
        raise StoreError(message, f"{RESTORE}, or move it away and run: rag ingest PATH") from error
    except OSError as error:
        message = f"index {path.parent} cannot be read: {error.strerror}"
        raise StoreError(message, "choose another with --index") from error


def make_folder(folder: Path) -> None:
    """Create the index folder if needed, for its owner only: it has the text of all documents.
    Raises StoreError.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"index folder {folder} cannot be created: {error.strerror}"
        raise StoreError(message, "choose another with --index") from error


def sync_to_disk(path: Path) -> None:
    """Flush a file, or a folder where the system can open one, which Windows cannot."""
    with suppress(OSError) if path.is_dir() else nullcontext():
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def writable(path: Path) -> bool:
    """Whether this process may write the database: the file and, for its WAL, the folder."""
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))


def stamp(path: Path) -> tuple[bool, int, int]:
    """Changes when another process writes; a read-only connection may then need to reopen."""
    status = path.stat()
    return _wal(path).exists(), status.st_mtime_ns, status.st_size


def inode(path: Path) -> int:
    """Inode of the database. Raises AbsentError if the file was deleted: an open connection would
    still accept changes that nobody could find.
    """
    try:
        return path.stat().st_ino
    except FileNotFoundError as error:
        raise _no_index(path) from error


def connect(path: Path, create: Mapping[str, str] | None = None) -> sqlite3.Connection:
    """Open the database. `create` holds the initial meta values; with it, create the database if
    needed, while holding the write lock.

    Opens read-only if this process may not write. Raises StoreError, naming the file, if it is
    missing (AbsentError), broken or of another format; never overwrites anything.
    """
    with translated(path):
        if create is None and not path.exists():
            raise _no_index(path)
        has_no_wal = not _wal(path).exists()
        can_write = create is not None or writable(path)
        connection = _open(path, "rwc") if can_write else _open_to_read(path)
        try:
            if has_no_wal:
                check_end(connection, path)
            _prepare(connection, path, create)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to an existing database. Raises StoreError, also for errors of its use."""
    with closing(connect(path)) as connection, translated(path):
        yield connection


def _no_index(path: Path) -> AbsentError:
    folder = path.parent
    hint = f"create one with: rag ingest PATH{_options_of(folder)}"
    return AbsentError(f"no index in {folder.absolute()}", hint)


def _options_of(folder: Path) -> str:
    """The options that name an index, or a collection beside one; "" for the default index."""
    options = ""
    if folder.parent.name == "collections":
        options = f" --collection {shlex.quote(folder.name)}"
        folder = folder.parent.parent
    if folder == Settings().index:
        return options
    return f" --index {shlex.quote(str(folder))}{options}"


def _wal(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


def _open(path: Path, mode: str) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=30)


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Open read-only. SQLite reads a WAL database without writing only if a writer's WAL exists, or
    if `immutable` is set.

    `immutable` would ignore the WAL, and with it committed documents.
    """
    wal = _wal(path)
    return _open(path, "ro" if wal.exists() and wal.stat().st_size else "ro&immutable=1")


def check_end(connection: sqlite3.Connection, path: Path) -> None:
    """Raise for a truncated last page, whose missing part SQLite reads as zeros."""
    if path.stat().st_size % connection.execute("PRAGMA page_size").fetchone()[0]:
        raise sqlite3.DatabaseError("it ends in the middle of a page")


def _prepare(connection: sqlite3.Connection, path: Path, create: Mapping[str, str] | None) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    if is_empty(connection):
        if path.with_name("derived.json").exists():
            message = f"{path} is empty, but its search indexes exist; it was left unchanged"
            hint = "restore it from a backup, or move the folder away and run: rag ingest PATH"
            raise StoreError(message, hint)
        if create is None:
            raise _no_index(path)
        connection.execute("PRAGMA journal_mode = WAL")
        schema.create(connection, create)
    check_format(connection, path)
    if writable(path):
        # a copy made with SQLite's tools may use another mode
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        # deleted data must not remain in free pages
        connection.execute("PRAGMA secure_delete = ON")
    schema.add_missing(connection, writable(path))


def check_format(connection: sqlite3.Connection, path: Path) -> None:
    """Raises StoreError if this version cannot read the database."""
    format = str(read_meta(connection).get("format"))
    if format == str(schema.FORMAT):
        return
    hint = "make a new index from your files: rag ingest PATH --index NEW"
    if format.isdecimal() and int(format) > schema.FORMAT:
        hint = "install a newer version of rag"
    message = f"{path} has index format {format}, this version reads {schema.FORMAT}"
    raise StoreError(message, hint)


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether the database has no tables: its creator was killed."""
    return connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def read_meta(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM meta"))


def checkpoint(connection: sqlite3.Connection, path: Path, wait_ms: int) -> int:
    """Truncate the write-ahead log if readers allow it in time. Returns its remaining bytes."""
    last_timeout = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute(f"PRAGMA busy_timeout = {wait_ms}")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {last_timeout}")
    return log_bytes(path)


def log_bytes(path: Path) -> int:
    return _wal(path).stat().st_size if _wal(path).exists() else 0


class WriteLock:
    """A lock file in the index folder, released when its process ends. Re-entrant."""

    def __init__(self, folder: Path) -> None:
        self._lock = FileLock(folder / "lock", is_singleton=False)
        self._holder = folder / "writer"

    @contextmanager
    def hold(self, wait: float) -> Iterator[None]:
        """Hold the lock. Raises BusyError, naming the holder, after `wait` seconds; StoreError if
        the folder is gone.
        """
        folder = self._holder.parent
        try:
            acquire_lock(self._lock, timeout=wait)
        except Timeout as error:
            owner = "another process"
            with suppress(OSError, ValueError):
                owner = f"process {int(self._holder.read_text())}"
            message = f"index {folder} is being written by {owner}"
            raise BusyError(message, "try again when it has finished") from error
        except FileNotFoundError as error:
            hint = "it was moved or deleted; open it where it is now, with --index"
            raise StoreError(f"index folder {folder} is gone", hint) from error
        except OSError as error:
            message = f"index {folder} cannot be written: {error.strerror}"
            raise StoreError(message, "make it writable, or choose another with --index") from error
        try:
            if self._lock.lock_counter == 1:
                with suppress(OSError):  # on a full disk the lock works without the name
                    self._holder.write_text(str(os.getpid()))
            yield
        finally:
            self._lock.release()


_LEAST_BYTES, _MOST_BYTES, _STEP_BYTES = 1 << 18, 64 << 20, 1 << 20
"""Bytes; it grows in steps."""
_CHUNK = 1 << 16


class Reserve:
    """A file in the index folder, of random bytes, which no disk compresses. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "reserve"
        self._lock = threading.Lock()
        self._deletions = 0
        self._size = 0

    def grow(self, stored: int, log: int) -> None:
        """Make it large enough to delete a document of `stored` bytes, whose pages are erased in
        SQLite's log, and to copy the log, of `log` bytes, into the database. It is made so if the
        disk has the space and no deletion uses it.
        """
        with self._lock:
            if not self._deletions:
                steps = (_LEAST_BYTES + 2 * stored + log) // _STEP_BYTES + 1
                self._fill(min(steps * _STEP_BYTES, _MOST_BYTES))

    @contextmanager
    def given_back(self) -> Iterator[None]:
        """Free the space, and take it again afterwards."""
        with self._lock:
            self._deletions += 1
            with suppress(OSError):
                self._size = self._path.stat().st_size
                self._path.unlink()
        try:
            yield
        finally:
            with self._lock:
                self._deletions -= 1
                if not self._deletions:
                    self._fill(self._size)

    def _fill(self, target: int) -> None:
        with suppress(OSError):
            size = self._path.stat().st_size if self._path.exists() else 0
            if size < target:
                with open(self._path, "ab", buffering=0) as file:
                    while size < target:
                        size += file.write(os.urandom(_CHUNK))
