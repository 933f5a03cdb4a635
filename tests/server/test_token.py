"""Without keys, the service requires the index's token and rejects proxies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from rag.errors import InputError
from rag.server.api_keys import keys_of
from rag.server.serve import _open, token_of
from rag.settings import Settings
from tests.server.fake_server import process, serving, with_key

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
            assert status(client, asked) == 401
            assert status(client, asked, Authorization="Bearer guessed") == 401
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


@pytest.mark.parametrize("token", ["", "of-this-run"])
def test_without_keys_proxy_headers_are_refused(tmp_path: Path, token: str) -> None:
    forwarded = [f"X-Forwarded-{name}" for name in ("For", "Host", "Proto", "New")]
    with serving(tmp_path, token=token) as client:
        for header in ("Via", "X-Real-IP", "Forwarded", *forwarded):
            headers = {header: "1.1 proxy", "Authorization": f"Bearer {token or 'x'}"}
            refused = client.get("/v1/documents", headers=headers)
            assert refused.status_code == 421, header
            assert "rag keys add" in refused.json()["hint"]


def test_an_index_keeps_its_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    settings = Settings(index=tmp_path / "index")
    token = token_of(settings, no_key=False)
    assert len(token) >= 32
    assert token_of(settings, no_key=False) == token
    assert token_of(Settings(index=tmp_path / "another"), no_key=False) != token
    (file,) = (path for path in tmp_path.rglob("*") if path.is_file() and token in path.read_text())
    assert file.stat().st_mode & 0o777 == 0o600
    assert token_of(settings, no_key=True) == ""
    with pytest.raises(InputError, match="API key"):
        token_of(Settings(index=tmp_path, host="0.0.0.0"), no_key=True)
    file.chmod(0o644)  # others may have read it
    assert token_of(settings, no_key=False) != token
    assert file.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    assert token_of(settings, no_key=False) != token_of(settings, no_key=False)
    keys_of(settings).add("a", "read")
    assert token_of(settings, no_key=False) == ""


def test_only_its_own_page_uses_the_cookie(tmp_path: Path) -> None:
    with serving(tmp_path, token="of-this-index") as client:
        own = {"Origin": str(client.base_url).rstrip("/")}
        assert client.post("/v1/session", headers=own).status_code == 401
        answer = client.post("/v1/session", headers={"Authorization": "Bearer of-this-index"})
        assert "HttpOnly" in answer.headers["set-cookie"]
        assert "SameSite=strict" in answer.headers["set-cookie"]
        assert "of-this-index" not in answer.headers["set-cookie"] + answer.text
        page = {"X-Rag-Page": answer.json()["page"]}
        assert status(client, ASKED[0]) == 401  # a service at another port receives the cookie too
        assert status(client, ASKED[0], **page) == 200
        assert status(client, ASKED[1], **page) == 401  # nothing says which page it is from
        assert status(client, ASKED[1], **page, **own) == 201
        for foreign in (
            {"Origin": "http://127.0.0.1:9"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site"},
            {"Host": "evil.example"},
            {"X-Forwarded-For": "192.0.2.7"},
        ):
            for asked in ASKED:
                assert status(client, asked, **{**page, **own, **foreign}) in (401, 403, 421)
        client.cookies.clear()
        assert status(client, ASKED[0], **page, **own) == 401


def test_the_page_says_in_words_why_it_cannot_be_opened(tmp_path: Path) -> None:
    with serving(tmp_path, token="of-this-index") as client:
        answer = client.get("/", headers={"Host": "docs.example"})
        assert answer.status_code == 421
        assert answer.headers["content-type"].startswith("text/plain")
        assert "http://127.0.0.1" in answer.text


def test_a_browser_is_led_to_the_address_by_a_file_of_the_users_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other users see the arguments of a browser."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    server = SimpleNamespace(started=True, should_exit=False)
    _open(server, "http://127.0.0.1:8000/#token=secret")  # type: ignore[arg-type]
    assert "secret" not in opened[0]
    file = Path(opened[0].removeprefix("file://"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert "http://127.0.0.1:8000/#token=secret" in file.read_text()


def test_wrong_keys_are_logged_with_the_address(
    tmp_path: Path, logged: Callable[[], list[dict[str, Any]]], caplog: pytest.LogCaptureFixture
) -> None:
    with serving(tmp_path, token="of-this-run") as client:
        status(client, ASKED[0], Authorization="Bearer guessed")
    assert [line["address"] for line in logged() if line["status"] == 401] == ["127.0.0.1"]
    assert "guessed" not in caplog.text


@pytest.mark.slow
def test_the_printed_address_lets_a_person_in(tmp_path: Path) -> None:
    state = str(tmp_path / "state")
    with (
        process(tmp_path, fake=False, needs_token=True, XDG_STATE_HOME=state) as (_, client),
        with_key(client) as stranger,
    ):
        assert status(stranger, ("GET", "v1/jobs/x", None)) == 401
        assert status(client, ("GET", "v1/jobs/x", None)) == 404
