import dataclasses

import pytest

from rag.types import Passage


@pytest.mark.parametrize(
    ("title", "heading", "context"),
    [
        ("The deal", "", "The deal"),
        ("The deal", "The deal", "The deal"),
        ("The deal", "The deal > Parties", "The deal > Parties"),
        ("The deal", "Parties", "The deal > Parties"),
        ("The deal", "The deals", "The deal > The deals"),
        ("", "", ""),
    ],
)
def test_context_is_title_and_heading_without_repeating_the_title(title: str, heading: str, context: str) -> None:
    assert Passage("d", 0, 1, "x", title, heading).context == context


def test_types_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Passage("d", 0, 1, "x", "", "").start = 3  # type: ignore[misc]
