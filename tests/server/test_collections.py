"""Collections over HTTP are isolated from each other."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

from rag import build
from rag.server.api_keys import Keys, keys_of
from rag.settings import Settings
from rag.store.local.collections import LocalCollections
from tests.postgres import Cluster
from tests.server.fake_server import SlowReader, serving, with_key
from tests.store.helpers import schema_dsn

SECRETS = {
    "contracts": "The safe for contracts is in Lisbon.",
    "salaries": "The safe for salaries is in Nairobi.",
}


@pytest.fixture(params=["local", pytest.param("postgres", marks=pytest.mark.slow)])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Settings:
    """Collections in folders, and in schemas of a database."""
    if request.param == "local":
        return Settings(index=tmp_path)
    cluster: Cluster = request.getfixturevalue("cluster")
    return Settings(index=tmp_path, store=schema_dsn(cluster, tmp_path))


@contextmanager
def filled(settings: Settings) -> Iterator[httpx.Client]:
    """The service with a document in the default collection and one in each of SECRETS."""
    with serving(settings.index, store=settings.store) as client:
        put(client, "", "home.txt", "The safe of the house is in Oslo.")
        for name, text in SECRETS.items():
            client.post("/v1/collections", json={"name": name}).raise_for_status()
            put(client, f"/collections/{name}", f"{name}.txt", text)
        yield client


def put(client: httpx.Client, place: str, document: str, text: str) -> None:
    client.put(f"/v1{place}/documents/{document}", json={"text": text}).raise_for_status()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def ask(client: httpx.Client, place: str, **headers: str) -> httpx.Response:
    return client.post(f"/v1{place}/ask", json={"question": "Where is the safe?"}, headers=headers)


def test_each_collection_answers_only_from_its_documents(settings: Settings) -> None:
    with filled(settings) as client:
        assert ask(client, "").json()["answer"] == "Oslo"
        for name, city in (("contracts", "Lisbon"), ("salaries", "Nairobi")):
            answer = ask(client, f"/collections/{name}").json()
            assert answer["answer"] == city
            assert [hit["document_id"] for hit in answer["nearest"]] == [f"{name}.txt"]
            listed = client.get(f"/v1/collections/{name}/documents").json()
            assert [document["id"] for document in listed["documents"]] == [f"{name}.txt"]
        foreign = "/v1/collections/contracts/documents/salaries.txt"
        assert client.get(foreign).status_code == 404
        asked = {"question": "Where is the safe for salaries?"}
        names = {"collections": ["default", "contracts", "salaries"]}
        several = client.post("/v1/collections/ask", json=asked | names).json()["answers"]
        assert {answer["collection"] for answer in several} == {"default", *SECRETS}
        confidences = [one["answer"]["confidence"] for one in several if one["answer"]["answer"]]
        assert confidences == sorted(confidences, reverse=True)
        listed = [one["name"] for one in client.get("/v1/collections").json()["collections"]]
        assert listed == ["default", *SECRETS]
        rating = {"question": "Where?", "verdict": "right", "answer": "Lisbon"}
        client.post("/v1/collections/contracts/feedback", json=rating).raise_for_status()
        for place in ("", "/collections/salaries"):
            assert client.get(f"/v1{place}/feedback").text == ""


def test_an_upload_goes_to_its_collection(settings: Settings) -> None:
    with filled(settings) as client, closing(build.collections(settings)) as collections:
        upload = {"name": "b.txt", "text": "text"}
        added = client.post("/v1/collections/contracts/documents", json=upload)
        if settings.store == "local":
            assert added.status_code == 201
            assert added.headers["location"].startswith("/v1/collections/contracts/jobs/")
            assert client.get(added.headers["location"]).json()["state"] == "done"
        else:
            assert added.status_code == 202  # it waits for a worker
            inside = collections.inside(collections.named("contracts"), settings)
            with closing(build.queue(inside)) as queue:
                assert [job.name for job in queue.state().jobs] == ["uploads/b.txt"]


def test_a_deleted_collection_answers_nothing_and_a_new_one_of_its_name_is_empty(
    settings: Settings,
) -> None:
    with filled(settings) as client, closing(build.collections(settings)) as collections:
        keys = keys_of(settings)
        _, token = keys.add("r", "read", [collections.named("contracts").id])
        client.headers.update(bearer(keys.add("all", "write")[1]))
        assert ask(client, "/collections/contracts", **bearer(token)).json()["answer"] == "Lisbon"
        for place in ("", "/collections/salaries", "/collections/nowhere"):
            assert ask(client, place, **bearer(token)).status_code == 403
        renamed = client.patch("/v1/collections/contracts", json={"name": "leases"})
        assert renamed.json()["name"] == "leases"
        assert ask(client, "/collections/contracts").status_code == 404
        assert ask(client, "/collections/leases", **bearer(token)).json()["answer"] == "Lisbon"
        assert client.delete("/v1/collections/leases").status_code == 200
        assert ask(client, "/collections/leases").status_code == 404
        assert client.delete("/v1/collections/leases").status_code == 404
        client.post("/v1/collections", json={"name": "leases"}).raise_for_status()
        assert ask(client, "/collections/leases").status_code == 409  # empty
        assert ask(client, "/collections/leases", **bearer(token)).status_code == 403
        assert client.post("/v1/collections", json={"name": "leases"}).status_code == 409
        assert client.post("/v1/collections", json={"name": "../x"}).status_code == 422
        assert collections.delete("salaries").name == "salaries"  # as another process would
        assert ask(client, "/collections/salaries").status_code == 404
        collections.create("salaries")
        assert ask(client, "/collections/salaries").status_code == 409
        assert ask(client, "").json()["answer"] == "Oslo"


def test_a_key_sees_its_collections_and_no_other(tmp_path: Path) -> None:
    with filled(Settings(index=tmp_path)) as client:
        ids = {one.name: one.id for one in LocalCollections(tmp_path).all()}
        keys = keys_of(Settings(index=tmp_path))
        _, reads = keys.add("r", "read", [ids["contracts"]])
        _, writes = keys.add("w", "write", [ids["contracts"], "default"])
        _, all_of = keys.add("all", "write")
        ready = httpx.get(f"{client.base_url}/ready", trust_env=False).json()
        assert set(ready.values()) == {"ready", None}
        with with_key(client, reads) as bound:
            assert ask(bound, "/collections/contracts").json()["answer"] == "Lisbon"
            for place in ("", *(f"/collections/{n}" for n in ("salaries", "nowhere", "default"))):
                refused = ask(bound, place)
                assert (refused.status_code, refused.json()["type"]) == (403, "urn:rag:collection")
            for path in ("documents", "collections/salaries/documents", "collections/no/jobs/x"):
                assert bound.get(f"/v1/{path}").status_code == 403
            assert bound.get("/metrics").status_code == 403
            there, not_there = (
                ask(bound, f"/collections/{name}").json() for name in ("salaries", "nowhere")
            )
            assert {**there, "request_id": ""} == {**not_there, "request_id": ""}
            listed = bound.get("/v1/collections").json()["collections"]
            assert [one["name"] for one in listed] == ["contracts"]
            several = {"question": "Where?", "collections": ["contracts", "salaries"]}
            assert bound.post("/v1/collections/ask", json=several).status_code == 403
            several["collections"] = ["contracts"]
            assert bound.post("/v1/collections/ask", json=several).status_code == 200
            assert bound.post("/v1/collections", json={"name": "mine"}).status_code == 403
            added = {"name": "a", "text": "b"}
            refused = bound.post("/v1/collections/contracts/documents", json=added)
            assert refused.status_code == 403
        with with_key(client, writes) as bound:
            assert ask(bound, "").json()["answer"] == "Oslo"
            own = "/v1/collections/contracts/documents/contracts.txt"
            assert bound.delete(own).status_code == 200
            inside = "/v1/collections/contracts/collections/salaries"
            for change in ("/v1/collections/contracts", "/v1/collections/salaries", inside):
                assert bound.delete(change).status_code == 403
            assert ask(bound, "/collections/").status_code == 403
        client.headers.update(bearer(all_of))
        client.delete("/v1/collections/contracts").raise_for_status()
        client.post("/v1/collections", json={"name": "contracts"}).raise_for_status()
        # a new collection of the same name
        assert ask(client, "/collections/contracts", **bearer(reads)).status_code == 403


def test_a_key_from_before_collections_may_use_them_all(tmp_path: Path) -> None:
    key, token = keys_of(Settings(index=tmp_path)).add("old", "read")
    path = tmp_path / "keys.json"
    kept = json.loads(path.read_text())
    for one in kept["keys"]:
        del one["collections"], one["expires"]
    path.write_text(json.dumps(kept))
    assert Keys(path).check(token) == key
    assert key.everywhere


def test_keys_expire_and_are_rotated(tmp_path: Path) -> None:
    keys = keys_of(Settings(index=tmp_path))
    made, token = keys.add("a", "write", ["x"], days=1)
    assert keys.check(token) == made
    text = (tmp_path / "keys.json").read_text()
    (tmp_path / "keys.json").write_text(text.replace(made.expires, "2020-01-01T00:00:00Z"))
    assert Keys(tmp_path / "keys.json").check(token) is None
    _, old = keys.add("b", "read", ["y"])
    new, fresh = keys.rotate("b")
    assert (keys.check(old), keys.check(fresh)) == (None, new)
    assert (new.scope, new.collections) == ("read", ("y",))
    _, later = keys.rotate("b", hours=1)
    assert keys.check(fresh)
    assert keys.check(later)
    keys.rotate("a", hours=1)
    assert keys.check(token) is None  # an expired key does not come back


def test_an_idle_collection_is_closed_and_reopened(tmp_path: Path) -> None:
    with filled(Settings(index=tmp_path)) as client:
        host = client.app_state.collections  # type: ignore[attr-defined]
        assert host.open_names == ["contracts", "salaries"]
        until = time.monotonic() + 10
        while host.open_names and time.monotonic() < until:  # the last request may still be ending
            host.close_idle(time.monotonic() + 1000)
            time.sleep(0.01)
        assert host.open_names == []
        assert ask(client, "/collections/contracts").json()["answer"] == "Lisbon"


def test_a_deletion_waits_for_requests(tmp_path: Path) -> None:
    with serving(tmp_path, SlowReader(0.5)) as client, ThreadPoolExecutor(4) as pool:
        client.post("/v1/collections", json={"name": "contracts"}).raise_for_status()
        put(client, "/collections/contracts", "a.txt", SECRETS["contracts"])
        asked = [pool.submit(ask, client, "/collections/contracts") for _ in range(3)]
        time.sleep(0.3)
        assert client.delete("/v1/collections/contracts").status_code == 200
        statuses = {one.result().status_code for one in asked}
        assert statuses <= {200, 404, 503}
        assert 200 in statuses


@pytest.mark.parametrize(
    "path",
    ["/v1/collections/contracts/health", "/v1/collections/contracts/../x", "/v1/collections/"],
)
def test_only_paths_below_v1_are_in_collections(tmp_path: Path, path: str) -> None:
    with serving(tmp_path) as client:
        client.post("/v1/collections", json={"name": "contracts"}).raise_for_status()
        assert client.get(path).status_code in (404, 405)
