"""Which texts are figures and units, in time that grows with their length only."""

from __future__ import annotations

from time import process_time

import pytest

from rag.parsing.pdf.tables import UNIT, is_figure


def test_figures() -> None:
    for text in ("1,234.50", "(7.1)%", "US$ 5", "\u2014", "-" * 20, "N/A", "*", "12 (a)"):
        assert is_figure(text), text
    for text in ("", "x", "12 May", "$", "1,23a", "-" * 20 + "x"):
        assert not is_figure(text), text


def test_units() -> None:
    found = UNIT.search("STATEMENTS (dollars in millions, except shares)")
    assert found
    assert found.group() == "(dollars in millions"
    assert not UNIT.search("we begin millions of tests")


@pytest.mark.parametrize("part", ["-", "(", "1,111", "- ", "a", "a ", "(a"])
def test_long_texts_take_little_time(part: str) -> None:
    """A pattern that takes quadratic time takes minutes."""
    begun = process_time()
    assert not is_figure(part * 40_000 + "x")
    assert not UNIT.search(part * 40_000)
    assert process_time() - begun < 5
