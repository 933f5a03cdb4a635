import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rag.parsing.base import Block, join, level_of_bold
from rag.types import Section

BLOCKS = st.lists(st.builds(Block, st.text(max_size=20), st.integers(0, 6)), max_size=12)


def test_a_heading_with_the_path_separator_is_one_heading() -> None:
    _, sections = join([Block("A > B", 1), Block("C", 2)])
    assert [section.heading.split(" > ") for section in sections] == [["A › B"], ["A › B", "C"]]


def test_blocks_are_separated_and_trimmed() -> None:
    assert join([Block(" a\n"), Block(" \n"), Block("b\nc")]) == ("a\n\nb\nc", ())


def test_nothing() -> None:
    assert join([]) == ("", ())
    assert join([Block(" ", 1)]) == ("", ())


def test_a_heading_opens_a_section_under_the_headings_above_it() -> None:
    blocks = [
        Block("Intro"),
        Block("A", 1),
        Block("x"),
        Block("B", 2),
        Block("C", 3),
        Block("D", 2),
        Block("E", 1),
    ]
    text, sections = join(blocks)
    assert [section.heading for section in sections] == ["A", "A > B", "A > B > C", "A > D", "E"]
    assert [text[section.start :].split("\n")[0] for section in sections] == [
        "A",
        "B",
        "C",
        "D",
        "E",
    ]


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
    _, sections = join([Block("A", 6), Block(text, level_of_bold(text)), Block("b")])
    assert [s.heading for s in sections] == ["A"] + [f"A > {text}"] * is_heading


def test_levels_may_be_skipped() -> None:
    _, sections = join([Block("A", 3), Block("B", 1), Block("C", 4), Block("D", 2)])
    assert [section.heading for section in sections] == ["A", "B", "B > C", "B > D"]


def test_a_two_line_heading_is_one_line_in_the_path() -> None:
    assert join([Block("A\n  b", 1)]) == ("A\n  b", (Section(0, "A b"),))


@settings(max_examples=100, deadline=None)
@given(BLOCKS)
@example([Block("\x1c a", 1), Block("\u2028b", 1)])
def test_sections_begin_at_their_headings_and_no_text_is_lost(blocks: list[Block]) -> None:
    text, sections = join(blocks)
    assert "".join(text.split()) == "".join("".join(block.text.split()) for block in blocks)
    headings = [block.text.strip() for block in blocks if block.level and block.text.strip()]
    assert len(sections) == len(headings)
    for section, heading in zip(sections, headings, strict=True):
        assert text.startswith(heading, section.start)
        assert section.heading.endswith(" ".join(heading.split()))
    assert [s.start for s in sections] == sorted({s.start for s in sections})
