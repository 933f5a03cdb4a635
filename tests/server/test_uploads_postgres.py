"""Several servers over one database: an upload to one is ingested by a worker and answered
by all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.postgres import Cluster
from tests.server.fake_server import put_text, serving
from tests.server.routes.test_grids import GRID
from tests.store.helpers import postgres, put, schema_dsn
from tests.store.postgres.test_queue import eventually, worker

pytestmark = pytest.mark.slow

OMAN = "Oman hosted the secret talks. The talks were led by William Burns in Muscat."


@pytest.fixture
def dsn(cluster: Cluster, tmp_path: Path) -> str:
    return schema_dsn(cluster, tmp_path)


@pytest.fixture
def clients(dsn: str, tmp_path: Path) -> Iterator[list[httpx.Client]]:
    """Clients of two servers with one database, each with its own folder."""
    values: dict[str, Any] = {"store": dsn, "embedder": "bag-of-words", "passage_tokens": 12}
    with ExitStack() as stack:
        yield [stack.enter_context(serving(tmp_path / name, **values)) for name in ("one", "two")]


@contextmanager
def working(dsn: str) -> Iterator[None]:
    """A worker, in a process of its own."""
    process = worker(dsn)
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def asked(client: httpx.Client) -> list[str]:
    answer = client.post("/v1/ask", json={"question": "Who led the secret talks in Muscat?"}).json()
    return [citation["document_id"] for citation in answer.get("citations", [])]


def test_an_upload_to_one_is_answered_by_the_other(dsn: str, clients: list[httpx.Client]) -> None:
    with working(dsn):
        put_text(clients[0], "oman.txt", OMAN)
        assert asked(clients[1]) == ["uploads/oman.txt"]
        assert clients[1].get("/v1/documents/uploads/oman.txt/text").text == OMAN
        assert clients[1].delete("/v1/documents/uploads/oman.txt").status_code == 200
        assert asked(clients[0]) == []


def test_an_upload_takes_no_ingested_document_s_place(
    dsn: str, clients: list[httpx.Client], cluster: Cluster, tmp_path: Path
) -> None:
    store = postgres(cluster)(tmp_path)
    put(store, "uploads/oman.txt", "From a folder.")
    response = clients[0].post("/v1/documents", json={"name": "oman.txt", "text": OMAN})
    assert (response.status_code, response.json()["type"]) == (409, "urn:rag:conflict")
    assert clients[1].get("/ready").json()["waiting_files"] == 0
    assert clients[1].get("/v1/documents/uploads/oman.txt/text").text == "From a folder."
    store.close()


def test_each_server_names_the_job_of_a_waiting_grid(
    clients: list[httpx.Client], cluster: Cluster, tmp_path: Path
) -> None:
    store = postgres(cluster)(tmp_path)
    put(store, "oman.txt", OMAN)
    store.close()
    job = clients[0].post("/v1/grids", json=GRID).json()["job"]
    grid = clients[1].get("/v1/grids/leases").json()
    assert (grid["job"], grid["due"], job != "") == (job, 2, True)


def test_accepted_uploads_outlive_their_server(
    dsn: str, clients: list[httpx.Client], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.server.routes.documents._WAIT", 0.0)
    with serving(
        tmp_path / "three", store=dsn, embedder="bag-of-words", passage_tokens=12
    ) as short:
        accepted = short.post("/v1/documents", json={"name": "oman.txt", "text": OMAN})
        assert accepted.status_code == 202
    job = accepted.json()["id"]
    assert clients[0].get(f"/v1/jobs/{job}").json()["state"] == "queued"
    assert clients[0].get("/ready").json()["waiting_files"] == 1
    with working(dsn):
        assert eventually(lambda: clients[1].get(f"/v1/jobs/{job}").json()["state"] == "done")
    (file,) = clients[0].get(f"/v1/jobs/{job}").json()["files"]
    assert (file["name"], file["outcome"]) == ("oman.txt", "added")
    assert file["document_ids"] == ["uploads/oman.txt"]
    assert asked(clients[0]) == asked(clients[1]) == ["uploads/oman.txt"]
    assert clients[0].get("/v1/jobs/none").status_code == 404


def test_an_id_with_nul_is_not_found(clients: list[httpx.Client]) -> None:
    for path in ("/v1/documents/a%00", "/v1/documents/%00/text", "/v1/jobs/%00"):
        assert clients[0].get(path).status_code == 404
    assert clients[0].delete("/v1/documents/a%00").status_code == 404
    assert clients[0].get("/v1/documents", params={"after": "\0"}).status_code == 200
    claim = {
        "document_id": "a\0",
        "highlight": {"text": "x", "start_char_index": 0, "end_char_index": 1},
    }
    assert clients[0].post("/v1/verify", json=claim).json()["status"] == "missing"
