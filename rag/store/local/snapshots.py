"""Snapshots of a local store: one file that any machine can restore atomically.

A snapshot is the SQLite database at one moment, copied with SQLite's backup while others read and
write. Its meta table holds a digest of every row. Search indexes are rebuilt from the rows.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rag.errors import InputError, NotFoundError, StoreError, writing_to
from rag.originals import open_original
from rag.settings import root_of
from rag.store.local import database, schema, sqlite_file, untrusted
from rag.store.local.indexes import SearchIndexes
from rag.store.local.sqlite_file import WriteLock, sync_to_disk
from rag.types import Document

SUFFIX = ".ragsnap"
_LOG = "snapshots.jsonl"
_ELSEWHERE = "choose another place, or free some space"
_HINT = "take another snapshot; this one cannot be trusted"
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@contextmanager
def _partial_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, removed at the end. Disk errors become StoreErrors."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with writing_to(path, _ELSEWHERE, StoreError):
            partial.unlink(missing_ok=True)
            partial.touch()
            yield partial
    finally:
        for name in (partial, partial.with_name(f"{partial.name}-journal")):
            with suppress(OSError):
                name.unlink(missing_ok=True)


def _remove_leftovers(path: Path) -> None:
    """Remove temporary files of processes that were killed while taking this snapshot."""
    lists_processes = Path("/proc/self").exists()
    for leftover in path.parent.glob(f".{path.name.removesuffix(SUFFIX)}*.partial*"):
        pid = leftover.name.split(".partial")[0].rsplit(".", 1)[-1]
        with suppress(OSError):
            is_dead = pid.isdecimal() and lists_processes and not Path("/proc", pid).exists()
            if is_dead:
                leftover.unlink()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A checked snapshot; `digest` is the SHA-256 of its rows, `taken` the time in UTC."""

    path: str
    taken: str
    generation: int
    documents: int
    passages: int
    bytes: int
    digest: str


def take_snapshot(folder: Path, target: Path) -> Snapshot:
    """Copy the index in `folder` to the file `target`, or to a new file in the folder `target`.
    Replaces an older snapshot.

    Others may write meanwhile; the copy shows one moment. Raises StoreError if there is no index or
    no space, InputError if the target is another file or in the index itself.
    """
    name = f"rag-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}{SUFFIX}"
    path = target / name if target.is_dir() else target
    _check_target(folder, path)
    _remove_leftovers(path)
    index = folder / "rag.sqlite"
    with closing(sqlite_file.connect(index)) as source, _partial_file(path) as partial:
        with sqlite_file.translated(index), closing(_connect(partial)) as copy:
            with _room(path):
                source.backup(copy)
            _sign(copy)
            snapshot = _snapshot_of(copy, path, partial.stat().st_size)
        sync_to_disk(partial)
        partial.replace(path)
        sync_to_disk(path.parent)

    # receipts of deletions list the snapshots that still contain a document
    record = json.dumps(asdict(snapshot))
    with suppress(OSError), (folder / _LOG).open("a") as log:
        log.write(record + "\n")
    return snapshot


def _sign(copy: sqlite3.Connection) -> None:
    """Check the copy of an index, and make it a snapshot with its digest, in a single file. Raises
    sqlite3.DatabaseError.
    """
    (problem,) = copy.execute("PRAGMA quick_check(1)").fetchone()
    if problem != "ok":
        raise sqlite3.DatabaseError(problem)
    copy.execute("PRAGMA journal_mode = DELETE")  # makes it a single file
    taken_at = datetime.now(UTC).isoformat(timespec="seconds")
    values = {"snapshot_digest": _digest(copy), "snapshot_taken": taken_at}
    copy.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())


def check(path: Path) -> Snapshot:
    """The snapshot in a file, or a folder's newest, every row checked. Raises a RagError."""
    if path.is_dir():
        path = _newest_in(path)
    if not path.is_file():
        hint = "give a file written by rag index snapshot, or its folder"
        raise NotFoundError(f"no such snapshot: {path}", hint)

    with _damage_named(path), closing(untrusted.connect(path)) as connection:
        sqlite_file.check_end(connection, path)
        meta = sqlite_file.read_meta(connection)
        sqlite_file.check_format(connection, path)
        if "snapshot_digest" not in meta:
            hint = "create one with: rag index snapshot FILE --index FOLDER"
            raise StoreError(f"{path} is an index's database, not a snapshot", hint)
        if _digest(connection) != meta["snapshot_digest"]:
            raise StoreError(f"{path} is damaged: its rows do not match its digest", _HINT)
        return _snapshot_of(connection, path, path.stat().st_size)


