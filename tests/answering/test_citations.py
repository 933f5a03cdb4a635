import pytest

from rag.answering.candidate import extend_to_whole, joined, quoted
from rag.types import Document, Passage, Piece
from tests.fakes import document, groups
from tests.growth import MOST_GROWTH, growth


def passage(text: str) -> Passage:
    return Passage("d", 0, len(text), text, "", ())


@pytest.mark.parametrize(
    ("text", "cut", "quote"),
    [
        ("Write to ann.lee@mail.example.org today.", "lee@mail", "ann.lee@mail.example.org"),
        ("See https://example.org/a?b=1 for it.", "example.org", "https://example.org/a?b=1"),
        ("It is in /etc/rag/conf.d of course.", "rag", "/etc/rag/conf.d"),
        ("The cost is 15 million in all.", "15", "15 million"),
        ("It weighs 15 kg.", "15", "15 kg"),
        ("They paid $1,200 for it.", "1,200", "$1,200"),
        ("About 12 % of it.", "12", "12 %"),
        ("The plan (the old one) holds.", "plan (the old", "plan (the old one)"),
        ("It ended in 2015. Then", "2015", "2015"),
        ("Use max-width here.", "max", "max-width"),
    ],
)
def test_a_span_cuts_no_address_bracket_or_unit(text: str, cut: str, quote: str) -> None:
    start = text.index(cut)
    whole_start, whole_end = extend_to_whole(passage(text), start, start + len(cut))
    assert text[whole_start:whole_end] == quote


def test_a_quote_has_its_place_its_heading_and_its_page() -> None:
    source = Document(
        "d", "One\n\nAll is said.", "T", "/d", "0" * 64, {}, groups("One", (0, "One")), (0, 5)
    )
    citation = quoted(source, 5, 17)
    assert (citation.quote, citation.headings, citation.page) == ("All is said.", ("One",), 2)
    assert source.text[citation.start : citation.end] == citation.quote == citation.sentence
    assert quoted(document("x"), 0, 1).headings == ()


def test_the_text_consists_of_the_pieces() -> None:
    source = document("A is. B is. C is.")
    opening, ending = (
        Piece(quoted(source, start, start + 5), gap) for start, gap in ((0, False), (12, True))
    )
    assert joined("sentences", [opening, ending]) == "A is. […] C is."
    assert joined("yes_no", [opening], "Yes.") == "Yes. A is."
    assert joined("list", [opening, ending]) == "A is.\nC is."


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("No person under 18 may dive.", "No. No person under 18 may dive."),
        ("No, it is shut.", "No, it is shut."),
        ("No. It is shut.", "No. It is shut."),
        ("no – it is shut", "no – it is shut"),
        ("No", "No"),
        ("Nobody may dive.", "No. Nobody may dive."),
    ],
)
def test_a_verdict_is_said_unless_the_text_says_it(text: str, answer: str) -> None:
    piece = Piece(quoted(document(text), 0, len(text)))
    assert joined("yes_no", [piece], "No.") == answer


@pytest.mark.parametrize("unit", ["7", "a.", "_", "~", "a-a+", "/"])
def test_a_span_is_widened_in_time_in_proportion_to_its_sentence(unit: str) -> None:
    def widen(size: int) -> None:
        extend_to_whole(passage((unit * size)[:size]), 0, 1)

    assert growth(widen, 4_000) <= MOST_GROWTH
