"""Keys with their scopes and rates; without keys, the index's token, and no proxies."""

import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from rag.errors import InputError, NotFoundError, StoreError
from rag.protocols import ReaderOutput
from rag.server.api_keys import Keys, keys_of
from rag.server.auth import Rate, Right, RouteRights
from rag.server.problems import ServiceError
from rag.server.serve import _open_browser, check_binding, token_of
from rag.settings import Settings
from rag.types import Hit
from tests.server.fake_server import SlowReader, add_key, put_text, serving, wait_until, with_key

READ = ("GET", "/v1/documents", None)
WRITE = ("POST", "/v1/documents", {"name": "a.txt", "text": "Hello."})
ASKED = [READ, WRITE, ("DELETE", "/v1/documents/uploads/a.txt", None), ("GET", "/metrics", None)]
TOKEN = "of-this-index"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service without keys, which requires the token. The client has none."""
    with serving(tmp_path_factory.mktemp("guarded"), token=TOKEN) as served:
        yield served


def status(
    client: httpx.Client, request: tuple[str, str, object], token: str = "", **headers: str
) -> int:
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return client.request(request[0], request[1], json=request[2], headers=headers).status_code


def test_each_key_has_its_scope(tmp_path: Path) -> None:
    keys = keys_of(Settings(index=tmp_path))
    reads = add_key(tmp_path)
    valid_key, writes = keys.add("w", "write")
    gone, revoked = keys.add("old", "write")
    keys.revoke("old")
    wrong = (
        "nonsense",
        revoked,
        writes[:-1],
        writes + "x",
        f"rag_{valid_key.id}_",
        "é" * 50,
        "rag__",
    )
    with serving(tmp_path, key=writes) as client, with_key(client) as keyless:
        for token in wrong:
            headers = {b"Authorization": f"Bearer {token}".encode()}
            assert keyless.request(READ[0], READ[1], headers=headers).status_code == 401
        statuses = [
            status(keyless, request, token) for request in (READ, WRITE) for token in (reads, "")
        ]
        assert statuses == [200, 401, 403, 401]
        assert status(client, WRITE, writes) == 201
        for path in ("/health", "/", "/openapi.json"):
            assert keyless.get(path).status_code == 200
        assert keyless.get("/v1/documents").headers["www-authenticate"] == "Bearer"
        keys.revoke("w")  # while the service runs
        assert status(client, READ, writes) == 401
        (tmp_path / "keys.json").rename(tmp_path / "moved.json")
        assert status(client, READ, reads) == 503
        refused = keyless.get("/v1/documents")
        assert (refused.status_code, "are missing" in refused.json()["detail"]) == (503, True)
        assert keyless.get("/health").status_code == 200
    assert gone.revoked == ""
    stored = (tmp_path / "moved.json").read_text()
    assert all(token not in stored for token in (reads, writes, revoked))
    assert (tmp_path / "moved.json").stat().st_mode & 0o077 == 0


def test_unreadable_keys_let_nobody_in(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    keys.add("a", "read")
    with pytest.raises(NotFoundError, match="rag keys list"):
        keys.revoke("nobody")
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(StoreError, match=r"keys\.json"):
        Keys(tmp_path / "keys.json").all()
    with pytest.raises(StoreError):
        keys.check("rag_x_y")


def test_keys_expire_and_are_rotated(tmp_path: Path) -> None:
    keys = keys_of(Settings(index=tmp_path))
    added_key, token = keys.add("a", "write", ["x"], days=1)
    assert keys.check(token) == added_key
    text = (tmp_path / "keys.json").read_text()
    (tmp_path / "keys.json").write_text(text.replace(added_key.expires, "2020-01-01T00:00:00Z"))
    assert Keys(tmp_path / "keys.json").check(token) is None
    _, token_before = keys.add("b", "read", ["y"])
    rotated, token_after = keys.rotate("b")
    assert (keys.check(token_before), keys.check(token_after)) == (None, rotated)
    assert (rotated.scope, rotated.collections) == ("read", ("y",))
    _, later = keys.rotate("b", hours=1)
    assert keys.check(token_after)
    assert keys.check(later)
    with pytest.raises(InputError, match="has expired"):
        keys.rotate("a", hours=1)
    assert keys.check(token) is None  # an expired key does not come back
    lent, _ = keys.add("c", "read", ["z"], days=3)
    assert keys.rotate("c")[0].expires == lent.expires


def test_a_key_from_before_collections_may_use_them_all(tmp_path: Path) -> None:
    key, token = keys_of(Settings(index=tmp_path)).add("old", "read")
    path = tmp_path / "keys.json"
    content = json.loads(path.read_text())
    for stored_key in content["keys"]:
        del stored_key["collections"], stored_key["expires"]
    path.write_text(json.dumps(content))
    assert Keys(path).check(token) == key
    assert key.everywhere


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_without_keys_only_this_machine_is_served(tmp_path: Path, host: str) -> None:
    settings = Settings(index=tmp_path, host=host)
    with pytest.raises(InputError, match="rag keys add"):
        check_binding(settings)
    add_key(tmp_path)
    check_binding(settings)
    keys_of(settings).revoke("read")
    with pytest.raises(InputError):
        check_binding(settings)


@pytest.mark.parametrize(
    "host",
    [
        *"evil.example evil.example:80 127.0.0.1.evil.example [ localhost@evil.example".split(),
        "",
        "[::1]x",
        "127.0.0.1 x",
    ],
)
def test_without_keys_other_host_names_are_refused(client: httpx.Client, host: str) -> None:
    assert client.get("/v1/documents", headers={"Host": host}).status_code in (400, 421)


def test_without_keys_pages_of_other_sites_are_refused(client: httpx.Client) -> None:
    origin = str(client.base_url).rstrip("/")
    foreign = {"Sec-Fetch-Site": "cross-site"}
    for headers, code in (
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        (foreign, 403),
        ({"Origin": origin}, 200),
    ):
        response = client.post("/v1/ask", json={"question": "Who?"}, headers=headers)
        assert response.status_code == code, headers
    assert client.get("/", headers=foreign).status_code == 200


def test_without_keys_proxy_headers_are_refused(
    client: httpx.Client, guarded: httpx.Client
) -> None:
    forwarded = [f"X-Forwarded-{name}" for name in ("For", "Host", "Proto", "New")]
    for header in ("Via", "X-Real-IP", "Forwarded", *forwarded):
        headers = {header: "1.1 proxy", "Authorization": f"Bearer {TOKEN}"}
        for service in (client, guarded):
            refused = service.get("/v1/documents", headers=headers)
            assert refused.status_code == 421, header
            assert "rag keys add" in refused.json()["hint"]


def test_requests_through_a_silent_proxy_are_refused(
    guarded: httpx.Client,
    logged: Callable[[], list[dict[str, Any]]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """nginx's plain proxy_pass sends `Host: 127.0.0.1:8000` and no forwarding headers."""
    for request in ASKED:
        assert status(guarded, request) == status(guarded, request, "guessed") == 401
    assert {line["address"] for line in logged() if line["status"] == 401} == {"127.0.0.1"}
    assert "guessed" not in caplog.text
    assert status(guarded, WRITE, TOKEN) == 201
    assert status(guarded, READ, TOKEN) == 200
    assert status(guarded, READ, Authorization=f"Basic {TOKEN}") == 401
    for path in ("/", "/health", "/ready", "/openapi.json"):
        assert guarded.get(path).status_code == 200
    assert "rag serve printed" in guarded.get("/v1/documents").json()["hint"]


