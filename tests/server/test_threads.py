"""Threads are kept per key, found by their words, and lose what quotes a deleted document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from rag.server import thread_store
from rag.server.api_keys import keys_of
from rag.server.thread_store import MOST_CHARACTERS, ThreadStore, WireTurns
from rag.settings import Settings
from tests.server.fake_server import put_text, serving, with_key

pytestmark = pytest.mark.slow
SECRET = "The safe is in Oslo, behind the portrait."
WHERE, WHO = "Where is the safe?", "Who is the founder?"


def keep(client: httpx.Client, name: str, question: str) -> None:
    answer = client.post("/v1/ask", json={"question": question}).json()
    turns = [{"question": question, "answer": answer, "ms": 12.5}]
    client.put(f"/v1/threads/{name}", json={"title": question, "turns": turns}).raise_for_status()


def titles(client: httpx.Client, **asked: str) -> list[str]:
    threads = client.get("/v1/threads", params=asked).raise_for_status().json()["threads"]
    return [thread["title"] for thread in threads]


def test_each_key_has_its_own_threads(tmp_path: Path) -> None:
    keys = keys_of(Settings(index=tmp_path))
    _, ada = keys.add("ada", "write")
    _, bob = keys.add("bob", "read")
    with serving(tmp_path, key=ada) as client, with_key(client, bob) as other:
        put_text(client, "safe.txt", SECRET)
        keep(client, "first", WHERE)
        assert titles(other) == []
        assert other.get("/v1/threads/first").status_code == 404
        assert other.delete("/v1/threads/first").status_code == 404
        keep(other, "first", "Is it Oslo?")
        assert (titles(client), titles(other)) == ([WHERE], ["Is it Oslo?"])
        assert other.delete("/v1/threads/first").json() == {"deleted": True}
        assert titles(client) == [WHERE]
    assert (tmp_path / "threads.sqlite").stat().st_mode & 0o777 == 0o600


def test_threads_are_found_by_their_words_and_lose_deleted_documents(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        put_text(client, "safe.txt", SECRET)
        put_text(client, "again.txt", f"It says: {SECRET}")
        keep(client, "a", WHERE)
        keep(client, "b", WHO)
        assert titles(client) == [WHO, WHERE]
        assert len(titles(client, search="OSLO")) == 2  # in the answers
        assert titles(client, search="oslo FOUNDER") == [WHO]
        whole = client.get("/v1/threads/a").json()
        assert set(whole) == {"id", "title", "updated", "questions", "turns"}
        assert (whole["questions"], whole["turns"][0]["ms"]) == (1, 12.5)

        receipt = client.delete("/v1/documents/uploads/safe.txt").json()["receipt"]
        assert receipt["threads"] == 2
        (turn,) = client.get("/v1/threads/a").json()["turns"]
        assert (turn["question"], turn["answer"]) == (WHERE, None)
        assert "deleted" in turn["problem"]
        keep(client, "c", WHERE)  # a document may leave the index otherwise
        client.app_state.service.engine.store.delete("uploads/again.txt")  # type: ignore[attr-defined]
        assert client.get("/v1/threads/c").json()["turns"][0]["answer"] is None

        deep = "[" * 300 + "]" * 300
        body = f'{{"title": "t", "turns": [{{"question": "q", "answer": {{"a": {deep}}}}}]}}'
        headers = {"Content-Type": "application/json"}
        refused = client.put("/v1/threads/deep", content=body, headers=headers)
        assert refused.status_code == 422
        assert "nested more than 50 levels" in refused.json()["detail"]
    assert b"portrait" not in (tmp_path / "threads.sqlite").read_bytes()


def thread(number: int, turns: list[dict[str, Any]]) -> WireTurns:
    return WireTurns(str(number), "t", float(number), len(turns), turns)


def test_the_oldest_threads_of_a_key_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread_store, "MOST_THREADS", 4)
    store = ThreadStore(tmp_path)
    for number in range(6):
        store.put("key", thread(number, [{"question": "x"}]))
    assert [row.id for row in store.listed("key", "", 9)] == ["5", "4", "3", "2"]
    large = [{"question": "x" * (MOST_CHARACTERS // 4)}]
    for number in range(6):
        store.put("large", thread(number, large))
    store.put("huge", thread(7, 5 * large))
    assert [row.id for row in store.listed("large", "", 9)] == ["5", "4", "3"]
    assert [row.questions for row in store.listed("huge", "", 9)] == [5]
