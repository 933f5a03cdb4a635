"""What askers say of themselves, beside the limit in a sentence."""

import pytest

from rag.answering.limits import is_outside


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("I am 15. May I use the sauna?", "The sauna is for guests of 16 and over."),
        ("I am 15. May I ride along?", "Riders aged 16 or older take the east gate."),
        ("Can I stay 100 days?", "You may stay up to 90 days."),
        ("Can I import 60 files at once?", "At most 40 files can be imported at once."),
        ("I'm 19 years old. Can I rent a car?", "Drivers must be at least 21."),
    ],
)
def test_a_value_that_breaks_the_limit_is_outside(question: str, sentence: str) -> None:
    assert is_outside(question, sentence)


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("I am 17. May I use the sauna?", "The sauna is for guests of 16 and over."),
        ("Can I stay three months?", "You may stay up to 120 days."),
        ("I am 12. May I enter alone?", "Children under 8 may only enter with an adult."),
        ("I am 20. May I drive?", "No person under 18 shall drive the tractor."),
        ("I weigh 60 kg. May I board?", "Boarding is for guests of 16 and over."),
        ("I am 15 and my sister is 17. May we come?", "The sauna is for guests of 16 and over."),
        ("May I use the sauna?", "The sauna is for guests of 16 and over."),
    ],
)
def test_a_value_within_it_or_of_another_kind_is_not(question: str, sentence: str) -> None:
    assert not is_outside(question, sentence)
