"""Collections over HTTP are isolated from each other, also for keys and through agents' routes."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag import build
from rag.settings import Settings
from rag.store.local.collections import LocalCollections
from tests.server.fake_server import (
    SlowReader,
    add_key,
    audited,
    call_tool,
    serving,
    wait_until,
    with_key,
)
from tests.store.helpers import schema_dsn

SECRETS = {
    "contracts": "The safe for contracts is in Lisbon.",
    "salaries": "The safe for salaries is in Nairobi.",
}
CITIES = {"default": "Oslo", "contracts": "Lisbon", "salaries": "Nairobi"}
WHERE = "Where is the safe?"


@pytest.fixture(scope="module", params=["local", pytest.param("postgres", marks=pytest.mark.slow)])
def settings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Collections in folders, and in schemas of a database."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "local":
        return Settings(index=folder)
    return Settings(index=folder, store=schema_dsn(request.getfixturevalue("cluster"), folder))


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[httpx.Client]:
    """A service for all tests of a store; the last one deletes the collections."""
    with filled(settings) as served:
        yield served


@contextmanager
def filled(settings: Settings) -> Iterator[httpx.Client]:
    """The service with a document in the default collection and one in each of SECRETS."""
    with serving(settings.index, store=settings.store) as client:
        put(client, "", "home.txt", "The safe of the house is in Oslo.")
        for name, text in SECRETS.items():
            post(client, "/collections", name=name).raise_for_status()
            put(client, f"/collections/{name}", f"{name}.txt", text)
        yield client


def put(client: httpx.Client, place: str, document: str, text: str) -> None:
    client.put(f"/v1{place}/documents/{document}", json={"text": text}).raise_for_status()


def post(client: httpx.Client, path: str, **body: Any) -> httpx.Response:
    return client.post(f"/v1{path}", json=body)


def ask(client: httpx.Client, place: str, token: str = "") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.post(f"/v1{place}/ask", json={"question": WHERE}, headers=headers)


def test_each_collection_answers_only_from_its_documents(client: httpx.Client) -> None:
    assert ask(client, "").json()["answer"] == "Oslo"
    for name in SECRETS:
        answer = ask(client, f"/collections/{name}").json()
        assert answer["answer"] == CITIES[name]
        assert [hit["document_id"] for hit in answer["nearest"]] == [f"{name}.txt"]
        listed = client.get(f"/v1/collections/{name}/documents").json()
        assert [document["id"] for document in listed["documents"]] == [f"{name}.txt"]
    foreign = "/v1/collections/contracts/documents/salaries.txt"
    assert client.get(foreign).status_code == 404
    question = {"question": "Where is the safe for salaries?", "collections": list(CITIES)}
    answers = post(client, "/collections/ask", **question).json()["answers"]
    assert {answer["collection"] for answer in answers} == set(CITIES)
    confidences = [entry["answer"]["confidence"] for entry in answers if entry["answer"]["answer"]]
    assert confidences == sorted(confidences, reverse=True)
    listed = [entry["name"] for entry in client.get("/v1/collections").json()["collections"]]
    assert listed == list(CITIES)
    rating = {"question": "Where?", "verdict": "right", "answer": "Lisbon"}
    post(client, "/collections/contracts/feedback", **rating).raise_for_status()
    for place in ("", "/collections/salaries"):
        assert client.get(f"/v1{place}/feedback").text == ""
    for path in ("contracts/health", "contracts/../x", ""):  # only paths of /v1 are in them
        assert client.get(f"/v1/collections/{path}").status_code in (404, 405)


def test_an_idle_collection_is_closed_and_reopened(client: httpx.Client) -> None:
    host = client.app_state.collections  # type: ignore[attr-defined]
    assert sorted(host._open) == list(SECRETS)

    def is_closed() -> bool:  # the last request may still be ending
        host.close_idle(time.monotonic() + 1000)
        return not host._open

    wait_until(is_closed, 10)
    assert ask(client, "/collections/contracts").json()["answer"] == "Lisbon"


def test_an_upload_goes_to_its_collection(
    client: httpx.Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    if settings.store != "local":
        monkeypatch.setattr("rag.server.routes.documents._WAIT", 0.0)
    added = post(client, "/collections/contracts/documents", name="b.txt", text="text")
    if settings.store == "local":
        assert added.status_code == 201
        assert added.headers["location"].startswith("/v1/collections/contracts/jobs/")
        assert client.get(added.headers["location"]).json()["state"] == "done"
    else:
        assert added.status_code == 202  # it waits for a worker
        with closing(build.collections(settings)) as collections:
            collection_settings = collections.inside(collections.named("contracts"), settings)
        with closing(build.queue(collection_settings)) as queue:
            assert [job.name for job in queue.state().jobs] == ["uploads/b.txt"]


def test_a_deleted_collection_answers_nothing_and_a_new_one_of_its_name_is_empty(
    client: httpx.Client, settings: Settings
) -> None:
    with closing(build.collections(settings)) as collections:
        token = add_key(settings.index, "read", collections.named("contracts").id)
        client.headers["Authorization"] = f"Bearer {add_key(settings.index, 'write')}"
        assert ask(client, "/collections/contracts", token).json()["answer"] == "Lisbon"
        for place in ("", "/collections/salaries", "/collections/nowhere"):
            assert ask(client, place, token).status_code == 403
        renamed = client.patch("/v1/collections/contracts", json={"name": "leases"})
        assert renamed.json()["name"] == "leases"
        assert ask(client, "/collections/contracts").status_code == 404
        assert ask(client, "/collections/leases", token).json()["answer"] == "Lisbon"
        assert client.delete("/v1/collections/leases").status_code == 200
        assert ask(client, "/collections/leases").status_code == 404
        assert client.delete("/v1/collections/leases").status_code == 404
        post(client, "/collections", name="leases").raise_for_status()
        assert ask(client, "/collections/leases").status_code == 409  # empty
        assert ask(client, "/collections/leases", token).status_code == 403
        assert post(client, "/collections", name="leases").status_code == 409
        assert post(client, "/collections", name="../x").status_code == 422
        assert collections.delete("salaries").name == "salaries"  # as another process would
        assert ask(client, "/collections/salaries").status_code == 404
        collections.create("salaries")
        assert ask(client, "/collections/salaries").status_code == 409
        assert ask(client, "").json()["answer"] == "Oslo"


def test_a_key_sees_its_collections_and_no_other(tmp_path: Path) -> None:
    with filled(Settings(index=tmp_path)) as client:
        own_id = LocalCollections(tmp_path).named("contracts").id
        reads, writes = (
            add_key(tmp_path, "read", own_id),
            add_key(tmp_path, "write", own_id, "default"),
        )
        states = httpx.get(f"{client.base_url}/ready", trust_env=False).json()
        assert set(states.values()) == {"ready", None}
        with with_key(client, reads) as bound, with_key(client, add_key(tmp_path)) as everywhere:
            _sees_only_contracts(bound, everywhere)
        with with_key(client, writes) as bound:
            assert ask(bound, "").json()["answer"] == "Oslo"
            document_path = "/v1/collections/contracts/documents/contracts.txt"
            assert bound.delete(document_path).status_code == 200
            nested_path = "/v1/collections/contracts/collections/salaries"
            for change in ("/v1/collections/contracts", "/v1/collections/salaries", nested_path):
                assert bound.delete(change).status_code == 403
            assert ask(bound, "/collections/").status_code == 403
        with with_key(client, add_key(tmp_path, "write")) as admin:
            admin.delete("/v1/collections/contracts").raise_for_status()
            post(admin, "/collections", name="contracts").raise_for_status()
        # a new collection of the same name
        assert ask(client, "/collections/contracts", reads).status_code == 403


def _sees_only_contracts(bound: httpx.Client, everywhere: httpx.Client) -> None:
    for place in ("", *(f"/collections/{n}" for n in ("salaries", "nowhere", "default"))):
        refused = ask(bound, place)
        assert (refused.status_code, refused.json()["type"]) == (403, "urn:rag:collection")
    assert bound.get("/metrics").status_code == 403
    for path in "documents collections/salaries/documents collections/no/jobs/x".split():
        assert bound.get(f"/v1/{path}").status_code == 403
    for name in ("salaries", "default"):
        assert bound.get(f"/v1/vector_stores/{name}").status_code == 403
    existing, missing = (
        ask(bound, f"/collections/{name}").json() for name in ("salaries", "nowhere")
    )
    assert {**existing, "request_id": ""} == {**missing, "request_id": ""}
    listed = bound.get("/v1/collections").json()["collections"]
    assert [entry["name"] for entry in listed] == ["contracts"]
    for names, status in ((["contracts", "salaries"], 403), (["contracts"], 200)):
        response = post(bound, "/collections/ask", question="Where?", collections=names)
        assert response.status_code == status
    assert post(bound, "/collections", name="mine").status_code == 403
    added = post(bound, "/collections/contracts/documents", name="a", text="b")
    assert added.status_code == 403
    for name, city in CITIES.items():
        for agent in (_dify, _store, _chat, _responses):
            reply = agent(everywhere, name)
            assert (reply.status_code, city in reply.text) == (200, True), (agent, name)
            refused = agent(bound, name)
            assert refused.status_code == (200 if name == "contracts" else 403), (agent, name)
            assert not [
                foreign_city for foreign_city in ("Oslo", "Nairobi") if foreign_city in refused.text
            ]
    assert _dify(everywhere, "nowhere").status_code == 404
    assert _dify(bound, "nowhere").status_code == 403
    models = [entry["id"] for entry in bound.get("/v1/models").json()["data"]]
    assert models == ["rag:contracts"]
    stores = bound.get("/v1/vector_stores").json()["data"]
    assert [(entry["id"], "file_counts" in entry) for entry in stores] == [("contracts", False)]
    assert bound.get("/v1/me").json()["may_write"] is False
    assert post(bound, "/embeddings", model="rag", input="x").status_code == 403
    vector_stores = bound.get("/v1/collections/contracts/vector_stores").json()["data"]
    assert [entry["id"] for entry in vector_stores] == ["default"]


def _dify(client: httpx.Client, name: str) -> httpx.Response:
    return post(client, "/dify/retrieval", knowledge_id=name, query=WHERE)


def _store(client: httpx.Client, name: str) -> httpx.Response:
    return post(client, f"/vector_stores/{name}/search", query=WHERE)


def _chat(client: httpx.Client, name: str) -> httpx.Response:
    messages = [{"role": "user", "content": WHERE}]
    return post(client, "/chat/completions", model=f"rag:{name}", messages=messages)


def _responses(client: httpx.Client, name: str) -> httpx.Response:
    return post(client, "/responses", model=f"rag:{name}", input=WHERE)


def test_a_collection_called_ask_needs_write_keys_for_changes(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        for name in ("ask", "other"):
            post(client, "/collections", name=name).raise_for_status()
        other_id = LocalCollections(tmp_path).named("other").id
        bound = [("read",), ("read", other_id), ("write", other_id)]
        for token in [add_key(tmp_path, *key) for key in bound]:
            with with_key(client, token) as refused:
                assert refused.delete("/v1/collections/ask").status_code == 403
                renamed = refused.patch("/v1/collections/ask", json={"name": "mine"})
                assert renamed.status_code == 403
        with with_key(client, add_key(tmp_path, "write")) as everywhere:
            assert everywhere.delete("/v1/collections/ask").status_code == 200
        deleted = [line["path"] for line in audited(tmp_path, 3) if line["event"] == "DELETE"]
        assert deleted == ["/v1/collections/ask"]


def test_an_agents_deletion_leaves_traces_only_in_the_audit_log(tmp_path: Path) -> None:
    pytest.importorskip("mcp")
    token = add_key(tmp_path, "write")
    with serving(tmp_path, key=token) as client:
        call_tool(client, "ingest", name="plan.txt", text="The safe is in Zanzibar.")
        evidence = [{"document": "uploads/plan.txt", "sentence": "The safe is in Zanzibar."}]
        rating = {"question": "Where?", "verdict": "right", "answer": "Zanzibar"}
        post(client, "/feedback", **rating, evidence=evidence).raise_for_status()
        call_tool(client, "delete", document_id="uploads/plan.txt")
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
        assert [path.name for path in files if b"Zanzibar" in path.read_bytes()] == []
        lines = audited(tmp_path, 2)
        changes = [line.get("change") for line in lines]
        assert changes == ["ingest plan.txt", "delete uploads/plan.txt"]
        assert {line["key"] for line in lines} == {token.split("_")[1]}


def test_a_deletion_waits_for_requests(tmp_path: Path) -> None:
    with serving(tmp_path, SlowReader(0.5)) as client, ThreadPoolExecutor(4) as pool:
        post(client, "/collections", name="contracts").raise_for_status()
        put(client, "/collections/contracts", "a.txt", SECRETS["contracts"])
        replies = [pool.submit(ask, client, "/collections/contracts") for _ in range(3)]
        time.sleep(0.3)
        assert client.delete("/v1/collections/contracts").status_code == 200
        statuses = {reply.result().status_code for reply in replies}
        assert statuses <= {200, 404, 503}
        assert 200 in statuses
