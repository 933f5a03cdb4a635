"""Work in the threads of requests: who gets a place, and what is charged."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from rag.server.app import create_app
from rag.server.auth import REQUEST_SECONDS, Right
from rag.server.caller import Caller
from rag.server.problems import ServiceError, sentence
from rag.server.work import (
    MOST_ENTRIES,
    WorkPlaces,
    WorkRoute,
    has_more_entries,
    streamed,
    waiting,
    working,
)
from rag.settings import Settings
from tests.server.fake_server import add_key, put_text, serving, wait_until, with_key


def caller(places: WorkPlaces, key_id: str, charged: list[float] | None = None) -> Caller:
    new_caller = Caller(key_id)
    new_caller.places = places
    if charged is not None:
        new_caller.charge = charged.append
    return new_caller


class Workers:
    """Threads that hold a place until they are told to go on."""

    def __init__(self, places: WorkPlaces) -> None:
        self.places = places
        self.order: list[str] = []
        self._pool = ThreadPoolExecutor(32)
        self._gates: list[tuple[str, threading.Event]] = []

    def start(self, key_id: str, pause: bool = False) -> Future[None]:
        gate = threading.Event()
        self._gates.append((key_id, gate))

        def work() -> None:
            with working(caller(self.places, key_id)):
                self.order.append(key_id)
                if pause:
                    with waiting():
                        gate.wait(20)
                else:
                    gate.wait(20)

        return self._pool.submit(work)

    def end(self, key_id: str) -> None:
        for name, gate in self._gates:
            if name == key_id:
                gate.set()

    def close(self) -> None:
        for _, gate in self._gates:
            gate.set()
        self._pool.shutdown()


@pytest.fixture
def workers() -> Iterator[Workers]:
    started = Workers(WorkPlaces(3, 2))
    yield started
    started.close()


def test_a_key_leaves_a_place_to_others(workers: Workers) -> None:
    for _ in range(9):
        workers.start("loud")
    wait_until(lambda: len(workers.order) == 2, 5)
    workers.start("quiet")
    wait_until(lambda: "quiet" in workers.order, 5)
    time.sleep(0.1)
    assert workers.order.count("loud") == 2
    workers.end("quiet")
    workers.start("other")
    wait_until(lambda: "other" in workers.order, 5)


def test_without_keys_all_places_are_one_caller_s(workers: Workers) -> None:
    for _ in range(4):
        workers.start("")
    wait_until(lambda: len(workers.order) == 3, 5)
    time.sleep(0.1)
    assert len(workers.order) == 3


def test_what_only_waits_holds_no_place(workers: Workers) -> None:
    waiting_ones = [workers.start("loud", pause=True) for _ in range(9)]
    wait_until(lambda: len(workers.order) == 9, 5)
    workers.end("loud")
    for future in waiting_ones:
        future.result(5)


def test_who_computed_least_goes_first() -> None:
    places, order = WorkPlaces(1, 1), list[str]()
    places.enter("first")
    with ThreadPoolExecutor(2) as pool:

        def work(key_id: str, seconds: float) -> None:
            places.enter(key_id)
            order.append(key_id)
            places.leave(key_id, seconds)

        works = [pool.submit(work, "heavy", 9.0)]
        wait_until(lambda: len(places._lane) == 1, 5)
        places.leave("first", 0.0)
        works[0].result(5)
        places.enter("first")
        works = [pool.submit(work, "heavy", 9.0)]
        wait_until(lambda: len(places._lane) == 1, 5)
        works.append(pool.submit(work, "light", 0.1))
        wait_until(lambda: len(places._lane) == 2, 5)
        places.leave("first", 0.0)
        for future in works:
            future.result(5)
    assert order == ["heavy", "light", "heavy"]


def test_processor_time_is_charged_and_waiting_is_not() -> None:
    charged: list[float] = []
    with working(caller(WorkPlaces(), "a", charged)):
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass
        with waiting():
            time.sleep(0.3)
    assert 0.1 <= sum(charged) < 0.25


def test_there_is_no_place_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rag.server.work._PATIENCE", 0.1)
    places = WorkPlaces(1, 1)
    places.enter("a")
    with pytest.raises(ServiceError, match="too many requests"), working(caller(places, "b")):
        pytest.fail("there is no place")
    places.leave("a", 0)
    with working(caller(places, "b")):
        pass


def test_streamed_events_are_made_in_places_of_their_own() -> None:
    places = WorkPlaces(1, 1)
    events = streamed(caller(places, "a"), iter(["1", "2"]))
    assert next(events) == "1"
    with working(caller(places, "b")):  # the client reads slowly
        pass
    assert list(events) == ["2"]


# All endpoints


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> list[APIRoute]:
    app = create_app(Settings(index=tmp_path_factory.mktemp("routes")))
    return [route for route, _ in app.state.rights.declared if isinstance(route, APIRoute)]


def test_every_request_is_work_but_for_prepared_bytes(routes: list[APIRoute]) -> None:
    assert len(routes) > 50
    for route in routes:
        assert isinstance(route, WorkRoute)
        assert iscoroutinefunction(route.endpoint)
        is_work = getattr(route.endpoint, "is_work", False)
        assert is_work == (route.endpoint.right is not Right.OPEN)  # type: ignore[attr-defined]


_COUNT = 150_000
WORST: dict[str, Callable[[], Any]] = {
    "numbers": lambda: [1] * _COUNT,
    "objects": lambda: [{}] * _COUNT,
    "lists of objects": lambda: [{"content": [{}] * 999, "type": 1}] * 300,
    "fields": lambda: {f"a{number}": 1 for number in range(_COUNT)},
    "depth": lambda: json.loads("[" * 400 + "]" * 400),
}


@pytest.mark.parametrize("worst_case", WORST)
def test_an_invalid_body_is_refused_in_little_time(worst_case: str, routes: list[APIRoute]) -> None:
    """A body of a megabyte took up to 3.7 seconds, of which most in one call of pydantic."""
    models = {
        model
        for route in routes
        for field in route.dependant.body_params
        if isinstance(model := field.field_info.annotation, type) and issubclass(model, BaseModel)
    }
    assert len(models) > 15
    value = WORST[worst_case]()
    for model in models:
        for body in (value, *({name: value} for name in model.model_fields)):
            started = time.thread_time()
            try:
                TypeAdapter(model).validate_python(body)
            except ValidationError as error:
                error.errors()
            assert time.thread_time() - started < 0.2, (model, str(body)[:30])


def entries(value: Any) -> int:
    """Fields, items, lists and objects, as `has_more_entries` counts them."""
    if not isinstance(value, (dict, list)):
        return 0
    parts = list(value.values() if isinstance(value, dict) else value)
    return max(1, len(parts)) + sum(map(entries, parts))


def random_value(rng: random.Random, depth: int) -> Any:
    """JSON whose texts and keys contain what delimits entries and strings."""
    text = "".join(rng.choices('",[{\\a é', k=rng.randrange(9)))
    if depth == 0 or rng.random() < 0.2:
        return rng.choice([text, 1, None, True])
    parts = [random_value(rng, depth - 1) for _ in range(rng.randrange(5))]
    return {f"{text}{n}": part for n, part in enumerate(parts)} if rng.random() < 0.5 else parts


def test_entries_are_counted_without_reading_the_body() -> None:
    rng, largest = random.Random(1), 0
    for _ in range(2000):
        value = random_value(rng, 5)
        body, count = json.dumps(value, ensure_ascii=rng.random() < 0.5).encode(), entries(value)
        assert not has_more_entries(body, count)
        assert count == 0 or has_more_entries(body, count - 1)
        largest = max(largest, count)
    assert largest > 100


@pytest.mark.parametrize(
    "worst_case", [worst_case for worst_case in WORST if worst_case != "depth"]
)
def test_counting_entries_takes_less_time_than_reading_them(worst_case: str) -> None:
    body = json.dumps(WORST[worst_case]()).encode()
    assert has_more_entries(body, MOST_ENTRIES)
    assert has_more_entries(body.decode().encode("utf-16"), MOST_ENTRIES)
    assert shortest(lambda: has_more_entries(body, MOST_ENTRIES)) < shortest(
        lambda: json.loads(body)
    )


def shortest(function: Callable[[], object]) -> float:
    """Processor time, the least of five."""
    times = []
    for _ in range(5):
        started = time.thread_time()
        function()
        times.append(time.thread_time() - started)
    return min(times)


@pytest.mark.parametrize("worst_case", WORST)
def test_a_wrong_value_is_shown_without_writing_all_of_it(worst_case: str) -> None:
    """A hundred thousand fields took 60 ms, in which no other thread ran."""
    value = {"a": WORST[worst_case]()}
    fault = {"loc": ("body", "top_k"), "type": "int_type", "msg": "Input should be", "input": value}
    assert sentence(fault).startswith("`top_k` is wrong: input should be, not {'a': ")
    assert shortest(lambda: sentence(fault)) < shortest(lambda: repr(value)) / 4


def test_a_body_with_too_many_entries_is_refused_before_it_is_read(tmp_path: Path) -> None:
    key = add_key(tmp_path, "write")
    with serving(tmp_path, key=key) as client:
        for method, path in (
            ("POST", "/v1/ask"),
            ("POST", "/v1/documents"),
            ("PUT", "/v1/documents/a.md"),
            ("PUT", "/v1/threads/a"),
        ):
            fields = {f"a{n}": 1 for n in range(MOST_ENTRIES + 1)}
            refused = client.request(method, path, json=fields)
            assert refused.status_code == 413, path
            assert "30,000 fields and items" in refused.json()["detail"]
        refused = client.post("/v1/chat/completions", json={"messages": [1] * 40_000})
        assert refused.status_code == 413
        assert "30,000 fields and items" in refused.json()["error"]["message"]
        call = {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {"a": [1] * 6000}}
        refused = client.post("/mcp", json=call)
        assert refused.status_code == 400
        assert "5,000 fields and items" in refused.json()["error"]["message"]
        # a text may contain whatever delimits entries
        put_text(client, "a.txt", '",[{\\' * 100_000)
        turns = [{"question": "a", "answer": {f"a{n}": [] for n in range(5000)}}] * 2
        response = client.put("/v1/threads/a", json={"title": "a", "turns": turns})
        assert response.status_code == 200


def test_an_endpoint_s_own_work_is_charged_to_its_key(tmp_path: Path) -> None:
    """Also where no model is asked."""
    with serving(tmp_path, key=add_key(tmp_path, "write")) as client:
        put_text(client, "a.md", "".join(f"# Heading {n}\n\nText {n}.\n\n" for n in range(4000)))
        rate, charged = client.app_state.access.rate, list[float]()  # type: ignore[attr-defined]
        rate.charge = lambda key_id, seconds: charged.append(seconds)
        outline = {"name": "outline", "arguments": {"document_id": "uploads/a.md"}}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": outline}
        headers = {"Accept": "application/json, text/event-stream"}
        for path, body in (
            ("/mcp", call),
            ("/v1/blocks?document=uploads/a.md", None),
            ("/v1/ask", {"question": "x", "filters": [" " * 400] * 200}),
        ):
            charged.clear()
            sent = client.request("POST" if body else "GET", path, json=body, headers=headers)
            assert sent.status_code < 500
            assert sum(charged) > REQUEST_SECONDS


def test_open_routes_need_no_work(tmp_path: Path) -> None:
    key = add_key(tmp_path, "read")
    with serving(tmp_path, key=key) as client, with_key(client) as anyone:
        assert anyone.get("/openapi.json").json() == anyone.get("/openapi.json").json()
        started = time.process_time()
        for _ in range(20):
            for path in ("/openapi.json", "/health", "/ready", "/"):
                assert anyone.get(path).status_code == 200
        assert time.process_time() - started < 2
