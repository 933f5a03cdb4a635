"""What each file's status was when its content was last hashed, so that an unchanged tree costs one stat a file.

Kept beside the index as `stamps.json`. It is a cache: without it every file is hashed again. Times are only compared for
equality, so that a clock that jumps cannot hide a change; and a file changed within two seconds of being hashed is hashed
again, since a later change could leave the same times (git calls such an entry racy).
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

_NAME = "stamps.json"
_FORMAT = 1
_RACY_NS = 2_000_000_000


class Stamps:
    """Digests by path."""

    def __init__(self, folder: Path) -> None:
        """Those kept in the index `folder`; none if there are none or they are broken."""
        self._path = folder / _NAME
        self._known = _load(self._path)
        self._changed = False

    def digest(self, path: Path) -> str:
        """The SHA-256 of the file, in hex, hashed only if its status has changed; "" if it cannot be read."""
        try:
            before = stamp(path)
            known = self._known.get(str(path))
            if before and known and known[0] == before:
                return known[1]
            found = hash_file(path)
            if before and stamp(path) == before:
                self._known[str(path)] = (before, found)
                self._changed = True
        except OSError:
            return ""
        return found

    def forget(self, paths: Collection[str]) -> int:
        """Take paths out; how many were there."""
        gone = [path for path in paths if self._known.pop(path, None)]
        self._changed |= bool(gone)
        return len(gone)

    def keep(self, paths: Collection[str]) -> None:
        """Only those, which are the files of documents that the index holds."""
        self.forget([path for path in self._known if path not in paths])

    def save(self) -> None:
        """Silent where it cannot be written: then the next run hashes again."""
        if not self._changed:
            return
        partial = self._path.with_name(f"{_NAME}.{os.getpid()}.partial")
        with suppress(OSError):
            partial.write_text(json.dumps({"format": _FORMAT, "files": self._known}))
            partial.replace(self._path)
            self._changed = False
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def hash_file(path: Path) -> str:
    """The SHA-256 of the file, in hex. Raises OSError."""
    with path.open("rb") as file:
        digest: str = hashlib.file_digest(file, "sha256").hexdigest()
    return digest


def stamp(path: Path) -> str:
    """Size, times and inode of a file; "" if it may change again without showing it. Raises OSError."""
    status = path.stat()
    if max(status.st_mtime_ns, status.st_ctime_ns) > time.time_ns() - _RACY_NS:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def _load(path: Path) -> dict[str, tuple[str, str]]:
    try:
        kept = json.loads(path.read_bytes())
        if kept["format"] != _FORMAT:
            return {}
        return {name: (str(stamp), str(digest)) for name, (stamp, digest) in kept["files"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
