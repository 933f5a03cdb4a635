"""One client's requests neither delay another's nor exhaust the service's memory. Short runs of the
load and fuzz scripts too; results of long runs are in eval/results/.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median_low as median
from typing import Any

import anyio.to_thread
import httpx
import pytest

from eval.chaos import fuzz, load
from rag.protocols import ReaderOutput
from rag.server.middleware import Admission
from rag.server.problems import ServiceError
from rag.types import Hit
from tests.fakes import BagOfWordsEmbedder, NameReader
from tests.server.fake_server import SlowReader, audited, connect, put_text, serving

pytestmark = pytest.mark.slow

TEXT = "The talks were led by William Burns."


def ask(client: httpx.Client, number: int, **fields: object) -> httpx.Response:
    return client.post("/v1/ask", json={"question": f"Who led the talks {number}?", **fields})


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
        reply = client.post("/v1/search", json={"question": "Who led the talks?"})
        assert reply.json()["hits"][0]["document_id"] == "uploads/oman.txt"
        assert len(crossed) == 1


def test_embedding_stops_when_the_client_disconnects(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"Text {number} " + "of many words " * 60 for number in range(400)]
    pieces = []
    embed = BagOfWordsEmbedder.embed_passages

    def slowly(self: BagOfWordsEmbedder, texts: Sequence[str]) -> object:
        pieces.append(len(texts))
        time.sleep(0.1)
        return embed(self, texts)

    monkeypatch.setattr(BagOfWordsEmbedder, "embed_passages", slowly)
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
        replies = [pool.submit(ask, client, number) for number in range(10)]
        assert reader.started.wait(25)
        assert client.post("/v1/search", json={"question": "Who led the talks?"}).status_code == 200
        assert not any(reply.done() for reply in replies)
        reader.go.set()
        assert {reply.result().status_code for reply in replies} == {200}


def test_questions_that_would_be_late_are_refused_at_once(tmp_path: Path) -> None:
    with (
        serving(tmp_path, SlowReader(0.5), deadline_ms=2500) as client,
        ThreadPoolExecutor(40) as pool,
    ):
        put_text(client, "oman.txt", TEXT)
        for number in range(3):
            ask(client, 100 + number)
        questions = [f"Who led the talks {number}?" for number in range(64)]
        refused = client.post("/v1/ask/batch", json={"questions": questions, "top_k": 12})
        assert refused.status_code == 422
        assert "longer than the deadline" in refused.json()["detail"]
        assert refused.elapsed.total_seconds() < 2
        responses = list(pool.map(lambda number: ask(client, number), range(40)))
    at_once, answered = list[httpx.Response](), list[httpx.Response]()
    for response in responses:
        is_refused = response.status_code == 503 and response.json()["type"] == "urn:rag:overloaded"
        (at_once if is_refused else answered).append(response)
    assert len(at_once) > len(answered) > 0  # in turn they would take 20 s, eight deadlines
    assert all(int(response.headers["retry-after"]) >= 1 for response in at_once)
    assert median(response.elapsed for response in at_once) < median(
        response.elapsed for response in answered
    )


def test_bytes_in_flight_are_bounded_and_waiting_requests_proceed() -> None:
    async def run() -> list[int]:
        admission, under_way, counts = Admission(100, 100, 5), 0, []

        async def send() -> None:
            nonlocal under_way
            async with admission.place("", 40) as place:
                under_way += 1
                counts.append(under_way)
                await asyncio.sleep(0.01)
                under_way -= 1
                threading.Thread(target=place.free).start()
                await asyncio.sleep(0.01)

        await asyncio.gather(*(send() for _ in range(10)))
        await admission.place("", 100).__aenter__()  # all were released exactly once
        return counts

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


def test_only_uploads_reserve_bytes(client: httpx.Client) -> None:
    """Two GETs that announce 32 MiB do not hold up an upload."""
    head = b"GET /v1/documents HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4194304\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(2):
            connect(client, stack, head)
        upload = client.post("/v1/documents", files={"file": ("a.txt", b"word " * 400_000)})
        assert upload.status_code in (201, 202)


@pytest.mark.soak
def test_under_load_nothing_fails_and_memory_stays(tmp_path: Path) -> None:
    figures = load.memory(tmp_path, fake=True, requests=160)
    assert (figures["requests"], figures["failed"]) == (160, 0)
    assert figures["growth_after_first_tenth_mib"] < 60


@pytest.mark.soak
def test_mixed_requests_succeed_and_memory_stays(tmp_path: Path) -> None:
    figures = load.memory(tmp_path, fake=True, requests=160, mixed=True)
    assert (figures["requests"], figures["failed"]) == (160, 0)
    assert figures["growth_after_first_tenth_mib"] < 100
    assert figures["peak_mib"] < 1500


def test_routes_that_are_measured_again_replace_those_in_the_file() -> None:
    row = {"search_p95_ms": 90.0, "uploads": 1.0, "pictures": 1.0, "alone_p95_ms": 20.0}
    slow_row = {**row, "search_p95_ms": 101.0}
    rows = {"GET /a": slow_row, "GET /b": row}
    earlier = {"cpu": "a", "alone": {"search_p95_ms": 15.0}, "routes": rows}
    assert load.slow_routes(rows, 15.0) == ["GET /a"]
    assert load.slow_routes(rows, 21.0) == []
    merged = load.measured_again(earlier, {"cpu": "b", "routes": {"GET /a": row}})
    assert merged["beyond_the_bounds"] == []
    assert merged["measured_again"] == {"GET /a": "b"}
    assert merged["routes"] == {"GET /a": row, "GET /b": row}


@pytest.mark.soak
def test_a_flood_of_one_key_leaves_another_its_turns(tmp_path: Path) -> None:
    """One flood of a second; a request of the quiet key that fails counts as infinitely long. The
    bounds are for machines that compute much else.
    """
    figures = load.fairness(tmp_path, fake=True, seconds=1, routes=["POST /v1/search"])
    (row,) = figures["routes"].values()
    assert row["search_p50_ms"] < 10_000
    assert row["uploads"] < 60
    assert row["pictures"] < 60
    assert sum(row["statuses"].values()) >= load.CLIENTS


@pytest.mark.soak
@pytest.mark.parametrize("options", [["400"], ["200", "--locked"]])
def test_it_survives_fuzzing(tmp_path: Path, options: list[str]) -> None:
    out = tmp_path / "found.json"
    fuzz.main(["--out", str(out), "--requests", *options], standalone_mode=False)
    figures = json.loads(out.read_text())
    assert figures["broken"] == {}
    if "--locked" in options:  # without a key it gets nowhere
        assert figures["outcomes"]["401"] > 50
        return
    assert figures["requests"] >= 400
    assert figures["after"]["answer"] == "William Burns"
    assert figures["after"]["waiting"] == [0, 0]
