"""What happens in one collection changes nothing that another shows; a kill loses nothing."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.server.api_keys import keys_of
from rag.settings import Settings
from tests.server.fake_server import process, serving, wait_until_ready
from tests.store.helpers import schema_dsn

NAMES = ("alpha", "beta", "gamma")


VARYING = {"request_id", "timings", "timings_ms", "receipt"}


@pytest.mark.parametrize("store", ["local", "postgres"])
def test_nothing_in_a_collection_tells_of_another(
    request: pytest.FixtureRequest, tmp_path: Path, store: str
) -> None:
    place = "local"
    if store == "postgres":
        place = schema_dsn(request.getfixturevalue("cluster"), tmp_path)
    with serving(tmp_path, store=place) as client:
        for name in ("one", "two"):
            client.post("/v1/collections", json={"name": name}).raise_for_status()
        for number in range(3):
            put(client, "one", number, "The safe of the house is in Oslo.")
        before = seen(client)
        for number in range(12):
            put(client, "two", number, f"The safe of the house {number} is in Lisbon, not in Oslo.")
            client.post("/v1/collections/two/ask", json={"question": "Where is the safe?"})
        said = {"question": "Where?", "verdict": "wrong", "correction": "Lisbon"}
        client.post("/v1/collections/two/feedback", json=said).raise_for_status()
        client.delete("/v1/collections/two/documents/0.txt").raise_for_status()
        assert seen(client) == before
        client.delete("/v1/collections/two").raise_for_status()
        assert seen(client) == before
        ids = {one["name"] for one in client.get("/v1/collections").json()["collections"]}
        assert ids == {"default", "one"}
        _, token = keys_of(Settings(index=tmp_path, store=place)).add("own", "write", ["default"])
        headers = {"Authorization": f"Bearer {token}"}
        assert client.get("/metrics", headers=headers).status_code == 403


def put(client: httpx.Client, name: str, number: int, text: str) -> None:
    path = f"/v1/collections/{name}/documents/{number}.txt"
    client.put(path, json={"text": text}).raise_for_status()


def seen(client: httpx.Client) -> list[Any]:
    """All that one collection says of itself, but for what no two answers have in common."""
    question = {"question": "Where is the safe of the house?"}
    asked = [
        client.post(f"/v1/collections/one/{path}", json=question) for path in ("ask", "search")
    ]
    read = ["documents", "sources", "documents/0.txt", "vector_stores/default", "feedback"]
    asked += [client.get(f"/v1/collections/one/{path}") for path in read]
    return [
        json.loads(answer.text, object_hook=fixed) if answer.text.startswith("{") else answer.text
        for answer in asked
    ]


def fixed(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in VARYING}


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
