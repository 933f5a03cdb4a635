"""Files that only their owner may read, changed by one process at a time: journals, the audit log,
and the token of an index without API keys. The token stays the same, so that addresses stay valid.
"""

from __future__ import annotations

import hashlib
import html
import json
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rag.errors import BusyError, RagError, StoreError, writing_to
from rag.files import acquire_lock

_log = logging.getLogger(__name__)
_audit_log = logging.getLogger("rag.audit")
_PATIENCE = 5.0
_TOKEN = re.compile(r"[\w-]{32,}")
_OTHERS_MODE = 0o077
_MOST_AUDITED = 1_000_000_000
"""Bytes of an audit log."""


def make_private(folder: Path) -> None:
    """Make a folder that only its owner may read, if it is missing. Raises StoreError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        message = f"{folder} cannot be made: {error.strerror}"
        raise StoreError(message, "make the folder above it writable") from error


@contextmanager
def locked(path: Path, create: bool = False) -> Iterator[None]:
    """Hold the file's lock. With `create`, its folder is made if it is missing; otherwise it is
    that of an index, which may have been moved away. Raises BusyError after 5 s, StoreError if the
    folder is read-only or missing.
    """
    lock = FileLock(path.with_suffix(".lock"))
    if create:
        make_private(path.parent)
    try:
        acquire_lock(lock, timeout=_PATIENCE)
    except Timeout as error:
        raise BusyError(f"{path} is being changed by another process", "try again") from error
    except FileNotFoundError as error:
        hint = "start the service again with the place where it is now"
        raise StoreError(f"the folder of {path} is gone", hint) from error
    except OSError as error:
        message = f"{path} cannot be written: {error.strerror}"
        raise StoreError(message, "make its folder writable") from error
    try:
        yield
    finally:
        lock.release()


def _open_private(path: str | Path, flags: int) -> int:
    return os.open(path, flags, 0o600)


def replace_file(path: Path, text: str) -> None:
    """Replace the file atomically. Raises OSError."""
    partial = path.with_suffix(".partial")
    with open(partial, "w", encoding="utf-8", opener=_open_private) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


class JournalFile:
    """An append-only file of JSON Lines. Lines are written atomically. Safe to share between
    threads and processes.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path = path
        self._most_bytes = most_bytes

    def add(self, line: Mapping[str, Any]) -> None:
        """Append a line durably. Raises StoreError, also if the file is full, and BusyError."""
        written = (json.dumps(line, ensure_ascii=False) + "\n").encode()
        with (
            locked(self._path),
            writing_to(self._path, "free some disk space", StoreError),
            open(self._path, "ab+", opener=_open_private) as file,
        ):
            size = file.seek(0, os.SEEK_END)
            if size + len(written) > self._most_bytes:
                hint = "move the file away; a new one is started"
                raise StoreError(f"{self._path} is full ({size / 2**20:,.0f} MB)", hint)
            file.seek(max(0, size - 1))
            if file.read(1) not in (b"", b"\n"):  # a crash has truncated the last line
                file.write(b"\n")
            file.write(written)
            file.flush()
            os.fsync(file.fileno())

    def lines(self) -> Iterator[dict[str, Any]]:
        """Complete lines, oldest first. Raises StoreError."""
        if not self._path.exists():
            return
        try:
            with open(self._path, encoding="utf-8") as file:
                for line in file:
                    with suppress(ValueError):
                        if isinstance(value := json.loads(line), dict):
                            yield value
        except OSError as error:
            message = f"{self._path} cannot be read: {error.strerror}"
            raise StoreError(message, "make it readable") from error

    def keep(self, condition: Callable[[Mapping[str, Any]], bool]) -> int:
        """Remove the lines for which `condition` is false. Returns their number."""
        if not self._path.exists():
            return 0
        with locked(self._path):
            lines_before = list(self.lines())
            lines_after = [line for line in lines_before if condition(line)]
            if len(lines_after) < len(lines_before):
                lines = (json.dumps(line, ensure_ascii=False) + "\n" for line in lines_after)
                replace_file(self._path, "".join(lines))
        return len(lines_before) - len(lines_after)


class Audit:
    """Audit log of one index and its collections: who changed documents, collections and keys, and
    when. It contains no text of documents or questions. JSON Lines in the index's `audit.jsonl`,
    and in the log under `rag.audit`.
    """

    def __init__(self, folder: Path) -> None:
        with suppress(StoreError):  # what is noted will say so
            make_private(folder)
        self._file = JournalFile(folder / "audit.jsonl", _MOST_AUDITED)

    def note(self, event: str, **facts: object) -> None:
        """Record an event durably. If that fails, the log says so, and the change stays."""
        line = {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "event": event, **facts}
        _audit_log.info(json.dumps(line))
        try:
            self._file.add(line)
        except RagError as error:
            _audit_log.error("%s could not be added to the audit log: %s", event, error.message)


def local_token(index: Path) -> str:
    """The token of the index, from a file that only this user may read; created when it is first
    needed, and again if the file is not this user's own. A token for this run if no file can be
    kept.
    """
    try:
        path = _folder() / hashlib.sha256(str(index.resolve()).encode()).hexdigest()[:32]
        with locked(path):
            token = _trusted_token(path)
            if not token:
                token = secrets.token_urlsafe(24)
                replace_file(path, token)
            return token
    except (OSError, RuntimeError, RagError) as error:
        _log.warning("the token cannot be kept, so it is new at each start: %s", error)
        return secrets.token_urlsafe(24)


def redirect_file(address: str) -> Path:
    """A file of this user's own that leads a browser to the address: other users see the arguments
    of a process, and the address contains the token. Raises OSError, RuntimeError, RagError.
    """
    path = _folder() / "open.html"
    place = html.escape(f"0;url={address}")
    with locked(path):
        replace_file(path, f'<!doctype html><meta http-equiv="refresh" content="{place}">')
    return path


def _folder() -> Path:
    """Made if missing. Raises OSError, and RuntimeError without a home folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    folder = Path(state) / "rag" / "serve"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _trusted_token(path: Path) -> str:
    """The token in the file; "" if another user may have read or written it."""
    try:
        status = path.stat()
        token = path.read_text(encoding="ascii")
    except (FileNotFoundError, UnicodeError):
        return ""
    is_owned = os.name != "posix" or (
        status.st_uid == os.getuid() and not status.st_mode & _OTHERS_MODE
    )
    return token if is_owned and _TOKEN.fullmatch(token) else ""
