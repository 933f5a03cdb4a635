"""The service with fake models: in a thread, for most tests, or in a process that can be killed.

python -m tests.server.fake_server [INDEX]

Settings by RAG_*; TEST_SLOW=S: every batch takes S seconds longer; TEST_STOP=A,B,C: a stopped
service refuses its work after A seconds, cuts connections after B, and ends after C; TEST_FILES=N:
it may open N files.
"""

import json
import logging
import os
import re
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, cast

import httpx

from rag import build
from rag.engine import Engine
from rag.ingestion.ingest import Ingest
from rag.parsing.files import find
from rag.protocols import Reader, ReaderOutput, Store
from rag.server import serve
from rag.server.api_keys import ALL_COLLECTIONS, keys_of
from rag.server.app import create_app
from rag.server.connections import HEADER_SECONDS
from rag.settings import Settings
from rag.store.local.store import LocalStore
from rag.types import Hit
from tests.fakes import BagOfWordsEmbedder, NameReader, SpanJudge

ROOT = Path(__file__).parents[2]


class SlowReader(NameReader):
    """Takes a fixed time per batch, regardless of the number of questions."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.batches: list[int] = []

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        self.batches.append(len(questions))
        time.sleep(self._seconds)
        return super().read_many(questions)


def open_engine(
    settings: Settings,
    reader: Reader | None = None,
    embedder: BagOfWordsEmbedder | None = None,
    wait: float = 5.0,
) -> Engine:
    """`wait`: for how many seconds a change waits for another process."""
    model = embedder or BagOfWordsEmbedder()
    store: Store
    if settings.store == "local":
        tokens = str(settings.passage_tokens)
        expect = {"embedder": model.name, "dim": str(model.dim), "passage_tokens": tokens}
        store = LocalStore(settings.index, expect, create=True, wait=wait)
    else:
        store = build.store(settings, model, create=True)
    return build.assemble(settings, store, model, reader or NameReader(), SpanJudge())


@contextmanager
def serving(
    index: Path,
    reader: Reader | None = None,
    key: str = "",
    token: str = "",
    header_seconds: float = HEADER_SECONDS,
    connections: int = 0,
    **values: Any,
) -> Iterator[httpx.Client]:
    """A client of a service that runs in a thread, on a free port of this machine. `token` as in
    `create_app`. With `certfile` it uses HTTPS, and the client trusts any certificate.
    """
    settings = Settings(**{"index": index, "threshold": 0.15, "port": 0, **values})
    app = create_app(settings, lambda settings: open_engine(settings, reader), token=token)
    server = serve.server_of(app, settings, header_seconds, connections)
    with serve.bound(settings) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        scheme = "https" if settings.certfile else "http"
        address = f"{scheme}://127.0.0.1:{listening.getsockname()[1]}"
        try:
            with client_of(address, key) as client:
                wait_until_ready(client)
                client.app_state = app.state  # type: ignore[attr-defined]
                yield client
        finally:
            server.should_exit = True
            thread.join()


class Process(subprocess.Popen[str]):
    """Its `log` after the first line, once it has ended."""

    log: Future[str]


@contextmanager
def process(
    index: Path, fake: bool = True, needs_token: bool = False, **environment: str
) -> Iterator[tuple[Process, httpx.Client]]:
    """The service in its own process, with fake models or as `rag serve`, and a client, which sends
    the token of the printed address.
    """
    real = ["rag", "serve", *([] if needs_token else ["--no-key"]), "--index", str(index)]
    command = ["tests.server.fake_server", str(index)] if fake else real
    threshold = {"RAG_THRESHOLD": "0.15"} if fake else {}
    env = {**os.environ, "RAG_PORT": "0", **threshold, **environment}
    started = Process(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=env,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    lines = cast(IO[str], started.stderr)
    try:
        address_match = re.search(r"http://[^\s\"]+", lines.readline())
        assert address_match
        address, _, token = address_match.group().partition("#token=")
        with ThreadPoolExecutor(1) as pool, client_of(address, token) as client:
            started.log = pool.submit(lines.read)
            try:
                wait_until_ready(client)
                yield started, client
            except BaseException:
                started.kill()  # readers of its log would wait for it
                raise
            if started.poll() is None:
                started.terminate()
    finally:
        if started.poll() is None:
            started.kill()
        started.wait()
        lines.close()


def audited(folder: Path, lines: int) -> list[dict[str, str]]:
    """The lines of the audit log, once there are so many: each is written after its response."""
    log = folder / "audit.jsonl"
    wait_until(lambda: log.is_file() and len(log.read_text().splitlines()) >= lines, 30)
    return [json.loads(line) for line in log.read_text().splitlines()]


def index_of(folder: Path, name: str, content: bytes) -> Path:
    """An index, in `folder`, of the file docs/`name`, with this content."""
    (folder / "docs").mkdir()
    (folder / "docs" / name).write_bytes(content)
    settings = Settings(index=folder / "index")
    engine = open_engine(settings)
    ingest = Ingest(engine.store, BagOfWordsEmbedder(), settings.passage_tokens)
    ingest.run(find([folder / "docs"]))
    engine.store.close()
    return settings.index


def add_key(folder: Path, scope: str = "read", *collections: str) -> str:
    """A new key of the index, called like its scope, for these ids or for all collections."""
    return keys_of(Settings(index=folder)).add(scope, scope, collections or ALL_COLLECTIONS)[1]


def client_of(address: str, token: str = "") -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    options: Any = {"timeout": 30, "trust_env": False, "verify": False}
    return httpx.Client(base_url=address, headers=headers, **options)


def with_key(client: httpx.Client, token: str = "") -> httpx.Client:
    """Another client of the service, with this key or none."""
    return client_of(str(client.base_url), token)


def wait_until(holds: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(0.02)


def wait_until_ready(client: httpx.Client, seconds: float = 180) -> None:
    def is_ready() -> bool:
        try:
            return client.get("/ready").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(is_ready, seconds)


def connect(client: httpx.Client, stack: ExitStack, sent: bytes = b"") -> socket.socket:
    """Another connection to the service, over which these bytes went."""
    address = client.base_url.host, client.base_url.port or 80
    connection = stack.enter_context(socket.create_connection(address, timeout=20))
    connection.sendall(sent)
    return connection


def call_tool(client: httpx.Client, tool: str, place: str = "", **arguments: str) -> str:
    """The response to an agent's call of a tool, in JSON."""
    call = {"name": tool, "arguments": arguments}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    headers = {"Accept": "application/json, text/event-stream"}
    answered = client.post(f"{place}/mcp", json=body, headers=headers)
    assert answered.status_code == 200, answered.text
    assert not answered.json()["result"].get("isError"), answered.text
    return answered.text


