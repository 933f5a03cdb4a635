"""Gold questions about rules, and our own for training, are well-formed and have their proofs."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eval.experiments.conditions import (
    LabelledQuestion,
    by_cell,
    by_head,
    figures,
    gold,
    score,
    some_of_each,
)
from eval.scripts import GOLD
from rag import build
from rag.evaluation.set_files import json_lines
from rag.models.reader import ExtractiveReader
from rag.settings import Settings
from tests import tiny
from tests.answering.readings import Prefers
from tests.fakes import BagOfWordsEmbedder, document
from tests.small_index import add, new_store

COLLECTIONS = Path(os.environ.get("RAG_COLLECTIONS", "data/collections"))
LABELS = {"yes", "no", "condition", "not_said"}


def rows() -> list[dict[str, Any]]:
    return list(json_lines(GOLD / "conditions.jsonl"))


def words(text: str) -> str:
    """The words alone: without tags, targets of links, and marks of Markdown."""
    without_markup = re.sub(r"<[^>]+>|\]\([^)]*\)", " ", text)
    return " ".join(re.findall(r"\w+", without_markup))


def test_every_rule_has_a_verdict_and_a_proof_unless_nothing_is_said() -> None:
    rules = rows()
    assert len({row["id"] for row in rules}) == len(rules) == 400
    assert {row["verdict"] for row in rules} == LABELS
    assert all(bool(row["evidence"]) == (row["verdict"] != "not_said") for row in rules)
    assert all("condition" in row for row in rules if row["verdict"] == "condition")
    assert Counter(row["half"] for row in rules) == {"fit": 202, "report": 198}


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
    present = 0
    for row in rows():
        path = COLLECTIONS / row["document"]
        if "text" in row or not path.is_file():
            continue
        present += 1
        text = words(path.read_text(encoding="utf-8"))
        missing += [(row["id"], proof) for proof in row["evidence"] if words(proof) not in text]
    assert present >= 200
    assert missing == []


def test_our_own_questions_for_training_have_a_verdict() -> None:
    texts = list(json_lines(GOLD / "training-verdicts.jsonl"))
    questions = [question for row in texts for question in row["questions"]]
    assert len(questions) >= 200
    assert {label for label, _ in questions} == LABELS
    gold = {" ".join(row["question"].casefold().split()) for row in rows()}
    assert not gold & {" ".join(question.casefold().split()) for _, question in questions}


def asked(part: str, label: str) -> LabelledQuestion:
    return LabelledQuestion(part, "May dogs swim?", label, "pool.md", "Dogs may swim on Sundays.")


def test_verdicts_are_counted_by_what_they_should_be() -> None:
    questions = [
        *(asked("rules", label) for label in ("condition", "condition", "yes", "no", "not_said")),
        *(asked("plain", label) for label in ("yes", "no")),
    ]
    table = figures(questions, ["condition", "no", "yes", "yes", "none", "condition", "none"])
    assert table == {
        "open": {"questions": 2, "depends": 0.5, "flat": 0.5},
        "decided": {"questions": 2, "reversed": 0.5, "right": 0.5},
        "plain": {"questions": 2, "depends": 0.5, "none": 0.5},
        "not said": {"questions": 1, "none": 1.0},
    }
    always_depends = score(questions, ["condition"] * len(questions))
    always_flat = score(questions, ["yes"] * len(questions))
    assert always_depends == pytest.approx(1 / 3)
    assert always_flat == pytest.approx(-1 / 3)


def test_the_verdict_head_is_asked_about_a_whole_text(tmp_path: Path) -> None:
    reader = ExtractiveReader(str(tiny.four_verdicts(tmp_path)))
    assert list(by_head(reader, [asked("rules", "condition")])) == ["condition"]


def test_questions_are_columns_of_a_grid(tmp_path: Path) -> None:
    store = new_store(tmp_path / "index")
    add(store, document("Dogs may swim on Sundays. Bring a towel.", "pool.md"))
    reader = ExtractiveReader(str(tiny.four_verdicts(tmp_path)))
    settings = Settings(index=tmp_path / "index", embedder="bag-of-words", threshold=0.15)
    pool = build.assemble(settings, store, BagOfWordsEmbedder(), reader, Prefers("yes_no"))
    assert list(by_cell(pool, [asked("rules", "condition")])) == ["condition"]
    store.close()


def test_questions_for_fitting_are_none_of_those_for_reporting() -> None:
    halves = [{example.question for example in gold(None, half)} for half in ("fit", "report")]
    assert all(halves)
    assert not halves[0] & halves[1]
    chosen = some_of_each([asked("rules", "yes")] * 5, 2)
    assert len(chosen) == 2
