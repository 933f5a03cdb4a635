import itertools
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest

from rag.settings import Settings
from tests.fakes import document
from tests.server.fake_server import open_backend, put_text, serving


def test_files_are_added_asked_and_deleted(client: httpx.Client) -> None:
    files = [("file", ("a.txt", b"The cat is called Minka.")), ("file", ("b.exe", b"\0\1"))]
    response = client.post("/v1/documents", files=files)
    assert response.status_code == 201
    job = response.json()
    assert [file["outcome"] for file in job["files"]] == ["added", "rejected"]
    assert job["files"][1]["detail"]
    assert client.get(response.headers["location"]).json() == job
    asked = {"question": "What is the cat called?"}
    assert client.post("/v1/ask", json=asked).json()["answer"] == "Minka"
    again = client.post("/v1/documents", files=files[:1]).json()
    assert again["files"][0]["outcome"] == "unchanged"
    deleted = client.delete("/v1/documents/uploads/a.txt").json()
    assert deleted["deleted"] is deleted["complete"] is True
    assert deleted["receipt"]["after"]["passages"] == 0 < deleted["receipt"]["before"]["passages"]
    after = client.post("/v1/ask", json=asked).json()
    assert after["answer"] != "Minka"
    assert after["generation"] >= deleted["generation"]
    assert client.delete("/v1/documents/uploads/a.txt").status_code == 404


def test_documents_are_paged(client: httpx.Client) -> None:
    ids: list[str] = []
    after: str | None = ""
    while after is not None:
        params: dict[str, str | int] = {"limit": 1, "after": after}
        page = client.get("/v1/documents", params=params).json()
        ids += [row["id"] for row in page["documents"]]
        after = page["next"]
    assert (ids, page["total"]) == (["uploads/lease.md", "uploads/oman.txt"], 2)
    detail = client.get("/v1/documents/uploads/lease.md").json()
    assert detail["title"] == "Lease"
    assert detail["characters"] == len(client.get("/v1/documents/uploads/lease.md/text").text)
    assert detail["sections"] == [{"start": 0, "headings": ["Lease"]}]


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
        *({"name": "a", "text": 0}, {}, [], 0),
    ],
)
def test_invalid_texts_are_refused(client: httpx.Client, body: object) -> None:
    headers = {"Content-Type": "application/json"}
    response = client.post("/v1/documents", content=json.dumps(body), headers=headers)
    assert response.status_code in (400, 422)
    assert response.json()["detail"]


def test_a_document_may_be_called_text(client: httpx.Client) -> None:
    file = {"file": ("text", b"The cat is called Minka.")}
    client.post("/v1/documents", files=file).raise_for_status()
    assert client.get("/v1/documents/uploads/text").json()["id"] == "uploads/text"
    assert client.get("/v1/documents/uploads/text/text").text == "The cat is called Minka."
    assert client.delete("/v1/documents/uploads/text").status_code == 200
    assert client.get("/v1/documents/uploads/text").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["uploads/none.txt", "../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "uploads/lease.md%00"],
)
def test_an_unknown_document_is_not_searched_elsewhere(client: httpx.Client, path: str) -> None:
    for part in ("", "/text"):
        assert client.get(f"/v1/documents/{path}{part}").status_code == 404


def test_large_bodies_and_other_media_types_are_refused(client: httpx.Client) -> None:
    large = client.post("/v1/documents", json={"name": "big.txt", "text": "x" * (5 << 20)})
    file = client.post("/v1/documents", files={"file": ("big.txt", b"x" * (5 << 20))})
    assert large.status_code == file.status_code == 413
    assert client.post("/v1/ask", json={"question": "x" * (2 << 20)}).status_code == 413
    for kind, codes in (("text/plain", (415,)), ("multipart/form-data", (400, 422))):
        refused = client.post("/v1/documents", content=b"hello", headers={"Content-Type": kind})
        assert refused.status_code in codes


def test_an_upload_takes_no_ingested_document_s_place(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        store = open_backend(Settings(index=tmp_path)).engine.store
        ingested = document("From a folder.", "uploads/a.txt")
        store.put(ingested, [], np.zeros((0, 64), dtype=np.float32))
        store.close()
        response = client.post("/v1/documents", json={"name": "a.txt", "text": "Mine."})
        assert (response.status_code, response.json()["type"]) == (409, "urn:rag:conflict")
        assert "ingested from /uploads/a.txt" in response.json()["detail"]
        both = [("file", (name, b"Mine.")) for name in ("b.txt", "a.txt")]
        assert client.post("/v1/documents", files=both).status_code == 409
        assert client.get("/v1/documents").json()["total"] == 1
        assert client.get("/v1/documents/uploads/a.txt/text").text == "From a folder."
        assert client.delete("/v1/documents/uploads/a.txt").status_code == 200
        put_text(client, "a.txt", "Mine.")


def test_a_large_document_is_read_whole(client: httpx.Client) -> None:
    text = "The answer is Forty. " * 30_000
    put_text(client, "large.txt", text)
    assert client.get("/v1/documents/uploads/large.txt/text").text.strip() == text.strip()
    client.delete("/v1/documents/uploads/large.txt")


def ask_through_changes(client: httpx.Client) -> Iterator[httpx.Response]:
    """At least a dozen answers, until they are from two generations, for at most a minute."""
    seen: set[int] = set()
    until = time.monotonic() + 60
    for number in itertools.count():
        answer = client.post("/v1/ask", json={"question": "Who led the talks?"})
        yield answer
        seen.add(answer.json().get("generation"))
        if number >= 11 and (len(seen) > 1 or time.monotonic() > until):
            return


def test_asking_continues_while_documents_change(client: httpx.Client) -> None:
    stop = threading.Event()

    def change(number: int) -> list[int]:
        statuses = []
        while not stop.is_set():
            put_text(client, f"moving{number}.txt", f"Cat {number} is called Minka.")
            gone = client.delete(f"/v1/documents/uploads/moving{number}.txt")
            statuses.append(gone.status_code)
        return statuses

    with ThreadPoolExecutor(3) as pool:
        changing = [pool.submit(change, number) for number in range(3)]
        try:
            answers = list(ask_through_changes(client))
        finally:
            stop.set()
        changed = {status for one in changing for status in one.result()}
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["answer"] for answer in answers} == {"William Burns"}
    assert len({answer.json()["generation"] for answer in answers}) > 1
    assert changed == {200}
