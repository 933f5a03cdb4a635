"""The conversations are well-formed, and their evidence is in the documents."""

import json
import os
from pathlib import Path

import pytest

from eval.experiments.conversations import GOLD, PAIRS, closeness, conversations, pairs
from rag.meaning.followups import MODEL

COLLECTIONS = Path(os.environ.get("COLLECTIONS", "collections"))
"""Folder of the collections that the conversations are about; they are not part of the project."""
NAMES = ("restic", "dxw-playbook", "mastodon", "mozilla-legal", "rust-council", "peps")


def test_each_collection_has_ten_conversations_of_four_turns() -> None:
    found = conversations()
    assert len({one.id for one in found}) == 60
    for name in NAMES:
        halves = [one.half for one in found if one.collection == name]
        assert sorted(halves) == ["fit"] * 5 + ["report"] * 5
    for one in found:
        assert len(one.turns) == 4
        assert not one.turns[0].follows
        for turn in one.turns:
            assert turn.question.strip()
            assert turn.standalone.strip()
            assert bool(turn.answers) == bool(turn.evidence)


def test_turns_without_an_answer_are_marked() -> None:
    rows = [json.loads(line) for line in GOLD.read_text(encoding="utf-8").splitlines()]
    turns = [turn for row in rows for turn in row["turns"]]
    assert all(turn["unanswerable"] == (not turn["evidence"]) for turn in turns)
    assert 10 <= sum(turn["unanswerable"] for turn in turns) <= 20


@pytest.mark.skipif(not COLLECTIONS.is_dir(), reason="COLLECTIONS names no folder")
def test_the_evidence_is_in_the_documents() -> None:
    for one in conversations():
        for turn in one.turns:
            for document, sentence in turn.evidence:
                text = (COLLECTIONS / document).read_text(encoding="utf-8")
                assert " ".join(sentence.split()) in " ".join(text.split()), one.id


def test_pairs_are_about_other_questions_than_the_conversations() -> None:
    rows = [json.loads(line) for line in PAIRS.read_text(encoding="utf-8").splitlines()]
    asked = {turn.question for one in conversations() for turn in one.turns}
    assert not asked & {row["last"] for row in rows}
    assert all(set(row) == {"last", "answer", "question", "standalone"} for row in rows)


def test_completions_come_closer_to_the_meaning_than_questions_as_typed() -> None:
    found = closeness(pairs(), json.loads(MODEL.read_text(encoding="utf-8")))
    assert found["completed"] > found["typed"] + 0.3
    assert found["changed but complete"] < 0.3
