"""Threads are kept per key, found by their words, and lose what quotes a deleted document."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from rag.server.api_keys import keys_of
from rag.server.thread_store import (
    MOST_CHARACTERS,
    MOST_THREADS,
    StoredThread,
    ThreadStore,
)
from rag.settings import Settings
from tests.server.fake_server import put_text, serving, with_key

pytestmark = pytest.mark.slow
SECRET = "The safe is in Oslo, behind the portrait."


def kept(client: httpx.Client, name: str, question: str) -> None:
    answer = client.post("/v1/ask", json={"question": question}).json()
    turns = [{"question": question, "answer": answer, "ms": 12.5}]
    client.put(f"/v1/threads/{name}", json={"title": question, "turns": turns}).raise_for_status()


def titles(client: httpx.Client, **asked: str) -> list[str]:
    found = client.get("/v1/threads", params=asked).raise_for_status().json()["threads"]
    return [thread["title"] for thread in found]


def test_each_key_has_its_own_threads(tmp_path: Path) -> None:
    keys = keys_of(Settings(index=tmp_path))
    _, ada = keys.add("ada", "write")
    _, bob = keys.add("bob", "read")
    with serving(tmp_path, key=ada) as client, with_key(client, bob) as other:
        put_text(client, "safe.txt", SECRET)
        kept(client, "first", "Where is the safe?")
        assert titles(other) == []
        assert other.get("/v1/threads/first").status_code == 404
        assert other.delete("/v1/threads/first").status_code == 404
        kept(other, "first", "Is it Oslo?")
        assert (titles(client), titles(other)) == (["Where is the safe?"], ["Is it Oslo?"])
        assert other.delete("/v1/threads/first").json() == {"deleted": True}
        assert titles(client) == ["Where is the safe?"]
    assert (tmp_path / "threads.sqlite").stat().st_mode & 0o777 == 0o600


def test_threads_are_found_by_their_words_the_latest_first(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        put_text(client, "safe.txt", SECRET)
        kept(client, "a", "Where is the safe?")
        kept(client, "b", "Who is the founder?")
        assert titles(client) == ["Who is the founder?", "Where is the safe?"]
        assert len(titles(client, search="OSLO")) == 2  # in the answers
        assert titles(client, search="oslo FOUNDER") == ["Who is the founder?"]
        assert titles(client, search="the who") == ["Who is the founder?"]
        whole = client.get("/v1/threads/a").json()
        assert (whole["questions"], whole["turns"][0]["ms"]) == (1, 12.5)


def test_answers_go_with_their_document(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        put_text(client, "safe.txt", SECRET)
        put_text(client, "cat.txt", "The cat is called Minka.")
        kept(client, "a", "Where is the safe?")
        kept(client, "b", "What is the cat called?")
        receipt = client.delete("/v1/documents/uploads/safe.txt").json()["receipt"]
        assert receipt["threads"] >= 1
        (turn,) = client.get("/v1/threads/a").json()["turns"]
        assert (turn["question"], turn["answer"]) == ("Where is the safe?", None)
        assert "deleted" in turn["problem"]
    assert b"portrait" not in (tmp_path / "threads.sqlite").read_bytes()


def test_answers_go_with_a_document_that_left_the_index_otherwise(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        put_text(client, "safe.txt", SECRET)
        kept(client, "a", "Where is the safe?")
        client.app_state.service.engine.store.delete("uploads/safe.txt")  # type: ignore[attr-defined]
        assert client.get("/v1/threads/a").json()["turns"][0]["answer"] is None
    assert b"portrait" not in (tmp_path / "threads.sqlite").read_bytes()


def test_the_oldest_threads_of_a_key_go_first(tmp_path: Path) -> None:
    store = ThreadStore(tmp_path)
    store.put("other", StoredThread("x", "x", 0.0, [{"question": "x"}]))
    for number in range(MOST_THREADS + 2):
        store.put("key", StoredThread(str(number), "t", float(number), [{"question": "x"}]))
    found = store.listed("key", "", 1000)
    assert (len(found), found[-1].id) == (MOST_THREADS, "2")
    assert len(store.listed("other", "", 1000)) == 1


def test_the_threads_of_a_key_take_bounded_space(tmp_path: Path) -> None:
    store = ThreadStore(tmp_path)
    large = [{"question": "x" * (MOST_CHARACTERS // 4)}]
    for number in range(6):
        store.put("key", StoredThread(str(number), "t", float(number), large))
    store.put("other", StoredThread("x", "x", 0.0, 5 * large))
    assert [thread.id for thread in store.listed("key", "", 9)] == ["5", "4", "3"]
    assert [thread.questions for thread in store.listed("other", "", 9)] == [5]


def test_turns_that_could_not_be_read_again_are_refused(tmp_path: Path) -> None:
    deep = "[" * 300 + "]" * 300
    body = f'{{"title": "t", "turns": [{{"question": "q", "answer": {{"a": {deep}}}}}]}}'
    with serving(tmp_path) as client:
        headers = {"Content-Type": "application/json"}
        refused = client.put("/v1/threads/deep", content=body, headers=headers)
        assert refused.status_code == 422
        assert "nested more than 50 levels" in refused.json()["detail"]