def restore(folder: Path, source: Path, replace: bool, wait: float) -> Snapshot:
    """Replace the index in `folder` in one transaction; open processes switch to the snapshot.

    The digest proves that the snapshot is whole, not who made it: only its rows are copied, each
    checked, into a fresh schema, and the search indexes are built, before anything is replaced.
    Raises InputError if there are documents, unless `replace`; StoreError for a damaged snapshot.
    """
    snapshot = check(source)
    sqlite_file.make_folder(folder)
    path = folder / "rag.sqlite"
    with WriteLock(folder).hold(wait), sqlite_file.translated(path):
        generation = _generation_of(path, folder, replace)
        next_generation = max(generation, snapshot.generation) + 1
        with _partial_file(folder / "restore") as partial, closing(_connect(partial)) as copy:
            _copy(Path(snapshot.path), copy, next_generation)
            _forget_outside(copy, root_of(folder))
            _check_searchable(copy, folder)
            try:
                with closing(_connect(path, 30)) as target:
                    copy.backup(target)
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF not in _BROKEN:
                    raise
                copy.close()
                _put_in_place(partial, path)
    return snapshot


def _check_searchable(copy: sqlite3.Connection, folder: Path) -> None:
    """Build the search indexes of a copy in memory, so that unfit rows are found before anything is
    replaced.
    """
    meta = sqlite_file.read_meta(copy)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".restore.") as scratch:
        scratch_folder = Path(scratch)
        lock = WriteLock(scratch_folder)
        indexes = SearchIndexes(scratch_folder, meta, lock, writable=False, wait=0)
        indexes.sync(copy)


def taken(folder: Path) -> list[Path]:
    """Snapshots of this index that still exist where they were written."""
    with suppress(OSError):
        lines = (folder / _LOG).read_text().splitlines()
        paths = (Path(json.loads(line)["path"]) for line in lines if line.endswith("}"))
        return [path for path in dict.fromkeys(paths) if path.is_file()]
    return []


def has_document(path: Path, document_id: str) -> bool:
    """Whether the snapshot contains the document. An unreadable one may."""
    try:
        with closing(untrusted.connect(path)) as connection:
            sql = "SELECT 1 FROM documents WHERE id = ?"
            return connection.execute(sql, (document_id,)).fetchone() is not None
    except sqlite3.DatabaseError:
        return True


# Taking


def _check_target(folder: Path, path: Path) -> None:
    """Raises InputError for a place in the index, or a file that is no snapshot."""
    if path.resolve().is_relative_to(folder.resolve()):
        hint = "choose a place outside, where it is not lost together with the index"
        raise InputError(f"{path} is in the index folder itself", hint)
    is_replaceable = path.is_file() and _is_snapshot(path)
    if is_replaceable or not os.path.lexists(path):
        return
    message = f"{path} exists and is not a snapshot; it was not overwritten"
    raise InputError(message, "choose another file, or move that one away")


def _is_snapshot(path: Path) -> bool:
    """Whether it is marked as a snapshot; it may still be damaged."""
    try:
        with closing(untrusted.connect(path)) as connection:
            return "snapshot_digest" in sqlite_file.read_meta(connection)
    except (sqlite3.DatabaseError, OSError, ValueError):
        return False


def _connect(path: Path, seconds: float = 5) -> sqlite3.Connection:
    """A connection that waits so long for others to release the database."""
    return sqlite3.connect(path, timeout=seconds, isolation_level=None)


def _snapshot_of(copy: sqlite3.Connection, path: Path, size: int) -> Snapshot:
    """The snapshot in a database of this size."""
    meta = sqlite_file.read_meta(copy)
    documents, passages = database.counts(copy)
    return Snapshot(
        path=str(path.resolve()),
        taken=meta["snapshot_taken"],
        generation=untrusted.generation(meta),
        documents=documents,
        passages=passages,
        bytes=size,
        digest=meta["snapshot_digest"],
    )


