from dataclasses import replace
from typing import Any

import pytest

from rag.answering.candidate import cite
from rag.answering.verification import Cited, citations, verify
from rag.errors import InputError
from rag.types import Citation, Document, Hit, Passage, Span
from tests.fakes import document

TEXT = (
    "The deal was signed in Vienna in 2015. The US left the deal in 2018. Nobody came back in 2018."
)


class Shelf:
    def __init__(self, *documents: Document) -> None:
        self._documents = {found.id: found for found in documents}

    def document(self, document_id: str) -> Document | None:
        return self._documents.get(document_id)


def cited(quote: str, text: str = TEXT) -> Citation:
    found = document(text)
    start = text.index(quote)
    hit = Hit(Passage(found.id, 0, len(text), text, "A", ""), 1, 1, 1)
    citation = cite(Span(hit, start, start + len(quote), 1.0), found)
    assert citation is not None
    return citation


LEFT = "The US left the deal in "


@pytest.mark.parametrize(
    ("text", "status", "edited", "now"),
    [
        (TEXT, "ok", False, None),
        (f"{TEXT} More.", "ok", True, None),
        (f"In 2018 it rained. {TEXT}", "moved", True, None),
        # equal words in another sentence are not proof
        (TEXT.replace(LEFT, "The EU left it in "), "changed", True, "The EU left it in 2018."),
        (TEXT.replace("2018", "May 2019", 1), "changed", True, f"{LEFT}May 2019."),
        ("Nothing of it.", "changed", True, None),
    ],
)
def test_a_sentence_finds_its_quote(text: str, status: str, edited: bool, now: str | None) -> None:
    verdict = verify(Shelf(document(text)), cited("2018"))
    assert (verdict.status, verdict.edited, verdict.now) == (status, edited, now)
    assert (verdict.start is None) == (status == "changed")
    if verdict.start is not None:
        assert text[verdict.start : verdict.end] == "2018"
        assert text[: verdict.start].endswith(LEFT)


def test_a_deleted_document_is_missing() -> None:
    verdict = verify(Shelf(), cited("2018"))
    assert (verdict.status, verdict.start) == ("missing", None)


def test_without_a_sentence_only_long_quotes_are_searched() -> None:
    shelf = Shelf(document("New. " + TEXT))
    start = TEXT.index("2018")
    assert verify(shelf, Cited("docs/a.txt", start, start + 4, "2018")).status == "changed"
    quote = "signed in Vienna in 2015"
    assert verify(shelf, Cited("docs/a.txt", 0, len(quote), quote)).status == "moved"


def test_citations_are_read_from_an_answer_a_list_or_alone() -> None:
    one = {"document_id": "d", "start": 0, "end": 2, "quote": "ab"}
    for found in ({"citations": [one], "text": "ab"}, [one], one):
        assert citations(found) == [Cited("d", 0, 2, "ab")]
    assert citations({"citations": []}) == []


def test_the_services_citations_are_accepted() -> None:
    marked = {"text": "ab", "start_char_index": 3, "end_char_index": 5}
    one = {"document_id": "d", "cited_text": "An ab.", "document_sha256": "f", "highlight": marked}
    (found,) = citations({"answer": "ab", "citations": [one | {"start": 0, "end": 2}]})
    assert found == Cited("d", 3, 5, "ab", "f", "An ab.")


@pytest.mark.parametrize(
    "found",
    [
        *({}, [1], "x", None, {"citations": [{"start": 1}]}),
        {"document_id": 1, "start": 0, "end": 1, "quote": ""},
        {"document_id": "d", "start": -9, "end": -1, "quote": "50 euros"},
        {"document_id": "d", "start": 2, "end": 1, "quote": "50 euros"},
    ],
)
def test_other_input_is_not_a_citation(found: Any) -> None:
    with pytest.raises(InputError, match="not a citation"):
        citations(found)


@pytest.mark.parametrize(
    ("before", "quote", "now"),
    [
        ("- Rent: 1200\n- Pets: allowed\n", "1200", "- Rent: 12000\n- Pets: allowed\n"),
        ("- Rent: 1,200\n", "1,200", "- Rent: 1,200.50\n"),
        ("- Pets: allowed\n", "allowed", "- Pets: allowed only with consent\n"),
        ("Term: 5 years", "5 years", "Term: 5 years from renewal"),
    ],
)
def test_an_extended_line_is_no_longer_the_cited_one(before: str, quote: str, now: str) -> None:
    verdict = verify(Shelf(replace(document(now), sha256="1" * 64)), cited(quote, before))
    assert verdict.status == "changed"
    assert verdict.now is not None
    assert verdict.now in now
    assert verify(Shelf(document(before)), cited(quote, before)).status == "ok"


def test_half_of_a_long_sentence_is_verified() -> None:
    whole = "The tenant pays the rent on the first, and the deposit of 900 euros for the keys."
    start, quote = whole.index("and the"), whole.index("900")
    half = replace(cited("900 euros", whole[start:]), sha256=document(whole).sha256)
    half = replace(half, sentence_start=start, sentence_end=len(whole))
    half = replace(half, start=quote, end=quote + 9)
    assert verify(Shelf(document(whole)), half).status == "ok"
    assert verify(Shelf(replace(document(whole), sha256="1" * 64)), half).status == "changed"
    worded = Cited("docs/a.txt", quote, quote + 9, "900 euros", half.sha256, whole[start + 1 :])
    assert verify(Shelf(document(whole)), worded).status == "changed"
