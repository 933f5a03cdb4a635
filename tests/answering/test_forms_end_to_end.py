"""Forms that need more than passages, on office files with the shipped models."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import rag
from rag.types import Answer

OFFICE = Path(__file__).parents[2] / "eval/gold/office"
FOLDERS = ("contracts/office-lease.md", "hr", "meetings/2025-04-01-operations.md")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[rag.Index]:
    with rag.open(tmp_path_factory.mktemp("office") / "index") as index:
        for folder in FOLDERS:
            index.ingest(OFFICE / folder)
        yield index


def is_verbatim(index: rag.Index, answer: Answer) -> bool:
    """Whether every piece occurs verbatim in its document."""
    texts = {p.citation.document_id: index.document(p.citation.document_id) for p in answer.pieces}
    return all(
        document is not None and document.text[p.citation.start : p.citation.end] == p.text
        for p in answer.pieces
        for document in [texts[p.citation.document_id]]
    )


def test_an_overview_of_a_short_contract_is_sure_enough(office: rag.Index) -> None:
    answer = office.engine.ask("What is in office-lease.md?", form="overview")
    assert {p.citation.document_id for p in answer.pieces} == {"contracts/office-lease.md"}


def test_an_overview_is_of_the_document_that_is_named(office: rag.Index) -> None:
    answer = office.engine.ask("What is in leave-policy.md?", form="overview")
    assert answer.form == "overview"
    assert {p.citation.document_id for p in answer.pieces} == {"hr/leave-policy.md"}
    assert any("27 days" in p.text for p in answer.pieces)
    assert is_verbatim(office, answer)


def test_a_catalogue_names_the_documents_that_mention_something(office: rag.Index) -> None:
    answer = office.ask("Which documents mention Marta Quillfeather?")
    assert answer.form == "catalogue"
    assert answer.documents == len(answer.pieces) > 1
    assert all("Quillfeather" in p.text for p in answer.pieces)
    assert is_verbatim(office, answer)


def test_metadata_names_the_author(office: rag.Index) -> None:
    answer = office.ask("Who wrote the leave policy?")
    assert (answer.form, answer.text) == ("catalogue", "Marta Quillfeather")


def test_a_comparison_has_a_piece_for_each_side(office: rag.Index) -> None:
    answer = office.engine.ask(
        "Which has the higher hotel limit, London or Paris?", form="comparison"
    )
    assert [p.label for p in answer.pieces] == ["London", "Paris"]
    assert ["165" in p.text for p in answer.pieces] == [True, False]
    assert "190" in answer.pieces[1].text
    assert is_verbatim(office, answer)
