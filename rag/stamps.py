"""What the file system says of a file, so that an unchanged tree costs one stat a file.

Times are only compared for equality, so that a clock that jumps cannot hide a change. A file that changed within two seconds
of being read gets no stamp: a later change could leave the same times (git calls such an entry racy).
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

_RACY_NS = 2_000_000_000


def stamp(path: Path) -> str:
    """Size, times and inode; "" if it cannot be read, or may change again without showing it."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return ""
    if max(status.st_mtime_ns, status.st_ctime_ns) > time.time_ns() - _RACY_NS:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def digest(path: Path) -> str:
    """The SHA-256 of the file, in hex; "" if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""
