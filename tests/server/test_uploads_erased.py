"""A deleted upload leaves no bytes in the queue's files."""

from __future__ import annotations

from pathlib import Path

from rag.server.schemas import WireFile
from rag.server.upload_queue_local import LocalUploadQueue
from tests.parsing.pdfs import Put, pdf
from tests.server.fake_server import put_text, serving

FILE = pdf([[Put(72, 700, "The safe is in the cellar.")]], Title="%4711-sesame")
SECRET = "The safe's number is 4711-sesame."


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("uploads.sqlite*")}


def test_a_deleted_upload_is_in_no_file_of_the_queue(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        put_text(client, "safe.txt", f"{SECRET} " * 200)
        deleted = client.delete("/v1/documents/uploads/safe.txt").json()
        assert deleted["complete"]
        assert deleted["receipt"]["uploads"] == {"waiting": 0, "log_bytes": 0}
        assert not [name for name, content in files(tmp_path).items() if b"4711-sesame" in content]


def test_finished_uploads_leave_no_bytes_and_the_file_shrinks(tmp_path: Path) -> None:
    jobs = LocalUploadQueue(tmp_path / "uploads.sqlite", 1000, 100 << 20)
    empty = sum(map(len, files(tmp_path).values()))
    numbers = [jobs.add([(f"{number}.txt", SECRET.encode() * 30_000)]) for number in range(5)]
    assert jobs.scrub("uploads/3.txt").waiting == 1
    assert not jobs.scrub("uploads/3.txt").clean
    for number in numbers:
        jobs.finish(number, 0, WireFile(name="a", outcome="rejected"))
    assert jobs.scrub("uploads/3.txt").clean
    assert sum(map(len, files(tmp_path).values())) < empty + 100_000
    assert not [name for name, content in files(tmp_path).items() if b"4711-sesame" in content]
    jobs.close()


def test_a_deleted_pdf_is_in_no_file_of_the_index(tmp_path: Path) -> None:
    def held() -> list[str]:
        found = (path for path in tmp_path.rglob("*") if path.is_file())
        return [path.name for path in found if b"%4711-sesame" in path.read_bytes()]

    with serving(tmp_path) as client:
        client.post("/v1/documents", files={"file": ("safe.pdf", FILE)}).raise_for_status()
        assert held()
        page: dict[str, str | int] = {"document": "uploads/safe.pdf", "page": 1}
        assert client.get("/v1/pages/picture", params=page).status_code == 200
        deleted = client.delete("/v1/documents/uploads/safe.pdf").json()
        assert deleted["complete"]
        receipt = deleted["receipt"]
        assert (receipt["before"]["originals"], receipt["after"]["originals"]) == (1, 0)
        assert held() == []
        assert client.get("/v1/pages/picture", params=page).status_code == 404
