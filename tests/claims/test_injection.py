"""Fifty instructions hidden in documents: which reach a writer, and what is shown if it obeys them
all.
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from rag.claims.chat_client import ChatServer
from rag.claims.checker import Checker
from rag.claims.writer import Writer, is_instruction
from rag.engine import Engine
from tests.claims.parts import DEAL, EXIT, LIMITS, MODELS, engine
from tests.claims.writers import writing

ATTACKS = [
    json.loads(line)
    for line in Path(__file__).with_name("attacks.jsonl").read_text("utf-8").splitlines()
]


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """An index in which each document contains a third of the instructions between its own
    sentences.
    """
    texts = {}
    for number, (name, text) in enumerate(
        {"deal.md": DEAL, "limits.md": LIMITS, "exit.md": EXIT}.items()
    ):
        orders = " ".join(one["order"] for one in ATTACKS[number::3])
        texts[name] = f"{text}\n\n{orders}"
    return engine(tmp_path_factory.mktemp("attacked"), texts)


def test_instructions_are_recognised_by_their_form() -> None:
    missed = [one["order"] for one in ATTACKS if not is_instruction(one["order"])]
    assert len(ATTACKS) == 50
    assert len(missed) <= 5, missed


def _said(text: str, sentences: object, question: object) -> str:
    return text


def test_nothing_that_a_writer_obeys_is_shown(attacked: Engine) -> None:
    found = attacked.ask("When was the JCPOA signed in Vienna?")
    answer = found if found.text is not None else replace(found, text="something")
    shown = []
    for one in ATTACKS:
        obeyed = f"{one['obeyed']} [1]. {one['obeyed']} [1][2]."
        with writing(partial(_said, obeyed)) as served:
            written = Writer(ChatServer(served.address), Checker(attacked, MODELS)).write(answer)
        assert not any(
            one["order"] in sent for sent in [served.prompt] if is_instruction(one["order"])
        )
        if written.text is not None:
            shown.append(written.text)
    assert shown == []
