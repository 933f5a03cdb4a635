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
        ("My case weighs 12 kg. May I check it in?", "Bags between 5 and 10 kg are checked in."),
        ("My child is 5. May she join?", "The course is for children aged 6 to 12."),
        ("May I bring a bag of over 10 kg?", "You may bring bags of up to 10 kg."),
        ("Can I book for less than 3 days?", "You may book for at least 3 days."),
        (
            "I am 15. May I use the pool?",
            "Guests of 16 and over may use the pool, and guests of 14 and over the sauna.",
        ),
        ("I am 15 and stay for 3 nights. May I come?", "The lodge is for guests of 16 and over."),
        ("I am 12. May I go in alone?", "Guests of 14 and over may go in, but not at night."),
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
        ("My case weighs 8,000 g. May I check it in?", "Bags between 5 and 10 kg are checked in."),
        ("May I bring a bag of over 5 kg?", "You may bring bags of up to 10 kg."),
        (
            "I am 15. May I use the sauna?",
            "Guests of 16 and over may use the pool, and guests of 14 and over the sauna.",
        ),
        ("My dog weighs 8 kg. May I bring it?", "You may bring a dog unless it is over 10 kg."),
        ("Were more ships sold from 2015 to 2020?", "At most 40 ships are sold a year."),
        ("I am 17. May I enter?", "If you are under 16, and have no pass, you may not enter."),
    ],
)
def test_a_value_within_it_or_of_another_kind_is_not(question: str, sentence: str) -> None:
    assert not is_outside(question, sentence)
