"""The conversations are well-formed."""

import json
from collections import Counter

from eval.experiments.conversations import (
    GOLD,
    PAIRS,
    closeness,
    conversations,
    names_kept,
    pairs,
)
from rag.evaluation.set_files import json_lines
from rag.meaning.followups import MODEL


def test_six_collections_have_ten_conversations_of_four_turns() -> None:
    dialogues = conversations()
    halves = Counter((dialogue.collection, dialogue.half) for dialogue in dialogues)
    assert len(halves) == 12
    assert set(halves.values()) == {5}
    assert len({dialogue.id for dialogue in dialogues}) == 60
    for dialogue in dialogues:
        assert len(dialogue.turns) == 4
        assert not dialogue.turns[0].follows
        for turn in dialogue.turns:
            assert turn.question.strip()
            assert turn.standalone.strip()
            assert bool(turn.answers) == bool(turn.evidence)


def test_turns_without_an_answer_are_marked() -> None:
    turns = [turn for row in json_lines(GOLD) for turn in row["turns"]]
    assert all(turn["unanswerable"] == (not turn["evidence"]) for turn in turns)
    assert 10 <= sum(turn["unanswerable"] for turn in turns) <= 20


def test_completions_come_closer_to_the_meaning_than_questions_as_typed() -> None:
    turn_questions = {turn.question for dialogue in conversations() for turn in dialogue.turns}
    assert not turn_questions & {row["last"] for row in json_lines(PAIRS)}
    figures = closeness(pairs("report"), json.loads(MODEL.read_text(encoding="utf-8")))
    assert figures["completed"] > figures["typed"] + 0.3
    assert figures["changed but complete"] < 0.05


def test_two_names_of_one_kind_are_seldom_blended() -> None:
    figures = names_kept("report")
    assert figures["blended"] < 0.05
    assert figures["as expected"] > 0.9
    assert figures["changed but complete"] == 0
    assert figures["noted but complete"] == 0
    assert figures["wrongly taken for talk"] == 0
    assert figures["taken for talk"] > 0.7
