import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from starlette.testclient import TestClient

from rag.engine import Engine
from rag.server.app import create_app
from rag.server.schemas import FileSchema
from rag.server.upload_queue import LocalUploadQueue
from rag.settings import Settings
from tests.fakes import document
from tests.parsing.pdfs import Put, pdf
from tests.server.fake_server import (
    index_of,
    open_engine,
    put_text,
    put_texts,
    serving,
    wait_until,
)


def test_files_are_added_asked_and_deleted(client: httpx.Client) -> None:
    files = [("file", ("a.txt", b"The cat is called Minka.")), ("file", ("b.exe", b"\0\1"))]
    response = client.post("/v1/documents", files=files)
    assert response.status_code == 201
    job = response.json()
    assert [file["outcome"] for file in job["files"]] == ["added", "rejected"]
    assert job["files"][1]["detail"]
    assert client.get(response.headers["location"]).json() == job
    question = {"question": "What is the cat called?"}
    assert client.post("/v1/ask", json=question).json()["answer"] == "Minka"
    repeated = client.post("/v1/documents", files=files[:1]).json()
    assert repeated["files"][0]["outcome"] == "unchanged"
    deleted = client.delete("/v1/documents/uploads/a.txt").json()
    assert deleted["deleted"] is deleted["complete"] is True
    assert deleted["receipt"]["after"]["passages"] == 0 < deleted["receipt"]["before"]["passages"]
    refused = client.post("/v1/ask", json=question).json()
    assert refused["answer"] != "Minka"
    assert refused["generation"] >= deleted["generation"]
    assert client.delete("/v1/documents/uploads/a.txt").status_code == 404


def test_documents_are_there_before_the_models(tmp_path: Path) -> None:
    text = "The cat is called Minka.\n"
    settings = Settings(index=index_of(tmp_path, "cat.txt", text.encode()))
    go = threading.Event()

    def opened(settings: Settings) -> Engine:
        go.wait(30)
        return open_engine(settings)

    app = create_app(settings, opened)
    with TestClient(app, "http://127.0.0.1", client=("127.0.0.1", 50_000)) as client:
        try:
            assert client.post("/v1/ask", json={"question": "Who?"}).status_code == 503
            for method in ("GET", "DELETE"):
                assert client.request(method, "/v1/documents/none.txt").status_code == 404
            assert client.get("/v1/documents").json()["total"] == 1
            assert client.get("/v1/documents/docs/cat.txt/text").text == text
            assert client.delete("/v1/documents/docs/cat.txt").json()["complete"] is True
        finally:
            go.set()
        wait_until(lambda: client.get("/ready").status_code == 200, 30)
        assert client.get("/v1/documents").json()["total"] == 0


def test_a_wrong_path_and_a_wrong_method_are_named(client: httpx.Client) -> None:
    unknown = client.get("/v1/nothing").json()
    assert (unknown["status"], unknown["detail"]) == (404, "there is no /v1/nothing")
    wrong = client.delete("/v1/documents").json()
    message = "DELETE is not a method of /v1/documents"
    assert (wrong["status"], wrong["detail"]) == (405, message)
    assert client.get("/v1/jobs/77").json()["detail"] == "no job 77"


def test_documents_are_paged(client: httpx.Client) -> None:
    ids: list[str] = []
    page_start: str | None = ""
    while page_start is not None:
        params: dict[str, str | int] = {"limit": 1, "after": page_start}
        page = client.get("/v1/documents", params=params).json()
        ids += [row["id"] for row in page["documents"]]
        page_start = page["next"]
    assert (ids, page["total"]) == (["uploads/lease.md", "uploads/oman.txt"], 2)
    detail = client.get("/v1/documents/uploads/lease.md").json()
    assert detail["title"] == "Lease"
    assert detail["characters"] == len(client.get("/v1/documents/uploads/lease.md/text").text)
    assert detail["sections"] == [{"start": 0, "headings": ["Lease"]}]


