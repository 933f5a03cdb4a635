import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.composing.meaning import Relation, read, relation

SAME, COMPATIBLE, CONTRARY, UNRELATED = Relation.SAME, Relation.COMPATIBLE, Relation.CONTRARY, Relation.UNRELATED


@pytest.mark.parametrize(
    ("kind", "one", "other", "how"),
    [
        ("date", "2015", "14 July 2015", SAME),
        ("date", "14 July 2015", "July 14, 2015", SAME),
        ("date", "14 July 2015", "18 October 2015", CONTRARY),
        ("date", "before 2015", "2015", COMPATIBLE),
        ("number", "about 11 tonnes", "11,000 kilograms", SAME),
        ("number", "five", "5", SAME),
        ("number", "12 months", "1 year", SAME),
        ("number", "12 days", "12 weeks", CONTRARY),
        ("number", "more than 11,000 kilograms", "11,000 kilograms", COMPATIBLE),
        ("number", "more than 100", "150", COMPATIBLE),
        ("number", "less than 100", "150", CONTRARY),
        ("number", "two to three months", "2 months", COMPATIBLE),
        ("number", "20,000 centrifuges", "about 19,000 centrifuges", CONTRARY),
        ("number", "10", "10 percent", COMPATIBLE),
        ("number", "5 kilometres", "5 kilograms", UNRELATED),
        ("number", "1.5", "15", CONTRARY),
        ("money", "100 billion dollars", "$50 billion", CONTRARY),
        ("money", "100 dollars", "100 euros", UNRELATED),
        ("person", "Larijani", "Ali Larijani", SAME),
        ("person", "Kerry", "Secretary of State John Kerry", SAME),
        ("person", "Haitham bin Tariq", "Sultan Haitham bin Tariq of Oman", SAME),
        ("person", "Sultan Haitham", "Sultan Haitham bin Tariq", SAME),
        ("person", "Ali Larijani", "Sadeq Larijani", CONTRARY),
        ("person", "George Bush", "George W. Bush", COMPATIBLE),
        ("person", "Ali", "Ali Khamenei", COMPATIBLE),
        ("person", "John Kerry", "John Kerry and Wendy Sherman", COMPATIBLE),
        ("person", "King George", "King George VI", COMPATIBLE),
        ("person", "King George V", "King George VI", CONTRARY),
        ("person", "Bank of England", "England", COMPATIBLE),
        ("person", "Virginia", "West Virginia", COMPATIBLE),
        ("place", "York", "New York", COMPATIBLE),
        ("place", "Vienna", "Vienna, Austria", SAME),
        ("place", "in Vienna", "Vienna", SAME),
        ("place", "Vienna", "Geneva", CONTRARY),
        ("place", "Paris and London", "Paris", COMPATIBLE),
        ("any", "Washington", "Washington Post", COMPATIBLE),
        ("any", "IAEA", "International Atomic Energy Agency", SAME),
        ("any", "France, Germany and the UK", "Germany, France and the UK", SAME),
        ("any", "France and Germany", "France, Germany and Italy", COMPATIBLE),
        ("any", "Supreme National Security Council", "Iran's Supreme National Security Council", SAME),
        ("any", "the limits expired", "missiles were ignored", UNRELATED),
    ],
)
def test_how_two_answers_stand_to_each_other(kind: str, one: str, other: str, how: Relation) -> None:
    assert relation(read(one, kind), read(other, kind)) is how
    assert relation(read(other, kind), read(one, kind)) is how


def test_a_denied_answer_is_not_the_answer() -> None:
    said, denied = read("2015", "date", "It was signed in "), read("2015", "date", "It was not signed in ")
    assert relation(said, denied) is CONTRARY
    assert relation(read("2015", "date", "It was not long, and they signed in "), said) is SAME
    assert relation(read("signed", "any"), read("not signed", "any")) is not SAME


NUMBERS = st.integers(1, 10**9)
NAMES = st.sampled_from("Ali Sadeq John George Maria Hassan Omar Lena".split())
SURNAMES = st.sampled_from("Larijani Kerry Bush York England Oman Zarif Amano".split())


@settings(deadline=None)
@given(NUMBERS, NUMBERS, st.sampled_from(["kg", "days", "centrifuges", "dollars", "percent"]))
def test_different_numbers_are_never_the_same(one: int, other: int, unit: str) -> None:
    how = relation(read(f"{one:,} {unit}", "number"), read(f"about {other} {unit}", "number"))
    assert (how is SAME) == (one == other)


@settings(deadline=None)
@given(NAMES, SURNAMES, NAMES, SURNAMES)
def test_different_full_names_are_never_the_same(first: str, last: str, first_other: str, last_other: str) -> None:
    one, other = f"{first} {last}", f"{first_other} {last_other}"
    assert (relation(read(one, "person"), read(other, "person")) is SAME) == (one == other)


@settings(deadline=None)
@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["date", "number", "person", "place", "any", "duration"]))
def test_the_relation_is_symmetric_and_an_answer_says_what_it_says(one: str, other: str, kind: str) -> None:
    first, second = read(one, kind), read(other, kind)
    assert relation(first, second) is relation(second, first)
    assert relation(first, first) is SAME


@pytest.mark.parametrize("text", ["9" * 100_000, "1,000" * 20_000, "a, " * 30_000, "not " * 30_000, "2015 " * 20_000])
def test_endless_words_are_read_in_no_time(text: str) -> None:
    begun = time.process_time()
    found = read(text, "number", text, text)
    assert relation(found, found) is SAME
    assert time.process_time() - begun < 2


def test_a_joint_answer_is_of_one_fact_pairwise() -> None:
    texts = ["2015", "14 July 2015", "18 October 2015", "2016"]
    same = {(a, b) for a, b in itertools.combinations(texts, 2) if relation(read(a, "date"), read(b, "date")) is SAME}
    assert same == {("2015", "14 July 2015"), ("2015", "18 October 2015")}
