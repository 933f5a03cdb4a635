"""Keys reach only their collections, also through the agents' routes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.ingestion.fetch import _is_public
from rag.server.api_keys import keys_of
from rag.settings import Settings
from rag.store.local.collections import LocalCollections
from tests.server.fake_server import audited, put_text, serving, with_key

SAFE = "The safe is in {}."


def post(client: httpx.Client, path: str, **body: Any) -> httpx.Response:
    return client.post(f"/v1{path}", json=body)


def add_key(folder: Path, scope: str, *names: str) -> str:
    ids = {one.name: one.id for one in LocalCollections(folder).all()}
    keys = keys_of(Settings(index=folder))
    bound = [ids.get(name, name) for name in names] or ("*",)
    return keys.add(scope, scope, bound)[1]


def test_a_collection_called_ask_needs_write_keys_for_changes(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        for name in ("ask", "other"):
            post(client, "/collections", name=name).raise_for_status()
        admin = add_key(tmp_path, "write")
        for token in (
            add_key(tmp_path, "read"),
            add_key(tmp_path, "read", "other"),
            add_key(tmp_path, "write", "other"),
        ):
            with with_key(client, token) as bound:
                assert bound.delete("/v1/collections/ask").status_code == 403
                renamed = bound.patch("/v1/collections/ask", json={"name": "mine"})
                assert renamed.status_code == 403
        with with_key(client, admin) as everywhere:
            assert everywhere.delete("/v1/collections/ask").status_code == 200
        lines = audited(tmp_path, 3)
        assert [line["path"] for line in lines if line["event"] == "DELETE"] == [
            "/v1/collections/ask"
        ]


def test_a_named_collection_is_asked_if_the_key_allows_it(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        put_text(client, "home.txt", SAFE.format("Oslo"))
        for name, city in (("one", "Lisbon"), ("two", "Nairobi")):
            post(client, "/collections", name=name).raise_for_status()
            put = client.put(
                f"/v1/collections/{name}/documents/{name}.txt", json={"text": SAFE.format(city)}
            )
            put.raise_for_status()
        bound, everywhere = add_key(tmp_path, "read", "one"), add_key(tmp_path, "read")
        places = {"default": "Oslo", "one": "Lisbon", "two": "Nairobi"}
        with with_key(client, bound) as own, with_key(client, everywhere) as any_of:
            for name, city in places.items():
                for ask in (_dify, _store, _chat, _responses):
                    found = ask(any_of, name)
                    assert (found.status_code, city in found.text) == (200, True), (ask, name)
                    refused = ask(own, name)
                    assert refused.status_code == (200 if name == "one" else 403), (ask, name)
                    assert all(
                        other not in refused.text for other in ("Oslo", "Nairobi") if name != other
                    )
            assert _dify(any_of, "nowhere").status_code == 404
            assert _dify(own, "nowhere").status_code == 403
            models = [one["id"] for one in own.get("/v1/models").json()["data"]]
            assert models == ["rag:one"]
            stores = own.get("/v1/vector_stores").json()["data"]
            assert [(one["id"], "file_counts" in one) for one in stores] == [("one", False)]
            assert own.get("/v1/vector_stores/two").status_code == 403
            assert own.get("/v1/vector_stores/default").status_code == 403
            assert own.get("/v1/me").json()["may_write"] is False
            assert post(own, "/embeddings", model="rag", input="x").status_code == 403
            inside = own.get("/v1/collections/one/vector_stores").json()["data"]
            assert [one["id"] for one in inside] == ["default"]


def _dify(client: httpx.Client, name: str) -> httpx.Response:
    return post(client, "/dify/retrieval", knowledge_id=name, query="Where is the safe?")


def _store(client: httpx.Client, name: str) -> httpx.Response:
    return post(client, f"/vector_stores/{name}/search", query="Where is the safe?")


def _chat(client: httpx.Client, name: str) -> httpx.Response:
    messages = [{"role": "user", "content": "Where is the safe?"}]
    return post(client, "/chat/completions", model=f"rag:{name}", messages=messages)


def _responses(client: httpx.Client, name: str) -> httpx.Response:
    return post(client, "/responses", model=f"rag:{name}", input="Where is the safe?")


def test_an_agents_deletion_leaves_traces_only_in_the_audit_log(tmp_path: Path) -> None:
    pytest.importorskip("mcp")
    token = add_key(tmp_path, "write")
    with serving(tmp_path, key=token) as client:
        _tool(client, "ingest", name="plan.txt", text="The safe is in Zanzibar.")
        evidence = [{"document": "uploads/plan.txt", "sentence": "The safe is in Zanzibar."}]
        said = {"question": "Where?", "verdict": "right", "answer": "Zanzibar"}
        post(client, "/feedback", **said, evidence=evidence).raise_for_status()
        _tool(client, "delete", document_id="uploads/plan.txt")
        kept = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert [path.name for path in kept if b"Zanzibar" in path.read_bytes()] == []
        lines = audited(tmp_path, 2)
        assert [line.get("change") for line in lines] == [
            "ingest plan.txt",
            "delete uploads/plan.txt",
        ]
        assert {line["key"] for line in lines} == {token.split("_")[1]}


def _tool(client: httpx.Client, tool: str, **arguments: str) -> None:
    call = {"name": tool, "arguments": arguments}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    headers = {"Accept": "application/json, text/event-stream"}
    answered = client.post("/mcp", json=body, headers=headers)
    assert answered.status_code == 200, answered.text
    assert not answered.json()["result"].get("isError"), answered.text


@pytest.mark.parametrize(
    "address",
    (
        "::ffff:127.0.0.1 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::a00:1 2002:7f00:1:: "
        "2001:0:7f00:1:: fec0::1 fe80::1%eth0 100.64.0.1 169.254.169.254 0.0.0.0"
    ).split(),
)
def test_embedded_private_addresses_are_not_public(address: str) -> None:
    assert not _is_public(address)
