"""Which document a question is about, and which documents it asks for."""

from pathlib import Path

import pytest

from rag.answering.catalogue import catalogue
from rag.answering.overview import meant
from rag.types import Document
from tests.fakes import document
from tests.small_index import add, new_store

REPORT = (document("The annual report is ready.", "notes/a", author="Ada Bloom"),)
AUDITS = (
    document("The audit was held in May. It was international.", "a"),
    document("The international audit was held in May.", "b"),
)
CLUB = (
    document("The oars.", "a", "Guide", author="Helena Marsh", date="2023-11-02"),
    document("The hall.", "b", "Winter", author="Tom Lind", date="2024-01-15"),
    document("The pontoon.", "c", "Spring", author="Ana <a@b.org>", date="2024-03"),
)


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("Summarise the notes on pump maintenance", "pump-maintenance.md"),
        ("Summarise my notes", "notes.txt"),
        ("Summarise user-guide.md", "user-guide.md"),
        ("Summarise the user guide", "user-guide.md"),
        ("Summarise guide.md", "guide.md"),
    ],
)
def test_the_longest_name_that_a_question_has_is_meant(question: str, name: str) -> None:
    names = ("notes.txt", "pump-maintenance.md", "guide.md", "user-guide.md")
    listed = [
        document("Text.", file_name, title=f"Title {number}")
        for number, file_name in enumerate(names)
    ]
    assert meant(question, listed, []) == name


def found(
    folder: Path, question: str, documents: tuple[Document, ...], is_only_document: bool = False
) -> str | None:
    store = new_store(folder)
    add(store, *documents)
    answer = catalogue(question, store, store.documents(), [], is_only_document)
    store.close()
    return answer.text if answer else None


@pytest.mark.parametrize(
    ("documents", "question", "text"),
    [
        # only documents are counted
        (REPORT, "How many documents are there?", "1 document"),
        # what somebody must hand in is no list of the documents that are here
        (CLUB, "Which documents must the membership form contain?", None),
        (CLUB, "What papers are required to join?", None),
        (REPORT, "How many files are in the folder notes?", "1 document"),
        (REPORT, "How many pages does the annual report have?", None),
        (REPORT, "How many e-mails did John send to Mary?", None),
        (REPORT, "How many reports are from last year?", None),
        # a mention has whole words
        (AUDITS, "How many documents mention the internal audit?", None),
        (AUDITS, "How many documents mention international audits?", "1 document"),
        # by an author, or of a time
        (CLUB, "Which documents are by Helena Marsh?", "Guide"),
        (CLUB, "Is there anything written by marsh?", "Guide"),
        (CLUB, "Which notes are from 2024?", "Winter\nSpring"),
        (CLUB, "Which documents are dated March 2024?", "Spring"),
        (CLUB, "How many files are from 2024?", "2 documents"),
    ],
)
def test_documents_are_listed_and_counted(
    tmp_path: Path, documents: tuple[Document, ...], question: str, text: str | None
) -> None:
    assert found(tmp_path, question, documents) == text


@pytest.mark.parametrize(
    ("question", "is_only_document", "text"),
    [
        ("Where are changes to this document posted?", False, "A"),
        ("Where are changes to this document posted?", True, None),
        ("Who wrote this document?", True, "Ada Bloom"),
    ],
)
def test_one_document_is_not_listed(
    tmp_path: Path, question: str, is_only_document: bool, text: str | None
) -> None:
    assert found(tmp_path, question, REPORT, is_only_document) == text


@pytest.mark.parametrize(
    ("question", "is_sure"),
    [
        ("What documents do you have?", True),
        ("Which files are there?", True),
        ("List all documents", True),
        ("Which documents mention the oars?", False),
        ("What files do you have about winter?", False),
        ("Which reports are there?", False),
    ],
)
def test_a_list_of_all_documents_is_sure(tmp_path: Path, question: str, is_sure: bool) -> None:
    store = new_store(tmp_path)
    add(store, *CLUB)
    candidate = catalogue(question, store, store.documents(), [])
    store.close()
    probability = candidate.probability if candidate else None
    assert (probability is not None) == is_sure
