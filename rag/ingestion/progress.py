"""What a run over files is doing, and how long it will still take."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from rag.parsing.files import FoundFile
from rag.parsing.pool import Loader, ParseTask, Result

_WEIGHTS = {
    ".pdf": 0.15,
    ".html": 0.4,
    ".htm": 0.4,
    ".docx": 0.2,
    ".pptx": 0.05,
    ".xlsx": 0.3,
    ".epub": 0.5,
    ".zip": 2.0,
    ".gz": 3.0,
}
"""About how many bytes of text a byte of a file holds; 1 for others."""
_IMAGES = frozenset((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"))
_IMAGE_BYTES = 200_000
"""Bytes of text that take as long as recognising the text of a picture."""
_SOONEST = 3.0
"""Seconds after which a first estimate is shown."""


class IngestProgress:
    """Follows a run over `files`, or one over pages whose number is not known. Its loader and its
    callbacks are called by that run, `describe` by another thread.
    """

    def __init__(self, files: Iterable[FoundFile] = (), unit: str = "file") -> None:
        self._unit = unit
        self.begin(files)

    def begin(self, files: Iterable[FoundFile]) -> None:
        """Follow another run from now on."""
        self._sizes = {file.path: _size(file.path) for file in files}
        self._total = sum(self._sizes.values())
        self._finished = 0
        self._waiting: dict[Path, float] = {}
        """files that are being read, with the time since when"""
        self._met: set[Path] = set()
        self._read = 0.0
        """size of the files that were read"""
        self._stored = 0.0
        """size of those whose passages were embedded"""
        self._embedded, self._to_embed = 0, 0
        self._started = self._last_read = time.monotonic()

    def loader(self, load: Loader) -> Loader:
        """`load`, followed by this object."""

        def follow(jobs: Iterable[ParseTask]) -> Iterator[Result]:
            for task, loaded in load(self._reading(jobs)):
                self._waiting.pop(task.found.path, None)
                self._read += _size(task.found.path)
                self._last_read = time.monotonic()
                yield task, loaded

        return follow

    def _reading(self, jobs: Iterable[ParseTask]) -> Iterator[ParseTask]:
        for task in jobs:
            self._met.add(task.found.path)
            self._waiting[task.found.path] = time.monotonic()
            yield task

    def on_embedded(self, embedded: int, total: int) -> None:
        """Called as `LazyEmbedder` says."""
        if not total:
            # the model loads once, which says nothing about the rate
            self._started += time.monotonic() - self._last_read
        self._embedded, self._to_embed = embedded, total
        if total and embedded >= total:
            self._stored, self._to_embed = self._read, 0

    def on_progress(self, file: FoundFile) -> None:
        """Called for each file that is stored or needs no storing."""
        self._finished += 1
        if file.path not in self._met:  # it was not read, so it says nothing about the rate
            self._total -= _size(file.path)

    def on_page(self) -> None:
        """Called for each web page."""
        self._finished += 1

    @property
    def share(self) -> float:
        """Estimated share of the work that is done, in [0, 1]."""
        part = self._embedded / self._to_embed if self._to_embed else 0.0
        size = self._stored + (self._read - self._stored) * part
        return min(1.0, size / self._total) if self._total > 0 else 0.0

    def seconds_left(self) -> float | None:
        """Estimated seconds until the end, or None while nothing is known."""
        elapsed, share = time.monotonic() - self._started, self.share
        return elapsed * (1 - share) / share if share > 0 and elapsed >= _SOONEST else None

    def describe(self) -> str:
        """One line: counts, the current stage and the remaining time."""
        count = len(self._sizes)
        total = f" of {count:,}" if count else ""
        parts = [f"{self._finished:,}{total} {self._unit}s", self._stage()]
        left = self.seconds_left()
        return ", ".join([*parts, f"about {_rounded(left)} left"] if left is not None else parts)

    def _stage(self) -> str:
        if self._to_embed:
            return f"embedding passage {self._embedded:,} of {self._to_embed:,}"
        with suppress(StopIteration, RuntimeError):  # the run changes it meanwhile
            path, since = next(iter(self._waiting.items()))
            verb = "recognising the text of" if path.suffix.lower() in _IMAGES else "reading"
            seconds = time.monotonic() - since
            return f"{verb} {path.name}" + (f" for {seconds:.0f} s" if seconds >= 5 else "")
        if self._unit == "page":
            return "fetching"
        return "storing" if self._read else "looking for changes"


def _size(path: Path) -> float:
    suffix = path.suffix.lower()
    if suffix in _IMAGES:
        return _IMAGE_BYTES
    try:
        return max(1, os.stat(path).st_size) * _WEIGHTS.get(suffix, 1.0)
    except OSError:
        return 1.0


def _rounded(seconds: float) -> str:
    """Seconds to the nearest ten, or minutes, since an estimate is not exact."""
    if seconds < 10:
        return "10 s"
    return f"{round(seconds, -1):.0f} s" if seconds < 100 else f"{round(seconds / 60):.0f} min"
