"""A service in a process of its own, for measuring and fuzzing: loopback only, and stopped at the
end."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Served:
    """A running service: its address and process."""

    url: str
    pid: int

    @property
    def resident_mib(self) -> float:
        """Memory of its process."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found.group(1)) / 1024 if found else 0.0

    @property
    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/task"))


@contextlib.contextmanager
def served(index: Path, fake: bool, **environment: str) -> Iterator[Served]:
    """`rag serve` over `index`, ready; with `fake` on the tests' small models. The log goes to a
    temporary file.
    """
    real = ["rag", "serve", "--no-key", "--index", str(index)]
    command = ["-m", *(["tests.server.fake_server", str(index)] if fake else real)]
    env = {**os.environ, "RAG_PORT": "0", **environment}
    with tempfile.NamedTemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=env, stderr=log, stdout=log
        )
        try:
            yield Served(_address(Path(log.name), process), process.pid)
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + 180
    while time.monotonic() < until and process.poll() is None:
        found = re.search(r"http://\S+(?=/)", log.read_text())
        with contextlib.suppress(httpx.TransportError):
            if found and httpx.get(f"{found.group()}/ready", trust_env=False).status_code == 200:
                return found.group()
        time.sleep(0.1)
    raise SystemExit(f"the service did not start:\n{log.read_text()[-2000:]}")
