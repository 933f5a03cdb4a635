import itertools
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.meaning.compare import Meaning, Relation, compare, meaning

SAME, COMPATIBLE = Relation.SAME, Relation.COMPATIBLE
CONTRADICTS, UNRELATED = Relation.CONTRADICTS, Relation.UNRELATED


def read(text: str, kind: str, before: str = "", after: str = "") -> Meaning:
    return meaning(text, before, after, kind in ("number", "money", "duration", "percentage"))


@pytest.mark.parametrize(
    ("kind", "one", "other", "how"),
    [
        ("date", "2015", "14 July 2015", SAME),
        ("date", "14 July 2015", "July 14, 2015", SAME),
        ("date", "14 July 2015", "18 October 2015", CONTRADICTS),
        ("date", "before 2015", "2015", COMPATIBLE),
        ("date", "1955", "October", COMPATIBLE),
        ("date", "11 October 1955", "October", SAME),
        ("date", "11 October 1955", "September", CONTRADICTS),
        ("number", "about 11 tonnes", "11,000 kilograms", SAME),
        ("number", "five", "5", SAME),
        ("number", "20 °C", "68 °F", SAME),
        ("number", "22 °C", "72 °F", SAME),
        ("number", "20 °C", "72 °F", CONTRADICTS),
        ("number", "12 months", "1 year", SAME),
        ("number", "12 days", "12 weeks", CONTRADICTS),
        ("number", "more than 11,000 kilograms", "11,000 kilograms", COMPATIBLE),
        ("number", "more than 100", "150", COMPATIBLE),
        ("number", "less than 100", "150", CONTRADICTS),
        ("number", "two to three months", "2 months", COMPATIBLE),
        ("number", "20,000 centrifuges", "about 19,000 centrifuges", CONTRADICTS),
        ("number", "10", "10 percent", COMPATIBLE),
        ("number", "5 kilometres", "5 kilograms", UNRELATED),
        ("number", "1.5", "15", CONTRADICTS),
        ("money", "100 billion dollars", "$50 billion", CONTRADICTS),
        ("money", "100 dollars", "100 euros", UNRELATED),
        ("person", "Larijani", "Ali Larijani", COMPATIBLE),
        ("person", "Kerry", "Secretary of State John Kerry", COMPATIBLE),
        ("person", "Haitham bin Tariq", "Sultan Haitham bin Tariq of Oman", COMPATIBLE),
        ("person", "Sultan Haitham", "Sultan Haitham bin Tariq", COMPATIBLE),
        ("person", "Ali Larijani", "Sadeq Larijani", UNRELATED),
        ("person", "Ali", "Ali Khamenei", COMPATIBLE),
        ("person", "John Kerry", "John Kerry and Wendy Sherman", COMPATIBLE),
        ("person", "King George", "King George VI", COMPATIBLE),
        ("person", "Bank of England", "England", COMPATIBLE),
        ("person", "Virginia", "West Virginia", COMPATIBLE),
        ("place", "York", "New York", COMPATIBLE),
        ("place", "Vienna", "Vienna, Austria", COMPATIBLE),
        ("place", "in Vienna", "Vienna", SAME),
        ("place", "Vienna", "Geneva", UNRELATED),
        ("place", "Paris and London", "Paris", COMPATIBLE),
        ("any", "Washington", "Washington Post", COMPATIBLE),
        ("any", "the limits expired", "missiles were ignored", UNRELATED),
        ("money", "$5m", "$5", CONTRADICTS),
        ("money", "$5m", "$5 million", SAME),
        ("number", "two and a half", "2", CONTRADICTS),
        ("number", "5", "5 km", COMPATIBLE),
        ("duration", "3", "3 years", COMPATIBLE),
        ("number", "11 metric tons", "11 tonnes", SAME),
        ("number", "90 min", "90 minutes", SAME),
        ("number", "5 km", "5km", SAME),
        ("number", "3.5%", "3-5%", COMPATIBLE),
        ("number", "100 or more", "100", COMPATIBLE),
        ("number", "<5 mg", ">5 mg", COMPATIBLE),
        ("number", "60 miles per hour", "60 miles", COMPATIBLE),
        ("percentage", "5%", "5 percentage points", UNRELATED),
        ("date", "AD 500", "500 BC", UNRELATED),
        ("date", "44 BC", "44", COMPATIBLE),
        ("date", "by 2015", "in 2015", COMPATIBLE),
        ("person", "Salman", "Mohammed bin Salman", COMPATIBLE),
        ("any", "U.S.", "US", SAME),
        ("any", "C", "C++", COMPATIBLE),
        ("any", "model A-500", "model E-500", UNRELATED),
    ],
)
def test_relations_of_two_answers(kind: str, one: str, other: str, how: Relation) -> None:
    assert compare(read(one, kind), read(other, kind)) is how
    assert compare(read(other, kind), read(one, kind)) is how


