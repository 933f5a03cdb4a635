"""Reranking in Jina's and Cohere's format, and SearXNG's search API, as its clients read it."""

import base64
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from rag.protocols import ReaderOutput
from rag.types import Hit
from tests.fakes import NameReader
from tests.server.conftest import LEASE, OMAN
from tests.server.fake_server import add_key, serving, with_key

ASKED = {"model": "jina-reranker-v2-base-multilingual", "query": "Who led the talks?"}
SEARCHED = {"q": "secret talks", "format": "json"}


def test_the_text_with_the_answer_is_first(client: httpx.Client) -> None:
    long_text = "The weather was fine. " * 1500 + OMAN  # counts by its best passage
    for answering in (OMAN, long_text):
        body = {**ASKED, "documents": [LEASE, {"text": answering}, " "], "unknown": 1}
        ranked = client.post("/v1/rerank", json=body).json()
        assert ranked["model"] == ASKED["model"]
        assert [row["index"] for row in ranked["results"]] == [1, 0, 2]
        assert [row["document"]["text"] for row in ranked["results"]] == [answering, LEASE, " "]
        best_score, next_score, worst_score = (row["relevance_score"] for row in ranked["results"])
        assert best_score > 0.9 > next_score > worst_score
        assert worst_score < 0.01


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"documents": []}, "documents"),
        ({"documents": ["x"] * 1001}, "documents"),
        ({"documents": [{"title": "x"}]}, "the field `documents.0` is wrong: input should be a"),
        ({"query": " "}, "empty"),
        ({"query": "x" * 2000}, "too long"),
        ({"top_n": 0}, "the field `top_n` is wrong: input should be greater than or equal to 1"),
    ],
)
def test_errors_name_the_field(client: httpx.Client, change: dict[str, Any], word: str) -> None:
    refused = client.post("/v1/rerank", json={**ASKED, "documents": [OMAN], **change})
    assert refused.status_code == 422
    assert word in refused.json()["detail"]


class SlowReader(NameReader):
    def read(self, question: str, hits: Sequence[Hit]) -> ReaderOutput:
        time.sleep(1.5)
        return super().read(question, hits)


def test_any_key_may_rerank_and_pays_for_it(tmp_path: Path) -> None:
    key = add_key(tmp_path, "read", "other")
    with serving(tmp_path, SlowReader(), key=key, rate=6) as client, with_key(client) as stranger:
        body = {**ASKED, "documents": [LEASE, OMAN], "top_n": 1, "return_documents": False}
        for path in ("/v1/rerank", "/v2/rerank"):
            requests_left = int(client.get("/v1/models").headers["X-RateLimit-Remaining"])
            (row,) = client.post(path, json=body).json()["results"]
            assert (row["index"], "document" in row) == (1, False)
            assert int(client.get("/v1/models").headers["X-RateLimit-Remaining"]) < requests_left
            assert stranger.post(path, json=body).status_code == 401


def test_results_have_the_fields_that_clients_read(client: httpx.Client) -> None:
    page = client.get("/search", params={**SEARCHED, "engines": "google", "language": "all"}).json()
    assert page["query"] == "secret talks"
    assert page["number_of_results"] == len(page["results"]) == 2
    assert page["answers"] == page["suggestions"] == page["unresponsive_engines"] == []
    top_result, next_result = page["results"]
    assert top_result["score"] >= next_result["score"]
    assert (top_result["title"], top_result["engine"], top_result["publishedDate"]) == (
        "oman",
        "rag",
        None,
    )
    place = {
        name: values[0] for name, values in parse_qs(urlsplit(top_result["url"]).fragment).items()
    }
    assert place["document"] == "uploads/oman.txt"
    assert OMAN[int(place["start"]) : int(place["end"])] == top_result["content"]
    for change, count in (({"categories": "general"}, 2), ({"pageno": "2"}, 0)):
        assert len(client.get("/search", params=SEARCHED | change).json()["results"]) == count
    assert client.get("/search", params=SEARCHED | {"categories": "images"}).json()["results"] == []
    refused = client.get("/search", params={"q": "secret talks"})
    assert (refused.status_code, refused.json()["hint"]) == (422, "add &format=json")


def test_a_document_of_the_web_has_its_own_address_and_date(client: httpx.Client) -> None:
    metadata = {"date": "2024-05-01", "url": "https://example.org/zebras"}
    body = {"text": "Zebras graze in Kenya.", "metadata": metadata}
    client.put("/v1/documents/web/zebras.md", json=body).raise_for_status()
    try:
        top_result = client.get("/search", params={**SEARCHED, "q": "zebras"}).json()["results"][0]
        assert (top_result["url"], top_result["publishedDate"]) == (metadata["url"], "2024-05-01")
    finally:
        client.delete("/v1/documents/web/zebras.md")


def basic(password: str) -> str:
    return "Basic " + base64.b64encode(f"rag:{password}".encode()).decode()


def test_the_key_may_come_as_these_clients_send_it(tmp_path: Path) -> None:
    key = add_key(tmp_path, "write")
    with serving(tmp_path, key=key) as client, with_key(client) as keyless:
        client.put("/v1/documents/oman.md", json={"text": OMAN}).raise_for_status()
        for headers in ({"X-API-Key": key}, {"Authorization": basic(key)}):
            for path in ("/search", "/v1/collections/default/search"):
                assert keyless.get(path, params=SEARCHED, headers=headers).json()["results"]
            response = keyless.post("/v1/ask", json={"question": "Who?"}, headers=headers)
            assert response.status_code == 401
        for headers in ({}, {"X-API-Key": "wrong"}, {"Authorization": basic("wrong")}):
            assert keyless.get("/search", params=SEARCHED, headers=headers).status_code == 401
        broken = [(b"Authorization", b"Basic \xe9")]
        assert keyless.get("/search", params=SEARCHED, headers=broken).status_code == 401
