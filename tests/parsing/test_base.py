"""Parts become one text with the blocks of its headings and paragraphs."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.parsing.base import Part, join, level_of_bold
from rag.structure import sections
from rag.types import Block


def outline(*parts: Part) -> list[str]:
    return [section.heading for section in sections(join(parts)[1])]


def test_parts_are_apart_and_trimmed() -> None:
    blocks = (Block("paragraph", 0, 1), Block("paragraph", 3, 6))
    assert join([Part(" a\n"), Part(" \n"), Part("b\nc")]) == ("a\n\nb\nc", blocks)
    heading = Block("heading", 0, 5, level=1, name="A b")
    assert join([Part("A\n  b", 1)]) == ("A\n  b", (heading,))
    assert join([]) == join([Part(" ", 1)]) == ("", ())


def test_a_heading_is_under_the_headings_above_it_of_outer_levels() -> None:
    levels = [Part("A", 3), Part("B", 1), Part("C", 4), Part("D", 2)]
    assert outline(*levels) == ["A", "B", "B > C", "B > D"]
    _, blocks = join([Part("A > B", 1), Part("C", 2)])
    assert [section.path for section in sections(blocks)] == [("A > B",), ("A > B", "C")]


@pytest.mark.parametrize(
    ("text", "is_heading"),
    [
        ("Annual leave", True),
        ("(19) Why is it slow?", True),
        ("Payment is due within 30 days.", False),
        ("Note:", False),
        ("Stop!", False),
        ("two\nlines", False),
        ("* * *", False),
        ("word " * 30, False),
    ],
)
def test_a_bold_line_is_a_heading_below_all_others(text: str, is_heading: bool) -> None:
    parts = [Part("A", 6), Part(text, level_of_bold(text)), Part("b")]
    assert outline(*parts) == ["A"] + [f"A > {text}"] * is_heading


@settings(max_examples=100)
@given(st.lists(st.builds(Part, st.text(max_size=20), st.integers(0, 6)), max_size=12))
@example([Part("\x1c a", 1), Part("\u2028b", 1)])
def test_sections_begin_at_their_headings_and_no_text_is_lost(parts: list[Part]) -> None:
    text, blocks = join(parts)
    assert "".join(text.split()) == "".join("".join(part.text.split()) for part in parts)
    headings = [part.text.strip() for part in parts if part.level and part.text.strip()]
    for section, heading in zip(sections(blocks), headings, strict=True):
        assert text.startswith(heading, section.start)
        assert section.heading.endswith(" ".join(heading.split()))
    starts = [section.start for section in sections(blocks)]
    assert starts == sorted(set(starts))
