"""SearXNG's search API over the index, as its clients read it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from rag.server.api_keys import keys_of
from rag.settings import Settings
from tests.server.conftest import OMAN
from tests.server.fake_server import put_text, serving

ASKED = {"q": "secret talks", "format": "json"}


def test_results_have_the_fields_that_clients_read(client: httpx.Client) -> None:
    found = client.get("/search", params={**ASKED, "engines": "google", "language": "all"}).json()
    assert found["query"] == "secret talks"
    assert found["number_of_results"] == len(found["results"]) == 2
    assert found["answers"] == found["suggestions"] == found["unresponsive_engines"] == []
    scores = [result["score"] for result in found["results"]]
    assert scores == sorted(scores, reverse=True)
    best = found["results"][0]
    assert (best["title"], best["engine"], best["publishedDate"]) == ("oman", "rag", None)
    place = {name: values[0] for name, values in parse_qs(urlsplit(best["url"]).fragment).items()}
    assert place["document"] == "uploads/oman.txt"
    assert OMAN[int(place["start"]) : int(place["end"])] == best["content"]


def test_pages_and_categories(client: httpx.Client) -> None:
    first = client.get("/search", params={**ASKED, "categories": "general"}).json()["results"]
    assert first
    assert client.get("/search", params={**ASKED, "pageno": 2}).json()["results"] == []
    assert client.get("/search", params={**ASKED, "categories": "images"}).json()["results"] == []


def test_html_is_refused_in_a_sentence(client: httpx.Client) -> None:
    refused = client.get("/search", params={"q": "secret talks"})
    assert refused.status_code == 422
    assert refused.json()["hint"] == "add &format=json"


def test_a_document_of_the_web_has_its_own_address_and_date(client: httpx.Client) -> None:
    text = {
        "text": "Zebras graze in Kenya.",
        "metadata": {"date": "2024-05-01", "url": "https://example.org/zebras"},
    }
    client.put("/v1/documents/web/zebras.md", json=text).raise_for_status()
    try:
        best = client.get("/search", params={**ASKED, "q": "zebras"}).json()["results"][0]
        assert (best["url"], best["publishedDate"]) == ("https://example.org/zebras", "2024-05-01")
    finally:
        client.delete("/v1/documents/web/zebras.md")


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[httpx.Client, str]]:
    index: Path = tmp_path_factory.mktemp("keyed")
    _, key = keys_of(Settings(index=index)).add("searxng", "write", ("*",))
    with serving(index, key=key) as made:
        put_text(made, "oman.txt", OMAN)
        yield made, key


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"rag:{password}".encode()).decode()


def test_the_key_may_come_as_these_clients_send_it(keyed: tuple[httpx.Client, str]) -> None:
    client, key = keyed
    with httpx.Client(base_url=client.base_url, trust_env=False) as free:
        for headers in ({"X-API-Key": key}, {"Authorization": basic(key)}):
            assert free.get("/search", params=ASKED, headers=headers).json()["results"]
            path = "/v1/collections/default/search"
            assert free.get(path, params=ASKED, headers=headers).status_code == 200
            asked = free.post("/v1/ask", json={"question": "Who?"}, headers=headers)
            assert asked.status_code == 401
        for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": basic("wrong")}):
            assert free.get("/search", params=ASKED, headers=headers).status_code == 401
        broken = [(b"Authorization", b"Basic \xe9")]
        assert free.get("/search", params=ASKED, headers=broken).status_code == 401
