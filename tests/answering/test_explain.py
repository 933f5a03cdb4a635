from dataclasses import replace

import pytest

from rag.meaning.values import typed_value
from rag.render.view import explain, in_words, value_in_words
from rag.types import Alternative, Answer, Citation, Hit, Passage, Value

PASSAGE = Passage("docs/deal.md", 0, 29, "The US left the deal in 2018.", "Deal", ())
CITATION = Citation("docs/deal.md", "Deal", (), "/d", "0" * 64, 24, 28, "2018", 0, 29, PASSAGE.text)
OTHER = replace(CITATION, document_id="docs/other.md", quote="2019")
HITS = (
    Hit(replace(PASSAGE, document_id="docs/x.md"), 0.95, 0.8, 3.0, 1, 4),
    Hit(PASSAGE, 0.9, 0.7, 5.0, 3, 1),
)
ANSWER = Answer(
    "When did the US leave?", "2018", 0.88, (CITATION,), (), HITS, None, {}, documents=2
)


def test_an_answer_is_explained_in_plain_words() -> None:
    conflicts = (Alternative("2019", 0.6, (OTHER,), 1),)
    value = Value("date", "2018", iso="2018", precision="year")
    assert explain(replace(ANSWER, conflicts=conflicts, value=value)) == [
        '"2018": confidence 88%.',
        "It is in docs/deal.md, the 2nd closest passage (3rd by meaning, 1st by words).",
        "2 of the 2 documents read support it.",
        'Conflicts with: "2019" in 1 document (docs/other.md).',
        "Read as date 2018.",
        "2 passages of 2 documents were read; the closest is in docs/x.md.",
    ]


def test_a_refusal_is_explained_too() -> None:
    guesses = (Alternative("2018", 0.2, (CITATION,), 1),)
    question, why = "When did the US leave the deal in Luxembourg?", "it reaches 0.20, below 0.31"
    refused = replace(ANSWER, question=question, abstention_reason=why, alternatives=guesses)
    refused = replace(refused, text=None, citations=(), documents=0)
    lines = explain(refused)
    assert lines[0] == "Not answered: it reaches 0.20, below 0.31."
    assert lines[1].startswith('"2018" is in docs/deal.md, the 2nd closest passage')
    assert not any("say so" in line for line in lines)
    assert lines[-1].endswith('are in none of the passages: "leave", "Luxembourg".')
    without_passages = Answer(
        "x?", None, 0.0, (), (), (), "no passage in the index is relevant", {}
    )
    assert explain(without_passages)[-1] == "No passages were found."


def test_values_in_words() -> None:
    explanation = '"on Tuesday" in a document of 2026-02-10'
    day = Value("date", "on Tuesday", iso="2026-02-10", precision="day", resolved=explanation)
    assert in_words(day) == f"date 2026-02-10: {explanation}"
    weight = Value("quantity", "x", number=11000.0, unit="kilogram", bound="more than")
    assert in_words(weight) == "quantity more than 11,000 kilogram"
    months = Value("duration", "x", number=2.0, upper=3.0, unit="month")
    assert in_words(months) == "duration 2 to 3 months"
    assert in_words(Value("boolean", "It was.", yes=True)) == 'yes, as "It was." says'


@pytest.mark.parametrize(
    ("words", "kind", "explained", "shown"),
    [
        ("8 to 26 July", "date", "date 8 to 26 July", True),
        ("28 June to 3 July 2024", "date", "date 28 June to 3 July 2024", True),
        ("by 15 April", "date", "date 15 April (by)", True),
        ("31 August", "date", "date 31 August", False),
        ("31 August 2025", "date", "date 2025-08-31", True),
        ("28 days", "amount", "duration 28 days", False),
        ("1 day", "amount", "duration 1 day", False),
        ("up to 12 hours a week", "amount", "duration at most 12 hours per week", False),
        ("20 metric tons", "amount", "quantity 20 metric ton", False),
    ],
)
def test_a_value_is_in_english(words: str, kind: str, explained: str, shown: bool) -> None:
    value = typed_value(words, kind)
    assert value is not None
    assert in_words(value) == explained
    assert value_in_words(value) == (explained if shown else "")
