"""A peer that sends a byte now and then does not outlast the deadline of the exchange."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from rag.claims.chat_client import ChatServer, WriterError
from rag.ingestion.fetch import _redirected
from rag.parsing.base import ParseError
from rag.sockets import shut_at


@pytest.fixture
def dripping() -> Iterator[int]:
    """The port of a server that sends one byte of its headers every 0.2 seconds."""
    end = threading.Event()

    def answer(server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client:
                client.recv(65_536)
                for byte in b"HTTP/1.1 200 OK\r\nX: " + b"x" * 1000:
                    if end.wait(0.2):
                        return
                    try:
                        client.sendall(bytes([byte]))
                    except OSError:
                        break

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        end.set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_one_deadline_holds_for_headers_that_drip(dripping: int) -> None:
    started = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", dripping, timeout=1)
    connection.connect()
    connection.request("GET", "/")
    with pytest.raises(TimeoutError), shut_at(connection.sock, started + 1):
        connection.getresponse()
    connection.close()
    assert time.monotonic() - started < 10


def test_a_writer_whose_headers_drip_is_abandoned(dripping: int) -> None:
    started = time.monotonic()
    with pytest.raises(WriterError, match="did not answer within 1 s"):
        ChatServer(f"http://127.0.0.1:{dripping}/v1", seconds=1).complete([])
    assert time.monotonic() - started < 10


def test_a_socket_in_time_stays_open() -> None:
    socket_in_time, far_end = socket.socketpair()
    with socket_in_time, far_end:
        with shut_at(socket_in_time, time.monotonic() + 60):
            socket_in_time.sendall(b"x")
        assert far_end.recv(1) == b"x"


@pytest.mark.parametrize("location", ["http://[x", "http://a:99999999/", "//[::1"])
def test_a_redirect_to_no_address_is_an_error_of_the_page(location: str) -> None:
    with pytest.raises(ParseError, match="no address"):
        _redirected("http://example.org/a", location)
    assert _redirected("http://example.org/a", "b?c") == "http://example.org/b?c"
