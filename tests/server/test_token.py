"""Without keys, the service requires the run's token and rejects proxies."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from rag.errors import InputError
from rag.server.api_keys import keys_of
from rag.server.serve import new_token
from rag.settings import Settings
from tests.server.fake_server import ROOT, serving, wait_until_ready

ASKED = [
    ("GET", "/v1/documents", None),
    ("POST", "/v1/documents", {"name": "a.txt", "text": "Hello."}),
    ("DELETE", "/v1/documents/uploads/a.txt", None),
    ("GET", "/metrics", None),
]


def status(client: httpx.Client, asked: tuple[str, str, object], **headers: str) -> int:
    return client.request(asked[0], asked[1], json=asked[2], headers=headers).status_code


def test_requests_through_a_silent_proxy_are_refused(tmp_path: Path) -> None:
    """nginx's plain proxy_pass sends `Host: 127.0.0.1:8000` and no forwarding headers."""
    with serving(tmp_path, token="of-this-run") as client:
        for asked in ASKED:
            assert (
                status(client, asked)
                == status(client, asked, Authorization="Bearer guessed")
                == 401
            )
        assert status(client, ASKED[1], Authorization="Bearer of-this-run") == 201
        assert status(client, ASKED[0], Authorization="Bearer of-this-run") == 200
        assert status(client, ASKED[0], Authorization="Basic of-this-run") == 401
        for path in ("/", "/health", "/ready", "/openapi.json"):
            assert client.get(path).status_code == 200
        hint = client.get("/v1/documents").json()["hint"]
        assert "rag serve printed" in hint


def test_the_token_is_void_once_a_key_exists(tmp_path: Path) -> None:
    with serving(tmp_path, token="of-this-run") as client:
        _, key = keys_of(Settings(index=tmp_path)).add("a", "read")
        assert status(client, ASKED[0], Authorization="Bearer of-this-run") == 401
        assert status(client, ASKED[0], Authorization=f"Bearer {key}") == 200


@pytest.mark.parametrize(
    "header",
    [
        "Via",
        "X-Real-IP",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-New",
    ],
)
@pytest.mark.parametrize("token", ["", "of-this-run"])
def test_without_keys_proxy_headers_are_refused(tmp_path: Path, header: str, token: str) -> None:
    with serving(tmp_path, token=token) as client:
        assert (
            status(
                client, ASKED[0], **{header: "1.1 proxy", "Authorization": f"Bearer {token or 'x'}"}
            )
            == 421
        )


def test_a_run_needs_a_token_without_keys(
    tmp_path: Path,
) -> None:
    settings = Settings(index=tmp_path)
    assert len({new_token(settings, no_key=False) for _ in range(3)}) == 3
    assert min(len(new_token(settings, no_key=False)) for _ in range(3)) >= 32
    assert new_token(settings, no_key=True) == ""
    with pytest.raises(InputError, match="API key"):
        new_token(Settings(index=tmp_path, host="0.0.0.0"), no_key=True)
    keys_of(settings).add("a", "read")
    assert new_token(settings, no_key=False) == ""


def test_wrong_keys_are_logged_with_the_address(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rag.requests")
    with serving(tmp_path, token="of-this-run") as client:
        status(client, ASKED[0], Authorization="Bearer guessed")
    lines = [
        json.loads(record.getMessage())
        for record in caplog.records
        if record.name == "rag.requests"
    ]
    assert [line["address"] for line in lines if line["status"] == 401] == ["127.0.0.1"]
    assert "guessed" not in caplog.text


@pytest.mark.slow
def test_the_printed_address_lets_a_person_in(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rag", "serve", "--port", "0", "--index", str(tmp_path)]
    log = tmp_path / "log"
    with log.open("wb") as stderr:
        started = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stderr=stderr)
    try:
        until = time.monotonic() + 240
        while (
            not (found := re.search(r"(http://[^\s#]+)#token=(\S+)", log.read_text()))
            and time.monotonic() < until
        ):
            time.sleep(0.1)
        assert found
        with httpx.Client(base_url=found[1], trust_env=False, timeout=20) as client:
            wait_until_ready(client, 240)
        address = f"{found[1]}v1/jobs/x"
        assert httpx.get(address, trust_env=False).status_code == 401
        assert (
            httpx.get(
                address, trust_env=False, headers={"Authorization": f"Bearer {found[2]}"}
            ).status_code
            == 404
        )
    finally:
        started.kill()
        started.wait()
