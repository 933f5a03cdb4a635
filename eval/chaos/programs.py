"""Shared by the scripts: options and results; a connection that sends any request; services and
workers as processes: one for measuring, which ends with the block, or several over one database,
which can be killed and restarted at the same address. Loopback only.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.postgres import free_port
from tests.server.fake_server import ROOT, process

Wild = tuple[str, str, str, dict[bytes, bytes], bytes]
"""(method, path, media type, other headers, body) of a request, valid or not"""
FAKES = {"RAG_EMBEDDER": "bag-of-words", "RAG_PASSAGE_TOKENS": "16", "RAG_THRESHOLD": "0.15"}
_FAKE_SECONDS = "0.3"
"""Seconds that a worker with `--fake` takes per document, so that it can be killed during one."""


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser with the options of all scripts."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--seed", type=int, default=1)
    made.add_argument("--out", type=Path, help="a file for the result, which is printed too")
    return made


def written(result: Mapping[str, object], out: Path | None) -> None:
    """Print the result, and write it to the file if one is named."""
    text = json.dumps(result, indent=1)
    print(text)
    if out:
        out.write_text(f"{text}\n", encoding="utf-8")


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether the condition holds within so many seconds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


class Connection:
    """A connection that sends requests as they are, with a key if there is one."""

    def __init__(self, url: str, key: str = "") -> None:
        address = httpx.URL(url)
        self._connection = http.client.HTTPConnection(address.host, address.port, timeout=60)
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}

    def send(self, request: Wild) -> tuple[int, bytes] | str:
        """The status, and the body with the headers; or the name of the error, after which the
        next request opens a new connection.
        """
        method, path, kind, headers, body = request
        fields = {name.decode(): value.decode("latin-1") for name, value in headers.items()}
        try:
            self._connection.request(
                method, path, body, {"Content-Type": kind, **fields, **self._headers}
            )
            response = self._connection.getresponse()
            return response.status, response.read() + str(response.headers).encode()
        except (http.client.HTTPException, OSError, ValueError) as error:
            self.close()
            return type(error).__name__

    def close(self) -> None:
        self._connection.close()


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
    """`rag serve` over `index`, ready; with `fake` on the tests' small models."""
    with process(index, fake, **environment) as (started, client):
        yield Served(str(client.base_url).rstrip("/"), started.pid)


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

    def wait_until_ready(self) -> None:
        def ended() -> bool:
            return self.process is None or self.process.poll() is not None

        if not eventually(lambda: self.is_ready or ended(), 600) or ended():
            raise SystemExit(f"{self.module} did not start:\n{self.log.read_text()[-2000:]}")


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
