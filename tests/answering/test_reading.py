"""How a reading ranks its spans."""

import pytest

from rag.answering.reading import Reading
from rag.answering.spans import QuestionAnalysis
from rag.protocols import ReaderOutput
from rag.types import Document, Hit, Passage, Span


def ranked(question: str, text: str, *scored: tuple[str, float, str]) -> list[str]:
    """The texts of the spans, given as words, score and the label of their row, best first."""
    hit = Hit(Passage("d", 0, len(text), text, "t", ()), 1, 1, 1)
    spans = [
        Span(hit, text.index(words), text.index(words) + len(words), score, label)
        for words, score, label in scored
    ]
    document = Document("d", text, "t", "d", "")
    reading = Reading(question, [hit], ReaderOutput(spans), {"d": document})
    return [group.best.span.text for group in reading.spans]


@pytest.mark.parametrize(
    ("question", "date"),
    [
        ("When was it signed?", True),
        ("Can you say when it was signed?", True),
        ("Since when is it closed?", True),
        ("What year was it signed?", True),
        ("What happens when the rent is late?", False),
        ("Which year-end bonus do managers get?", False),
    ],
)
def test_questions_for_a_date(question: str, date: bool) -> None:
    assert QuestionAnalysis.of(question).date is date


@pytest.mark.parametrize(
    ("question", "best"),
    [
        ("What was net income in 2023?", "71"),
        ("What was net interest income in 2023?", "94"),
        ("What came in during 2023?", "94"),
    ],
)
def test_a_row_is_worse_the_more_of_its_label_is_not_asked_for(question: str, best: str) -> None:
    text = "Net income | 2023: 71 | 2022: 65\nNet interest income | 2023: 94 | 2022: 88"
    winner, *_ = ranked(
        question, text, ("71", 4.0, "Net income"), ("94", 5.0, "Net interest income")
    )
    assert winner == best


def test_when_prefers_dates() -> None:
    text = "The JCPOA was signed in Vienna in 2015."
    place, year = ("Vienna", 6.0, ""), ("2015", 1.0, "")
    assert ranked("When was the JCPOA signed?", text, place, year) == ["2015", "Vienna"]
    assert ranked("Where was it signed?", text, place, year)[0] == "Vienna"
