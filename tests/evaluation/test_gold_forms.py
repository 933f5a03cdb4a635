"""The shipped gold questions of every form: each sentence occurs in its parsed document."""

from __future__ import annotations

import functools
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from eval.gold.technical import PAGES
from rag.evaluation.gold import FORMS, Question
from rag.evaluation.gold_formats import load
from rag.evaluation.usefulness import names
from rag.parsing.files import find
from tests.parsing.reading import read

ROOT = Path(__file__).parents[2]
GOLD = ROOT / "eval/gold"
SETS = ("forms", "household", "tables", "tables-held-out", "mixed", "reports")


@functools.cache
def texts() -> dict[str, str]:
    """The parsed texts of the documents of all sets, by id."""
    folders = [ROOT / "seeds", GOLD / "office", *(GOLD / name for name in SETS[1:])]
    return {found.document_id: read(found).text for found in find(folders)}


@functools.cache
def questions(name: str) -> tuple[Question, ...]:
    return load(GOLD / f"{name}.jsonl").questions


@pytest.mark.parametrize("name", SETS)
def test_evidence_occurs_in_its_document(name: str) -> None:
    evidence = [(q.id, each) for q in questions(name) for each in q.evidence]
    missing = [(i, e.sentence) for i, e in evidence if e.sentence not in texts()[e.document]]
    assert missing == []
    assert len(evidence) >= 40


@pytest.mark.parametrize("name", [*SETS[:-1], "technical"])
def test_items_occur_in_the_evidence(name: str) -> None:
    for question in questions(name):
        said = "\n".join(evidence.sentence for evidence in question.evidence)
        missing = [
            item
            for item in question.items
            if said and not names(said, item) and not any(w in said for w in item)
        ]
        assert not missing, question


@pytest.mark.parametrize("name", ["forms", "technical"])
def test_every_form_and_enough_unanswerable_questions(name: str) -> None:
    asked = questions(name)
    assert len(asked) >= 200
    assert set(Counter(question.form for question in asked)) == set(FORMS)
    assert sum(not question.answers for question in asked) >= 15
    assert len({question.text for question in asked}) == len(asked)


def test_every_wording_of_household_occurs_in_its_evidence() -> None:
    for question in questions("household"):
        said = "\n".join(evidence.sentence for evidence in question.evidence)
        wordings = [*question.wordings, *(wording for item in question.items for wording in item)]
        assert [wording for wording in wordings if not names(said, [wording])] == [], question.id


def test_household_has_enough_questions_of_each_kind() -> None:
    household = questions("household")
    kinds = Counter(question.kind for question in household)
    assert kinds == {
        "comparison": 40,
        "how_to": 40,
        "list": 35,
        "why": 18,
        "what_if": 12,
        "definition": 15,
        "yes_no": 25,
        "near_miss": 15,
    }
    forms = Counter(question.form for question in household if question.kind == "how_to")
    assert forms == {"steps": 20, "sentences": 20}
    assert sum(not question.answers for question in household) == kinds["near_miss"]
    assert len({question.text for question in household}) == len(household)
    named = {evidence.document for question in household for evidence in question.evidence}
    assert named == {document for document in texts() if document.startswith("household/")}


def test_technical_questions_are_on_pages_of_the_corpus() -> None:
    pages = {
        f"technical/{name}/{page}.html"
        for name, (_, listed) in PAGES.items()
        for page in listed.split()
    }
    rows: list[dict[str, Any]] = [
        json.loads(line) for line in (GOLD / "technical.jsonl").read_text().splitlines()
    ]
    named = {evidence["document"] for row in rows for evidence in row.get("evidence", ())}
    assert named <= pages
