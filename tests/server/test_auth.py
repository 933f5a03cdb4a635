import re
import time
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route

from rag.errors import InputError, NotFoundError, StoreError
from rag.protocols import ReaderOutput
from rag.server.api_keys import Keys, keys_of
from rag.server.auth import Rate
from rag.server.problems import ServiceError
from rag.server.rights import Right, RouteRights
from rag.server.serve import check_binding
from rag.settings import Settings
from rag.types import Hit
from tests.server.fake_server import SlowReader, put_text, serving, with_key

READ = ("GET", "/v1/documents", None)
WRITE = ("POST", "/v1/documents", {"name": "a.txt", "text": "Hello."})


def status(client: httpx.Client, request: tuple[str, str, object], token: str = "") -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.request(request[0], request[1], json=request[2], headers=headers).status_code


def test_each_key_has_its_scope(tmp_path: Path) -> None:
    keys = keys_of(Settings(index=tmp_path))
    _, reads = keys.add("r", "read")
    kept, writes = keys.add("w", "write")
    gone, revoked = keys.add("old", "write")
    keys.revoke("old")
    wrong = ("nonsense", revoked, writes[:-1], writes + "x", f"rag_{kept.id}_", "é" * 50, "rag__")
    with serving(tmp_path, key=writes) as client, with_key(client) as bare:
        for token in wrong:
            headers = {b"Authorization": f"Bearer {token}".encode()}
            assert bare.request(READ[0], READ[1], headers=headers).status_code == 401
        statuses = [status(bare, asked, token) for asked in (READ, WRITE) for token in (reads, "")]
        assert statuses == [200, 401, 403, 401]
        assert status(client, WRITE, writes) == 201
        for path in ("/health", "/", "/openapi.json"):
            assert bare.get(path).status_code == 200
        assert bare.get("/v1/documents").headers["www-authenticate"] == "Bearer"
        keys.revoke("w")  # while the service runs
        assert status(client, READ, writes) == 401
    assert gone.revoked == ""
    stored = (tmp_path / "keys.json").read_text()
    assert all(token not in stored for token in (reads, writes, revoked))
    assert (tmp_path / "keys.json").stat().st_mode & 0o077 == 0


def test_unreadable_keys_let_nobody_in(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "keys.json")
    keys.add("a", "read")
    (tmp_path / "keys.json").write_text("{}")
    with pytest.raises(StoreError, match=r"keys\.json"):
        Keys(tmp_path / "keys.json").all()
    with pytest.raises(StoreError):
        keys.check("rag_x_y")


def test_deleted_keys_let_nobody_in(tmp_path: Path) -> None:
    _, reads = keys_of(Settings(index=tmp_path)).add("r", "read")
    with serving(tmp_path, key=reads) as client, with_key(client) as bare:
        assert client.get("/v1/documents").status_code == 200
        (tmp_path / "keys.json").unlink()
        assert client.get("/v1/documents").status_code == 503
        refused = bare.get("/v1/documents")
        assert (refused.status_code, "are missing" in refused.json()["detail"]) == (503, True)
        assert bare.get("/health").status_code == 200


def test_an_unknown_key_cannot_be_revoked(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="rag keys list"):
        Keys(tmp_path / "keys.json").revoke("nobody")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "example.org"])
def test_without_keys_only_this_machine_is_served(tmp_path: Path, host: str) -> None:
    settings = Settings(index=tmp_path, host=host)
    with pytest.raises(InputError, match="rag keys add"):
        check_binding(settings)
    key, _ = keys_of(settings).add("a", "read")
    check_binding(settings)
    keys_of(settings).revoke(key.id)
    with pytest.raises(InputError):
        check_binding(settings)


@pytest.mark.parametrize(
    "host",
    [*"evil.example evil.example:80 127.0.0.1.evil.example [ localhost@evil.example".split(), ""],
)
def test_without_keys_other_host_names_are_refused(client: httpx.Client, host: str) -> None:
    response = client.get("/v1/documents", headers={"Host": host})
    assert response.status_code in (400, 421)


def test_without_keys_pages_of_other_sites_are_refused(client: httpx.Client) -> None:
    own = str(client.base_url).rstrip("/")
    foreign = {"Sec-Fetch-Site": "cross-site"}
    for headers, code in (
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        (foreign, 403),
        ({"Origin": own}, 200),
    ):
        asked = client.post("/v1/ask", json={"question": "Who?"}, headers=headers)
        assert asked.status_code == code, headers
    assert client.get("/", headers=foreign).status_code == 200


def test_a_key_has_a_rate_limit(tmp_path: Path) -> None:
    _, token = keys_of(Settings(index=tmp_path)).add("a", "read")
    _, other = keys_of(Settings(index=tmp_path)).add("b", "read")
    with serving(tmp_path, key=token, rate=1) as client:
        for _ in range(60):
            limited = client.get("/v1/documents")
            if limited.status_code != 200:
                break
        assert limited.status_code == 429
        assert 1 <= int(limited.headers["retry-after"]) <= 2
        assert status(client, READ, other) == 200


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

    def __init__(self) -> None:
        super().__init__(0.0)

    def read_many(self, questions: Sequence[tuple[str, Sequence[Hit]]]) -> list[ReaderOutput]:
        time.sleep(0.1 * len(questions))
        return super().read_many(questions)


def test_a_key_pays_for_what_it_computes(tmp_path: Path) -> None:
    _, token = keys_of(Settings(index=tmp_path)).add("a", "write")
    with serving(tmp_path, Working(), key=token, rate=100) as client:

        def cost(path: str, **body: object) -> float:
            started, before = time.monotonic(), left(client.get("/v1/documents"))
            after = left(client.post(path, json=body))
            return before - after + (time.monotonic() - started) * 100 / 60

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
    settings = Settings(index=tmp_path)
    keys = keys_of(settings)
    _, reads = keys.add("r", "read")
    _, writes = keys.add("w", "write")
    _, elsewhere = keys.add("e", "write", ["another"])
    with serving(tmp_path, key=writes) as client, with_key(client) as bare:
        declared = client.app_state.rights.declared  # type: ignore[attr-defined]
        assert len(declared) >= 40
        for route, right in declared:
            path = re.sub(r"\{[^}]*\}", "x.txt", route.path)
            for method in sorted((route.methods or {"POST"}) - {"HEAD"}):
                request = method, path, BODIES.get(route.path, {})

                def ask(token: str, request: tuple[str, str, object] = request) -> int:
                    return status(bare, request, token)

                refused = (401, 403)
                by_key = {name: ask(t) for name, t in [("", ""), ("r", reads), ("e", elsewhere)]}
                assert (by_key[""] != 401) == (right is Right.OPEN), (method, path, by_key)
                assert (ask(writes + "x") != 401) == (right is Right.OPEN), (method, path)
                assert (by_key["r"] == 403) == right.writes, (method, path, by_key)
                allowed = right in (Right.OPEN, Right.ANY)
                # an endpoint with Right.ANY refuses collections in the body itself
                assert allowed or by_key["e"] == 403, (method, path, by_key)
                assert ask(writes) not in refused, (method, path)


def test_an_endpoint_without_a_right_is_an_error() -> None:
    with pytest.raises(AttributeError):
        RouteRights([Route("/new", lambda request: None)])