def test_a_denied_answer_is_not_the_answer() -> None:
    said, denied = (
        read("2015", "date", "It was signed in "),
        read("2015", "date", "It was not signed in "),
    )
    assert compare(said, denied) is CONTRADICTS
    assert compare(read("2015", "date", "It was not long, and they signed in "), said) is SAME
    assert compare(read("signed", "any"), read("not signed", "any")) is not SAME


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        ("duration", ("The notice is ", "3", " months."), ("The notice is ", "3", " weeks.")),
        ("number", ("They shipped ", "11", " tonnes."), ("They shipped ", "11", " kg.")),
        ("number", ("They ran ", "12.345", " tests."), ("They ran ", "12,345", " tests.")),
        ("money", ("It cost €", "100 million", "."), ("It cost $", "100 million", ".")),
        ("date", ("It was built in ", "1200", " BC."), ("It was built in ", "1200", ".")),
        ("date", ("It ended before ", "2015", "."), ("It ended in ", "2015", ".")),
        ("number", ("More than ", "100", " came."), ("In all ", "100", " came.")),
        ("number", ("", "Hundreds", " of people fled."), ("In all ", "100", " people fled.")),
        ("number", ("", "Two", " thirds of members came."), ("", "Two", " members came.")),
        ("any", ("", "Iran", " did not sign it."), ("", "Iran", " signed it.")),
        (
            "any",
            ("It was held in Vienna rather than in ", "Geneva", "."),
            ("It was held in ", "Geneva", "."),
        ),
    ],
)
def test_equal_words_with_different_meanings(
    kind: str, one: tuple[str, str, str], other: tuple[str, str, str]
) -> None:
    first, second = (read(words, kind, before, after) for before, words, after in (one, other))
    assert compare(first, second) is not SAME
    assert first != second


@pytest.mark.parametrize(
    ("before", "words"),
    [
        ("It was not until ", "2015"),
        ("It must be paid not later than ", "1 May"),
        ("Iran may keep not more than ", "300 kg"),
        ("It was resolution No. ", "2231"),
    ],
)
def test_false_denials(before: str, words: str) -> None:
    assert not read(words, "any", before).negated


@pytest.mark.parametrize(
    "before", ["Nobody signed it in ", "It failed to be signed in ", "It was in 2016 instead of "]
)
def test_denials(before: str) -> None:
    assert read("2015", "date", before).negated


NUMBERS = st.integers(1, 10**9)


@settings(deadline=None)
@given(NUMBERS, NUMBERS, st.sampled_from(["kg", "days", "centrifuges", "dollars", "percent"]))
def test_different_numbers_are_never_the_same(one: int, other: int, unit: str) -> None:
    how = compare(read(f"{one:,} {unit}", "number"), read(f"about {other} {unit}", "number"))
    assert (how is SAME) == (one == other)


@settings(deadline=None)
@given(
    st.text(max_size=40),
    st.text(max_size=40),
    st.sampled_from(["date", "number", "person", "place", "any", "duration"]),
)
def test_the_relation_is_symmetric_and_an_answer_says_what_it_says(
    one: str, other: str, kind: str
) -> None:
    first, second = read(one, kind), read(other, kind)
    assert compare(first, second) is compare(second, first)
    assert compare(first, first) is SAME


@pytest.mark.parametrize(
    "text", ["9" * 100_000, "1,000" * 20_000, "a, " * 30_000, "not " * 30_000, "2015 " * 20_000]
)
def test_endless_words_take_no_time(text: str) -> None:
    begun = time.process_time()
    found = read(text, "number", text, text)
    assert compare(found, found) is SAME
    assert time.process_time() - begun < 2


def test_answers_of_one_group_agree_pairwise() -> None:
    texts = ["2015", "14 July 2015", "18 October 2015", "2016"]
    same = {
        (a, b)
        for a, b in itertools.combinations(texts, 2)
        if compare(read(a, "date"), read(b, "date")) is SAME
    }
    assert same == {("2015", "14 July 2015"), ("2015", "18 October 2015")}
