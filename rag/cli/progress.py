"""Progress of long runs on stderr: a bar on a terminal, a line every ten seconds elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

EVERY = 10.0
"""Seconds between lines; shorter runs print nothing."""


@contextmanager
def progress(total: int, unit: str = "file") -> Iterator[Callable[[], object]]:
    """Yields a function to call after each item. `total` is the number of items, or 0 if it is
    unknown.
    """
    if sys.stderr.isatty():
        with tqdm(total=total or None, unit=unit, file=sys.stderr) as bar:
            yield bar.update
        return
    lines = _Lines(total, unit)
    lines.start()
    try:
        yield lines.step
    finally:
        lines.stop()


class _Lines(threading.Thread):
    def __init__(self, total: int, unit: str) -> None:
        super().__init__(name="progress", daemon=True)
        self._total = total
        self._unit = unit
        self._done = 0
        self._begun = time.monotonic()
        self._over = threading.Event()

    def step(self) -> None:
        self._done += 1

    def stop(self) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(EVERY):
            seconds = time.monotonic() - self._begun
            done = f"{self._done} of {self._total}" if self._total else str(self._done)
            print(
                f"rag: {done} {self._unit}s done after {seconds:.0f} s", file=sys.stderr, flush=True
            )
