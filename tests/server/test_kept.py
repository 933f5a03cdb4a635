"""What the service keeps of its callers: feedback, threads, an audit log, documents by id, jobs."""

import json
import zipfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.background import BackgroundIndex
from rag.evaluation.gold import read_jsonl
from rag.ingestion.file_cache import Stamps
from rag.ingestion.ingest import Ingest
from rag.ingestion.sync import Changes, Sync
from rag.parsing.files import find
from rag.server.mcp.local import LocalLibrary
from rag.server.owner_files import JournalFile
from rag.server.upload_queue import LocalUploadQueue
from rag.server.user_data import (
    MOST_CHARACTERS,
    ThreadStore,
    ThreadWithTurns,
    feedback_file,
    forget_quotes,
)
from rag.settings import Settings
from tests.fakes import document, fake_models
from tests.server.conftest import OMAN
from tests.server.fake_server import add_key, put_text, serving, with_key
from tests.small_index import add, in_threads, new_store
from tests.store.helpers import EMBEDDER, local


def rate(
    client: httpx.Client, question: str, verdict: str, answer: str = "", **fields: Any
) -> None:
    body = {"question": question, "verdict": verdict, **fields}
    response = client.post("/v1/feedback", json=body | ({"answer": answer} if answer else {}))
    assert response.status_code == 201, response.text


def test_thumbs_become_gold_questions(client: httpx.Client, tmp_path: Path) -> None:
    talks = {"document": "uploads/oman.txt", "sentence": OMAN[30:]}
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
    tokens = [add_key(tmp_path), writes := add_key(tmp_path, "write"), add_key(tmp_path)]
    with serving(tmp_path, key=writes) as client:
        for token, answer in zip(tokens, ("Ada", "William Burns", "Bob"), strict=True):
            with with_key(client, token) as rater:
                rate(rater, "Who?", "right", answer)
                assert rater.get("/v1/feedback").status_code == (200 if token == writes else 403)
        assert json.loads(client.get("/v1/feedback").text)["answers"] == ["William Burns"]


def test_the_audit_log_has_changes_without_texts(tmp_path: Path) -> None:
    with serving(tmp_path, key=(key := add_key(tmp_path, "write"))) as client:
        put_text(client, "oman.txt", "The talks were led by William Burns.")
        client.post("/v1/search", json={"question": "Who led?"}).raise_for_status()
        client.delete("/v1/documents/uploads/oman.txt").raise_for_status()
        client.delete("/v1/documents/uploads/none.txt")
        client.post("/v1/collections", json={"name": "a"}).raise_for_status()
    text = (tmp_path / "audit.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [(line["event"], line["path"]) for line in lines] == [
        ("POST", "/v1/documents"),
        ("DELETE", "/v1/documents/uploads/oman.txt"),
        ("POST", "/v1/collections"),
    ]
    assert {line["key"] for line in lines} == {key.split("_")[1]}
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

    def put(condition: str, tag: str) -> httpx.Response:
        return client.put(path, json=body, headers={condition: tag})

    response = put("If-None-Match", "*")
    assert (response.status_code, response.json()["metadata"]["team"]) == (201, "sales")
    assert put("If-None-Match", "*").status_code == 412
    for filters, expected in (
        (["team=sales"], ["crm/tickets/42.md"]),
        (["type=md", "team=law"], []),
    ):
        listed = client.get("/v1/documents", params={"filter": filters}).json()
        assert ([row["id"] for row in listed["documents"]], listed["total"]) == (
            expected,
            len(expected),
        )
    assert client.get("/v1/documents", params={"filter": "nonsense"}).status_code == 422
    tag = response.headers["etag"]
    assert client.get(path).headers["etag"] == tag
    body |= {"metadata": {"team": "law"}, "title": "Ticket 42"}
    replaced = put("If-Match", tag)
    assert (replaced.status_code, replaced.json()["title"]) == (200, "Ticket 42")
    assert put("If-Match", tag).status_code == 412
    answer = client.post("/v1/ask", json={"question": "Who signed the ticket's lease?"}).json()
    assert answer["answer"] == "Ada"
    client.delete(path).raise_for_status()


@pytest.mark.parametrize(
    "name", ["a.pdf", "a", "../a.md", "a//b.md", "a\u202eb.md", "%00.md", "x" * 501 + ".md"]
)
def test_invalid_ids_are_refused(client: httpx.Client, name: str) -> None:
    assert client.put(f"/v1/documents/{name}", json={"text": "x"}).status_code in (404, 405, 422)


