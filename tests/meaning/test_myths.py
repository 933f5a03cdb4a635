"""Statements that a text calls untrue."""

import pytest

from rag.meaning.myths import untrue_statement


@pytest.mark.parametrize(
    ("sentence", "statement"),
    [
        ("Myth: Cats see nothing at night.", "Cats see nothing at night."),
        ("**Myth 3:** Cats see nothing at night.", "Cats see nothing at night."),
        ("Myth #3 \u2013 Cats see nothing at night.", "Cats see nothing at night."),
        ("Common misconception: cats see nothing.", "cats see nothing."),
        ("The myth of the cave: Plato tells it.", ""),
        ("Fact: Cats see well at night.", ""),
        ("False: cats see well at night.", ""),  # after "true or false?" it is the correction
        ("Mythical cats: see page 3.", ""),
    ],
)
def test_what_is_called_untrue(sentence: str, statement: str) -> None:
    assert untrue_statement(sentence) == statement
