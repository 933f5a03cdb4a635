"""A system in a process of its own: reads JSON lines on stdin, answers in JSON lines on stdout.

python -m eval.bench.peers.worker SYSTEM THREADS
"""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from eval.bench.peers.system import Said, System, create, read_texts

Reply = dict[str, Any]


class Worker:
    """Executes the driver's commands; every reply is a dictionary."""

    def __init__(self, system: System) -> None:
        self._system = system

    def ingest(self, texts: str, folder: str) -> Reply:
        """Wall-clock and CPU seconds to embed and index the passages in the file `texts`, with
        models loaded."""
        passages = read_texts(Path(texts))
        self._system.imports()
        self._system.models(reader=False)
        self._system.prepare()
        took: Reply = {}
        cpu = time.process_time()
        with timed(took, "ingest"):
            self._system.ingest(passages, Path(folder))
        return took | {"cpu": time.process_time() - cpu} | memory()

    def open(self, folder: str) -> Reply:
        """Seconds of imports, models and index, and the memory used."""
        took: Reply = {}
        with timed(took, "imports"):
            self._system.imports()
        with timed(took, "models"):
            self._system.models(reader=True)
        with timed(took, "index"):
            self._system.open(Path(folder))
        return took | memory()

    def search(self, questions: list[str]) -> Reply:
        return {
            "rows": [self._timed(self._system.search, question, "found") for question in questions]
        }

    def ask(self, questions: list[str]) -> Reply:
        cpu = time.process_time()
        rows = [self._answered(question) for question in questions]
        return {"rows": rows, "cpu": time.process_time() - cpu}

    def together(self, questions: list[str], threads: int) -> Reply:
        """`ask` from several threads at a time; `seconds` for all."""
        self._system.serve()
        begun = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            rows = list(pool.map(self._answered, questions))
        return {"rows": rows, "seconds": time.perf_counter() - begun}

    def memory(self) -> Reply:
        return memory()

    def _answered(self, question: str) -> Reply:
        row = self._timed(self._system.ask, question, "said")
        said: Said = row.pop("said")
        return row | {"text": said.text, "guess": said.guess}

    def _timed(self, do: Callable[[str], Any], question: str, name: str) -> Reply:
        begun = time.perf_counter()
        done = do(question)
        return {"seconds": time.perf_counter() - begun, name: done}


@contextmanager
def timed(took: Reply, name: str) -> Iterator[None]:
    begun = time.perf_counter()
    yield
    took[name] = time.perf_counter() - begun


def memory() -> Reply:
    """Mebibytes: resident now, resident without mapped files, and peak."""
    status = Path("/proc/self/status").read_text()
    return {name: int(_field(status, field)) / 1024 for name, field in _MEMORY.items()}


_MEMORY = {"resident": "VmRSS", "anonymous": "RssAnon", "peak": "VmHWM"}


def _field(status: str, name: str) -> str:
    found = re.search(rf"{name}:\s+(\d+) kB", status)
    assert found
    return found.group(1)


def answers() -> TextIO:
    """The stream for replies; library output goes to stderr from now on."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return replies


def main(name: str, threads: int) -> None:
    replies = answers()
    system = create(name, threads)
    worker = Worker(system)
    for line in sys.stdin:
        asked = json.loads(line)
        reply = getattr(worker, asked.pop("do"))(**asked)
        print(json.dumps(reply), file=replies, flush=True)
    system.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
