"""The gate: OpenAI's client, a service, and a real server behind it whose answers a test writes."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.http_server import Handler, at_free_port, listening
from tests.server.conftest import LEASE, OMAN
from tests.server.fake_server import add_key, put_text, serving, with_key
from tests.server.routes.test_openai import api_of

openai = pytest.importorskip("openai")
TRUE = "The talks were led by William Burns 🕊 in Muscat."
FALSE = "The lease ends in May 2031."
QUOTED = "The paper says “The tenant is Alan Lovelace.” as we know."
MARKED = '[⚠ contradicted: says "May 2031", uploads/lease.md says "May 2027"]'


@dataclass
class Model:
    """The server behind the gate. It answers with `body` and `status`, after `seconds`."""

    address: str = ""
    body: Any = None
    status: int = 200
    seconds: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    def says(self, *texts: str | None, **message: Any) -> None:
        self.status, self.headers, self.seconds = 200, {}, 0.0
        choices = [
            {
                "index": place,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text, **message},
            }
            for place, text in enumerate(texts)
        ]
        usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "small"}
        self.body = {**head, "choices": choices, "usage": usage}


@contextmanager
def model_server() -> Iterator[Model]:
    model = Model()

    class Answering(Handler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            model.requests.append(json.loads(body))
            self._send()

        def do_GET(self) -> None:
            model.requests.append({"path": self.path})
            self._send()

        def _send(self) -> None:
            model.keys.append(self.headers.get("Authorization", ""))
            time.sleep(model.seconds)
            content = model.body
            if not isinstance(content, bytes):
                content = json.dumps(content).encode()
            with suppress(OSError):  # the service has stopped waiting
                self.answer(model.status, content, **model.headers)

    with listening(at_free_port(Answering)) as server:
        model.address = f"http://127.0.0.1:{server.server_port}/v1"
        yield model


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with model_server() as served:
        yield served


@pytest.fixture(scope="module")
def client(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service with two documents and a gate; a collection has none of them."""
    gate: dict[str, Any] = {"gate": model.address, "gate_key": "upstream-secret"}
    with serving(tmp_path_factory.mktemp("gated"), **gate) as served:
        put_text(served, "lease.md", LEASE)
        put_text(served, "oman.txt", OMAN)
        yield served


@pytest.fixture(scope="module")
def api(client: httpx.Client) -> Iterator[Any]:
    with api_of(client, "/gate") as opened:
        yield opened


def chat(api: Any, **options: Any) -> Any:
    messages = [{"role": "user", "content": "When does the lease end?"}]
    return api.chat.completions.create(model="small", messages=messages, **options)


def test_what_the_documents_do_not_support_is_marked(api: Any, model: Model) -> None:
    model.says(f"{TRUE} {FALSE}\n\n{QUOTED}")
    completion = chat(api, temperature=0.7, seed=3)
    (choice,) = completion.choices
    text = choice.message.content
    assert text.startswith(f"{TRUE} {FALSE} {MARKED}\n\nThe paper says “The tenant is Alan")
    assert "Lovelace.” [⚠ altered quotation: says “Alan”, uploads/lease.md says “Ada”]" in text
    assert (completion.model, completion.usage.total_tokens, choice.finish_reason) == (
        "small",
        7,
        "stop",
    )
    assert choice.rag["text"] == f"{TRUE} {FALSE}\n\n{QUOTED}"
    verdicts = [sentence["verdict"] for sentence in choice.rag["sentences"]]
    assert verdicts[:2] == ["supported", "contradicted"]
    assert [quotation["verdict"] for quotation in choice.rag["quotations"]] == ["altered"]
    sent = model.requests[-1]
    assert (sent["temperature"], sent["seed"], sent["stream"]) == (0.7, 3, False)
    assert sent["messages"][-1]["content"] == "When does the lease end?"
    assert model.keys[-1] == "Bearer upstream-secret"


def test_a_streamed_answer_is_gathered_and_marked(api: Any, model: Model) -> None:
    model.says(f"{TRUE} {FALSE}", "The lease ends in May 2027.")
    completion = chat(api)
    chunks = list(chat(api, stream=True, stream_options={"include_usage": True}))
    assert model.requests[-1]["stream"] is False
    assert "stream_options" not in model.requests[-1]
    for place, choice in enumerate(completion.choices):
        choice_chunks = [part for chunk in chunks for part in chunk.choices if part.index == place]
        assert "".join(part.delta.content or "" for part in choice_chunks) == choice.message.content
        assert [part.finish_reason for part in choice_chunks if part.finish_reason] == ["stop"]
        assert choice_chunks[-1].rag == choice.rag
    assert MARKED in completion.choices[0].message.content
    assert completion.choices[1].message.content == "The lease ends in May 2027."
    assert chunks[-1].usage.total_tokens == 7


