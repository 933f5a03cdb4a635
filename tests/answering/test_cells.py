import pytest

from rag.answering.cells import asked_for
from rag.english.text import content_words

ROW = "Service: Brake adjustment | Member price: 25 euros | Guest price: 32 euros"


@pytest.mark.parametrize(
    ("question", "value", "fit"),
    [
        ("How much is a brake adjustment for guests?", "32 euros", 1.0),
        ("How much is a brake adjustment for guests?", "25 euros", -1.0),
        ("How much is a brake adjustment for guests?", "Brake adjustment", 0.0),  # what is known
        ("How much is a brake adjustment?", "25 euros", 0.0),
        ("What is the price of a brake adjustment?", "25 euros", 0.0),  # both are prices
        ("Which service has a guest price of 32 euros?", "Brake adjustment", 1.0),
        ("Which service has a guest price of 32 euros?", "25 euros", -1.0),
    ],
)
def test_the_cell_whose_header_is_asked_for(question: str, value: str, fit: float) -> None:
    start = ROW.index(value)
    assert asked_for(content_words(question), ROW, start, start + len(value)) == fit


@pytest.mark.parametrize(
    "text", ["The price: 25 euros", "25 euros | a", "", " | ", "a: b: c | : | 25 euros"]
)
def test_where_no_headers_are_there_is_no_preference(text: str) -> None:
    assert asked_for(frozenset({"price"}), text, 0, len(text)) == 0.0
