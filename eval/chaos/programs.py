"""Shared by the scripts: a connection that sends any request; services and workers as processes,
which can be killed and restarted at the same address. Loopback only.
"""

import contextlib
import http.client
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from eval.scripts import ROOT, mib
from tests.postgres import free_port

Wild = tuple[str, str, str, dict[bytes, bytes], bytes]
"""(method, path, media type, other headers, body) of a request, valid or not"""
FAKES = {"RAG_EMBEDDER": "bag-of-words", "RAG_PASSAGE_TOKENS": "16"}
"""Settings of a server with `--fake` over a database."""
_FAKE_SECONDS = "0.3"
"""Seconds that a worker with `--fake` takes per document, so that it can be killed during one."""


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


@dataclass
class Program:
    """A Python module with its arguments; its output goes to `log`."""

    module: str
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    url: str = ""
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, *self.arguments],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def client(self, key: str = "") -> httpx.Client:
        """With this key, or none."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=120, trust_env=False)

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

    @property
    def resident_mib(self) -> float:
        return mib(self.process.pid) if self.process else 0.0

    @property
    def peak_mib(self) -> float:
        """The most memory that it had."""
        return mib(self.process.pid, "VmHWM") if self.process else 0.0

    @property
    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task")) if self.process else 0


def server(store: str, index: Path, log: Path, fake: bool = False, **environment: str) -> Program:
    """`rag serve`, or the same on the tests' small models."""
    port = str(free_port())
    env = {"RAG_STORE": store, "RAG_INDEX": str(index), "RAG_PORT": port, **environment}
    env = {"RAG_THRESHOLD": "0.15", **env} if fake else env
    module, arguments = ("tests.server.fake_server", ()) if fake else ("rag", ("serve", "--no-key"))
    return Program(module, arguments, env, log, f"http://127.0.0.1:{port}")


@contextlib.contextmanager
def served(index: Path, fake: bool, **environment: str) -> Iterator[Program]:
    """`rag serve` over `index`, ready; with `fake` on the tests' small models."""
    with tempfile.TemporaryDirectory() as folder:
        program = server("local", index, Path(folder, "log"), fake, **environment)
        try:
            program.start()
            program.wait_until_ready()
            yield program
        finally:
            program.kill()


def worker(dsn: str, index: Path, log: Path, fake: bool = False) -> Program:
    """`rag worker`, or one on the tests' small models."""
    if fake:
        arguments = (dsn, _FAKE_SECONDS, FAKES["RAG_PASSAGE_TOKENS"])
        return Program("tests.store.postgres.queue_worker", arguments, {}, log)
    return Program("rag", ("worker",), {"RAG_STORE": dsn, "RAG_INDEX": str(index)}, log)
