"""Cache of file digests by status (size, times, inode), so that an unchanged folder costs one stat
per file. It also records why a file could not be read, so that it is not read again. For a file
outside the folder it records the link through which it was found, so that removing the link removes
the file's documents.

Stored next to the index as `stamps.json`; without it, every file is hashed and every unreadable one
is read again. Times are only compared for equality, so that a clock change cannot hide a file's
change. A file changed less than two seconds before hashing is hashed again, since a later change
could leave the same times (git calls such an entry racy).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rag.files import sha256_file
from rag.settings import root_of

_NAME = "stamps.json"
_FORMAT = 1
_RACY_NS = 2_000_000_000
Skipped = list[tuple[str, str]]
"""(path of a file or of a member, why it could not be read)"""


class Stamps:
    """File digests by path, and skipped files."""

    def __init__(self, folder: Path | None = None, reader: str = "") -> None:
        """Load the cache of the index `folder`; empty if that fails. Without one, none is saved.

        `reader` is the parsers' version: files that an older one could not read are tried again.
        """
        self._path = folder / _NAME if folder else Path(os.devnull)
        self._root = root_of(folder) if folder else ""
        self._reader = reader
        self._changed = False
        self._digests: dict[str, tuple[str, str]] = {}
        """(status, digest) of each file"""
        self._bad: dict[str, tuple[str, str, Skipped]] = {}
        """(status, parsers, what was skipped) of each file"""
        self._links: dict[str, str] = {}
        self.furniture: dict[str, list[str]] = {}
        """digests of recurring blocks, by folder"""
        with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
            self._load(json.loads(self._path.read_bytes()))

    def _load(self, saved: Mapping[str, Any]) -> None:
        """Take over what was saved; raises if it is broken. Paths of a moved index are updated."""
        if saved["format"] != _FORMAT:
            return
        saved_root = saved.get("root", self._root)
        files = saved.get("files", {})
        unreadable = saved.get("skipped", {})
        links = saved.get("links", {})
        furniture = saved.get("furniture", {})

        for path, (status, digest) in files.items():
            moved = _path_under_new_root(path, saved_root, self._root)
            self._digests[moved] = (str(status), str(digest))
        for path, (status, reader, skipped) in unreadable.items():
            reasons = [(str(part), str(reason)) for part, reason in skipped]
            self._bad[path] = (str(status), str(reader), reasons)
        for path, link in links.items():
            self._links[path] = str(link)
        for folder, blocks in furniture.items():
            moved = _path_under_new_root(folder, saved_root, self._root)
            self.furniture[moved] = [str(digest) for digest in blocks]

    def digest(self, path: Path) -> str:
        """SHA-256 of the file in hex, computed only if its status has changed; "" if unreadable."""
        try:
            stamp_before = stamp(path)
            saved = self._digests.get(str(path))
            if stamp_before and saved:
                saved_stamp, saved_digest = saved
                if saved_stamp == stamp_before:
                    return saved_digest

            digest = sha256_file(path)
            if stamp_before and stamp(path) == stamp_before:
                self._digests[str(path)] = (stamp_before, digest)
                self._changed = True
        except OSError:
            return ""
        return digest

    def skipped(self, path: Path) -> Skipped:
        """The skipped parts of the file; [] if its status or the parsers have changed."""
        noted = self._bad.get(str(path))
        if noted is None:
            return []
        status, reader, skipped = noted
        if not status or status != status_of(path) or reader != self._reader:
            return []
        return list(skipped)

    def note(self, path: Path, status: str, skipped: Sequence[tuple[str, str]]) -> None:
        """Record what was skipped in a file, unless its `status` has changed since it was read."""
        if skipped and status and status == status_of(path):
            self._bad[str(path)] = (status, self._reader, list(skipped))
            self._changed = True
        elif str(path) in self._bad:
            del self._bad[str(path)]
            self._changed = True

    def link(self, path: str) -> str:
        """The link through which the file was found, or ""."""
        return self._links.get(path, "")

    def note_link(self, path: Path, link: Path) -> None:
        if self._links.get(str(path)) != str(link):
            self._links[str(path)] = str(link)
            self._changed = True

    def forget(self, paths: Collection[str]) -> int:
        """Remove paths. Returns how many were present."""
        counts = []
        for entries in (self._digests, self._bad, self._links):
            count = 0
            for path in paths:
                if entries.pop(path, None) is not None:
                    count += 1
            counts.append(count)

        if any(counts):
            self._changed = True
        return counts[0]

    def keep(self, paths: Collection[str]) -> None:
        """Keep only the files of indexed documents, and unreadable files that still exist."""
        unreadable = {path for path in self._bad if status_of(Path(path))}
        known_paths = {*self._digests, *self._bad, *self._links}
        self.forget(known_paths - unreadable - set(paths))

    def save(self) -> None:
        """Write the cache. Ignores errors: the next run then hashes again."""
        if not self._changed or self._path == Path(os.devnull):
            return
        partial = self._path.with_name(f"{_NAME}.{os.getpid()}.partial")
        with suppress(OSError):
            saved = {
                "format": _FORMAT,
                "root": self._root,
                "files": self._digests,
                "skipped": self._bad,
                "links": self._links,
                "furniture": self.furniture,
            }
            partial.write_text(json.dumps(saved))
            partial.replace(self._path)
            self._changed = False
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def stamp(path: Path) -> str:
    """Size, times and inode; "" if the file might change without them changing. Raises OSError."""
    status = path.stat()
    if max(status.st_mtime_ns, status.st_ctime_ns) > time.time_ns() - _RACY_NS:
        return ""
    return f"{status.st_size}-{status.st_mtime_ns}-{status.st_ctime_ns}-{status.st_ino}"


def status_of(path: Path) -> str:
    """Like `stamp`; also "" if there is no file."""
    try:
        return stamp(path)
    except OSError:
        return ""


def _path_under_new_root(path: str, root_before: str, root_now: str) -> str:
    """The path below `root_now` instead of `root_before`, if it exists there; else unchanged."""
    if root_before == root_now or not path.startswith(f"{root_before}/"):
        return path
    new_path = root_now + path[len(root_before) :]
    return new_path if os.path.exists(new_path) else path
