"""Gold questions about rules, and our own for training, are well-formed and have their proofs."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eval.scripts import GOLD
from rag.evaluation.set_files import json_lines

COLLECTIONS = Path(os.environ.get("RAG_COLLECTIONS", "data/collections"))
LABELS = {"yes", "no", "condition", "not_said"}


def rows() -> list[dict[str, Any]]:
    return list(json_lines(GOLD / "conditions.jsonl"))


def words(text: str) -> str:
    """The words alone: without tags, targets of links, and marks of Markdown."""
    plain = re.sub(r"<[^>]+>|\]\([^)]*\)", " ", text)
    return " ".join(re.findall(r"\w+", plain))


def test_every_rule_has_a_verdict_and_a_proof_unless_nothing_is_said() -> None:
    asked = rows()
    assert len({row["id"] for row in asked}) == len(asked) == 400
    assert {row["verdict"] for row in asked} == LABELS
    assert all(bool(row["evidence"]) == (row["verdict"] != "not_said") for row in asked)
    assert all("condition" in row for row in asked if row["verdict"] == "condition")
    assert Counter(row["half"] for row in asked) == {"fit": 202, "report": 198}


def test_the_halves_share_no_document() -> None:
    halves = {(row["document"], row["half"]) for row in rows()}
    assert len({document for document, _ in halves}) == len(halves)


def test_proofs_occur_in_the_invented_texts() -> None:
    invented = [row for row in rows() if "text" in row]
    missing = [
        (row["id"], proof)
        for row in invented
        for proof in row["evidence"]
        if words(proof) not in words(row["text"])
    ]
    assert len(invented) == 157
    assert missing == []


@pytest.mark.skipif(not COLLECTIONS.is_dir(), reason="RAG_COLLECTIONS names no folder")
def test_proofs_occur_in_the_documents_of_the_collections() -> None:
    missing = []
    found = 0
    for row in rows():
        path = COLLECTIONS / row["document"]
        if "text" in row or not path.is_file():
            continue
        found += 1
        text = words(path.read_text(encoding="utf-8"))
        missing += [(row["id"], one) for one in row["evidence"] if words(one) not in text]
    assert found >= 200
    assert missing == []


def test_our_own_questions_for_training_have_a_verdict() -> None:
    texts = list(json_lines(GOLD / "training-verdicts.jsonl"))
    questions = [question for row in texts for question in row["questions"]]
    assert len(questions) >= 200
    assert {label for label, _ in questions} == LABELS
    gold = {" ".join(row["question"].casefold().split()) for row in rows()}
    assert not gold & {" ".join(question.casefold().split()) for _, question in questions}
