"""Servers and workers over one database, as processes that can be killed and restarted at the same
address."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg

from tests.postgres import free_port

ROOT = Path(__file__).parents[2]
FAKES = {"RAG_EMBEDDER": "bag-of-words", "RAG_PASSAGE_TOKENS": "16", "RAG_THRESHOLD": "0.15"}
_FAKE_SECONDS = "0.3"
"""Seconds that a worker with `--fake` takes per document, so that it can be killed during one."""


@dataclass
class Program:
    """A Python module with its arguments; its output goes to `log`."""

    module: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    url: str = ""
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        command = [sys.executable, "-m", self.module, *self.arguments]
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            env, nothing = {**os.environ, **self.environment}, subprocess.DEVNULL
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=env,
                stdout=log,
                stderr=log,
                stdin=nothing,
                start_new_session=True,
            )

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    @property
    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ready", trust_env=False, timeout=10).status_code == 200
        except httpx.TransportError:
            return False

    def wait_until_ready(self, seconds: float = 600) -> None:
        until = time.monotonic() + seconds
        while not self.is_ready:
            if time.monotonic() > until or not self.process or self.process.poll() is not None:
                raise SystemExit(f"{self.module} did not start:\n{self.log.read_text()[-2000:]}")
            time.sleep(0.3)

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds so far."""
        return cpu_seconds(self.process.pid) if self.process else 0.0


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and of its ended children."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def database_seconds(dsn: str) -> float:
    """CPU seconds so far of the processes that serve the index in a database on this machine."""
    return sum(cpu_seconds(pid) for pid in backends(dsn))


def backends(dsn: str) -> list[int]:
    """The processes of a database on this machine that serve an index's connections."""
    asked = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name "
        "= 'rag'"
        " AND pid <> pg_backend_pid() AND query NOT LIKE 'CREATE INDEX%'"
    )
    with psycopg.connect(dsn) as connection:
        found = [pid for (pid,) in connection.execute(asked)]
    return [pid for pid in found if Path(f"/proc/{pid}").exists()]


@contextmanager
def first_on_a_core(dsn: str) -> Iterator[None]:
    """Gives this process and the database's priority over all others on one core, as if the machine
    were idle. Needs Linux and root; keep it short."""
    pids, core, everywhere = (
        [0, *backends(dsn)],
        {max(os.sched_getaffinity(0))},
        os.sched_getaffinity(0),
    )
    try:
        for pid in pids:
            os.sched_setaffinity(pid, core)
            os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(10))
        yield
    finally:
        for pid in pids:
            os.sched_setscheduler(pid, os.SCHED_OTHER, os.sched_param(0))
            os.sched_setaffinity(pid, everywhere)


def server(dsn: str, folder: Path, fake: bool = False, **environment: str) -> Program:
    """`rag serve`, or the same on the tests' small models."""
    port = str(free_port())
    env = {
        **(FAKES if fake else {}),
        "RAG_STORE": dsn,
        "RAG_INDEX": str(folder),
        "RAG_PORT": port,
        **environment,
    }
    module, arguments = ("tests.server.fake_server", ()) if fake else ("rag", ("serve", "--no-key"))
    return Program(module, arguments, env, folder / "log", f"http://127.0.0.1:{port}")


def worker(dsn: str, folder: Path, fake: bool = False, **environment: str) -> Program:
    """`rag worker`, or one on the tests' small models."""
    if fake:
        return Program(
            "tests.store.postgres.queue_worker",
            (dsn, _FAKE_SECONDS, FAKES["RAG_PASSAGE_TOKENS"]),
            environment,
            folder / "log",
        )
    return Program(
        "rag",
        ("worker",),
        {"RAG_STORE": dsn, "RAG_INDEX": str(folder), **environment},
        folder / "log",
    )
