"""HTTPS served by rag itself."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from pathlib import Path

import httpx
import pytest

from rag.errors import InputError
from rag.server import serve
from rag.server.app import create_app
from rag.settings import Settings
from tests.server.fake_server import open_backend, wait_until_ready


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[str, str]:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    cert, key = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    made = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-days",
        "2",
    ]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*made, *names, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def test_it_is_served_with_the_certificate(tmp_path: Path, certificate: tuple[str, str]) -> None:
    cert, key = certificate
    settings = Settings(index=tmp_path / "index", port=0, certfile=cert, keyfile=key)
    serve.token_of(settings, no_key=True)  # checks them
    server = serve.server_of(create_app(settings, open_backend), settings)
    with serve.bound(settings) as listening:
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        try:
            with httpx.Client(
                base_url=f"https://{address}", verify=ssl.create_default_context(cafile=cert)
            ) as client:
                wait_until_ready(client)
                assert client.get("/health").status_code == 200
        finally:
            server.should_exit = True
            thread.join()


def test_an_invalid_certificate_is_reported_before_loading(
    tmp_path: Path, certificate: tuple[str, str]
) -> None:
    cert, key = certificate
    (tmp_path / "no.pem").write_text("nothing")
    for wrong in (
        {"certfile": str(tmp_path / "no.pem")},
        {"certfile": "/none.pem"},
        {"keyfile": key},
        {"certfile": cert},
    ):
        with pytest.raises(InputError, match=r"--certfile"):
            serve.token_of(Settings(index=tmp_path, **wrong), no_key=True)  # type: ignore[arg-type]