def test_an_unchanged_document_is_not_sent_again_and_only_it_is_deleted(
    client: httpx.Client,
) -> None:
    put_text(client, "gone.txt", "It is 1999.")
    path = "/v1/documents/uploads/gone.txt"
    for place in (path, f"{path}/text"):
        tag = client.get(place).headers["etag"]
        for tags in (tag, f'"other", {tag}', f"W/{tag}", "*"):
            response = client.get(place, headers={"If-None-Match": tags})
            assert (response.status_code, response.content) == (304, b"")
            assert response.headers["etag"] == tag
        assert client.get(place, headers={"If-None-Match": '"other"'}).status_code == 200
    put_text(client, "gone.txt", "It is 2000.")
    refused = client.delete(path, headers={"If-Match": tag})
    assert (refused.status_code, refused.json()["type"]) == (412, "urn:rag:precondition")
    tag = client.get(path).headers["etag"]
    assert client.delete(path, headers={"If-Match": tag}).status_code == 200


@pytest.mark.parametrize("name", ["../../etc/x.txt", "..\\..\\x.txt", "/etc/x.txt", "a/b/x.txt"])
def test_a_name_is_never_a_path(client: httpx.Client, name: str) -> None:
    job = client.post("/v1/documents", json={"name": name, "text": "Hello there."}).json()
    assert job["files"][0]["document_ids"] == ["uploads/x.txt"]
    client.delete("/v1/documents/uploads/x.txt")


def test_files_of_a_folder_keep_their_place_in_it(client: httpx.Client) -> None:
    def send(folder: str, text: str) -> httpx.Response:
        file = {"file": ("a.md", text.encode())}
        return client.post("/v1/documents", params={"folder": folder}, files=file)

    for folder in ("notes/2024", "notes/2025/"):
        send(folder, f"The note of {folder}.").raise_for_status()
    for folder in ("notes/2024", "notes/2025/"):
        path = f"/v1/documents/uploads/{folder.rstrip('/')}/a.md"
        assert client.get(f"{path}/text").text == f"The note of {folder}."
        assert client.delete(path).status_code == 200
    for folder in ["..", "a/../b", "a//b", "/", "a/./b", "a\nb", "\u202ea", "x" * 401]:
        refused = send(folder, "No.")
        assert refused.status_code == 422
        assert "invalid folder" in refused.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        *({"name": name, "text": "x"} for name in ("..", "a\n.txt", "\u202etxt.exe", "x" * 201)),
        *({"name": name, "text": "x"} for name in ("/", "\ud800.txt", 0)),
        {"name": "a", "text": 0},
        {},
        [],
        0,
    ],
)
def test_invalid_texts_are_refused(client: httpx.Client, body: object) -> None:
    headers = {"Content-Type": "application/json"}
    response = client.post("/v1/documents", content=json.dumps(body), headers=headers)
    assert response.status_code in (400, 422)
    assert response.json()["detail"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("text", "The cat is called Minka."), ("a", "The answer is Forty. " * 30_000)],
)
def test_a_large_document_and_one_called_text_are_read_whole(
    client: httpx.Client, name: str, text: str
) -> None:
    path = f"/v1/documents/uploads/{name}"
    put_texts(client, {name: text})
    assert client.get(path).json()["id"] == f"uploads/{name}"
    assert client.get(f"{path}/text").text.strip() == text.strip()
    assert client.delete(path).status_code == 200
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    "path",
    ["uploads/none.txt", "../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "uploads/lease.md%00"],
)
def test_an_unknown_document_is_not_searched_elsewhere(client: httpx.Client, path: str) -> None:
    for part in ("", "/text"):
        assert client.get(f"/v1/documents/{path}{part}").status_code == 404


def test_large_bodies_and_other_media_types_are_refused(client: httpx.Client) -> None:
    oversized = client.post("/v1/documents", json={"name": "big.txt", "text": "x" * (5 << 20)})
    file = client.post("/v1/documents", files={"file": ("big.txt", b"x" * (5 << 20))})
    assert oversized.status_code == file.status_code == 413
    assert client.post("/v1/ask", json={"question": "x" * (2 << 20)}).status_code == 413
    for kind, codes in (("text/plain", (415,)), ("multipart/form-data", (400, 422))):
        refused = client.post("/v1/documents", content=b"hello", headers={"Content-Type": kind})
        assert refused.status_code in codes


