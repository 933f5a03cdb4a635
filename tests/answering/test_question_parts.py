"""A question for two things is taken apart: the sides that it compares, and its two questions."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from rag.answering.question_parts import compared_sides, halves


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What is the difference between a lease and a licence?", ("a lease", "a licence")),
        ("Which costs more, the tram or the bus?", ("the tram", "the bus")),
        ("Which is slower, an e-bus or a night bus?", ("an e-bus", "a night bus")),
        ("Tram or bus: which is cheaper?", ("Tram", "bus")),
        ("Compare Basic and Plus on storage", ("Basic", "Plus")),
        ("How does Code 3.1 differ from Code 3.2?", ("Code 3.1", "Code 3.2")),
        ("A Flex vs a Saver - what do they allow?", ("A Flex", "a Saver")),
        ("ls_old vs ls_older", ("ls_old", "ls_older")),
        ("How many visits before and after the relaunch?", ()),
        ("tea or tea", ()),
        ("Why?", ()),
        ("Who may bring dogs and cats?", ()),
        ("Is it more than 20 euros?", ()),
        ("Should more than five people write?", ()),
        pytest.param("x or " * 240 + "y\nz", (), id="many lines"),
        pytest.param("x " * 50_000 + "the tram or the bus?", (), id="long"),
    ],
)
def test_clear_sides_of_a_comparison_are_named_in_time(question: str, names: Sequence[str]) -> None:
    started = time.process_time()
    sides = compared_sides(question)
    assert (sides.names if sides else ()) == names
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("question", "names"),
    [
        (
            "Is the fee of Harbour Gym higher than that of Hilltop?",
            ("the fee of Harbour Gym", "the fee of Hilltop"),
        ),
        (
            "How does the fee of the gym differ from the fee of the pool?",
            ("the fee of the gym", "the fee of the pool"),
        ),
        ("Was the turnover in 2021 higher than in 2022?", ("turnover in 2021", "turnover in 2022")),
        ("How does Ann's plan for May differ from Bob's?", ("Ann's plan", "Bob's plan")),
        ("Which server is faster, the one in Oslo or the one in Rome?", ("server in Oslo", "Rome")),
        ("How do the offers of Lind and Berg differ?", ("offers of Lind", "offers of Berg")),
    ],
)
def test_what_stands_before_the_first_side_belongs_to_both(
    question: str, names: Sequence[str]
) -> None:
    sides = compared_sides(question)
    assert sides is not None
    assert all(name in side for name, side in zip(names, sides.names, strict=True)), sides


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("Compare the 2022 and the 2023 report on revenue", ("the 2022 report", "the 2023 report")),
        ("price of the small and the large box", ("price of the small box", "price of the large")),
        ("What is the difference between gross and net rent?", ("gross rent", "net rent")),
        ("Is the old engine louder than the new one?", ("the old engine", "the new engine")),
    ],
)
def test_what_stands_after_the_second_side_belongs_to_both(
    question: str, names: Sequence[str]
) -> None:
    sides = compared_sides(question)
    assert sides is not None
    assert all(name in side for name, side in zip(names, sides.names, strict=True)), sides


def test_either_side_has_its_question() -> None:
    sides = compared_sides("Can I pay by card or in cash?")
    assert sides is not None
    assert sides.names == ("by card", "in cash")
    assert sides.questions == ("Can I pay by card?", "Can I pay in cash?")
    smoke = compared_sides("smoking / vaping allowed")
    assert smoke is not None
    assert smoke.names == ("smoking", "vaping")
    assert smoke.questions == ("smoking allowed", "vaping allowed")


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("When and where is it?", ("When is it?", "where is it?")),
        ("how much and how often do we pay", ("how much do we pay", "how often do we pay")),
        ("At what time, and where, is it?", ("At what time is it?", "where is it?")),
        ("When is it, and where?", ("When is it?", "where is it?")),
        ("Who and what are they?", ()),
        (
            "On which day and at what place does the choir meet?",
            ("On which day does the choir meet?", "at what place does the choir meet?"),
        ),
        ("Where do I go, and at what time?", ("Where do I go?", "at what time do I go?")),
        ("When, and where, is it?", ("When is it?", "where is it?")),
        ("Who signed it and when?", ()),
        ("When and where is it? " * 100, ()),
    ],
)
def test_a_question_for_two_things_has_two_halves(question: str, parts: tuple[str, ...]) -> None:
    assert halves(question) == parts


@pytest.mark.parametrize(
    ("question", "parts"),
    [
        ("Where is it and when does it open?", ("Where is it?", "when does it open?")),
        (
            "Where is the archive, and when does it close on Fridays?",
            ("Where is the archive?", "when does the archive close on Fridays?"),
        ),
        (
            "When does the lease end and who drew it up?",
            ("When does the lease end?", "who drew the lease up?"),
        ),
        (
            "Can I pause my ticket and what does it cost?",
            ("Can I pause my ticket?", "what does my ticket cost?"),
        ),
        (
            "Who is the landlord and how much is the rent?",
            ("Who is the landlord?", "how much is the rent?"),
        ),
        ("What are the rules for dogs and cats?", ()),
        ("When did it begin in Oslo and when in Rome?", ()),
        ("what do I pay for a whole plot and what for half of one", ()),
    ],
)
def test_two_whole_questions_are_halves(question: str, parts: tuple[str, ...]) -> None:
    assert halves(question) == parts
