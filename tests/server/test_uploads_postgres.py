"""Several servers over one database: an upload to one is ingested by a worker and answered
by all.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from rag.protocols import Store
from tests.postgres import Cluster
from tests.server.fake_server import finished_job, serving
from tests.server.routes.test_grids import GRID
from tests.store.helpers import postgres, put_text, schema_dsn
from tests.store.postgres.test_queue import worker

pytestmark = pytest.mark.slow

OMAN = "Oman hosted the secret talks. The talks were led by William Burns in Muscat."


Service = tuple[httpx.Client, httpx.Client, Store, str]


@pytest.fixture(scope="module")
def service(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Clients of two servers, each with its own folder, their database, and its address. Tests
    leave no documents.
    """
    folder = tmp_path_factory.mktemp("database")
    dsn, store = schema_dsn(cluster, folder), postgres(cluster)(folder)
    with server(dsn, folder / "one") as first_server, server(dsn, folder / "two") as second_server:
        yield first_server, second_server, store, dsn
    store.close()


def server(dsn: str, folder: Path) -> AbstractContextManager[httpx.Client]:
    return serving(folder, store=dsn, embedder="bag-of-words", passage_tokens=12)


def asked(client: httpx.Client) -> list[str]:
    answer = client.post("/v1/ask", json={"question": "Who led the secret talks in Muscat?"}).json()
    return [citation["document_id"] for citation in answer.get("citations", [])]


def test_an_id_with_nul_is_not_found(service: Service) -> None:
    client = service[0]
    for path in ("/v1/documents/a%00", "/v1/documents/%00/text", "/v1/jobs/%00"):
        assert client.get(path).status_code == 404
    assert client.delete("/v1/documents/a%00").status_code == 404
    assert client.get("/v1/documents", params={"after": "\0"}).status_code == 200
    place = {"text": "x", "start_char_index": 0, "end_char_index": 1}
    claim = {"document_id": "a\0", "highlight": place}
    assert client.post("/v1/verify", json=claim).json()["status"] == "missing"


def test_an_upload_takes_no_ingested_document_s_place(service: Service) -> None:
    first_server, second_server, store, _ = service
    put_text(store, "uploads/oman.txt", "From a folder.")
    response = first_server.post("/v1/documents", json={"name": "oman.txt", "text": OMAN})
    assert (response.status_code, response.json()["type"]) == (409, "urn:rag:conflict")
    assert second_server.get("/ready").json()["waiting_files"] == 0
    assert second_server.get("/v1/documents/uploads/oman.txt/text").text == "From a folder."
    store.delete("uploads/oman.txt")


def test_accepted_uploads_outlive_their_server_and_are_answered_by_all(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_server, second_server, _, dsn = service
    monkeypatch.setattr("rag.server.routes.documents._WAIT", 0.0)
    with server(dsn, tmp_path) as lost_server:
        accepted = lost_server.post("/v1/documents", json={"name": "oman.txt", "text": OMAN})
        assert accepted.status_code == 202
    job = f"/v1/jobs/{accepted.json()['id']}"
    assert first_server.get(job).json()["state"] == "queued"
    assert first_server.get("/ready").json()["waiting_files"] == 1
    process = worker(dsn)
    try:
        finished_job(second_server, job)
    finally:
        process.kill()
        process.communicate()
    (file,) = first_server.get(job).json()["files"]
    assert (file["name"], file["outcome"]) == ("oman.txt", "added")
    assert file["document_ids"] == ["uploads/oman.txt"]
    assert asked(first_server) == asked(second_server) == ["uploads/oman.txt"]
    assert first_server.get("/v1/documents/uploads/oman.txt/text").text == OMAN
    assert second_server.delete("/v1/documents/uploads/oman.txt").status_code == 200
    assert asked(first_server) == []
    assert first_server.get("/v1/jobs/none").status_code == 404


def test_each_server_names_the_job_of_a_waiting_grid(service: Service) -> None:
    first_server, second_server, store, _ = service
    put_text(store, "oman.txt", OMAN)
    job = first_server.post("/v1/grids", json=GRID).json()["job"]
    grid = second_server.get("/v1/grids/leases").json()
    assert (grid["job"], grid["due"], job != "") == (job, 2, True)
    store.delete("oman.txt")