def test_uploads_are_listed_and_cancelled(tmp_path: Path) -> None:
    jobs = LocalUploadQueue(tmp_path / "uploads.sqlite", 1000, 100 << 20)
    upload, rival_upload = jobs.add([("a.txt", b"a"), ("b.txt", b"b")]), jobs.add([("c.txt", b"c")])
    assert [listed.id for listed in jobs.list_newest(10)] == [rival_upload, upload]
    jobs.cancel(upload)
    assert [listed.id for listed in jobs.list_newest(10, "queued")] == [rival_upload]
    (cancelled,) = jobs.list_newest(10, "done")
    assert {file.detail for file in cancelled.files} == {"cancelled"}
    assert jobs.list_newest(1)[0].id == rival_upload
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
    ratings = (tmp_path / "index" / "feedback.jsonl").read_text()
    assert [json.loads(line)["question"] for line in ratings.splitlines()] == ["kept", "kept, too"]


def test_ratings_of_documents_that_a_sync_removes_are_deleted_and_counted(tmp_path: Path) -> None:
    docs, index = tmp_path / "docs", tmp_path / "index"
    docs.mkdir()
    (docs / "oslo.txt").write_text("The safe is in Oslo, behind the portrait of the founder.")

    def pack(**files: str) -> None:
        with zipfile.ZipFile(docs / "safes.zip", "w") as archive:
            for name, text in files.items():
                archive.writestr(f"{name}.txt", text)

    paris = "The fourth safe is in Paris, in the wall of the kitchen."
    pack(rome="The third safe is in Rome, under the desk of the cook.", paris=paris)
    with closing(local(index)) as store:

        def sync() -> Changes:
            runner = Sync(
                Ingest(store, EMBEDDER, 12, Stamps(index), forget=partial(forget_quotes, index))
            )
            return runner.run(docs, find([docs]), allow_many=True)

        assert len(sync().added) == 3
        kept_answer = "in the wall of the kitchen"
        for answer in (
            "behind the portrait of the founder",
            "under the desk of the cook",
            kept_answer,
        ):
            feedback_file(index).add({"question": answer, "verdict": "right", "answer": answer})
        (docs / "oslo.txt").unlink()
        pack(paris=paris)
        changes = sync()
        assert sorted(changes.removed) == ["docs/oslo.txt", "docs/safes.zip/rome.txt"]
        assert changes.quotes == 2
        (line,) = feedback_file(index).lines()
        assert line["question"] == kept_answer
        assert sync().quotes == 0


@pytest.mark.parametrize("door", [BackgroundIndex, LocalLibrary], ids=["the prompt", "an agent"])
def test_ratings_of_documents_deleted_without_a_service_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, door: type
) -> None:
    fake_models(monkeypatch.setattr)
    settings = Settings(index=tmp_path, embedder="bag-of-words")
    with closing(new_store(tmp_path)) as store:
        add(store, document("The safe is in Oslo, behind the portrait of the founder.", "oslo"))
    for answer in ("behind the portrait of the founder", "in the wall of the kitchen"):
        feedback_file(tmp_path).add({"question": answer, "verdict": "right", "answer": answer})
    forget = {"forget": forget_quotes} if door is BackgroundIndex else {}
    assert door(settings, **forget).delete("oslo")
    (line,) = feedback_file(tmp_path).lines()
    assert line["question"] == "in the wall of the kitchen"


SECRET = "The safe is in Oslo, behind the portrait."
WHERE, WHO = "Where is the safe?", "Who is the founder?"


def keep_thread(client: httpx.Client, name: str, question: str) -> None:
    answer = client.post("/v1/ask", json={"question": question}).json()
    turns = [{"question": question, "answer": answer, "ms": 12.5}]
    client.put(f"/v1/threads/{name}", json={"title": question, "turns": turns}).raise_for_status()


def titles(client: httpx.Client, **parameters: str) -> list[str]:
    threads = client.get("/v1/threads", params=parameters).raise_for_status().json()["threads"]
    return [thread["title"] for thread in threads]


@pytest.mark.slow
def test_each_key_has_its_own_threads(tmp_path: Path) -> None:
    ada, bob = add_key(tmp_path, "write"), add_key(tmp_path)
    with serving(tmp_path, key=ada) as client, with_key(client, bob) as second_client:
        put_text(client, "safe.txt", SECRET)
        keep_thread(client, "first", WHERE)
        assert titles(second_client) == []
        assert second_client.get("/v1/threads/first").status_code == 404
        assert second_client.delete("/v1/threads/first").status_code == 404
        keep_thread(second_client, "first", "Is it Oslo?")
        assert (titles(client), titles(second_client)) == ([WHERE], ["Is it Oslo?"])
        assert second_client.delete("/v1/threads/first").json() == {"deleted": True}
        assert titles(client) == [WHERE]
    assert (tmp_path / "threads.sqlite").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
