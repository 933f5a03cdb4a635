"""The sides of a comparison."""

import time

import pytest

from rag.answering.proposals import compared


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What is the difference between a lease and a licence?", ("a lease", "a licence")),
        ("Which costs more, the tram or the bus?", ("the tram", "the bus")),
        ("Tram or bus: which is cheaper?", ("Tram", "bus")),
        ("Compare Basic and Plus on storage", ("Basic", "Plus")),
        ("How does Code 3.1 differ from Code 3.2?", ("Code 3.1", "Code 3.2")),
        ("A Flex vs a Saver - what do they allow?", ("A Flex", "a Saver")),
        ("ls_old vs ls_older", ("ls_old", "ls_older")),
    ],
)
def test_the_sides_of_a_comparison_are_named(question: str, names: tuple[str, str]) -> None:
    assert compared(question) == names


@pytest.mark.parametrize(
    "question", ["How many visits before and after the relaunch?", "tea or tea", "Why?"]
)
def test_unclear_sides_are_none(question: str) -> None:
    assert compared(question) == ()


def test_a_question_of_many_lines_is_read_fast() -> None:
    started = time.process_time()
    compared("x or " * 240 + "y\nz")
    assert time.process_time() - started < 1


def test_a_long_question_is_not_searched_for_sides() -> None:
    start = time.process_time()
    assert compared("x " * 50_000 + "the tram or the bus?") == ()
    assert time.process_time() - start < 1
