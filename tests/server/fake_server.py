"""The service with fake models: in a thread, for most tests, or in a process that can be killed.

python -m tests.server.fake_server [INDEX]

Settings by RAG_*; TEST_SLOW=S: every batch takes S seconds longer; TEST_STOP=A,B,C: a stopped
service refuses its work after A seconds, cuts connections after B, and ends after C.
"""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import httpx

from rag import build
from rag.ingestion.ingest import Ingest
from rag.parsing.files import find
from rag.protocols import ReaderOutput, Store
from rag.server import serve
from rag.server.app import create_app
from rag.server.connections import HEADER_SECONDS
from rag.server.state import Backend
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


def open_backend(settings: Settings, reader: NameReader | None = None) -> Backend:
    embedder = BagOfWordsEmbedder()
    expect = {
        "embedder": embedder.name,
        "dim": str(embedder.dim),
        "passage_tokens": str(settings.passage_tokens),
    }
    store = (
        build.store(settings, embedder, create=True)
        if settings.store != "local"
        else local(settings, expect)
    )
    return Backend(
        build.assemble(settings, store, embedder, reader or NameReader(), SpanJudge()), embedder
    )


def local(settings: Settings, expect: dict[str, str]) -> Store:
    return LocalStore(settings.index, expect, create=True)


@contextmanager
def serving(
    index: Path,
    reader: NameReader | None = None,
    key: str = "",
    token: str = "",
    header_seconds: float = HEADER_SECONDS,
    connections: int = 0,
    **values: Any,
) -> Iterator[httpx.Client]:
    """A client of a service that runs in a thread, on a free port of this machine. `token` as in
    `create_app`.
    """
    settings = Settings(**{"index": index, "threshold": 0.15, "port": 0, **values})
    app = create_app(settings, lambda settings: open_backend(settings, reader), token=token)
    server = serve.server_of(app, settings, header_seconds, connections)
    with serve.bound(settings) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        try:
            with httpx.Client(
                base_url=address, headers=headers, timeout=30, trust_env=False
            ) as client:
                wait_until_ready(client)
                client.app_state = app.state  # type: ignore[attr-defined]
                yield client
        finally:
            server.should_exit = True
            thread.join()


@contextmanager
def process(
    index: Path, fake: bool = True, needs_token: bool = False, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """The service in its own process, with fake models or as `rag serve`, and a client, which sends
    the token of the printed address.
    """
    command = (
        ["tests.server.fake_server", str(index)]
        if fake
        else ["rag", "serve", *([] if needs_token else ["--no-key"]), "--index", str(index)]
    )
    env = {
        **os.environ,
        "RAG_PORT": "0",
        **({"RAG_THRESHOLD": "0.15"} if fake else {}),
        **environment,
    }
    started = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=env,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    lines = cast(IO[str], started.stderr)
    try:
        found = re.search(r"http://[^\s\"]+", lines.readline())
        assert found
        address, _, token = found.group().partition("#token=")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        with (
            ThreadPoolExecutor(1) as pool,
            httpx.Client(base_url=address, headers=headers, timeout=30, trust_env=False) as client,
        ):
            pool.submit(lines.read)
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
    log, until = folder / "audit.jsonl", time.monotonic() + 30
    while not log.is_file() or len(log.read_text().splitlines()) < lines:
        assert time.monotonic() < until, f"{log} has fewer than {lines} lines"
        time.sleep(0.02)
    return [json.loads(line) for line in log.read_text().splitlines()]


def index_of(folder: Path, name: str, content: bytes) -> Path:
    """An index, in `folder`, of the file docs/`name`, with this content."""
    (folder / "docs").mkdir()
    (folder / "docs" / name).write_bytes(content)
    settings = Settings(index=folder / "index")
    backend = open_backend(settings)
    ingest = Ingest(backend.engine.store, backend.embedder, settings.passage_tokens)
    ingest.run(find([folder / "docs"]))
    backend.engine.store.close()
    return settings.index


@contextmanager
def with_key(client: httpx.Client, token: str = "") -> Iterator[httpx.Client]:
    """Another client of the service, with this key or none."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = client.base_url
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as opened:
        yield opened


def wait_until_ready(client: httpx.Client, seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if client.get("/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    raise TimeoutError("the service is not ready")


def put_text(client: httpx.Client, name: str, text: str) -> None:
    """The index has the text on return, even where a loaded server only accepted it."""
    _wait(client, client.post("/v1/documents", json={"name": name, "text": text}))


def put_texts(client: httpx.Client, texts: Mapping[str, str]) -> None:
    """Like `put_text`, for up to a hundred by name, in one upload."""
    files = [("file", (name, text.encode())) for name, text in texts.items()]
    _wait(client, client.post("/v1/documents", files=files))


def _wait(client: httpx.Client, added: httpx.Response) -> None:
    added.raise_for_status()
    while added.json().get("state") in ("queued", "running"):
        time.sleep(0.1)
        added = client.get(f"/v1/jobs/{added.json()['id']}").raise_for_status()


if __name__ == "__main__":
    logging.basicConfig(stream=sys.stderr, format="%(message)s")
    slow = SlowReader(float(os.environ.get("TEST_SLOW", "0")))
    if seconds := os.environ.get("TEST_STOP"):
        serve._PATIENCE, serve._DRAIN, serve._LONGEST = map(int, seconds.split(","))
    serve.run(
        Settings.load(index=Path(sys.argv[1]) if sys.argv[1:] else None),
        True,
        lambda settings: open_backend(settings, slow),
    )