def test_threads_are_found_by_their_words_and_lose_deleted_documents(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        put_text(client, "safe.txt", SECRET)
        put_text(client, "again.txt", f"It says: {SECRET}")
        keep_thread(client, "a", WHERE)
        keep_thread(client, "b", WHO)
        assert titles(client) == [WHO, WHERE]
        assert len(titles(client, search="OSLO")) == 2  # in the answers
        assert titles(client, search="oslo FOUNDER") == [WHO]
        thread_a = client.get("/v1/threads/a").json()
        assert set(thread_a) == {"id", "title", "updated", "questions", "turns"}
        assert (thread_a["questions"], thread_a["turns"][0]["ms"]) == (1, 12.5)

        receipt = client.delete("/v1/documents/uploads/safe.txt").json()["receipt"]
        assert receipt["threads"] == 2
        (turn,) = client.get("/v1/threads/a").json()["turns"]
        assert (turn["question"], turn["answer"]) == (WHERE, None)
        assert "deleted" in turn["problem"]
        keep_thread(client, "c", WHERE)  # a document may leave the index otherwise
        client.app_state.service.engine.store.delete("uploads/again.txt")  # type: ignore[attr-defined]
        assert client.get("/v1/threads/c").json()["turns"][0]["answer"] is None

        nested = "[" * 300 + "]" * 300
        body = f'{{"title": "t", "turns": [{{"question": "q", "answer": {{"a": {nested}}}}}]}}'
        headers = {"Content-Type": "application/json"}
        refused = client.put("/v1/threads/deep", content=body, headers=headers)
        assert refused.status_code == 422
        assert "nested more than 50 levels" in refused.json()["detail"]
    assert b"portrait" not in (tmp_path / "threads.sqlite").read_bytes()


def test_answers_that_quote_a_deleted_text_leave_with_it(tmp_path: Path) -> None:
    """Whatever they name: a client keeps what it likes."""
    with serving(tmp_path) as client:
        put_text(client, "safe.txt", SECRET)
        answers = [
            {"answer": "Oslo", "citations": [{"cited_text": SECRET}]},
            {"answer": SECRET, "citations": [{"document_id": "uploads/other.txt"}]},
            {"answer": "Oslo", "citations": [{"document_id": "uploads/other.txt"}]},
        ]
        turns = [{"question": WHERE, "answer": answer} for answer in answers]
        client.put("/v1/threads/a", json={"title": "t", "turns": turns}).raise_for_status()
        put_text(client, "other.txt", "The harbour is in Bergen.")
        receipt = client.delete("/v1/documents/uploads/safe.txt").json()["receipt"]
        assert receipt["threads"] == 2
        remaining = [turn["answer"] for turn in client.get("/v1/threads/a").json()["turns"]]
        assert remaining == [None, None, answers[2]]
    assert SECRET.encode() not in (tmp_path / "threads.sqlite").read_bytes()


def test_a_moved_index_does_not_come_back_as_an_empty_folder(tmp_path: Path) -> None:
    index = tmp_path / "index"
    with serving(index) as client:
        put_text(client, "safe.txt", SECRET)
        index.rename(tmp_path / "moved")
        rating = {"question": WHERE, "verdict": "right", "answer": "Oslo"}
        assert client.post("/v1/feedback", json=rating).status_code == 503
        assert client.put("/v1/documents/a.md", json={"text": "# A\n\nB."}).status_code == 503
        assert client.post("/v1/collections", json={"name": "other"}).status_code == 503
        turns = {"title": "t", "turns": [{"question": WHERE}]}
        assert client.put("/v1/threads/a", json=turns).status_code == 503
        assert client.delete("/v1/documents/uploads/safe.txt").status_code == 503
        assert not index.exists()
    assert not index.exists()


def test_a_new_index_is_its_owner_s_only(tmp_path: Path) -> None:
    add_key(tmp_path / "keys")
    local(tmp_path / "index").close()
    with serving(tmp_path / "served") as client:
        client.post("/v1/collections", json={"name": "other"}).raise_for_status()
        put_text(client, "a.txt", SECRET)
    for name in ("keys", "index", "served", "served/collections", "served/collections/other"):
        assert (tmp_path / name).stat().st_mode & 0o777 == 0o700


def thread(number: int, turns: list[dict[str, Any]]) -> ThreadWithTurns:
    return ThreadWithTurns(str(number), "t", float(number), len(turns), turns)


@pytest.mark.slow
def test_the_oldest_threads_of_a_key_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rag.server.user_data.MOST_THREADS", 4)
    store = ThreadStore(tmp_path)
    for number in range(6):
        store.put("key", thread(number, [{"question": "x"}]))
    assert [row.id for row in store.listed("key", "", 9)] == ["5", "4", "3", "2"]
    large_turns = [{"question": "x" * (MOST_CHARACTERS // 4)}]
    for number in range(6):
        store.put("large", thread(number, large_turns))
    store.put("huge", thread(7, 5 * large_turns))
    assert [row.id for row in store.listed("large", "", 9)] == ["5", "4", "3"]
    assert [row.questions for row in store.listed("huge", "", 9)] == [5]