def test_the_token_is_void_once_a_key_exists(tmp_path: Path) -> None:
    with serving(tmp_path, token=TOKEN) as client:
        key = add_key(tmp_path)
        assert (status(client, READ, TOKEN), status(client, READ, key)) == (401, 200)


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
    add_key(settings.index)
    assert token_of(settings, no_key=False) == ""


def test_only_its_own_page_uses_the_cookie(guarded: httpx.Client) -> None:
    from_page = {"Origin": str(guarded.base_url).rstrip("/")}
    assert guarded.post("/v1/session", headers=from_page).status_code == 401
    answer = guarded.post("/v1/session", headers={"Authorization": f"Bearer {TOKEN}"})
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=strict" in answer.headers["set-cookie"]
    assert TOKEN not in answer.headers["set-cookie"] + answer.text
    page = {"X-Rag-Page": answer.json()["page"]}
    assert status(guarded, READ) == 401  # a service at another port receives the cookie too
    assert status(guarded, READ, **page) == 200
    assert status(guarded, WRITE, **page) == 401  # nothing says which page it is from
    assert status(guarded, WRITE, **page, **from_page) == 201
    for foreign in (
        {"Origin": "http://127.0.0.1:9"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
        {"X-Forwarded-For": "192.0.2.7"},
    ):
        for request in ASKED:
            assert status(guarded, request, **{**page, **from_page, **foreign}) in (401, 403, 421)
    guarded.cookies.clear()
    assert status(guarded, READ, **page, **from_page) == 401


def test_the_page_says_in_words_why_it_cannot_be_opened(guarded: httpx.Client) -> None:
    answer = guarded.get("/", headers={"Host": "docs.example"})
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
    _open_browser(server, "http://127.0.0.1:8000/#token=secret")  # type: ignore[arg-type]
    assert "secret" not in opened[0]
    file = Path(opened[0].removeprefix("file://"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert "http://127.0.0.1:8000/#token=secret" in file.read_text()


def test_a_key_has_a_rate_limit(tmp_path: Path) -> None:
    token, other_token = add_key(tmp_path), add_key(tmp_path)
    with serving(tmp_path, key=token, rate=1) as client:
        for _ in range(60):
            limited = client.get("/v1/documents")
            if limited.status_code != 200:
                break
        assert limited.status_code == 429
        assert 1 <= int(limited.headers["retry-after"]) <= 2
        assert status(client, READ, other_token) == 200


def test_computing_is_charged_and_refilled() -> None:
    rate = Rate(6000)
    rate.take("a")
    rate.charge("a", 6005.0)
    with pytest.raises(ServiceError, match="6,000 seconds of computing"):
        rate.take("a")
    rate.take("b")
    assert rate.headers("a")["X-RateLimit-Remaining"] == "0"
    time.sleep(0.1)  # 10 s are refilled
    rate.take("a")


class Working(SlowReader):
    """Takes a tenth of a second per question."""

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        time.sleep(0.1 * len(questions))
        return super().read_many(questions)


def test_a_key_pays_for_what_it_computes(tmp_path: Path) -> None:
    token = add_key(tmp_path, "write")
    with serving(tmp_path, Working(0.0), key=token, rate=100) as client:

        def cost(path: str, **body: object) -> float:
            started, tokens_before = time.monotonic(), left(client.get("/v1/documents"))
            tokens_after = left(client.post(path, json=body))
            return tokens_before - tokens_after + (time.monotonic() - started) * 100 / 60

        put_text(client, "oman.txt", "The talks were led by William Burns.")
        questions = [f"Who led the talks {number}?" for number in range(20)]
        assert 2 <= cost("/v1/ask/batch", questions=questions) <= 10
        assert cost("/v1/search", question="Who led?") <= 1
        assert cost("/v1/feedback", question="Who?", verdict="wrong", correction="x" * 9_000) >= 1


def left(response: httpx.Response) -> int:
    assert response.status_code < 300, response.text
    return int(response.headers["x-ratelimit-remaining"])


BODIES: dict[str, object] = {
    "/v1/ask": {"question": "When?"},
    "/v1/documents/{document:path}": {"text": "Hello."},
}


def test_every_route_asks_for_its_right(tmp_path: Path) -> None:
    """Each route without a key, with a wrong one, one of another collection, a read-only one."""
    reads, writes = add_key(tmp_path), add_key(tmp_path, "write")
    elsewhere = add_key(tmp_path, "write", "another")
    with serving(tmp_path, key=writes) as client, with_key(client) as keyless_client:
        declared = client.app_state.rights.declared  # type: ignore[attr-defined]
        assert len(declared) >= 40
        for route, scope in declared:
            path = re.sub(r"\{[^}]*\}", "x.txt", route.path)
            for method in sorted((route.methods or {"POST"}) - {"HEAD"}):
                request = method, path, BODIES.get(route.path, {})
                keyless, wrong, read_only, bound, may_write = (
                    status(keyless_client, request, key)
                    for key in ("", writes + "x", reads, elsewhere, writes)
                )
                is_open = scope is Right.OPEN
                assert ((keyless != 401), (wrong != 401)) == (is_open, is_open), (method, path)
                assert (read_only == 403) == scope.writes, (method, path, read_only)
                # an endpoint with Right.ANY refuses collections in the body itself
                assert scope in (Right.OPEN, Right.ANY) or bound == 403, (method, path, bound)
                assert may_write not in (401, 403), (method, path)


def test_an_endpoint_without_a_right_is_an_error() -> None:
    with pytest.raises(AttributeError):
        RouteRights([Route("/new", lambda request: None)])


def test_a_wrong_key_is_always_logged_with_its_address(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Also where requests are not logged."""
    caplog.set_level(logging.WARNING, "rag.requests")
    with (
        serving(tmp_path, key=add_key(tmp_path)) as client,
        with_key(client, "rag_a_b") as stranger,
    ):
        assert client.get("/v1/me").status_code == 200
        assert stranger.get("/v1/me").status_code == 401
        wait_until(lambda: caplog.records, 5)
        (line,) = [json.loads(record.getMessage()) for record in caplog.records]
        assert (line["status"], line["address"]) == (401, "127.0.0.1")
        caplog.clear()
        search = client.get("/search?q=a", headers={"Authorization": "", "X-API-Key": "rag_a_b"})
        assert search.status_code == 401
        wait_until(lambda: caplog.records, 5)
