"""Which document a question is about, and which documents mention something."""

from pathlib import Path

import pytest

from rag.answering.catalogue import catalogue
from rag.answering.overview import meant
from tests.fakes import document
from tests.small_index import add, new_store


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
    listed = [document("Text.", one, title=f"Title {at}") for at, one in enumerate(names)]
    assert meant(question, listed, []) == name


@pytest.mark.parametrize(
    ("question", "count"),
    [
        ("How many documents are there?", "1 document"),
        ("How many files are in the folder notes?", "1 document"),
        ("How many pages does the annual report have?", None),
        ("How many e-mails did John send to Mary?", None),
        ("How many reports are from last year?", None),
    ],
)
def test_only_documents_are_counted(tmp_path: Path, question: str, count: str | None) -> None:
    store = new_store(tmp_path)
    add(store, document("The annual report is ready.", "notes/a"))
    found = catalogue(question, store, store.documents(), [])
    store.close()
    assert (found and found.text) == count


def test_one_document_is_not_listed(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    add(store, document("The annual report is ready.", "notes/a", author="Ada Bloom"))
    listed = store.documents()
    question = "Where are changes to this document posted?"
    several, one = (catalogue(question, store, listed, [], alone) for alone in (False, True))
    author = catalogue("Who wrote this document?", store, listed, [], True)
    store.close()
    assert (several and several.text, one) == ("A", None)
    assert author
    assert author.text == "Ada Bloom"


@pytest.mark.parametrize(
    ("question", "count"),
    [
        ("How many documents mention the internal audit?", None),
        ("How many documents mention international audits?", "1 document"),
    ],
)
def test_a_mention_has_whole_words(tmp_path: Path, question: str, count: str | None) -> None:
    store = new_store(tmp_path)
    add(store, document("The audit was held in May. It was international.", "a"))
    add(store, document("The international audit was held in May.", "b"))
    found = catalogue(question, store, store.documents(), [])
    store.close()
    assert (found and found.text) == count


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Which documents are by Helena Marsh?", "Guide"),
        ("Is there anything written by marsh?", "Guide"),
        ("Which notes are from 2024?", "Winter\nSpring"),
        ("Which documents are dated March 2024?", "Spring"),
        ("How many files are from 2024?", "2 documents"),
    ],
)
def test_documents_by_an_author_or_of_a_time(tmp_path: Path, question: str, answer: str) -> None:
    store = new_store(tmp_path)
    add(
        store,
        document("The oars.", "a", "Guide", author="Helena Marsh", date="2023-11-02"),
        document("The hall.", "b", "Winter", author="Tom Lind", date="2024-01-15"),
        document("The pontoon.", "c", "Spring", author="Ana <a@b.org>", date="2024-03"),
    )
    found = catalogue(question, store, store.documents(), [])
    store.close()
    assert found is not None
    assert found.text == answer
