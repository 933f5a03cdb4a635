"""A system in a process of its own: reads JSON lines on stdin, answers in JSON lines on stdout.

python -m eval.bench.peers.worker SYSTEM THREADS READER
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from eval.bench.peers.systems import PEERS, System
from rag.errors import RagError

QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
}
"""No network access, no telemetry."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")
_MEMORY = {"resident": "VmRSS", "anonymous": "RssAnon", "peak": "VmHWM"}
Figures = dict[str, Any]


@contextmanager
def process(name: str, threads: int, reader: Path, log: int) -> Iterator[Callable[..., Figures]]:
    """A system in a process of its own, as a function of a command's name and arguments, which
    raises RagError if the process has ended. `threads` are for its models and tokenizers; `reader`
    is the folder of the reader's weights; `log` is a file descriptor for the output of its
    libraries.
    """
    worker = subprocess.Popen(
        [sys.executable, "-m", "eval.bench.peers.worker", name, str(threads), str(reader)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        env={**os.environ, **QUIET, **dict.fromkeys(_THREADS, str(threads))},
        text=True,
    )

    def run(command: str, **arguments: Any) -> Figures:
        assert worker.stdin
        assert worker.stdout
        with suppress(BrokenPipeError):
            worker.stdin.write(json.dumps({"command": command, **arguments}) + "\n")
            worker.stdin.flush()
        line = worker.stdout.readline()
        if not line:
            raise RagError(
                f"{name} ended at {command!r}, exit code {worker.wait()}",
                "read workers.log in --work",
            )
        reply: Figures = json.loads(line)
        return reply

    try:
        yield run
    finally:
        with suppress(BrokenPipeError, subprocess.TimeoutExpired):
            worker.communicate(timeout=30)
        worker.kill()
        worker.wait()


class Worker:
    """Executes the driver's commands; every reply is a dictionary."""

    def __init__(self, system: System) -> None:
        self._system = system

    def ingest(self, texts: str, folder: str) -> Figures:
        """Wall-clock and CPU seconds to embed and index the passages in the file `texts`, with
        models loaded."""
        passages = json.loads(Path(texts).read_text())
        self._system.imports()
        self._system.models(reader=False)
        self._system.prepare()
        cpu = time.process_time()
        seconds, _ = timed(self._system.ingest, passages, Path(folder))
        return {"seconds": seconds, "cpu": time.process_time() - cpu} | self.memory()

    def open(self, folder: str) -> Figures:
        """Seconds of imports, models and index, and the memory used."""
        seconds = {
            "imports": timed(self._system.imports)[0],
            "models": timed(self._system.models, True)[0],
            "index": timed(self._system.open, Path(folder))[0],
        }
        return seconds | self.memory()

    def search(self, questions: list[str]) -> Figures:
        return self._block(questions, self._searched)

    def ask(self, questions: list[str]) -> Figures:
        return self._block(questions, self._answered)

    def together(self, questions: list[str], threads: int) -> Figures:
        """`ask` from several threads at a time."""
        self._system.serve()
        with ThreadPoolExecutor(threads) as pool:
            return self._block(questions, self._answered, pool.map)

    def memory(self) -> Figures:
        """MiB: resident now, resident without mapped files, and peak."""
        status = Path("/proc/self/status").read_text()
        kib = {name: re.findall(rf"{key}:\s+(\d+)", status) for name, key in _MEMORY.items()}
        return {name: int(values[0]) / 1024 for name, values in kib.items()}

    def _block(
        self, questions: Sequence[str], row: Callable[[str], Figures], apply: Any = map
    ) -> Figures:
        """One row a question, and wall-clock and CPU seconds of all."""
        cpu = time.process_time()
        seconds, rows = timed(lambda: list(apply(row, questions)))
        return {"rows": rows, "seconds": seconds, "cpu": time.process_time() - cpu}

    def _searched(self, question: str) -> Figures:
        seconds, passages = timed(self._system.search, question)
        return {"seconds": seconds, "passages": passages}

    def _answered(self, question: str) -> Figures:
        seconds, (text, guess) = timed(self._system.ask, question)
        return {"seconds": seconds, "text": text, "guess": guess}


def timed(function: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """(seconds, result)"""
    started = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - started, result


def main(name: str, threads: int, reader: str) -> None:
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print
    system = PEERS[name].system(threads, reader)
    worker = Worker(system)
    for line in sys.stdin:
        arguments = json.loads(line)
        reply = getattr(worker, arguments.pop("command"))(**arguments)
        print(json.dumps(reply), file=replies, flush=True)
    system.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
