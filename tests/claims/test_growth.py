"""No text under check takes more time than in proportion to its length."""

from __future__ import annotations

import pytest

from rag.claims.split import split_claims
from tests.growth import MOST_GROWTH, growth

UNITS = [
    *"[]`~(-*_|> \n\t7'.",
    *("![x](", "[x](", '[a](b "', "[1", "[1]", "[1,", "[1-50]", "【1", "<!--", "<a"),
    *("# a\n", "> ", "|a|\n", "[1] x\n", "a\n---\n", "```\n", "````\n```\n", "- [ ] ", "---\n"),
    *(
        "He ", "A is b. ", "a, and the b is c", "based on the ", "Of the ", "The a is b and ",
        "and ",
    ),
]  # fmt: skip


@pytest.mark.parametrize("unit", UNITS)
def test_splitting_a_text_takes_time_in_proportion_to_its_length(unit: str) -> None:
    def split(size: int) -> None:
        split_claims((unit * size)[:size] + "!")

    assert growth(split, 20_000) <= MOST_GROWTH
