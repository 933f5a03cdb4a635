"""How a reading ranks its spans, and what it says of them."""

import pytest

from rag.answering.reading import Reading
from rag.answering.spans import Mention, QuestionAnalysis
from rag.protocols import ReaderOutput
from rag.types import Document, Hit, Passage, Span


def by_text(question: str, text: str, *scored: tuple[str, float, str]) -> dict[str, Mention]:
    """The spans, given as words, score and the label of their row, by their text, best first."""
    hit = Hit(Passage("d", 0, len(text), text, "t", ()), 1, 1, 1)
    spans = [
        Span(hit, text.index(words), text.index(words) + len(words), score, label)
        for words, score, label in scored
    ]
    document = Document("d", text, "t", "d", "")
    reading = Reading(question, [hit], ReaderOutput(spans), {"d": document})
    return {group.best.span.text: group.best for group in reading.spans}


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
    ("question", "figure"),
    [("What was net income in 2023?", "71"), ("What was net interest income in 2023?", "94")],
)
def test_a_row_says_how_much_of_its_label_is_not_asked_for(question: str, figure: str) -> None:
    text = "Net income | 2023: 71 | 2022: 65\nNet interest income | 2023: 94 | 2022: 88"
    spans = by_text(question, text, ("71", 4.0, "Net income"), ("94", 5.0, "Net interest income"))
    assert spans[figure].unasked == 0
    assert spans["94"].unasked <= 1 / 3


def test_a_date_is_of_the_type_that_when_asks_for() -> None:
    text = "The JCPOA was signed in Vienna in 2015."
    places = ("Vienna", 6.0, ""), ("2015", 1.0, "")
    assert by_text("When was the JCPOA signed?", text, *places)["2015"].typed
    assert not by_text("Where was it signed?", text, *places)["2015"].typed
