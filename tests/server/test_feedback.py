"""Feedback and its gold questions, the audit log, documents under a client's id, jobs."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.evaluation.gold import read_jsonl
from rag.ingestion.file_cache import Stamps
from rag.ingestion.sync import Changes, Sync
from rag.parsing.files import find
from rag.server.api_keys import keys_of
from rag.server.feedback import feedback_file, forget_quotes
from rag.server.journal_file import JournalFile
from rag.server.upload_queue_local import LocalUploadQueue
from rag.settings import Settings
from tests.server.fake_server import put_text, serving, with_key
from tests.small_index import in_threads
from tests.store.helpers import EMBEDDER, local


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("served")) as opened:
        yield opened


def rate(client: httpx.Client, question: str, verdict: str, answer: str = "", **more: Any) -> None:
    body = {"question": question, "verdict": verdict, **more}
    response = client.post("/v1/feedback", json=body | ({"answer": answer} if answer else {}))
    assert response.status_code == 201, response.text


def test_thumbs_become_gold_questions(client: httpx.Client, tmp_path: Path) -> None:
    put_text(client, "oman.txt", "The talks were led by William Burns.")
    talks = {"document": "uploads/oman.txt", "sentence": "The talks were led by William Burns."}
    rate(client, "Who led?", "wrong", "Oslo")
    rate(client, "Who led?", "right", "William Burns", evidence=[talks])
    rate(client, "Where?", "wrong", "Oslo", correction="Muscat")
    rate(client, "Why?", "wrong", "Oslo")
    rate(client, "When?", "not_in_the_documents", "1999")
    unknown = client.post("/v1/feedback", json={"question": "x", "verdict": "perhaps"})
    assert unknown.status_code == 422
    lines = client.get("/v1/feedback").text.splitlines()
    assert [json.loads(line) for line in lines] == [
        {"question": "Who led?", "answers": ["William Burns"], "evidence": [talks]},
        {"question": "Where?", "answers": ["Muscat"]},
        {"question": "When?"},
    ]
    (tmp_path / "gold.jsonl").write_text("\n".join(lines))
    assert len(read_jsonl(tmp_path / "gold.jsonl")) == len(lines)


def test_a_read_only_key_does_not_read_or_replace_the_ratings_of_another(tmp_path: Path) -> None:
    keys = keys_of(Settings(index=tmp_path))
    _, writes = keys.add("w", "write")
    tokens = [keys.add("r", "read")[1], writes, keys.add("other", "read")[1]]
    with serving(tmp_path, key=writes) as client:
        for token, answer in zip(tokens, ("Ada", "William Burns", "Bob"), strict=True):
            with with_key(client, token) as other:
                rate(other, "Who?", "right", answer)
                assert other.get("/v1/feedback").status_code == (200 if token == writes else 403)
        assert json.loads(client.get("/v1/feedback").text)["answers"] == ["William Burns"]


def test_the_audit_log_has_changes_without_texts(tmp_path: Path) -> None:
    key, writes = keys_of(Settings(index=tmp_path)).add("w", "write")
    with serving(tmp_path, key=writes) as client:
        put_text(client, "oman.txt", "The talks were led by William Burns.")
        client.post("/v1/search", json={"question": "Who led?"}).raise_for_status()
        client.delete("/v1/documents/uploads/oman.txt").raise_for_status()
        client.delete("/v1/documents/uploads/none.txt")
        client.post("/v1/collections", json={"name": "a"}).raise_for_status()
    text = (tmp_path / "audit.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["event"], line["path"], line["key"]) for line in lines] == [
        ("POST", "/v1/documents", key.id),
        ("DELETE", "/v1/documents/uploads/oman.txt", key.id),
        ("POST", "/v1/collections", key.id),
    ]
    assert "Burns" not in text
    assert (tmp_path / "audit.jsonl").stat().st_mode & 0o077 == 0


def test_a_truncated_line_loses_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    file = JournalFile(path, 10_000)
    file.add({"a": 1})
    with path.open("a") as cut:
        cut.write('{"a": 2')
    in_threads(partial(file.add, {"a": number}) for number in range(3, 13))
    assert sorted(line["a"] for line in file.lines()) == [1, *range(3, 13)]
    assert file.keep(lambda line: line["a"] < 5) == 8
    assert sorted(line["a"] for line in file.lines()) == [1, 3, 4]


def test_a_document_is_added_under_a_clients_id(client: httpx.Client) -> None:
    path, text = "/v1/documents/crm/tickets/42.md", "# Ticket\n\nThe lease was signed by Ada."
    body: dict[str, Any] = {"text": text, "metadata": {"team": "sales"}}

    def put(**headers: str) -> httpx.Response:
        return client.put(
            path, json=body, headers={k.replace("_", "-"): headers[k] for k in headers}
        )

    first = put(If_None_Match="*")
    assert (first.status_code, first.json()["metadata"]["team"]) == (201, "sales")
    assert put(If_None_Match="*").status_code == 412
    listed = client.get("/v1/documents", params={"filter": "team=sales"}).json()
    assert [row["id"] for row in listed["documents"]] == ["crm/tickets/42.md"]
    tag = first.headers["etag"]
    assert client.get(path).headers["etag"] == tag
    body |= {"metadata": {"team": "law"}, "title": "Ticket 42"}
    again = put(If_Match=tag)
    assert (again.status_code, again.json()["title"]) == (200, "Ticket 42")
    assert put(If_Match=tag).status_code == 412
    answer = client.post("/v1/ask", json={"question": "Who signed the lease?"}).json()
    assert answer["answer"] == "Ada"
    client.delete(path).raise_for_status()


@pytest.mark.parametrize(
    "name", ["a.pdf", "a", "../a.md", "a//b.md", "a\u202eb.md", "%00.md", "x" * 501 + ".md"]
)
def test_invalid_ids_are_refused(client: httpx.Client, name: str) -> None:
    assert client.put(f"/v1/documents/{name}", json={"text": "x"}).status_code in (404, 405, 422)


def test_uploads_are_listed_and_cancelled(tmp_path: Path) -> None:
    jobs = LocalUploadQueue(tmp_path / "uploads.sqlite", 1000, 100 << 20)
    first, second = jobs.add([("a.txt", b"a"), ("b.txt", b"b")]), jobs.add([("c.txt", b"c")])
    assert [one.id for one in jobs.last(10)] == [second, first]
    jobs.cancel(first)
    assert [one.id for one in jobs.last(10, "queued")] == [second]
    (done,) = jobs.last(10, "done")
    assert {file.detail for file in done.files} == {"cancelled"}
    assert jobs.last(1)[0].id == second
    jobs.close()


def test_ratings_that_repeat_a_deleted_document_are_deleted_and_counted(tmp_path: Path) -> None:
    with serving(tmp_path / "index") as client:
        put_text(client, "gone.txt", "The safe is in Oslo, behind the portrait of the founder.")
        talks = {"document": "uploads/oman.txt", "sentence": "The talks were led by him."}
        repeats = {"document": "uploads/other.txt", "sentence": "The safe is in Oslo, behind it."}
        rate(client, "a", "right", "behind the portrait")
        rate(client, "b", "wrong", correction="Oslo")
        rate(client, "c", "wrong", comment="It IS in Oslo, behind the portrait!")
        rate(client, "d", "right", "x", evidence=[repeats])
        rate(client, "e", "right", "x", evidence=[{**talks, "document": "uploads/gone.txt"}])
        rate(client, "kept", "wrong", correction="Muscat")
        rate(client, "kept, too", "right", "Oslo", evidence=[talks])
        deleted = client.delete("/v1/documents/uploads/gone.txt").json()
        assert (deleted["complete"], deleted["receipt"]["ratings"]) == (True, 5)
    left = (tmp_path / "index" / "feedback.jsonl").read_text()
    assert [json.loads(line)["question"] for line in left.splitlines()] == ["kept", "kept, too"]


def test_ratings_of_documents_that_a_sync_removes_are_deleted_and_counted(tmp_path: Path) -> None:
    docs, index = tmp_path / "docs", tmp_path / "index"
    docs.mkdir()
    (docs / "oslo.txt").write_text("The safe is in Oslo, behind the portrait of the founder.")
    with zipfile.ZipFile(docs / "safes.zip", "w") as archive:
        archive.writestr("rome.txt", "The third safe is in Rome, under the desk of the cook.")
        archive.writestr("paris.txt", "The fourth safe is in Paris, in the wall of the kitchen.")

    with closing(local(index)) as store:

        def sync() -> Changes:
            runner = Sync(store, EMBEDDER, 12, Stamps(index), forget=partial(forget_quotes, index))
            return runner.run(docs, find([docs]), many=True)

        assert len(sync().added) == 3
        for answer in (
            "behind the portrait of the founder",
            "under the desk of the cook",
            "in the wall of the kitchen",
        ):
            line = {"question": answer, "verdict": "right", "answer": answer}
            feedback_file(index).add(line)
        (docs / "oslo.txt").unlink()
        with zipfile.ZipFile(docs / "safes.zip", "w") as archive:
            archive.writestr(
                "paris.txt", "The fourth safe is in Paris, in the wall of the kitchen."
            )
        changes = sync()
        assert sorted(changes.removed) == ["docs/oslo.txt", "docs/safes.zip/rome.txt"]
        assert changes.quotes == 2
        (line,) = feedback_file(index).lines()
        assert line["question"] == "in the wall of the kitchen"
        assert sync().quotes == 0
