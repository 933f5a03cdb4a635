"""One client's requests neither delay another's nor exhaust the service's memory."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import anyio.to_thread
import httpx
import pytest

from rag.protocols import ReaderOutput
from rag.server.admission import Admission
from rag.server.problems import ServiceError
from rag.types import Hit
from tests.fakes import NameReader
from tests.server.fake_server import SlowReader, audited, put_text, serving

pytestmark = pytest.mark.slow

TEXT = "The talks were led by William Burns."


def ask(client: httpx.Client, number: int, **more: object) -> httpx.Response:
    return client.post("/v1/ask", json={"question": f"Who led the talks {number}?", **more})


def test_a_batch_that_cannot_be_done_in_time_is_refused_at_once(tmp_path: Path) -> None:
    with serving(tmp_path, SlowReader(0.2), deadline_ms=3000) as client:
        put_text(client, "oman.txt", TEXT)
        ask(client, 1)
        questions = [f"Who led the talks {number}?" for number in range(64)]
        refused = client.post("/v1/ask/batch", json={"questions": questions, "top_k": 12})
        assert refused.status_code == 422
        assert "longer than the deadline" in refused.json()["detail"]
        assert refused.elapsed.total_seconds() < 2


def test_a_search_crosses_to_one_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each further one is a wait for Python's lock while another key computes."""
    crossed = list[object]()
    run_sync = anyio.to_thread.run_sync

    async def counted(function: Callable[..., Any], *values: Any, **options: Any) -> Any:
        crossed.append(function)
        return await run_sync(function, *values, **options)

    with serving(tmp_path) as client:
        put_text(client, "oman.txt", TEXT)
        audited(tmp_path, 1)
        monkeypatch.setattr(anyio.to_thread, "run_sync", counted)
        found = client.post("/v1/search", json={"question": "Who led the talks?"})
        assert found.json()["hits"][0]["document_id"] == "uploads/oman.txt"
        assert len(crossed) == 1


def test_embedding_stops_when_the_client_disconnects(tmp_path: Path) -> None:
    texts = [f"Text {number} " + "of many words " * 60 for number in range(400)]
    with serving(tmp_path) as client:
        put_text(client, "oman.txt", TEXT)
        embedder = client.app_state.service.embedder  # type: ignore[attr-defined]
        pieces = []
        embed = type(embedder).embed_passages

        def slowly(self: object, texts: Sequence[str]) -> object:
            pieces.append(len(texts))
            time.sleep(0.1)
            return embed(self, texts)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(embedder), "embed_passages", slowly)
            with pytest.raises(httpx.TimeoutException):
                client.post("/v1/embeddings", json={"input": texts}, timeout=0.5)
            time.sleep(0.5)
            embedded = len(pieces)
            time.sleep(0.5)
        assert max(pieces) <= 16
        assert len(pieces) == embedded < 15  # of 25


class HeldReader(NameReader):
    """Waits for `go` before reading."""

    def __init__(self) -> None:
        self.started, self.go = threading.Event(), threading.Event()

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        self.started.set()
        self.go.wait(25)
        return super().read_many(questions)


def test_a_search_does_not_wait_for_readings(tmp_path: Path) -> None:
    reader = HeldReader()
    with serving(tmp_path, reader) as client, ThreadPoolExecutor(10) as pool:
        put_text(client, "oman.txt", TEXT)
        asked = [pool.submit(ask, client, number) for number in range(10)]
        assert reader.started.wait(25)
        assert client.post("/v1/search", json={"question": "Who led the talks?"}).status_code == 200
        assert not any(one.done() for one in asked)
        reader.go.set()
        assert {one.result().status_code for one in asked} == {200}


def test_questions_that_would_be_late_are_refused_at_once(tmp_path: Path) -> None:
    with (
        serving(tmp_path, SlowReader(0.5), deadline_ms=2500) as client,
        ThreadPoolExecutor(40) as pool,
    ):
        put_text(client, "oman.txt", TEXT)
        for number in range(3):
            ask(client, 100 + number)
        responses = list(pool.map(lambda number: ask(client, number), range(40)))
    at_once = [
        response
        for response in responses
        if response.status_code == 503 and response.json()["type"] == "urn:rag:overloaded"
    ]
    others = [response for response in responses if response not in at_once]
    assert len(at_once) > len(others) > 0  # in turn they would take 20 s, eight deadlines
    assert all(int(response.headers["retry-after"]) >= 1 for response in at_once)
    assert median(one.elapsed.total_seconds() for one in at_once) < median(
        one.elapsed.total_seconds() for one in others
    )


def test_bytes_in_flight_are_bounded_and_waiting_requests_proceed() -> None:
    async def run() -> list[int]:
        admission, under_way, most = Admission(100, 100, 5), 0, []

        async def send() -> None:
            nonlocal under_way
            async with admission.place("", 40) as free:
                under_way += 1
                most.append(under_way)
                await asyncio.sleep(0.01)
                under_way -= 1
                threading.Thread(target=free).start()
                await asyncio.sleep(0.01)

        await asyncio.gather(*(send() for _ in range(10)))
        await admission.place("", 100).__aenter__()  # all were released exactly once
        return most

    assert max(asyncio.run(run())) == 2


def test_one_key_has_at_most_half_of_the_bytes_and_three_quarters_of_the_places() -> None:
    async def run() -> None:
        admission = Admission(4, 10, 0.05)
        async with admission.place("a", 5):
            async with admission.place("b", 5), admission.place("a", 0), admission.place("a", 0):
                with pytest.raises(ServiceError, match="too many requests"):
                    await admission.place("c", 0).__aenter__()
            with pytest.raises(ServiceError, match="too many requests"):
                await admission.place("a", 1).__aenter__()
            async with admission.place("a", 0), admission.place("a", 0):
                with pytest.raises(ServiceError, match="too many requests"):
                    await admission.place("a", 0).__aenter__()
                async with admission.place("b", 5):
                    pass

    asyncio.run(run())


def test_only_uploads_reserve_bytes(tmp_path: Path) -> None:
    """Two GETs that announce 32 MiB do not hold up an upload."""
    with serving(tmp_path, max_upload_mb=4) as client, ExitStack() as stack:
        for _ in range(2):
            connection = stack.enter_context(
                socket.create_connection((client.base_url.host, client.base_url.port or 80))
            )
            head = b"GET /v1/documents HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4194304"
            connection.sendall(head + b"\r\n\r\n")
        upload = client.post("/v1/documents", files={"file": ("a.txt", b"word " * 400_000)})
        assert upload.status_code in (201, 202)


def test_a_length_and_an_encoding_exclude_each_other(client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 80)) as connection:
        connection.sendall(
            b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 400")
