"""HTTPS served by rag itself."""

import shutil
import ssl
import subprocess
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.errors import InputError
from rag.server import serve
from rag.settings import Settings
from tests.server.fake_server import connect, serving

CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    make(cert, *CURVE, "-days", "2", "-keyout", key)
    serve.token_of(Settings(index=tmp_path, certfile=cert, keyfile=key), no_key=True)  # checks them
    return cert, key


def make(cert: str, *options: str) -> None:
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", *options, *names, "-out", cert]
    subprocess.run(command, check=True, capture_output=True)


def secure(
    folder: Path, certificate: tuple[str, str], seconds: float = 5.0, connections: int = 0
) -> AbstractContextManager[httpx.Client]:
    """A client, which trusts any certificate, of the service with this one. A handshake may take so
    many seconds.
    """
    files = dict(zip(("certfile", "keyfile"), certificate, strict=True))
    return serving(folder / "index", None, "", "", seconds, connections, **files)


def trusting(client: httpx.Client, cert: str) -> httpx.Client:
    """Another client of the service, which trusts only this certificate."""
    verify = ssl.create_default_context(cafile=cert)
    return httpx.Client(base_url=client.base_url, verify=verify, trust_env=False, timeout=30)


def test_it_is_served_with_the_certificate(tmp_path: Path, certificate: tuple[str, str]) -> None:
    with secure(tmp_path, certificate) as any_of, trusting(any_of, certificate[0]) as client:
        assert client.get("/health").status_code == 200
        body = {"name": "a.txt", "text": "The talks were led by William Burns. " * 5000}
        assert client.post("/v1/documents", json=body).status_code == 201
        answer = client.post("/v1/ask", json={"question": "Who led the talks?"}).json()
        assert answer["answer"] == "William Burns"


def test_handshakes_that_do_not_end_lock_nobody_out(
    tmp_path: Path, certificate: tuple[str, str]
) -> None:
    """uvicorn's own TLS counted no connection before its handshake, for which a client had a
    minute: a few hundred silent ones used up the file handles.
    """
    with secure(tmp_path, certificate, 2.0, connections=20) as client, ExitStack() as stack:
        silent = [connect(client, stack) for _ in range(60)]
        with trusting(client, certificate[0]) as another:
            assert another.get("/health").status_code == 200
        for connection in silent:
            with suppress(ConnectionResetError):
                assert connection.recv(1) == b""


@pytest.mark.parametrize("sent", [b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03" * 2000])
def test_what_is_no_handshake_gets_no_answer(
    tmp_path: Path, certificate: tuple[str, str], sent: bytes
) -> None:
    with secure(tmp_path, certificate) as client:
        with ExitStack() as stack, suppress(ConnectionResetError):
            assert b"HTTP" not in connect(client, stack, sent).recv(1000)
        assert client.get("/health").status_code == 200


def test_an_expired_certificate_is_refused_by_the_client(
    tmp_path: Path, certificate: tuple[str, str]
) -> None:
    expired, key = str(tmp_path / "old.pem"), certificate[1]
    make(expired, "-not_before", "20200101000000Z", "-not_after", "20200102000000Z", "-key", key)
    with (
        secure(tmp_path, (expired, key)) as any_of,
        trusting(any_of, expired) as client,
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
    files = {"certfile": cert, "keyfile": key}
    paths: dict[str, Any] = {
        name: str(tmp_path / file) if file else "" for name, file in files.items()
    }
    settings = Settings(index=tmp_path, **paths)
    with pytest.raises(InputError, match=reason) as error:
        serve.token_of(settings, no_key=True)
    assert "--certfile" in f"{error.value.message} {error.value.hint}"
