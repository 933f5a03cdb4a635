"""Follow-ups over HTTP are understood as at the prompt."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from rag.background import BackgroundIndex
from rag.engine import Engine
from rag.repl.session import ReplSession
from rag.server.openai_requests import asked_in, documents_in
from rag.server.schemas import Turn
from rag.session import Conversation
from rag.settings import Settings
from tests.server.fake_server import open_engine, put_text, serving

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
        engine = open_engine(Settings(index=tmp_path, threshold=0.15))
        prompt = ReplSession(cast(BackgroundIndex, Opened(engine)))
        messages: list[dict[str, Any]] = []
        questions = []
        for turn in TURNS:
            rewrite = prompt.understand(turn)
            answer = prompt.ask(turn, rewrite)
            messages.append({"role": "user", "content": turn})
            response = client.post("/v1/responses", json={"input": messages}).json()
            searched, message = response["output"]
            content = message["content"][0]["text"]
            chat = client.post("/v1/chat/completions", json={"messages": messages}).json()
            assert chat["choices"][0]["message"]["content"] == content
            assert searched["queries"] == [rewrite.question]
            questions += searched["queries"]
            assert content.startswith(answer.text or "Not found in the documents")
            cited = {citation.document_id for citation in answer.citations}
            assert set(documents_in(content)) == cited  # preferred by the next turn
            messages.append({"role": "assistant", "content": content})
    assert questions[1] == "Which city did William Burns visit?"
    assert questions[3] == TURNS[3]


def test_ask_takes_earlier_turns_and_returns_the_resolved_question(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        put_text(client, "oman.txt", OMAN)
        answered = client.post("/v1/ask", json={"question": TURNS[0]}).json()
        cited = [citation["document_id"] for citation in answered["citations"]]
        earlier_turns = [{"question": TURNS[0], "answer": answered["answer"], "documents": cited}]
        for typed, turns, question in (
            (TURNS[1], earlier_turns, "Which city did William Burns visit?"),
            (TURNS[3], earlier_turns, TURNS[3]),
            (TURNS[1], [], TURNS[1]),
        ):
            body = {"question": typed, "conversation": turns}
            answer = client.post("/v1/ask", json=body).json()
            assert (answer["question"], answer["asked"]) == (question, typed if turns else "")


def test_empty_and_long_turns_are_skipped() -> None:
    questions = ("Where did Ada Lovelace live?", " ", "x" * 2000)
    turns = [Turn(question=question) for question in questions]
    typed = "When was she born?"
    assert Conversation.of(turns).understand(typed).question == "When was Ada Lovelace born?"
    assert Conversation.of([]).understand(typed).question == typed


def test_a_follow_up_prefers_the_last_answers_documents() -> None:
    answer = (
        "William Burns [1]\n\n[1] The talks > Muscat, page 2 (a (old).txt): “William Burns led.”\n"
        "[2] b.txt: “He did: (again).”"
    )
    messages = [("user", "Who led the talks?"), ("assistant", answer)]
    question, turns = asked_in([*messages, ("user", "Which city did he visit?")])
    assert turns[0].documents == ["a (old).txt", "b.txt"]
    conversation = Conversation.of(turns)
    assert conversation.understand(question).preferred == tuple(turns[0].documents)
    assert conversation.understand("When does the lease end?").preferred == ()


def test_an_answer_to_another_meaning_comes_with_it(tmp_path: Path) -> None:
    with serving(tmp_path) as client:
        put_text(client, "oman.txt", OMAN)
        turn = Turn(question="Which reports did the office write on zebras?")
        typed = "who led them?"
        understood = Conversation.of([turn]).understand(typed)
        meanings = [understood.question, *(text for text, _ in understood.others)]
        body = {"question": typed, "conversation": [turn.model_dump()]}
        answer = client.post("/v1/ask", json=body).json()
        assert len(meanings) == 3
        assert answer["asked"] == typed
        assert answer["question"] in meanings
    engine = open_engine(Settings(index=tmp_path, threshold=0.15))
    other_answer = engine.ask(TURNS[0])
    chosen = replace(understood, others=((TURNS[0], 0.5),)).answered(other_answer)
    assert (chosen.question, chosen.note) == (TURNS[0], "")
    resolved = replace(understood, note="unclear").answered(replace(other_answer, question=typed))
    assert (resolved.question, resolved.note) == (understood.question, "unclear")
