"""Progress of a run over files: its current work, and the remaining time."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from rag.parsing.files import FoundFile
from rag.parsing.pool import Loader, ParseOutcome, ParseTask

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
"""Approximate bytes of text per byte of a file, by format; 1 for others."""
_EMBEDDING = "embedding"
_IMAGES = frozenset((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp"))
_SCAN_BYTES = 200_000
"""Bytes of text that take as long as recognising the text of a page."""
_SOONEST = 3.0
"""Seconds after which a first estimate is shown."""


@dataclass(frozen=True, slots=True)
class _Scan:
    """A file whose pages are recognised: the `page` in progress of `pages`, the `first_page` that
    was a scan, how many of them since, and how many in files before it in the same archive.
    """

    page: int
    pages: int
    first_page: int
    number: int = 1
    pages_before: int = 0

    def moved(self, page: int, pages: int) -> _Scan:
        """The scan at its next page."""
        if page > self.page and pages == self.pages:
            return replace(self, page=page, number=self.number + 1)
        return _Scan(page, pages, page, pages_before=self.pages_before + self.number)

    @property
    def finished(self) -> int:
        """Number of recognised pages."""
        return self.pages_before + self.number - 1

    @property
    def expected(self) -> float:
        """Estimate of the pages to recognise; later ones are scans as often as since the first."""
        share = self.number / (self.page - self.first_page + 1)
        return self.pages_before + share * (self.pages - self.first_page + 1)


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
        self._kinds = Counter(_kind(path) for path in self._sizes)
        self._finished = 0
        """files that need nothing more, and web pages"""
        self._checked = 0
        """files that were read or needed no reading"""
        self._passages = 0
        """passages of batches that were embedded"""
        self._waiting: dict[Path, float] = {}
        """files that are being read, with the time at which that began"""
        self._met: set[Path] = set()
        self._read = 0.0
        """size of the files that were read"""
        self._stored = 0.0
        """size of those whose passages were embedded"""
        self._scans: dict[Path, _Scan] = {}
        """files that are being read with text recognition"""
        self._read_kinds = Counter[str]()
        """files that were read, by kind"""
        self._scanned = Counter[str]()
        """their recognised pages, by kind"""
        self._embedded = 0
        self._to_embed = 0
        """passages of the current batch"""
        self._started = time.monotonic()
        self._last_read = self._started

    def loader(self, load: Loader) -> Loader:
        """`load`, followed by this object."""

        def follow(jobs: Iterable[ParseTask]) -> Iterator[ParseOutcome]:
            for task, loaded in load(self._reading(jobs)):
                self._on_read(task.found.path)
                yield task, loaded

        return follow

    def _on_read(self, path: Path) -> None:
        kind = _kind(path)
        self._waiting.pop(path, None)
        self._checked += 1
        self._read += _size(path)
        self._read_kinds[kind] += 1
        scan = self._scans.pop(path, None)
        if scan:
            self._scanned[kind] += scan.finished + 1
        self._last_read = time.monotonic()

    def _reading(self, jobs: Iterable[ParseTask]) -> Iterator[ParseTask]:
        for task in jobs:
            path = task.found.path
            self._met.add(path)
            self._waiting[path] = time.monotonic()
            yield replace(task, on_scan=partial(self._on_scan, path))

    def _on_scan(self, path: Path, page: int, pages: int, has_text: bool) -> None:
        if has_text:
            return
        scan = self._scans.get(path)
        if scan:
            self._scans[path] = scan.moved(page, pages)
        else:
            self._scans[path] = _Scan(page, pages, first_page=page)

    def on_embedded(self, embedded: int, total: int) -> None:
        """Called as `LazyEmbedder` says."""
        if not total:
            # the model loads once, which says nothing about the rate
            self._started += time.monotonic() - self._last_read

        self._embedded = embedded
        self._to_embed = total
        is_batch_done = total and embedded >= total
        if is_batch_done:
            self._passages += total
            self._stored = self._read
            self._embedded = 0
            self._to_embed = 0

    def on_progress(self, file: FoundFile) -> None:
        """Called for each file that is stored or needs no storing."""
        self._finished += 1
        if file.path not in self._met:  # it was not read, so it says nothing about the rate
            self._checked += 1
            self._total -= _size(file.path)
            self._kinds[_kind(file.path)] -= 1

    def on_page(self) -> None:
        """Called for each web page."""
        self._finished += 1

    @property
    def share(self) -> float:
        """Estimated share of the work that is done, in [0, 1]."""
        part = 0.0
        if self._to_embed:
            part = self._embedded / self._to_embed
        size = self._stored + (self._read - self._stored) * part

        scans = dict(self._scans)
        finished = self._scanned.total()
        for scan in scans.values():
            finished += scan.finished

        total = self._total + _SCAN_BYTES * self._pages_expected(scans)
        if total <= 0:
            return 0.0
        return min(1.0, (size + _SCAN_BYTES * finished) / total)

    def _pages_expected(self, scans: Mapping[Path, _Scan]) -> float:
        """Estimated pages to recognise in all files. A file without a recognised page is
        assumed to have as many as others of its kind; the first picture has one.
        """
        files = Counter(self._read_kinds)
        pages = dict[str, float](self._scanned)
        for path, scan in scans.items():
            if scan.finished:  # a first page may be the cover of a book
                kind = _kind(path)
                files[kind] += 1
                pages[kind] = pages.get(kind, 0.0) + scan.expected

        for kind, count in self._kinds.items():
            pages_read = pages.get(kind, 0.0)
            mean = pages_read / files[kind] if files[kind] else float(kind in _IMAGES)
            unread = max(0, count - files[kind])
            pages[kind] = pages_read + mean * unread
        return sum(pages.values())

    def seconds_left(self) -> float | None:
        """Estimated seconds until the end, or None while nothing is known."""
        elapsed = time.monotonic() - self._started
        share = self.share
        if share <= 0 or elapsed < _SOONEST:
            return None
        return elapsed * (1 - share) / share

    def describe(self) -> str:
        """One line: how many files are read and passages embedded, the current stage, and the
        remaining time. The files of a batch are stored together, so their number would not change.
        """
        count = len(self._sizes)
        if count:
            parts = [f"{self._checked:,} of {count:,} {self._unit}s read"]
        else:
            parts = [f"{self._finished:,} {self._unit}s"]

        passages = self._passages + self._embedded
        if passages:
            parts.append(f"{passages:,} passages embedded")
        stage = self._stage()
        if not (passages and stage == _EMBEDDING):  # the number of passages says it
            parts.append(stage)
        seconds_left = self.seconds_left()
        if seconds_left is not None:
            parts.append(f"about {_rounded(seconds_left)} left")
        return ", ".join(parts)

    def _stage(self) -> str:
        if self._to_embed:
            return _EMBEDDING
        with suppress(StopIteration, RuntimeError):  # the run changes it meanwhile
            path, since = next(iter(self._waiting.items()))
            return self._reading_stage(path, time.monotonic() - since)
        if self._unit == "page":
            return "fetching"
        return "storing" if self._read_kinds else "looking for changes"

    def _reading_stage(self, path: Path, seconds: float) -> str:
        scan = self._scans.get(path)
        if scan and scan.pages > 1:
            return f"recognising the text of {path.name}, page {scan.page} of {scan.pages}"

        verb = "reading"
        if scan or _kind(path) in _IMAGES:
            verb = "recognising the text of"
        stage = f"{verb} {path.name}"
        if seconds >= 5:
            stage += f" for {seconds:.0f} s"
        return stage


def _kind(path: Path) -> str:
    return path.suffix.lower()


def _size(path: Path) -> float:
    """About how many bytes of text a file holds; 0 for pictures, whose pages count."""
    if _kind(path) in _IMAGES:
        return 0.0
    try:
        return max(1, os.stat(path).st_size) * _WEIGHTS.get(_kind(path), 1.0)
    except OSError:
        return 1.0


def _rounded(seconds: float) -> str:
    """Seconds to the nearest ten, or minutes, since an estimate is not exact."""
    if seconds < 10:
        return "10 s"
    if seconds < 100:
        return f"{round(seconds, -1):.0f} s"
    return f"{round(seconds / 60):.0f} min"
