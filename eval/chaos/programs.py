"""Servers and workers over one database, as processes that can be killed and restarted at the same
address."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

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
