"""Not one byte across collections, whatever is asked; and nothing lost in one when the service is
killed.
"""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.server.api_keys import keys_of
from rag.settings import Settings
from rag.store.local.collections import LocalCollections
from tests.server.fake_server import process, put_text, serving, wait_until_ready

NAMES = ("alpha", "beta", "gamma")
SECRET = {name: f"Zebra{name}quux" for name in NAMES}
"""Words that stand in one collection alone."""
SHAPES = [
    "/v1/{a}",
    "/v1/collections/{n}/{a}",
    "/v1/collections/{n}/collections/{m}/{a}",
    "/v1/collections/{n}/../{m}/{a}",
    "/v1/collections/{n}%2f..%2f{m}/{a}",
    "/v1/collections/./{m}/{a}",
    "/v1/collections//{m}/{a}",
    "/v1/collections/{m}/./{a}",
    "//v1/collections/{m}/{a}",
    "/v1/collections/{m}//{a}",
    "/v1/Collections/{m}/{a}",
    "/v1/collections/{m}\u002f{a}",
    "/v1/vector_stores/{m}/search",
    "/v1/collections/{n}/vector_stores/{m}/search",
    "/v1/collections/{m}",
    "/v1/collections",
    "/v1/collections/ask",
    "/v1/collections/{n}/dify/retrieval",
    "/mcp",
    "/v1/collections/{n}/mcp",
    "/metrics",
    "/ready",
    "/v1/collections/{n};/{a}",
    "/v1/collections/{n}%00/{a}",
    "/v1/collections/{m}%20/{a}",
    "/openapi.json",
]
ENDS = [
    "ask", "search", "ask/batch", "documents", "jobs", "feedback", "verify", "check", "models", "chat/completions",  # noqa: E501
    "documents/uploads/{m}.txt", "documents/uploads/{m}.txt/text", "documents/../../{m}/documents", "embeddings", "responses",  # noqa: E501
]  # fmt: skip


def body(chance: random.Random, other: str) -> dict[str, Any]:
    question = "What is the password of the vault?"
    return chance.choice(
        [
            {"question": question},
            {"question": question, "collections": [other]},
            {"question": question, "collections": ["default", other, "nowhere"]},
            {"question": question, "filters": [f"document=uploads/{other}.txt"]},
            {"questions": [question, f"What of {other}?"]},
            {"query": question, "knowledge_id": other},
            {"model": "rag", "messages": [{"role": "user", "content": question}]},
            {"name": f"../{other}/x.txt", "text": "mine"},
            {
                "jsonrpc": "2.0",
                "id": 1,
                "method": "tools/call",
                "params": {"name": "ask", "arguments": {"question": question}},
            },
        ]
    )


def test_whatever_a_key_asks_it_sees_nothing_of_another_collection(tmp_path: Path) -> None:
    with serving(tmp_path, rate=0) as client:
        for name in NAMES:
            client.post("/v1/collections", json={"name": name}).raise_for_status()
            text = f"The password of the vault is {SECRET[name]}."
            added = client.post(
                f"/v1/collections/{name}/documents", json={"name": f"{name}.txt", "text": text}
            )
            assert added.status_code == 201
        put_text(client, "home.txt", "The password of the vault is Zebradefaultquux.")
        ids = {one.name: one.id for one in LocalCollections(tmp_path).all()}
        keys = keys_of(Settings(index=tmp_path))
        tokens = {name: keys.add(name, "write", [ids[name]])[1] for name in NAMES}
        chance, statuses = random.Random(11), set()
        for _ in range(int(os.environ.get("FUZZ", "300"))):
            own, other = chance.sample(NAMES, 2)
            path = chance.choice(SHAPES).format(
                n=own, m=other, a=chance.choice(ENDS).format(m=other)
            )
            method = chance.choices(
                ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"], [4, 6, 1, 1, 1, 1]
            )[0]
            content = (
                json.dumps(body(chance, other)).encode()
                if method in ("POST", "PUT", "PATCH")
                else None
            )
            headers = {"Authorization": f"Bearer {tokens[own]}", "Content-Type": "application/json"}
            url = httpx.URL(client.base_url, raw_path=path.encode())
            answered = httpx.request(
                method, url, content=content, headers=headers, trust_env=False, timeout=60
            )
            statuses.add(answered.status_code)
            for name in {*NAMES, "default"} - {own}:
                assert f"Zebra{name}quux" not in answered.text, (method, path)
            assert answered.status_code < 500 or answered.status_code == 503, (
                method,
                path,
                answered.text,
            )
        assert {200, 403} <= statuses
        all_of = keys.add("all", "read")[1]
        for name in NAMES:  # and nothing was done to them
            headers = {"Authorization": f"Bearer {all_of}"}
            kept = client.get(
                f"/v1/collections/{name}/documents/uploads/{name}.txt/text", headers=headers
            )
            assert kept.status_code == 404 or SECRET[name] in kept.text


@pytest.mark.slow
def test_what_a_collection_has_accepted_is_there_after_a_kill(tmp_path: Path) -> None:
    accepted: list[tuple[str, str]] = []
    for round in range(int(os.environ.get("KILLS", "2"))):
        with process(tmp_path, TEST_SLOW="0.1") as (server, client):
            for name in NAMES:
                client.post("/v1/collections", json={"name": f"{name}{round}"})
                files = [
                    ("file", (f"{round}-{n}.txt", f"The safe is in Oslo{n}.".encode()))
                    for n in range(3)
                ]
                response = client.post(f"/v1/collections/{name}{round}/documents", files=files)
                assert response.status_code in (201, 202)
                accepted += [(f"{name}{round}", f"uploads/{round}-{n}.txt") for n in range(3)]
            client.patch(
                f"/v1/collections/beta{round}", json={"name": f"delta{round}"}
            ).raise_for_status()
            accepted = [(one.replace("beta", "delta"), document) for one, document in accepted]
            client.delete(f"/v1/collections/gamma{round}").raise_for_status()
            accepted = [pair for pair in accepted if not pair[0].startswith("gamma")]
            server.kill()
    with process(tmp_path) as (_, client):
        wait_until_ready(client)
        for name, document in accepted:
            until = time.monotonic() + 60
            while client.get(f"/v1/collections/{name}/documents/{document}").status_code != 200:
                assert time.monotonic() < until, (name, document)
                time.sleep(0.2)
        listed = {one["name"] for one in client.get("/v1/collections").json()["collections"]}
        assert listed == {"default", *(name for name, _ in accepted)}