def test_calls_of_tools_and_texts_without_claims_pass(api: Any, model: Model) -> None:
    function = {"name": "weather", "arguments": "{}"}
    call = {"id": "c1", "type": "function", "function": function}
    model.says(None, tool_calls=[call])
    assert chat(api).choices[0].message.tool_calls[0].function.name == "weather"
    streamed = [part for chunk in chat(api, stream=True) for part in chunk.choices]
    assert streamed[0].delta.tool_calls[0].function.name == "weather"
    model.says("Hello! How can I help you?")
    choice = chat(api).choices[0]
    assert choice.message.content == "Hello! How can I help you?"
    assert choice.rag["quotations"] == []


def test_the_models_of_the_server_are_listed(client: httpx.Client, model: Model) -> None:
    model.says("")
    model.body = {"object": "list", "data": [{"id": "small", "object": "model"}]}
    assert client.get("/v1/gate/models").json() == model.body
    assert model.requests[-1] == {"path": "/v1/models"}


REFUSED = {"error": {"message": "no model called small", "type": "invalid_request_error"}}


@pytest.mark.parametrize(
    ("status", "body", "headers", "expected", "words"),
    [
        (404, REFUSED, {}, 404, "the model's server says: no model called small"),
        (422, REFUSED, {}, 400, "no model called small"),
        (401, REFUSED, {}, 502, "refuses the key of this service"),
        (429, REFUSED, {"Retry_After": "7"}, 429, "too many requests"),
        (500, b"broken", {}, 502, "answered 500"),
        (307, b"", {"Location": "http://127.0.0.1:9/"}, 502, "answered 307"),
        (200, b"<html>", {}, 502, "something other than JSON"),
        (200, {"object": "list"}, {}, 502, "something other than a chat completion"),
        (200, b'{"choices": [{"message": {"content": "\\ud800"}}]}', {}, 502, "other than JSON"),
        (200, {"choices": [{"message": {"content": [1]}}]}, {}, 502, "a chat completion"),
        (200, {"choices": [{"message": {"content": "a b. " * 50_000}}]}, {}, 502, "200,000"),
        (200, b" " * 1_000_002, {}, 502, "1,000,000 bytes"),
    ],
)
def test_errors_of_the_server_are_mapped(
    client: httpx.Client,
    model: Model,
    status: int,
    body: Any,
    headers: dict[str, str],
    expected: int,
    words: str,
) -> None:
    model.says("")
    model.status, model.body, model.headers = status, body, headers
    question = {"model": "small", "messages": [{"role": "user", "content": "Why?"}]}
    answered = client.post("/v1/gate/chat/completions", json=question)
    assert answered.status_code == expected, answered.text
    assert words in answered.json()["error"]["message"]
    assert "upstream-secret" not in answered.text
    assert expected != 429 or answered.headers["Retry-After"] == "7"


def test_a_server_that_is_late_or_absent_is_an_error(tmp_path: Path, model: Model) -> None:
    body = {"messages": [{"role": "user", "content": "Why?"}]}
    model.says("Late.")
    model.seconds = 3.0
    with serving(tmp_path / "late", gate=model.address, gate_seconds=1) as impatient:
        started = time.monotonic()
        answered = impatient.post("/v1/gate/chat/completions", json=body)
        assert time.monotonic() - started < 2.5
    assert (answered.status_code, "RAG_GATE_SECONDS" in answered.text) == (504, True)
    with serving(tmp_path / "absent", gate="http://127.0.0.1:9/v1") as absent:
        answered = absent.post("/v1/gate/chat/completions", json=body)
    assert answered.status_code == 502
    assert "cannot be reached" in answered.json()["error"]["message"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"messages": []}, "messages"),
        ({"n": 9}, "`n` is wrong"),
        ({"response_format": {"type": "json_object"}}, "has no place for notes"),
    ],
)
def test_requests_that_cannot_be_checked_are_refused(
    client: httpx.Client, model: Model, fields: dict[str, Any], words: str
) -> None:
    request_count = len(model.requests)
    body = {"messages": [{"role": "user", "content": "Why?"}], **fields}
    answered = client.post("/v1/gate/chat/completions", json=body)
    assert (answered.status_code, words in answered.text) == (400, True), answered.text
    assert len(model.requests) == request_count


def test_the_gate_needs_a_key_and_obeys_its_rate(tmp_path: Path, model: Model) -> None:
    body = {"messages": [{"role": "user", "content": "Why?"}]}
    model.says(FALSE)
    reads, writes = add_key(tmp_path), add_key(tmp_path, "write")
    with serving(tmp_path, key=writes, gate=model.address, rate=1) as client:
        put_text(client, "lease.md", LEASE)
        request_count = len(model.requests)
        with with_key(client) as stranger:
            assert stranger.post("/v1/gate/chat/completions", json=body).status_code == 401
        assert len(model.requests) == request_count
        statuses: list[int] = []
        with with_key(client, reads) as reader:
            while statuses[-1:] != [429] and len(statuses) < 60:
                answered = reader.post("/v1/gate/chat/completions", json=body)
                statuses.append(answered.status_code)
        assert set(statuses) == {200, 429}
        assert len(model.requests) == request_count + statuses.count(200)
        assert model.keys[-1] == "", "the client's key stays here"


def test_without_a_gate_there_is_no_such_path(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        assert client.get("/v1/gate/models").status_code == 404
        assert "/v1/gate/models" not in client.get("/openapi.json").json()["paths"]
