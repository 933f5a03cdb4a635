"""The driver's side of a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from rag.errors import RagError

QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HAYSTACK_TELEMETRY_ENABLED": "False",
}
"""No network access, no telemetry."""
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS")


class Process:
    """A system in a process of its own; a context manager that ends it."""

    def __init__(self, name: str, threads: int, log: int) -> None:
        """`threads` for its models and tokenizers; `log`: a file descriptor for the output of its
        libraries."""
        self.name = name
        command = [sys.executable, "-m", "eval.bench.peers.worker", name, str(threads)]
        environment = {**os.environ, **QUIET, **dict.fromkeys(_THREADS, str(threads))}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=environment,
            text=True,
        )

    def do(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Run a command. Raises RagError if the process has ended."""
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps({"do": what, **arguments}) + "\n")
            self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RagError(
                f"{self.name} ended at {what!r}, exit code {self._process.wait()}",
                "read workers.log in --work",
            )
        reply: dict[str, Any] = json.loads(line)
        return reply

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
