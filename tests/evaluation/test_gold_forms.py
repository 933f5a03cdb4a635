"""The shipped gold questions of every form: each sentence occurs in its parsed document."""

from __future__ import annotations

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
from rag.parsing.load import read

ROOT = Path(__file__).parents[2]
GOLD = ROOT / "eval/gold"
FOLDERS = [
    ROOT / "seeds",
    *(
        GOLD / name
        for name in ("office", "household", "tables", "tables-held-out", "mixed", "reports")
    ),
]
TEXTS = {found.document_id: read(found).text for found in find(FOLDERS)}
FORM_QUESTIONS = load(GOLD / "forms.jsonl").questions
HOUSEHOLD = load(GOLD / "household.jsonl").questions
MIXED = load(GOLD / "mixed.jsonl").questions
REPORTS = load(GOLD / "reports.jsonl").questions
TABLES = (
    *load(GOLD / "tables.jsonl").questions,
    *load(GOLD / "tables-held-out.jsonl").questions,
)
TECHNICAL = load(GOLD / "technical.jsonl").questions
WITH_EVIDENCE = [
    question
    for question in (*FORM_QUESTIONS, *HOUSEHOLD, *TABLES, *MIXED, *REPORTS)
    if question.evidence
]


@pytest.mark.parametrize("question", WITH_EVIDENCE, ids=lambda question: question.id)
def test_evidence_occurs_in_its_document(question: Question) -> None:
    for evidence in question.evidence:
        assert evidence.sentence in TEXTS[evidence.document]


@pytest.mark.parametrize(
    "questions",
    [FORM_QUESTIONS, HOUSEHOLD, TABLES, MIXED, TECHNICAL],
    ids=["forms", "household", "tables", "mixed", "technical"],
)
def test_items_occur_in_the_evidence(questions: tuple[Question, ...]) -> None:
    for question in questions:
        said = "\n".join(evidence.sentence for evidence in question.evidence)
        missing = [
            item
            for item in question.items
            if said and not names(said, item) and not any(w in said for w in item)
        ]
        assert not missing, question


@pytest.mark.parametrize("questions", [FORM_QUESTIONS, TECHNICAL], ids=["forms", "technical"])
def test_every_form_and_enough_unanswerable_questions(questions: tuple[Question, ...]) -> None:
    assert len(questions) >= 200
    assert set(Counter(question.form for question in questions)) == set(FORMS)
    assert sum(not question.answers for question in questions) >= 15
    assert len({question.text for question in questions}) == len(questions)


@pytest.mark.parametrize("question", HOUSEHOLD, ids=lambda question: question.id)
def test_every_wording_of_household_occurs_in_its_evidence(question: Question) -> None:
    said = "\n".join(evidence.sentence for evidence in question.evidence)
    wordings = [*question.wordings, *(wording for item in question.items for wording in item)]
    assert [wording for wording in wordings if not names(said, [wording])] == []


def test_household_has_enough_questions_of_each_kind() -> None:
    kinds = Counter(question.kind for question in HOUSEHOLD)
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
    forms = Counter(question.form for question in HOUSEHOLD if question.kind == "how_to")
    assert forms == {"steps": 20, "sentences": 20}
    assert sum(not question.answers for question in HOUSEHOLD) == kinds["near_miss"]
    assert len({question.text for question in HOUSEHOLD}) == len(HOUSEHOLD)
    named = {evidence.document for question in HOUSEHOLD for evidence in question.evidence}
    assert named == {document for document in TEXTS if document.startswith("household/")}


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
