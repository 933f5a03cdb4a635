"""Headers, the request log, and connections that send nothing, too little or no HTTP."""

import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.server.connections import limits
from tests.server.fake_server import add_key, connect, process, serving

LOCAL = b"Host: localhost\r\n"
HALF = b"GET /health HTTP/1.1\r\n" + LOCAL + b"X-"
ASK = b"POST /v1/ask HTTP/1.1\r\n" + LOCAL
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
    for sent_id, is_kept in (("mine-1", True), ('a"b<c', False)):
        answered = client.get("/health", headers={"X-Request-ID": sent_id}).headers["x-request-id"]
        assert answered
        assert (answered == sent_id) is is_kept


def test_the_log_names_the_key_of_a_refused_request_but_no_question(
    tmp_path: Path, logged: Logged, caplog: pytest.LogCaptureFixture
) -> None:
    token = add_key(tmp_path)
    with serving(tmp_path, key=token) as client:
        question = {"question": "What is the secret?"}
        client.post("/v1/ask", json=question, headers={"X-Request-ID": "r1"})
        client.delete("/v1/documents/a", headers={"X-Request-ID": "r2"})
    of_empty_index, refused = (line for line in logged() if line["request_id"] in ("r1", "r2"))
    assert (of_empty_index["route"], of_empty_index["status"], of_empty_index["questions"]) == (
        "/v1/ask",
        409,
        1,
    )
    assert "secret" not in caplog.text
    assert (refused["status"], refused["key"]) == (403, token.split("_")[1])


def test_slow_and_broken_connections_block_nothing(client: httpx.Client) -> None:
    with ExitStack() as stack:
        for number in range(200):
            head = ASK + b"Content-Type: application/json\r\nContent-Length: 100\r\n"
            connect(client, stack, head + (b"\r\n{" if number % 2 else b""))
        started = time.monotonic()
        assert client.get("/health").status_code == 200
        assert time.monotonic() - started < 5
    assert client.post("/v1/ask", json={"question": "Who led the talks?"}).status_code == 200


def test_unauthenticated_requests_take_no_places(tmp_path: Path) -> None:
    with (
        serving(tmp_path, key=add_key(tmp_path, "write"), queue=1) as client,
        ExitStack() as stack,
    ):
        for number in range(120):
            line = (b"GET / HTTP/1.1", b"GET /health HTTP/1.1", b"POST /v1/ask HTTP/1.1")[
                number % 3
            ]
            sent = line + b"\r\n" + LOCAL + b"Content-Length: 5\r\n\r\n"
            connection = connect(client, stack, sent)
            if number < 3:  # without the announced body
                assert connection.recv(12) == (b"HTTP/1.1 401" if number == 2 else b"HTTP/1.1 200")
        assert client.post("/v1/ask", json={"question": "Who led the talks?"}).status_code == 409
        assert client.get("/v1/documents").status_code == 200


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01",
        ASK + b"Content-Length: -1\r\n\r\n",
        ASK + b"Content-Length: 999999999999999999999\r\n\r\n",
        ASK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n" + LOCAL + b"\r\n",
        b"GET /%ff%00 HTTP/1.1\r\n" + LOCAL + b"\r\n",
        b"GET / HTTP/1.1\r\n" + LOCAL + b"Authorization: \xff\xfe\r\n\r\n",
        ASK + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_invalid_http_is_refused(client: httpx.Client, sent: bytes) -> None:
    with ExitStack() as stack:
        connection = connect(client, stack, sent)
        connection.shutdown(socket.SHUT_WR)
        answer = connection.recv(1000)
    assert not answer.startswith(b"HTTP/1.1 5")
    if b"Length: 4" in sent:  # a length and an encoding exclude each other
        assert answer.startswith(b"HTTP/1.1 400")
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/health", "/ready", "/v1/documents", "/v1/documents/nothing", "/openapi.json"]
)
def test_head_equals_get_without_the_body(client: httpx.Client, path: str) -> None:
    got, headed = client.get(path), client.head(path)
    assert (headed.status_code, headed.content) == (got.status_code, b"")
    for response in (got, headed):
        for header in ("x-request-id", "date"):
            response.headers.pop(header, None)
    assert headed.headers == got.headers
    assert client.head("/v1/ask").status_code == 405


def test_missing_headers_end_the_connection(tmp_path: Path) -> None:
    request = b"GET /health HTTP/1.1\r\n" + LOCAL + b"\r\n"
    with serving(tmp_path, header_seconds=1) as client, ExitStack() as stack:
        connections = [connect(client, stack, sent) for sent in (b"", HALF, request + HALF)]
        begun = time.monotonic()
        for connection in connections:
            while connection.recv(10_000):
                pass
        assert time.monotonic() - begun < 10


def test_a_flood_of_half_open_connections_blocks_nobody(tmp_path: Path) -> None:
    with serving(tmp_path, connections=20) as client, ExitStack() as stack:
        half_open = [connect(client, stack, HALF) for _ in range(60)]
        with httpx.Client(base_url=client.base_url, trust_env=False) as another:
            assert another.get("/health").status_code == 200
        ended = 0
        for connection in half_open:
            connection.settimeout(0.05)
            try:
                ended += connection.recv(1) == b""
            except ConnectionResetError:
                ended += 1
            except TimeoutError:
                pass
        assert ended >= 35  # the oldest one, closed to make room


@pytest.mark.parametrize("files", [64, 256, 1024, 65_536])
def test_connections_and_backlog_fit_the_file_handles(files: int) -> None:
    connections, backlog = limits(files)
    assert connections + backlog <= max(files, 64)
    assert connections >= 8


@pytest.mark.soak
@pytest.mark.slow
def test_few_file_handles_are_enough_for_many_half_open_connections(tmp_path: Path) -> None:
    with process(tmp_path, TEST_FILES="256") as (server, client), ExitStack() as stack:
        for _ in range(300):
            connect(client, stack, HALF)
        begun = time.monotonic()
        for _ in range(5):
            response = httpx.get(client.base_url.join("/health"), trust_env=False, timeout=20)
            assert response.status_code == 200
        assert time.monotonic() - begun < 10
    log = server.log.result()
    assert len(log) < 100_000
    assert "Traceback" not in log