def put_text(client: httpx.Client, name: str, text: str) -> None:
    """The index has the text on return, even where a loaded server only accepted it."""
    _wait(client, client.post("/v1/documents", json={"name": name, "text": text}))


def put_texts(client: httpx.Client, texts: Mapping[str, str]) -> None:
    """Like `put_text`, for up to a hundred by name, in one upload."""
    files = [("file", (name, text.encode())) for name, text in texts.items()]
    _wait(client, client.post("/v1/documents", files=files))


def _wait(client: httpx.Client, added: httpx.Response) -> None:
    added.raise_for_status()
    if added.status_code == 202:
        finished_job(client, f"/v1/jobs/{added.json()['id']}", 600)


def finished_job(client: httpx.Client, job: str, seconds: float = 60) -> Any:
    """The job at this path, once it is done."""

    def state() -> Any:
        return client.get(job).raise_for_status().json()

    wait_until(lambda: state()["state"] == "done", seconds)
    return state()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    reader = SlowReader(float(os.environ.get("TEST_SLOW", "0")))
    if files := os.environ.get("TEST_FILES"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(files), int(files)))
    if seconds := os.environ.get("TEST_STOP"):
        serve._PATIENCE, serve._DRAIN, serve._EXIT = map(int, seconds.split(","))
    serve.run(
        Settings.load(index=Path(sys.argv[1]) if sys.argv[1:] else None),
        True,
        lambda settings: open_engine(settings, reader),
    )
