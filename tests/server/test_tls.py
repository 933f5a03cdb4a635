"""HTTPS served by rag itself."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from rag.errors import InputError
from rag.server import serve
from rag.server.app import create_app
from rag.settings import Settings
from tests.server.fake_server import open_backend, wait_until_ready

Address = tuple[str, int]
CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    make(cert, *CURVE, "-days", "2", "-keyout", key)
    return cert, key


def make(cert: str, *options: str) -> None:
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", *options, *names, "-out", cert]
    subprocess.run(command, check=True, capture_output=True)


@contextmanager
def serving(
    folder: Path, certificate: tuple[str, str], seconds: float = 5.0, connections: int = 0
) -> Iterator[Address]:
    """The service with this certificate, in a thread; a handshake may take so many seconds."""
    cert, key = certificate
    settings = Settings(index=folder / "index", port=0, certfile=cert, keyfile=key)
    serve.token_of(settings, no_key=True)  # checks them
    server = serve.server_of(create_app(settings, open_backend), settings, seconds, connections)
    with serve.bound(settings) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            with client_of(listening.getsockname()) as client:
                wait_until_ready(client)
            yield listening.getsockname()
        finally:
            server.should_exit = True
            thread.join()


def client_of(address: Address, cert: str = "") -> httpx.Client:
    """Without `cert`, it trusts any certificate."""
    host, port = address
    verify = ssl.create_default_context(cafile=cert) if cert else False
    return httpx.Client(
        base_url=f"https://{host}:{port}", verify=verify, trust_env=False, timeout=30
    )


def test_it_is_served_with_the_certificate(tmp_path: Path, certificate: tuple[str, str]) -> None:
    with serving(tmp_path, certificate) as address, client_of(address, certificate[0]) as client:
        assert client.get("/health").status_code == 200
        body = {"name": "a.txt", "text": "The talks were led by William Burns. " * 5000}
        assert client.post("/v1/documents", json=body).status_code == 201
        answer = client.post("/v1/ask", json={"question": "Who led the talks?"}).json()
        assert answer["answer"] == "William Burns"


def test_handshakes_that_do_not_end_lock_nobody_out(
    tmp_path: Path, certificate: tuple[str, str]
) -> None:
    """uvicorn's own TLS counted no connection before its handshake, for which a client had a
    minute: a few hundred silent ones used up the file handles."""
    with serving(tmp_path, certificate, 2.0, connections=20) as address:
        silent = [socket.create_connection(address) for _ in range(60)]
        with client_of(address, certificate[0]) as client:
            assert client.get("/health").status_code == 200
        closed = 0
        for one in silent:
            one.settimeout(20)
            with contextlib.suppress(ConnectionResetError):
                assert one.recv(1) == b""
            closed += 1
            one.close()
        assert closed == 60


@pytest.mark.parametrize("sent", [b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03" * 2000])
def test_what_is_no_handshake_gets_no_answer(
    tmp_path: Path, certificate: tuple[str, str], sent: bytes
) -> None:
    with serving(tmp_path, certificate) as address:
        with socket.create_connection(address, timeout=20) as plain:
            plain.sendall(sent)
            with contextlib.suppress(ConnectionResetError):
                assert b"HTTP" not in plain.recv(1000)
        with client_of(address, certificate[0]) as client:
            assert client.get("/health").status_code == 200


def test_an_expired_certificate_is_refused_by_the_client(
    tmp_path: Path, certificate: tuple[str, str]
) -> None:
    old, key = str(tmp_path / "old.pem"), certificate[1]
    make(old, "-not_before", "20200101000000Z", "-not_after", "20200102000000Z", "-key", key)
    with (
        serving(tmp_path, (old, key)) as address,
        client_of(address, old) as client,
        pytest.raises(httpx.ConnectError, match="certificate has expired"),
    ):
        client.get("/health")


@pytest.mark.parametrize(
    ("cert", "key", "reason"),
    [
        ("no.pem", "", "not in PEM form"),
        ("cert.pem", "no.pem", "not in PEM form"),
        ("cert.pem", "", "its key is missing"),
        ("cert.pem", "other.key", "the key belongs to another certificate"),
        ("cert.pem", "encrypted.pem", "the key is encrypted"),
        ("none.pem", "", "none.pem cannot be read: No such file"),
        ("cert.pem", "none.pem", "none.pem cannot be read: No such file"),
        ("cert.pem", ".", "cannot be read: Is a directory"),
        ("", "key.pem", "--keyfile needs --certfile"),
    ],
)
def test_an_invalid_certificate_is_reported_before_loading(
    tmp_path: Path, certificate: tuple[str, str], cert: str, key: str, reason: str
) -> None:
    (tmp_path / "no.pem").write_text("nothing")
    make(str(tmp_path / "x.pem"), *CURVE, "-keyout", f"{tmp_path}/other.key")
    encrypt = ["openssl", "ec", "-aes128", "-passout", "pass:x", "-in", certificate[1]]
    subprocess.run([*encrypt, "-out", tmp_path / "encrypted.pem"], check=True, capture_output=True)
    settings = Settings(
        index=tmp_path,
        certfile=str(tmp_path / cert) if cert else "",
        keyfile=str(tmp_path / key) if key else "",
    )
    with pytest.raises(InputError, match=reason) as error:
        serve.token_of(settings, no_key=True)
    assert "--certfile" in f"{error.value.message} {error.value.hint}"
