import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rag.meaning.compare import Meaning, Relation, compare, meaning

SAME, COMPATIBLE = Relation.SAME, Relation.COMPATIBLE
CONTRADICTS, UNRELATED = Relation.CONTRADICTS, Relation.UNRELATED
AMOUNTS = ("number", "money", "duration", "percentage")


def read(text: str, kind: str, before: str = "", after: str = "") -> Meaning:
    return meaning(text, before, after, kind in AMOUNTS)


@pytest.mark.parametrize(
    ("kind", "first", "second", "relation"),
    [
        ("date", "2015", "14 July 2015", SAME),
        ("date", "14 July 2015", "18 October 2015", CONTRADICTS),
        ("date", "before 2015", "2015", COMPATIBLE),
        ("date", "by 2015", "in 2015", COMPATIBLE),
        ("date", "1955", "October", COMPATIBLE),
        ("date", "11 October 1955", "October", SAME),
        ("date", "11 October 1955", "September", CONTRADICTS),
        ("date", "AD 500", "500 BC", UNRELATED),
        ("date", "44 BC", "44", COMPATIBLE),
        ("number", "about 11 tonnes", "11,000 kilograms", SAME),
        ("number", "five", "5", SAME),
        ("number", "22 °C", "72 °F", SAME),
        ("number", "20 °C", "72 °F", CONTRADICTS),
        ("number", "12 months", "1 year", SAME),
        ("number", "12 days", "12 weeks", CONTRADICTS),
        ("number", "more than 11,000 kilograms", "11,000 kilograms", COMPATIBLE),
        ("number", "more than 100", "150", COMPATIBLE),
        ("number", "less than 100", "150", CONTRADICTS),
        ("number", "100 or more", "100", COMPATIBLE),
        ("number", "<5 mg", ">5 mg", COMPATIBLE),
        ("number", "two to three months", "2 months", COMPATIBLE),
        ("number", "3.5%", "3-5%", COMPATIBLE),
        ("number", "20,000 centrifuges", "about 19,000 centrifuges", CONTRADICTS),
        ("number", "10", "10 percent", COMPATIBLE),
        ("number", "5", "5 km", COMPATIBLE),
        ("number", "5 kilometres", "5 kilograms", UNRELATED),
        ("number", "60 miles per hour", "60 miles", COMPATIBLE),
        ("number", "1.5", "15", CONTRADICTS),
        ("money", "100 billion dollars", "$50 billion", CONTRADICTS),
        ("money", "100 dollars", "100 euros", UNRELATED),
        ("money", "$5m", "$5 million", SAME),
        ("money", "$5m", "$5", CONTRADICTS),
        ("percentage", "5%", "5 percentage points", UNRELATED),
        ("person", "Kerry", "Secretary of State John Kerry", COMPATIBLE),
        ("person", "Ali Larijani", "Sadeq Larijani", UNRELATED),
        ("place", "in Vienna", "Vienna", SAME),
        ("place", "Vienna", "Geneva", UNRELATED),
        ("any", "U.S.", "US", SAME),
        ("any", "C", "C++", COMPATIBLE),
        ("any", "model A-500", "model E-500", UNRELATED),
    ],
)
def test_relations_of_two_answers(kind: str, first: str, second: str, relation: Relation) -> None:
    assert compare(read(first, kind), read(second, kind)) is relation
    assert compare(read(second, kind), read(first, kind)) is relation


@pytest.mark.parametrize(
    ("kind", "first", "second"),
    [
        ("duration", "The notice is |3| months.", "The notice is |3| weeks."),
        ("number", "They shipped |11| tonnes.", "They shipped |11| kg."),
        ("number", "They ran |12.345| tests.", "They ran |12,345| tests."),
        ("money", "It cost €|100 million|.", "It cost $|100 million|."),
        ("date", "It was built in |1200| BC.", "It was built in |1200|."),
        ("date", "It ended before |2015|.", "It ended in |2015|."),
        ("number", "More than |100| came.", "In all |100| came."),
        ("number", "|Hundreds| of people fled.", "In all |100| people fled."),
        ("number", "|Two| thirds of members came.", "|Two| members came."),
        ("any", "|Iran| did not sign it.", "|Iran| signed it."),
        ("any", "It was in Vienna rather than in |Geneva|.", "It was held in |Geneva|."),
    ],
)
def test_equal_words_with_different_meanings(kind: str, first: str, second: str) -> None:
    meanings = [read(words, kind, *around) for words, around in map(_marked, (first, second))]
    assert compare(*meanings) is not SAME
    assert meanings[0] != meanings[1]


def _marked(sentence: str) -> tuple[str, tuple[str, str]]:
    before, words, after = sentence.split("|")
    return words, (before, after)


@pytest.mark.parametrize(
    ("before", "words", "is_negated"),
    [
        ("It was not until ", "2015", False),
        ("It must be paid not later than ", "1 May", False),
        ("Iran may keep not more than ", "300 kg", False),
        ("It was resolution No. ", "2231", False),
        ("It was not long, and they signed in ", "2015", False),
        ("It was not signed in ", "2015", True),
        ("Nobody signed it in ", "2015", True),
        ("It failed to be signed in ", "2015", True),
        ("It was in 2016 instead of ", "2015", True),
    ],
)
def test_denials(before: str, words: str, is_negated: bool) -> None:
    assert read(words, "any", before).negated is is_negated
    contradicts = compare(read(words, "any"), read(words, "any", before)) is CONTRADICTS
    assert contradicts is is_negated


@settings(deadline=None)
@given(
    st.integers(1, 10**9),
    st.integers(1, 10**9),
    st.sampled_from(["kg", "days", "centrifuges", "dollars", "percent"]),
)
def test_different_numbers_are_never_the_same(first: int, second: int, unit: str) -> None:
    amounts = read(f"{first:,} {unit}", "number"), read(f"about {second} {unit}", "number")
    assert (compare(*amounts) is SAME) == (first == second)


@settings(deadline=None)
@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["date", "number", "any"]))
def test_the_relation_is_symmetric_and_reflexive(first: str, second: str, kind: str) -> None:
    meanings = read(first, kind), read(second, kind)
    assert compare(*meanings) is compare(*reversed(meanings))
    assert compare(meanings[0], meanings[0]) is SAME
