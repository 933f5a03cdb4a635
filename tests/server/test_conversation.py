"""Follow-ups over HTTP are understood as at the prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from rag.engine import Engine
from rag.repl.session import ReplSession
from rag.repl.session_engine import SessionEngine
from rag.server.conversation import Exchanged, in_context
from rag.server.openai_input import asked_in, documents_in
from rag.settings import Settings
from tests.server.fake_server import open_backend, put_text, serving

OMAN = (
    "The secret talks in Oman were led by William Burns. William Burns visited Muscat in March "
    "2013."
)
LEASE = "The lease of Ada Lovelace ends in May 2027. Ada Lovelace pays 900 euros."
TURNS = [
    "Who led the secret talks in Oman?",
    "Which city did he visit?",
    "And when?",
    "When does the lease of Ada Lovelace end?",
    "And how much does she pay?",
]


class Opened:
    """An engine that is already open, for the prompt's session."""

    loading = False

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def engine(self) -> Engine:
        return self._engine


def test_five_turns_are_answered_like_at_the_prompt(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        put_text(client, "oman.txt", OMAN)
        put_text(client, "lease.txt", LEASE)
        engine = open_backend(Settings(index=tmp_path, threshold=0.15)).engine
        prompt = ReplSession(cast(SessionEngine, Opened(engine)))
        said: list[dict[str, Any]] = []
        understood = []
        for turn in TURNS:
            rewrite = prompt.understand(turn)
            meant = rewrite.question
            answer = prompt.ask(turn, rewrite)
            said.append({"role": "user", "content": turn})
            response = client.post("/v1/responses", json={"model": "rag", "input": said}).json()
            searched, message = response["output"]
            chat = client.post(
                "/v1/chat/completions", json={"model": "rag", "messages": said}
            ).json()
            content = chat["choices"][0]["message"]["content"]
            understood += searched["queries"]
            assert searched["queries"] == [meant]
            assert content == message["content"][0]["text"]
            assert content.startswith(answer.text or "Not found in the documents")
            cites = [citation.document_id for citation in answer.citations]
            assert set(documents_in(content)) == set(cites)  # preferred by the next turn
            said.append({"role": "assistant", "content": content})
    assert understood[1] == "Which city did William Burns visit?"
    assert understood[3] == TURNS[3]


def test_ask_takes_earlier_turns_and_returns_the_resolved_question(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        put_text(client, "oman.txt", OMAN)
        put_text(client, "lease.txt", LEASE)
        before: list[dict[str, Any]] = []
        first = client.post("/v1/ask", json={"question": TURNS[0]}).json()
        cited = [citation["document_id"] for citation in first["citations"]]
        before.append({"question": TURNS[0], "answer": first["answer"], "documents": cited})
        asked = {"question": TURNS[1], "conversation": before}
        second = client.post("/v1/ask", json=asked).json()
        assert second["question"] == "Which city did William Burns visit?"
        assert second["asked"] == TURNS[1]
        assert second["passages_read"] > 0
        new = client.post("/v1/ask", json=asked | {"question": TURNS[3]}).json()
        assert (new["question"], new["asked"]) == (TURNS[3], TURNS[3])
        alone = client.post("/v1/ask", json={"question": TURNS[1]}).json()
        assert alone["question"] == TURNS[1]


def test_empty_and_long_turns_are_skipped() -> None:
    turns = [Exchanged("Where did Ada Lovelace live?", None), Exchanged(" "), Exchanged("x" * 2000)]
    assert in_context("When was she born?", turns).question == "When was Ada Lovelace born?"
    assert in_context("When was she born?", []).question == "When was she born?"


def test_a_follow_up_prefers_the_last_answers_documents() -> None:
    answer = (
        "William Burns [1]\n\n[1] The talks > Muscat, page 2 (a (old).txt): “William Burns led.”\n"
        "[2] b.txt: “He did: (again).”"
    )
    talk = [
        ("user", "Who led the talks?"),
        ("assistant", answer),
        ("user", "Which city did he visit?"),
    ]
    asked = asked_in(talk)
    assert asked.turns[0].documents == ("a (old).txt", "b.txt")
    meant = in_context(asked.question, asked.turns)
    assert meant.preferred == asked.turns[0].documents
    other = in_context("When does the lease end?", asked.turns)
    assert other.preferred == ()
