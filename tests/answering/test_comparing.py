"""The sides of a comparison, and the question that is asked about each."""

import time

import pytest

from rag.answering.comparing import named


@pytest.mark.parametrize(
    ("question", "names", "alone"),
    [
        (
            "What is the difference between a lease and a licence?",
            ("a lease", "a licence"),
            ("What is a lease?", "What is a licence?"),
        ),
        (
            "Which costs more, the tram or the bus?",
            ("the tram", "the bus"),
            ("Which costs more, the tram?", "Which costs more, the bus?"),
        ),
        (
            "Tram or bus: which is cheaper?",
            ("Tram", "bus"),
            ("Tram: which is cheaper?", "bus: which is cheaper?"),
        ),
        (
            "Compare Basic and Plus on storage",
            ("Basic", "Plus"),
            ("Basic on storage", "Plus on storage"),
        ),
        (
            "How does Code 3.1 differ from Code 3.2?",
            ("Code 3.1", "Code 3.2"),
            ("What is Code 3.1?", "What is Code 3.2?"),
        ),
        (
            "A Flex vs a Saver - what do they allow?",
            ("A Flex", "a Saver"),
            ("A Flex - what do they allow?", "a Saver - what do they allow?"),
        ),
        ("ls_old vs ls_older", ("ls_old", "ls_older"), ("What is ls_old?", "What is ls_older?")),
    ],
)
def test_each_side_gets_a_question_of_its_own(
    question: str, names: tuple[str, str], alone: tuple[str, str]
) -> None:
    sides = named(question)
    assert tuple(side.name for side in sides) == names
    assert tuple(side.question for side in sides) == alone


@pytest.mark.parametrize(
    "question", ["How many visits before and after the relaunch?", "tea or tea", "Why?"]
)
def test_unclear_sides_are_none(question: str) -> None:
    assert named(question) == ()


def test_a_question_of_many_lines_is_read_fast() -> None:
    started = time.process_time()
    named("x or " * 240 + "y\nz")
    assert time.process_time() - started < 1


def test_a_long_question_is_not_searched_for_sides() -> None:
    start = time.process_time()
    assert named("x " * 50_000 + "the tram or the bus?") == ()
    assert time.process_time() - start < 1
