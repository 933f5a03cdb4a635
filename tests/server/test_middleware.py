import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.server.api_keys import keys_of
from rag.settings import Settings
from tests.server.fake_server import serving

Logged = Callable[[], list[dict[str, Any]]]


def test_every_response_has_security_headers(client: httpx.Client) -> None:
    for response in (
        client.get("/"),
        client.get("/health"),
        client.get("/nowhere"),
        client.post("/v1/ask", content=b"{"),
    ):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-frame-options"] == "DENY"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert len(response.headers.get_list("content-security-policy")) == 1
        assert "unsafe" not in response.headers["content-security-policy"]
        assert "server" not in response.headers


def test_a_request_keeps_its_id(client: httpx.Client) -> None:
    for given, is_kept in (("mine-1", True), ('a"b<c', False)):
        answered = client.get("/health", headers={"X-Request-ID": given}).headers["x-request-id"]
        assert answered
        assert (answered == given) is is_kept


def test_the_log_has_no_questions(
    tmp_path: Path, logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    asked = {"question": "What is the secret?"}
    with serving(tmp_path) as client:
        client.post("/v1/ask", json=asked, headers={"X-Request-ID": "r1"})
    (line,) = [line for line in logged() if line["request_id"] == "r1"]
    assert (line["route"], line["status"], line["questions"]) == ("/v1/ask", 409, 1)
    assert "secret" not in caplog.text


def test_the_log_names_the_key_of_a_refused_request(tmp_path: Path, logged: Logged) -> None:
    key, token = keys_of(Settings(index=tmp_path)).add("a", "read")
    with serving(tmp_path, key=token) as client:
        client.delete("/v1/documents/a", headers={"X-Request-ID": "r1"})
    (line,) = [line for line in logged() if line["request_id"] == "r1"]
    assert (line["status"], line["key"]) == (403, key.id)


def address(client: httpx.Client) -> tuple[str, int]:
    return client.base_url.host, client.base_url.port or 80


def test_slow_and_broken_connections_block_nothing(client: httpx.Client) -> None:
    held = [socket.create_connection(address(client)) for _ in range(200)]
    for number, connection in enumerate(held):
        head = (
            b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
            b"application/json\r\nContent-Length: 100\r\n"
        )
        connection.sendall(head + (b"\r\n{" if number % 2 else b""))
    started = time.monotonic()
    assert client.get("/health").status_code == 200
    assert time.monotonic() - started < 5
    for connection in held:
        connection.close()
    assert client.post("/v1/ask", json={"question": "Who led the talks?"}).status_code == 200


def test_unauthenticated_requests_take_no_places(tmp_path: Path) -> None:
    _, token = keys_of(Settings(index=tmp_path)).add("a", "write")
    with serving(tmp_path, key=token, queue=1) as client, ExitStack() as stack:
        for number in range(120):
            connection = stack.enter_context(socket.create_connection(address(client), timeout=5))
            line = (b"GET / HTTP/1.1", b"GET /health HTTP/1.1", b"POST /v1/ask HTTP/1.1")[
                number % 3
            ]
            connection.sendall(line + b"\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")
            if number < 3:  # without the announced body
                assert connection.recv(12) == (b"HTTP/1.1 401" if number == 2 else b"HTTP/1.1 200")
        assert client.post("/v1/ask", json={"question": "Who led the talks?"}).status_code == 409
        assert client.get("/v1/documents").status_code == 200


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
        b"999999999999999999999\r\n\r\n",
        b"POST /v1/ask HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /%ff%00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: \xff\xfe\r\n\r\n",
    ],
)
def test_invalid_http_is_refused(client: httpx.Client, raw: bytes) -> None:
    with socket.create_connection(address(client), timeout=5) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1000)
    assert not answer.startswith(b"HTTP/1.1 5")
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/health", "/ready", "/v1/documents", "/v1/documents/nothing", "/openapi.json"]
)
def test_head_equals_get_without_the_body(client: httpx.Client, path: str) -> None:
    got, headed = client.get(path), client.head(path)
    assert (headed.status_code, headed.content) == (got.status_code, b"")
    own = {"x-request-id", "date"}
    assert {n: v for n, v in headed.headers.items() if n not in own} == {
        n: v for n, v in got.headers.items() if n not in own
    }


def test_head_is_not_for_post_endpoints(client: httpx.Client) -> None:
    assert client.head("/v1/ask").status_code == 405
