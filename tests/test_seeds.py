"""The shipped corpus and gold questions: answers occur in their evidence, and evidence in its
document.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from rag.parsing.files import find
from rag.types import Document
from tests.parsing.reading import read

ROOT = Path(__file__).parent.parent
GOLD: list[dict[str, Any]] = [
    json.loads(line) for line in (ROOT / "eval/gold/seeds.jsonl").read_text().splitlines()
]
DOCUMENTS: dict[str, Document] = {file.document_id: read(file) for file in find([ROOT / "seeds"])}
ANSWERABLE = [question for question in GOLD if question["answers"]]


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(DOCUMENTS) >= 40
    assert sum(len(document.text.split()) for document in DOCUMENTS.values()) >= 25_000
    assert {document.metadata["type"] for document in DOCUMENTS.values()} == {"md", "txt", "html"}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_every_document_has_title_date_and_sources(document: Document) -> None:
    assert document.title != Path(document.id).stem
    assert len(document.metadata["date"]) == 10
    assert "draws_on" in document.metadata or document.metadata["description"].startswith(
        "Draws on"
    )


def test_there_are_enough_questions_and_near_misses() -> None:
    assert len(GOLD) >= 200
    assert len(GOLD) - len(ANSWERABLE) >= 60
    ids, texts = ({question[key] for question in GOLD} for key in ("id", "question"))
    assert len(ids) == len(texts) == len(GOLD)


@pytest.mark.parametrize("question", ANSWERABLE, ids=lambda question: question["id"])
def test_answers_are_in_their_evidence_and_it_in_its_document(question: dict[str, Any]) -> None:
    sentences = [evidence["sentence"] for evidence in question["evidence"]]
    for evidence in question["evidence"]:
        assert evidence["sentence"] in DOCUMENTS[evidence["document"]].text
        assert any(answer in evidence["sentence"] for answer in question["answers"])
    for answer in question["answers"]:
        assert any(answer in sentence for sentence in sentences)


def test_unanswerable_questions_have_no_evidence() -> None:
    for question in GOLD:
        if not question["answers"]:
            assert question["evidence"] == []
            assert question.get("near") is None or question["near"] in DOCUMENTS
