"""One client's requests neither delay another's nor exhaust the service's memory."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

import httpx
import pytest

from rag.protocols import ReaderOutput
from rag.server.api_keys import keys_of
from rag.server.problems import ServiceError
from rag.server.request_bodies import BytesInFlight
from rag.settings import Settings
from rag.types import Hit
from tests.fakes import NameReader
from tests.server.fake_server import SlowReader, put_text, serving

pytestmark = pytest.mark.slow

TEXT = "The talks were led by William Burns."


def ask(client: httpx.Client, number: int, **more: object) -> httpx.Response:
    return client.post("/v1/ask", json={"question": f"Who led the talks {number}?", **more})


def test_a_batch_costs_as_much_as_its_questions(tmp_path: Path) -> None:
    _, token = keys_of(Settings(index=tmp_path)).add("a", "write")
    with serving(tmp_path, key=token, rate=100) as client:
        put_text(client, "oman.txt", TEXT)
        response = client.post("/v1/ask/batch", json={"questions": ["Who led?"] * 5, "k": 10})
        assert response.status_code == 200
        assert response.headers["x-ratelimit-limit"] == "100"
        assert 40 <= int(response.headers["x-ratelimit-remaining"]) <= 52
        assert 1 <= int(response.headers["x-ratelimit-reset"]) <= 60
        refused = client.post("/v1/ask/batch", json={"questions": ["Who led?"] * 8, "k": 10})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 10
        assert client.post("/v1/search", json={"question": "Who led?", "k": 100}).status_code == 200


def test_passages_per_request_are_limited(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        put_text(client, "oman.txt", TEXT)
        refused = client.post("/v1/ask/batch", json={"questions": ["Who led?"] * 64, "k": 100})
        assert refused.status_code == 422
        assert "800" in refused.json()["detail"]


class HeldReader(NameReader):
    """Waits for `go` before reading."""

    def __init__(self) -> None:
        self.started, self.go = threading.Event(), threading.Event()

    def read_many(self, asked: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        self.started.set()
        self.go.wait(25)
        return super().read_many(asked)


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
        in_flight, under_way, seen = BytesInFlight(100, 5), 0, []

        async def send() -> None:
            nonlocal under_way
            async with in_flight.reserve(40) as reservation:
                under_way += 1
                seen.append(under_way)
                await asyncio.sleep(0.01)
                under_way -= 1
                threading.Thread(target=reservation.release).start()
                await asyncio.sleep(0.01)

        await asyncio.gather(*(send() for _ in range(10)))
        await in_flight.reserve(100).__aenter__()  # all were released exactly once
        return seen

    assert max(asyncio.run(run())) == 2


def test_requests_that_wait_too_long_to_send_are_refused() -> None:
    async def run() -> None:
        in_flight = BytesInFlight(10, 0.05)
        async with in_flight.reserve(10):
            await in_flight.reserve(10).__aenter__()

    with pytest.raises(ServiceError, match=r"more is asked|overloaded"):
        asyncio.run(run())


def test_a_large_upload_is_complete(tmp_path: Path) -> None:
    text = "The talks were led by William Burns in Muscat. " * 60_000
    with serving(tmp_path, max_upload_mb=4) as client:
        response = client.post(
            "/v1/documents", files={"file": ("large.txt", text.encode())}, timeout=300
        )
        assert response.status_code in (201, 202)
        assert (
            client.post(
                "/v1/documents", files={"file": ("large.txt", b"x" * (5 << 20))}
            ).status_code
            == 413
        )
