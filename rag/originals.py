"""The files that documents were read from, as long as they are what was read."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import suppress
from typing import IO

from rag.types import Document

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)  # a named pipe must not wait for a writer
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_BINARY", 0)
)


def is_kept(document: Document) -> bool:
    """Whether there is something at the path of the document's file, whatever it is now."""
    return os.path.isabs(document.file) and os.path.lexists(document.file)


def open_original(document: Document) -> IO[bytes] | None:
    """The document's file, or that of its archive, at its start; None unless it is a plain file
    with the digest of what was read. No link is followed: a source says where a file was, not that
    anybody may read what is there now.
    """
    if not os.path.isabs(document.file):  # a URI, or only a name
        return None
    with suppress(OSError, ValueError):
        file = os.fdopen(os.open(document.file, _FLAGS), "rb")
        try:
            is_file = stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            if is_file and hashlib.file_digest(file, "sha256").hexdigest() == document.file_sha256:
                file.seek(0)
                return file
        except BaseException:
            file.close()
            raise
        file.close()
    return None
