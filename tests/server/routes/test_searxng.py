"""SearXNG's search API over the index, as its clients read it."""

from __future__ import annotations

import base64
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx

from rag.server.api_keys import keys_of
from rag.settings import Settings
from tests.server.conftest import OMAN
from tests.server.fake_server import serving, with_key

ASKED = {"q": "secret talks", "format": "json"}


def test_results_have_the_fields_that_clients_read(client: httpx.Client) -> None:
    page = client.get("/search", params={**ASKED, "engines": "google", "language": "all"}).json()
    assert page["query"] == "secret talks"
    assert page["number_of_results"] == len(page["results"]) == 2
    assert page["answers"] == page["suggestions"] == page["unresponsive_engines"] == []
    best, second = page["results"]
    assert best["score"] >= second["score"]
    assert (best["title"], best["engine"], best["publishedDate"]) == ("oman", "rag", None)
    place = {name: values[0] for name, values in parse_qs(urlsplit(best["url"]).fragment).items()}
    assert place["document"] == "uploads/oman.txt"
    assert OMAN[int(place["start"]) : int(place["end"])] == best["content"]
    for change, count in (({"categories": "general"}, 2), ({"pageno": "2"}, 0)):
        assert len(client.get("/search", params=ASKED | change).json()["results"]) == count
    assert client.get("/search", params=ASKED | {"categories": "images"}).json()["results"] == []
    refused = client.get("/search", params={"q": "secret talks"})
    assert (refused.status_code, refused.json()["hint"]) == (422, "add &format=json")


def test_a_document_of_the_web_has_its_own_address_and_date(client: httpx.Client) -> None:
    metadata = {"date": "2024-05-01", "url": "https://example.org/zebras"}
    body = {"text": "Zebras graze in Kenya.", "metadata": metadata}
    client.put("/v1/documents/web/zebras.md", json=body).raise_for_status()
    try:
        best = client.get("/search", params={**ASKED, "q": "zebras"}).json()["results"][0]
        assert (best["url"], best["publishedDate"]) == (metadata["url"], "2024-05-01")
    finally:
        client.delete("/v1/documents/web/zebras.md")


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"rag:{password}".encode()).decode()


def test_the_key_may_come_as_these_clients_send_it(tmp_path: Path) -> None:
    _, key = keys_of(Settings(index=tmp_path)).add("searxng", "write", ("*",))
    with serving(tmp_path, key=key) as client, with_key(client) as free:
        client.put("/v1/documents/oman.md", json={"text": OMAN}).raise_for_status()
        for headers in ({"X-API-Key": key}, {"Authorization": basic(key)}):
            for path in ("/search", "/v1/collections/default/search"):
                assert free.get(path, params=ASKED, headers=headers).json()["results"]
            asked = free.post("/v1/ask", json={"question": "Who?"}, headers=headers)
            assert asked.status_code == 401
        for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": basic("wrong")}):
            assert free.get("/search", params=ASKED, headers=headers).status_code == 401
        broken = [(b"Authorization", b"Basic \xe9")]
        assert free.get("/search", params=ASKED, headers=broken).status_code == 401
