"""Files that appear only when they are complete."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rag.errors import StoreError


@contextmanager
def partial_file(path: Path) -> Iterator[Path]:
    """A temporary file beside `path`, removed at the end. Disk errors become StoreErrors."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.unlink(missing_ok=True)
        partial.touch()
        yield partial
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}",
            "choose another place, or free some space",
        ) from error
    finally:
        for name in (partial, partial.with_name(f"{partial.name}-journal")):
            with suppress(OSError):
                name.unlink(missing_ok=True)


def remove_leftovers(path: Path, suffix: str) -> None:
    """Remove temporary files of processes that were killed while taking this snapshot."""
    for leftover in path.parent.glob(
        f".{path.stem if path.suffix == suffix else path.name}*.partial*"
    ):
        pid = leftover.name.split(".partial")[0].rsplit(".", 1)[-1]
        with suppress(OSError):
            if pid.isdecimal() and not Path("/proc", pid).exists() and Path("/proc/self").exists():
                leftover.unlink()


def sync_to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
