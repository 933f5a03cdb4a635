import itertools
import time
import tracemalloc
from dataclasses import replace
from typing import Any

import pytest

from rag.answering.candidate import cite
from rag.answering.verification import citations, verify
from rag.errors import InputError
from rag.types import Citation, Document, Hit, Passage, Span
from tests.fakes import document

TEXT = (
    "The deal was signed in Vienna in 2015. The US left the deal in 2018. Nobody came back in 2018."
)


class Shelf:
    def __init__(self, *documents: Document) -> None:
        self._documents = {document.id: document for document in documents}

    def document(self, document_id: str) -> Document | None:
        return self._documents.get(document_id)


def cited(quote: str, text: str = TEXT) -> Citation:
    source = document(text)
    start = text.index(quote)
    hit = Hit(Passage(source.id, 0, len(text), text, "A", ()), 1, 1, 1)
    citation = cite(Span(hit, start, start + len(quote), 1.0), source)
    assert citation is not None
    return citation


def bare(
    document_id: str, start: int, end: int, quote: str, sha256: str = "", sentence: str = ""
) -> Citation:
    """A citation of which no more is known."""
    marked = {"text": quote, "start_char_index": start, "end_char_index": end}
    value = {"document_id": document_id, "highlight": marked, "document_sha256": sha256}
    return citations(value | {"cited_text": sentence})[0]


LEFT = "The US left the deal in "


@pytest.mark.parametrize(
    ("text", "status", "edited", "present_text"),
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
def test_a_sentence_finds_its_quote(
    text: str, status: str, edited: bool, present_text: str | None
) -> None:
    verdict = verify(Shelf(document(text)), cited("2018"))
    assert (verdict.status, verdict.edited, verdict.now) == (status, edited, present_text)
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
    assert verify(shelf, bare("docs/a.txt", start, start + 4, "2018")).status == "changed"
    quote = "signed in Vienna in 2015"
    assert verify(shelf, bare("docs/a.txt", 0, len(quote), quote)).status == "moved"


def test_citations_are_read_from_an_answer_a_list_or_alone() -> None:
    entry = {"document_id": "d", "highlight": highlight(3, 5, "ab")}
    for content in ({"citations": [entry], "answer": "ab"}, [entry], entry):
        (citation,) = citations(content)
        assert (citation.document_id, citation.start, citation.end) == ("d", 3, 5)
        assert (citation.quote, citation.sha256, citation.sentence) == ("ab", "", "")
    assert citations({"citations": []}) == []
    with_sentence = entry | {"cited_text": "An ab.", "document_sha256": "f", "start": 0, "end": 2}
    (citation,) = citations(with_sentence)
    assert (citation.start, citation.sha256, citation.sentence) == (3, "f", "An ab.")


def highlight(start: int, end: int, text: str) -> dict[str, Any]:
    return {"start_char_index": start, "end_char_index": end, "text": text}


@pytest.mark.parametrize(
    "content",
    [
        {},
        [1],
        "x",
        None,
        {"citations": [{"start": 1}]},
        {"document_id": 1, "highlight": highlight(0, 1, "")},
        {"document_id": "d", "highlight": highlight(-9, -1, "50 euros")},
        {"document_id": "d", "highlight": highlight(2, 1, "50 euros")},
    ],
)
def test_other_input_is_not_a_citation(content: Any) -> None:
    with pytest.raises(InputError, match="not a citation"):
        citations(content)


@pytest.mark.parametrize(
    ("line", "quote", "extended_line"),
    [
        ("- Rent: 1200\n- Pets: allowed\n", "1200", "- Rent: 12000\n- Pets: allowed\n"),
        ("- Rent: 1,200\n", "1,200", "- Rent: 1,200.50\n"),
        ("- Pets: allowed\n", "allowed", "- Pets: allowed only with consent\n"),
        ("Term: 5 years", "5 years", "Term: 5 years from renewal"),
    ],
)
def test_an_extended_line_is_no_longer_the_cited_one(
    line: str, quote: str, extended_line: str
) -> None:
    verdict = verify(Shelf(replace(document(extended_line), sha256="1" * 64)), cited(quote, line))
    assert verdict.status == "changed"
    assert verdict.now is not None
    assert verdict.now in extended_line
    assert verify(Shelf(document(line)), cited(quote, line)).status == "ok"


def test_half_of_a_long_sentence_is_verified() -> None:
    sentence = "The tenant pays the rent on the first, and the deposit of 900 euros for the keys."
    start, quote = sentence.index("and the"), sentence.index("900")
    half = replace(cited("900 euros", sentence[start:]), sha256=document(sentence).sha256)
    half = replace(half, sentence_start=start, sentence_end=len(sentence))
    half = replace(half, start=quote, end=quote + 9)
    assert verify(Shelf(document(sentence)), half).status == "ok"
    assert verify(Shelf(replace(document(sentence), sha256="1" * 64)), half).status == "changed"
    worded = bare("docs/a.txt", quote, quote + 9, "900 euros", half.sha256, sentence[start + 1 :])
    assert verify(Shelf(document(sentence)), worded).status == "changed"


def often(words: str, count: int) -> Document:
    return document("\n\n".join([words * count, "The end."]))


def test_a_sentence_that_stands_everywhere_needs_no_memory() -> None:
    """Its places times those of the quote in it would be twenty million."""
    shelf = Shelf(often("a b c ", 20_000))
    sentence = "a b c " * 1000
    tracemalloc.start()
    try:
        verdict = verify(shelf, bare("docs/a.txt", 0, 1, "c", "", sentence))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (verdict.status, verdict.start) == ("moved", 4)
    assert peak < 20 << 20


def test_a_sentence_that_is_everywhere_part_of_another_is_given_up() -> None:
    started = time.thread_time()
    with pytest.raises(InputError, match="occurs so often"):
        verify(Shelf(often("a b c ", 400_000)), bare("docs/a.txt", 0, 1, "c", "", "b c"))
    assert time.thread_time() - started < 5


def test_a_changed_sentence_is_compared_in_little_time() -> None:
    words = (f"word{number % 97} and{number % 89}" for number in itertools.count())
    sentence = " ".join(itertools.islice(words, 8000))
    text = ". ".join(sentence[start : start + 3000] for start in range(500, 60_000, 3000))
    started = time.thread_time()
    cited = bare("docs/a.txt", 0, 10**9, sentence[:90_000], "", sentence[:90_000])
    assert verify(Shelf(document(text)), cited).status == "changed"
    assert time.thread_time() - started < 1


def test_a_quote_has_a_maximum_length() -> None:
    with pytest.raises(InputError, match="the quote has 100,001 characters"):
        verify(Shelf(document(TEXT)), bare("docs/a.txt", 0, 100_001, "a" * 100_001))


def test_the_nearest_of_many_places_is_found() -> None:
    text = "".join(f"{'x' * 9000}.\n\nThe fee is 5 euros.\n\n" for _ in range(9))
    quote, sentence = "5 euros", "The fee is 5 euros."
    places = [place for place in range(len(text)) if text.startswith(quote, place)]
    for offset in (0, 1, places[4] - 3000, places[4] + 2999, len(text), 10**9):
        expected = min(places, key=lambda place: abs(place - offset))
        cited = bare("docs/a.txt", offset, offset + len(quote), quote, "1" * 64, sentence)
        assert verify(Shelf(document(text)), cited).start == expected
