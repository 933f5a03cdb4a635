"""The SHA-256 of a file, and lock files in folders that may be moved away."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock


def sha256_file(path: Path) -> str:
    """The SHA-256 of the file's bytes, in hex. Raises OSError."""
    with path.open("rb") as file:
        digest: str = hashlib.file_digest(file, "sha256").hexdigest()
    return digest


def acquire_lock(lock: BaseFileLock, timeout: float) -> None:
    """Acquire the lock within `timeout` seconds, in a folder that exists.

    filelock makes a missing folder, so an index that was moved would come back as an empty folder;
    one that is made while we acquire the lock is removed again. Raises FileNotFoundError if the
    folder is gone, OSError if it is read-only, `filelock.Timeout`.
    """
    path = Path(lock.lock_file)
    folder = path.parent
    folder_state = folder.stat()
    lock.acquire(timeout=timeout)
    if os.path.samestat(folder_state, folder.stat()):
        return
    lock.release()
    path.unlink(missing_ok=True)
    with suppress(OSError):  # another process writes here already
        folder.rmdir()
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
