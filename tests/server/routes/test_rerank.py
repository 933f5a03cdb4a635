"""Reranking in Jina's and Cohere's format."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.protocols import ReaderOutput
from rag.server.api_keys import keys_of
from rag.settings import Settings
from rag.types import Hit
from tests.fakes import NameReader
from tests.server.conftest import LEASE, OMAN
from tests.server.fake_server import serving, with_key

ASKED = {"model": "jina-reranker-v2-base-multilingual", "query": "Who led the talks?"}


def test_the_text_with_the_answer_is_first(client: httpx.Client) -> None:
    long = "The weather was fine. " * 1500 + OMAN  # counts by its best passage
    for best in (OMAN, long):
        body = {**ASKED, "documents": [LEASE, {"text": best}, " "], "unknown": 1}
        ranked = client.post("/v1/rerank", json=body).json()
        assert ranked["model"] == ASKED["model"]
        assert [row["index"] for row in ranked["results"]] == [1, 0, 2]
        assert [row["document"]["text"] for row in ranked["results"]] == [best, LEASE, " "]
        first, second, third = (row["relevance_score"] for row in ranked["results"])
        assert first > 0.9 > second > third
        assert third < 0.01


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
    _, key = keys_of(Settings(index=tmp_path)).add("reader", "read", ("other",))
    with serving(tmp_path, SlowReader(), key=key, rate=6) as client, with_key(client) as stranger:
        body = {**ASKED, "documents": [LEASE, OMAN], "top_n": 1, "return_documents": False}
        for path in ("/v1/rerank", "/v2/rerank"):
            before = int(client.get("/v1/models").headers["X-RateLimit-Remaining"])
            (row,) = client.post(path, json=body).json()["results"]
            assert (row["index"], "document" in row) == (1, False)
            assert int(client.get("/v1/models").headers["X-RateLimit-Remaining"]) < before
            assert stranger.post(path, json=body).status_code == 401
