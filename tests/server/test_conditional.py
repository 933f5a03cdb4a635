"""Conditional requests, filters of the list, CORS, citation offsets and full disks."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from rag.errors import BusyError, InputError, StoreError
from rag.server import serialize
from rag.server.api_keys import keys_of
from rag.server.auth import origins
from rag.server.problems import problem_of, without_places
from rag.settings import Settings
from rag.types import Citation
from tests.server.fake_server import put_text, serving


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("served")) as made:
        put_text(made, "lease.md", "---\nauthor: Ada\n---\n# Lease\n\nThe lease ends in May 2027.")
        put_text(made, "oman.txt", "Oman hosted the secret talks.")
        yield made


def test_an_unchanged_document_is_not_sent_again_and_only_it_is_deleted(
    client: httpx.Client,
) -> None:
    put_text(client, "gone.txt", "It is 1999.")
    path = "/v1/documents/uploads/gone.txt"
    for place in (path, f"{path}/text"):
        tag = client.get(place).headers["etag"]
        for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            response = client.get(place, headers={"If-None-Match": known})
            assert (response.status_code, response.content) == (304, b"")
            assert response.headers["etag"] == tag
        assert client.get(place, headers={"If-None-Match": '"other"'}).status_code == 200
    put_text(client, "gone.txt", "It is 2000.")
    refused = client.delete(path, headers={"If-Match": tag})
    assert (refused.status_code, refused.json()["type"]) == (412, "urn:rag:precondition")
    tag = client.get(path).headers["etag"]
    assert client.delete(path, headers={"If-Match": tag}).status_code == 200


def test_the_list_takes_filters(client: httpx.Client) -> None:
    found = client.get("/v1/documents", params={"filter": "author=Ada"}).json()
    assert ([one["id"] for one in found["documents"]], found["total"]) == (["uploads/lease.md"], 1)
    none = client.get("/v1/documents", params={"filter": ["type=md", "author=Bob"]}).json()
    assert (none["documents"], none["total"]) == ([], 0)
    assert client.get("/v1/documents", params={"filter": "nonsense"}).status_code == 422


def test_only_named_origins_may_ask_and_only_with_a_key(tmp_path: Path) -> None:
    _, token = keys_of(Settings(index=tmp_path)).add("a", "read")
    origins = "https://app.example.org, http://localhost:3000"
    allowed, other = {"Origin": "https://app.example.org"}, {"Origin": "https://evil.example"}
    asks = {"Access-Control-Request-Method": "POST"}
    asks |= {"Access-Control-Request-Headers": "authorization"}
    with serving(tmp_path, key=token, cors_origins=origins) as client:
        preflight = client.options("/v1/ask", headers={**allowed, **asks})
        assert "authorization" in preflight.headers["access-control-allow-headers"].lower()
        known = client.get("/v1/documents", headers=allowed)
        denied = client.get("/v1/documents", headers={**allowed, "Authorization": ""})
        for answer, status in ((preflight, 200), (known, 200), (denied, 401)):
            assert answer.status_code == status
            assert answer.headers["access-control-allow-origin"] == allowed["Origin"]
        foreign = client.get("/v1/documents", headers=other)
        assert "access-control-allow-origin" not in foreign.headers
        assert client.options("/v1/ask", headers={**other, **asks}).status_code == 400


@pytest.mark.parametrize(
    "origin", ["*", "app.example.org", "https://app.example.org/", "ftp://x.org", "null"]
)
def test_invalid_origins_are_named(origin: str) -> None:
    with pytest.raises(InputError, match="RAG_CORS_ORIGINS"):
        origins(origin)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("index /home/ada/index cannot be written: disk", "index …/index cannot be written: disk"),
        ("API keys in /var/lib/rag/keys.json are gone", "API keys in …/keys.json are gone"),
        ("/a/b c.sqlite is written by process 4711", "…/b c.sqlite is written by another process"),
        ("run: rag index restore SNAPSHOT, or rag ingest PATH", ""),
        ("ask again at http://127.0.0.1:8000/v1/documents", ""),
        ("it is 14/07 and/or later", ""),
    ],
)
def test_http_errors_contain_no_paths(text: str, shown: str) -> None:
    assert without_places(text) == (shown or text)
    assert problem_of(BusyError(text)).detail == (shown or text)


def test_a_full_disk_is_reported() -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript("PRAGMA max_page_count = 2; CREATE TABLE t (x)")
    with pytest.raises(sqlite3.OperationalError) as full:
        connection.execute("INSERT INTO t VALUES (zeroblob(100000))")
    for cause in (full.value, OSError(errno.ENOSPC, "No space left on device")):
        with pytest.raises(StoreError) as raised:
            raise StoreError("index /x cannot be written") from cause
        assert problem_of(raised.value).status == 507
    assert problem_of(StoreError("broken")).status == 503


@pytest.mark.parametrize(
    ("answer", "quote", "part"),
    [
        ("14 July 2015", "2015", "2015"),
        ("2015", "14 July 2015", "2015"),
        ("Ada and Bob", "Bob", "Bob"),
    ],
)
def test_a_citation_names_its_part_of_the_answer(answer: str, quote: str, part: str) -> None:
    place = dict.fromkeys(("start", "end", "sentence_start", "sentence_end"), 0)
    names = ("document_id", "title", "source", "heading", "sentence", "sha256")
    cited = Citation(**dict.fromkeys(names, "x"), **place, quote=quote, page=None)  # type: ignore[arg-type]
    (shown,) = serialize._citations([cited], [], answer)
    assert answer[shown.start : shown.end] == part