def _digest(connection: sqlite3.Connection) -> str:
    """Digest of the index's settings and of every column of every row, in order, without kept
    files; values are prefixed with type and length.
    """
    digest = hashlib.sha256()
    meta = sqlite_file.read_meta(connection)
    values = {key: value for key, value in meta.items() if not key.startswith("snapshot_")}
    digest.update(json.dumps(values, sort_keys=True).encode())
    for table in untrusted.DATA:
        if table == "originals":
            continue
        for row in untrusted.rows(connection, table):
            digest.update(b"".join(map(_framed_bytes, row)))
    return digest.hexdigest()


def _framed_bytes(value: object) -> bytes:
    """A value with its type and its length before it."""
    content = value if isinstance(value, bytes) else str(value).encode()
    initial = type(value).__name__[:1].encode()
    return b"%s%d:%s" % (initial, len(content), content)


@contextmanager
def _room(path: Path) -> Iterator[None]:
    """Attribute write errors to the copy's disk, since the index was only read."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:
            raise
        raise StoreError(f"{path} cannot be written: {error}", _ELSEWHERE) from error


def _newest_in(folder: Path) -> Path:
    """The snapshot in a folder whose name is the last. Raises NotFoundError."""
    snapshots = sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.name)
    if not snapshots:
        hint = f"give a file written by rag index snapshot; its suffix is {SUFFIX}"
        raise NotFoundError(f"no snapshot in {folder}", hint)
    return snapshots[-1]


@contextmanager
def _damage_named(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        # by what is written, not by the snapshot
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            message = f"the copy of {path} cannot be written: {error}"
            raise StoreError(message, "free some space, and restore it again") from error
        raise StoreError(f"{path} is not a snapshot, or a damaged one ({error})", _HINT) from error


def _generation_of(path: Path, folder: Path, replace: bool) -> int:
    """Generation of the index to replace; 0 for none, or a broken one that may be replaced."""
    if not path.exists() or not path.stat().st_size:
        return 0
    try:
        with closing(_connect(path)) as connection:
            if sqlite_file.is_empty(connection):
                return 0
            documents, _ = database.counts(connection)
            generation = int(database.generation(connection))
    except (sqlite3.DatabaseError, LookupError):
        documents, generation = 1, 0
    if documents and not replace:
        hint = "overwrite them with --replace, or choose another with --index"
        raise InputError(f"index {folder} already contains documents", hint)
    return generation


def _put_in_place(partial: Path, path: Path) -> None:
    """Replace the database file, if it is too broken to be written."""
    sync_to_disk(partial)
    for name in ("rag.sqlite-wal", "rag.sqlite-shm"):
        path.with_name(name).unlink(missing_ok=True)
    partial.replace(path)
    sync_to_disk(path.parent)


def _copy(path: Path, target: sqlite3.Connection, generation: int) -> None:
    """Copy the rows of a snapshot to an empty database. It has a store id of its own: otherwise
    both indexes would assign the same ids to different passages.
    """
    with _damage_named(path), closing(untrusted.connect(path)) as source:
        untrusted.copy(source, target)
    values = [(str(generation), key) for key in ("generation", "journal")]
    target.executemany("UPDATE meta SET value = ? WHERE key = ?", values)


def _forget_outside(copy: sqlite3.Connection, root: str) -> None:
    """Keep only the names of files that are neither below the root of the restored index, nor what
    was read: whoever wrote the snapshot chose its sources.
    """
    last_root = sqlite_file.read_meta(copy).get(schema.ROOT_KEY)
    sql = "SELECT row, id, source, sha256, stamp FROM documents"
    changed = []
    for row, document_id, source, sha256, stamp in copy.execute(sql):
        document = Document(document_id, "", "", source, sha256, container_sha256=stamp)
        if not _is_known(document, root, last_root):
            folder = os.path.dirname(document.file)
            changed.append((source[len(folder) :].lstrip(os.sep), row))
    copy.execute("BEGIN")
    copy.executemany("UPDATE documents SET source = ? WHERE row = ?", changed)
    copy.execute("COMMIT")


def _is_known(document: Document, root: str, last_root: str | None) -> bool:
    """Whether the source of a document may be kept; `last_root` is the root of the snapshot's
    index, from which it moves to `root` together with its files.
    """
    path = document.file
    if not os.path.isabs(path):
        return True
    is_plain = os.path.normpath(path) == path
    if is_plain and path.startswith(f"{root}/"):
        return True
    if is_plain and last_root is not None and path.startswith(f"{last_root}/"):
        path_below = path[len(last_root) :]
        if os.path.isfile(root + path_below):
            return True

    file = open_original(document)
    if file is None:
        return False
    file.close()
    return True
