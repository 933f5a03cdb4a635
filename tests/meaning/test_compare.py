import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.meaning.compare import Meaning, Relation, compare, meaning

SAME, COMPATIBLE = Relation.SAME, Relation.COMPATIBLE
CONTRADICTS, UNRELATED = Relation.CONTRADICTS, Relation.UNRELATED
RELATIONS = [
    (SAME, "text", "2015 = 14 July 2015; 11 October 1955 = October; in Vienna = Vienna; U.S. = US"),
    (SAME, "amount", "about 11 tonnes = 11,000 kilograms; five = 5; 22 °C = 72 °F"),
    (SAME, "amount", "$5m = $5 million"),
    (SAME, "amount", "12 months = 1 year"),
    (COMPATIBLE, "text", "before 2015 = 2015; by 2015 = in 2015; 1955 = October; 44 BC = 44"),
    (COMPATIBLE, "text", "Kerry = Secretary of State John Kerry; C = C++"),
    (COMPATIBLE, "amount", "more than 11,000 kilograms = 11,000 kilograms; more than 100 = 150"),
    (COMPATIBLE, "amount", "100 or more = 100; <5 mg = >5 mg; two to three months = 2 months"),
    (COMPATIBLE, "amount", "3.5% = 3-5%; 10 = 10 percent; 5 = 5 km; 60 miles per hour = 60 miles"),
    (CONTRADICTS, "text", "14 July 2015 = 18 October 2015; 11 October 1955 = September"),
    (CONTRADICTS, "amount", "20 °C = 72 °F; 12 days = 12 weeks; less than 100 = 150; 1.5 = 15"),
    (CONTRADICTS, "amount", "20,000 centrifuges = about 19,000 centrifuges; $5m = $5"),
    (CONTRADICTS, "amount", "100 billion dollars = $50 billion"),
    (UNRELATED, "text", "AD 500 = 500 BC; Ali Larijani = Sadeq Larijani; Vienna = Geneva"),
    (UNRELATED, "text", "model A-500 = model E-500"),
    (UNRELATED, "amount", "5 kilometres = 5 kilograms; 100 dollars = 100 euros"),
    (UNRELATED, "amount", "5% = 5 percentage points"),
]


def meaning_of(text: str, kind: str, text_before: str = "", text_after: str = "") -> Meaning:
    return meaning(text, text_before, text_after, kind == "amount")


@pytest.mark.parametrize(
    ("relation", "kind", "pair"),
    [(*row, pair) for *row, pairs in RELATIONS for pair in pairs.split("; ")],
)
def test_relations_of_two_answers(relation: Relation, kind: str, pair: str) -> None:
    stated, rival = (meaning_of(text, kind) for text in pair.split(" = "))
    assert compare(stated, rival) is relation
    assert compare(rival, stated) is relation


@pytest.mark.parametrize(
    ("kind", "marked", "rival"),
    [
        ("amount", "The notice is |3| months.", "The notice is |3| weeks."),
        ("amount", "They shipped |11| tonnes.", "They shipped |11| kg."),
        ("amount", "They ran |12.345| tests.", "They ran |12,345| tests."),
        ("amount", "It cost €|100 million|.", "It cost $|100 million|."),
        ("text", "It was built in |1200| BC.", "It was built in |1200|."),
        ("text", "It ended before |2015|.", "It ended in |2015|."),
        ("amount", "More than |100| came.", "In all |100| came."),
        ("amount", "|Hundreds| of people fled.", "In all |100| people fled."),
        ("amount", "|Two| thirds of members came.", "|Two| members came."),
        ("text", "|Iran| did not sign it.", "|Iran| signed it."),
        ("text", "It was in Vienna rather than in |Geneva|.", "It was held in |Geneva|."),
    ],
)
def test_equal_words_with_different_meanings(kind: str, marked: str, rival: str) -> None:
    meanings = [
        meaning_of(words, kind, *context) for words, context in map(_marked, (marked, rival))
    ]
    assert compare(*meanings) is not SAME
    assert meanings[0] != meanings[1]


def _marked(sentence: str) -> tuple[str, tuple[str, str]]:
    text_before, words, text_after = sentence.split("|")
    return words, (text_before, text_after)


@pytest.mark.parametrize(
    ("text_before", "words", "is_negated"),
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
def test_denials(text_before: str, words: str, is_negated: bool) -> None:
    assert meaning_of(words, "text", text_before).negated is is_negated
    contradicts = (
        compare(meaning_of(words, "text"), meaning_of(words, "text", text_before)) is CONTRADICTS
    )
    assert contradicts is is_negated


@given(
    st.integers(1, 10**9),
    st.integers(1, 10**9),
    st.sampled_from(["kg", "days", "centrifuges", "dollars", "percent"]),
)
def test_different_numbers_are_never_the_same(number: int, other_number: int, unit: str) -> None:
    amount = meaning_of(f"{number:,} {unit}", "amount")
    rough_amount = meaning_of(f"about {other_number} {unit}", "amount")
    assert (compare(amount, rough_amount) is SAME) == (number == other_number)


@given(st.text(max_size=40), st.text(max_size=40), st.sampled_from(["text", "amount"]))
def test_the_relation_is_symmetric_and_reflexive(text: str, other_text: str, kind: str) -> None:
    meaning, other_meaning = meaning_of(text, kind), meaning_of(other_text, kind)
    assert compare(meaning, other_meaning) is compare(other_meaning, meaning)
    assert compare(meaning, meaning) is SAME
