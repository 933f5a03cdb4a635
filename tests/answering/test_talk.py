"""Talk gets a fixed reply and questions that the index answers, never an answer."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from rag import build
from rag.answering.forms import CLASSES, FormClassifier
from rag.answering.suggestions import REPLY
from rag.engine import Engine
from rag.render import terminal
from rag.render.cited import cited
from rag.session import Conversation
from rag.settings import Settings
from rag.types import TALK, Answer, Block, Document
from tests.fakes import BagOfWordsEmbedder, NameReader, SpanJudge
from tests.small_index import add, new_store

GREETINGS = ("hello", "Who are you?")


class Greetings(FormClassifier):
    """Takes greetings for talk, and everything else for a span."""

    def __init__(self) -> None:
        zeros = np.zeros(1, np.float32)
        super().__init__(zeros[None], zeros)

    def probabilities(
        self, questions: Sequence[str], vectors: Sequence[NDArray[np.float32]]
    ) -> list[Mapping[str, float]]:
        return [{TALK if question in GREETINGS else "span": 1.0} for question in questions]


def likeliest(odds: Mapping[str, float]) -> str:
    return max(odds, key=lambda name: odds[name])


def guide(name: str, *headings: str) -> Document:
    """A document with headings, each followed by a sentence."""
    text, blocks = "", []
    for heading in headings:
        blocks.append(Block("heading", len(text), len(text) + len(heading), level=1, name=heading))
        text += f"{heading}\n\nThe lamp was lit in Vienna in 2018.\n\n"
    return Document(name, text, name, f"/{name}", "0" * 64, blocks=tuple(blocks))


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    settings, models = Settings(index=tmp_path, threshold=0.0), (NameReader(), SpanJudge())
    assembled = build.assemble(settings, new_store(tmp_path), BagOfWordsEmbedder(), *models)
    assembled.forms = Greetings()
    add(assembled.store, guide("lamp", "Where was the lamp lit?", "Oil"), guide("pump", "Pumps"))
    return assembled


def test_talk_is_never_answered_from_a_document(engine: Engine) -> None:
    answer = engine.ask("hello")
    assert (answer.text, answer.form, answer.abstention_reason) == (None, TALK, REPLY)
    assert (answer.citations, answer.hits, answer.alternatives) == ((), (), ())
    assert answer.receipt is not None
    assert engine.ask("Where was the lamp lit?").form != TALK


def test_talk_after_a_question_is_not_completed(engine: Engine) -> None:
    conversation = Conversation()

    def asked(question: str) -> Answer:
        return conversation.ask(engine, conversation.understand(question), None, ())

    assert asked("Where was the lamp lit?").text == "Vienna"
    for typed in ("hello again", "ok thanks"):
        reply = asked(typed)
        assert (reply.form, reply.question, reply.text) == (TALK, typed, None)
    assert asked("Where was the pump lit?").form != TALK


def test_suggested_questions_have_an_answer(engine: Engine) -> None:
    suggestions = engine.ask("Who are you?").suggestions
    assert suggestions == ("Where was the lamp lit?",)
    assert engine.ask(*suggestions).text == "Vienna"


def test_the_reply_is_shown_with_the_questions() -> None:
    reply = Answer("hello", None, 0.0, (), (), (), REPLY, {}, form=TALK)
    reply = replace(reply, suggestions=("Where was the lamp lit?",))
    for text in (terminal.answer(reply), cited(reply).text):
        assert "not to your documents" in text
        assert "Where was the lamp lit?" in text
        assert "ot found" not in text


def test_the_shipped_classifier_knows_talk() -> None:
    assert CLASSES[-1] == TALK
    embedder = build.embedder(Settings())
    shipped = FormClassifier.load()

    def forms(questions: Sequence[str]) -> list[str]:
        vectors = list(embedder.embed_queries(questions))
        return [likeliest(odds) for odds in shipped.probabilities(questions, vectors)]

    talk = ("Who are you?", "hello", "thanks", "What can I ask you?", "help", "exit")
    assert forms(talk) == [TALK] * len(talk)
    real = (
        "Who are you insured with?",
        "What can tenants ask for?",
        "How do I say thank you to a donor?",
        "exit code for a missing file",
        "When does the help desk open?",
    )
    assert TALK not in forms(real)