def test_an_upload_takes_no_ingested_document_s_place(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        store = open_engine(Settings(index=tmp_path)).store
        ingested = document("From a folder.", "uploads/a.txt")
        store.put(ingested, [], np.zeros((0, 64), dtype=np.float32))
        store.close()
        response = client.post("/v1/documents", json={"name": "a.txt", "text": "Mine."})
        assert (response.status_code, response.json()["type"]) == (409, "urn:rag:conflict")
        assert "ingested from /uploads/a.txt" in response.json()["detail"]
        files = [("file", (name, b"Mine.")) for name in ("b.txt", "a.txt")]
        assert client.post("/v1/documents", files=files).status_code == 409
        assert client.get("/v1/documents").json()["total"] == 1
        assert client.get("/v1/documents/uploads/a.txt/text").text == "From a folder."
        assert client.delete("/v1/documents/uploads/a.txt").status_code == 200
        put_text(client, "a.txt", "Mine.")


def test_asking_continues_while_documents_change(client: httpx.Client) -> None:
    stop = threading.Event()

    def change(number: int) -> set[int]:
        statuses = set()
        while not stop.is_set():
            put_text(client, f"moving{number}.txt", f"Cat {number} is called Minka.")
            statuses.add(client.delete(f"/v1/documents/uploads/moving{number}.txt").status_code)
        return statuses

    outcomes: set[tuple[int, str]] = set()
    generations: set[int] = set()

    def have_changed() -> bool:
        for _ in range(12):
            answer = client.post("/v1/ask", json={"question": "Who led the talks?"})
            outcomes.add((answer.status_code, answer.json()["answer"]))
            generations.add(answer.json()["generation"])
        return len(generations) > 1

    with ThreadPoolExecutor(3) as pool:
        changing = [pool.submit(change, number) for number in range(3)]
        try:
            wait_until(have_changed)
        finally:
            stop.set()
        assert set.union(*(future.result() for future in changing)) == {200}
    assert outcomes == {(200, "William Burns")}


FILE = pdf([[Put(72, 700, "The safe is in the cellar.")]], Title="%4711-sesame")
SECRET = "The safe's number is 4711-sesame."


def test_finished_uploads_leave_no_bytes_and_the_file_shrinks(tmp_path: Path) -> None:
    def held() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.glob("uploads.sqlite*"))

    jobs = LocalUploadQueue(tmp_path / "uploads.sqlite", 1000, 100 << 20)
    size_before = len(held())
    numbers = [jobs.add([(f"{number}.txt", SECRET.encode() * 30_000)]) for number in range(5)]
    assert jobs.scrub("uploads/3.txt")["waiting"] == 1
    for number in numbers:
        jobs.finish(number, 0, FileSchema(name="a", outcome="rejected"))
    assert not any(jobs.scrub("uploads/3.txt").values())
    assert len(held()) < size_before + 100_000
    assert b"4711-sesame" not in held()
    jobs.close()


def test_a_deleted_upload_is_in_no_file_of_the_index(tmp_path: Path) -> None:
    def held() -> list[str]:
        files = (path for path in tmp_path.rglob("*") if path.is_file())
        return [path.name for path in files if b"4711-sesame" in path.read_bytes()]

    with serving(tmp_path) as client:
        put_text(client, "safe.txt", f"{SECRET} " * 200)
        client.post("/v1/documents", files={"file": ("safe.pdf", FILE)}).raise_for_status()
        assert held()
        page: dict[str, str | int] = {"document": "uploads/safe.pdf", "page": 1}
        assert client.get("/v1/pages/picture", params=page).status_code == 200
        for name, originals in (("safe.txt", 0), ("safe.pdf", 1)):
            deleted = client.delete(f"/v1/documents/uploads/{name}").json()
            assert deleted["complete"]
            receipt = deleted["receipt"]
            assert receipt["uploads"] == {"waiting": 0, "log_bytes": 0}
            assert (receipt["before"]["originals"], receipt["after"]["originals"]) == (originals, 0)
        assert held() == []
        assert client.get("/v1/pages/picture", params=page).status_code == 404
