"""Numbers and codes that a question names, and documents that name them."""

from __future__ import annotations

import pytest

from rag.answering.asked_codes import Code, asked_codes, is_named, missing_code
from rag.answering.compose import Ruling
from tests.answering.readings import Prefers, composed, reading_of
from tests.fakes import document, table


@pytest.mark.parametrize(
    ("question", "names"),
    [
        ("What does error E7 mean?", ["E7"]),
        ("siltsync gives me E2043, how do I get rid of it?", ["E2043"]),
        ("How heavy is the X-300?", ["X-300"]),
        ("What is form 27B for?", ["27B"]),
        ("Where does line 12 go?", ["12"]),
        ("What is on page 4?", ["4"]),
        ("What was new in version 2.7.0?", ["2.7.0"]),
        ("Which goes into bin D?", ["D"]),
        ("What does § 9 say?", ["9"]),
        ("Is room 214 larger than room 216?", ["214", "216"]),
    ],
)
def test_a_code_is_recognised(question: str, names: list[str]) -> None:
    assert [code.name for code in asked_codes(question)] == names


@pytest.mark.parametrize(
    "question",
    [
        "Does a parcel of over 12 kg cost more?",
        "What was decided in 2023?",
        "Is it delivered in 5 days?",
        "May 2 people share a room?",
        "Is the pool open at 17:30 on 5 May?",
        "My fee is 40 euros, is that right?",
        "How much is turnover 2024?",
        "How much is turnover in FY2024?",
        "How much was turnover 9M 2024?",
        "What did the board discuss on 8.3.2024?",
        "Is the limit 20?",
        "Do children of 4 pay?",
        "Can I come on Monday 5 or on the 12th?",
        "Who was against the 5 % rise?",
        "Is a 12-month term possible for $300?",
        "May I take plan A?  " * 60,
    ],
)
def test_a_value_is_no_code(question: str) -> None:
    assert asked_codes(question) == ()


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (Code("E7", "", ""), "Display: E-07 | Cause: no water"),
        (Code("v3", "", ""), "Since version 3 it is faster."),
        (Code("9", "section", ""), "See Sec. 9 for this."),
        (Code("9", "section", ""), "9. Gardens"),
        (Code("12", "line", ""), "Line: 12 | From: Station"),
        (Code("12", "line", ""), "Lines 11 and 12 stop here."),
        (Code("55", "plot", ""), "Bees are welcome on plots 50 to 64."),
        (Code("2", "part", ""), "Part II deals with fees."),
        (Code("3", "day", ""), "On the third day we rest."),
        (Code("3", "version", ""), "Version 3.2 was never sold."),
        (Code("27B", "form", ""), "Form 27B is green."),
    ],
)
def test_a_text_names_a_code(code: Code, text: str) -> None:
    assert is_named(code, text)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (Code("E7", "", ""), "E6, E8 and E71 are shown."),
        (Code("X-200", "", ""), "The X-200S costs more."),
        (Code("9", "section", ""), "Section 8 takes 9 minutes."),
        (Code("12", "line", ""), "Line: 11 | Every: 12 minutes"),
        (Code("65", "plot", ""), "Bees are welcome on plots 50 to 64."),
        (Code("27B", "form", ""), "Form 27A costs 27 euros."),
    ],
)
def test_another_number_is_not_the_code(code: Code, text: str) -> None:
    assert not is_named(code, text)


ERRORS = table([["Code", "Cause"], ["E6", "no water"], ["E8", "the door is open"]], "errors")


def test_an_answer_about_another_code_is_refused_and_says_which_one_is_missing() -> None:
    reading = reading_of(ERRORS, [0.1, 0.8, 0.7], question="What does error E7 mean?")
    answer = composed(reading, Ruling(Prefers("rows"), 0.5, 3))
    assert answer.text is None
    assert answer.abstention_reason == 'nothing was found about "E7"'
    known = reading_of(ERRORS, [0.1, 0.8, 0.7], question="What does error E8 mean?")
    assert missing_code(known) == ""
    assert composed(known, Ruling(Prefers("rows"), 0.5, 3)).text


def test_a_code_in_the_title_is_named_by_the_whole_document() -> None:
    guide = document("# The Q5 kettle\n\nIt weighs two kilos.", "guide")
    reading = reading_of(guide, [0.1, 0.9], question="How heavy is the Q5?")
    assert missing_code(reading) == ""
