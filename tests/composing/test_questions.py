import pytest

from rag.composing.questions import fits, fits_day, several, to_the_day, wanted


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        ("When was the JCPOA signed?", "date"),
        ("In what year did he die?", "date"),
        ("How long did the war last?", "duration"),
        ("How many years did it last?", "duration"),
        ("How many centrifuges were there?", "number"),
        ("How far is it?", "number"),
        ("What percentage of oil passes there?", "percentage"),
        ("Who leads the council?", "person"),
        ("Where were the talks held?", "place"),
        ("Which city hosted the talks?", "place"),
        ("Why did the US leave?", "reason"),
        ("Was it signed?", "polar"),
        ("Is it Oman or Qatar?", "any"),
        ("What is snapback?", "any"),
    ],
)
def test_what_a_question_wants(question: str, kind: str) -> None:
    assert wanted(question) == kind


def test_several_things() -> None:
    assert several("Which countries were the P5+1?")
    assert several("Who were the negotiators?")
    assert not several("Who was the negotiator?")
    assert not several("What was the price?")
    assert not several("When was it signed?")


@pytest.mark.parametrize(
    ("kind", "text", "fit"),
    [
        ("date", "Vienna", -1),
        ("date", "2015", 1),
        ("date", "on Tuesday", 1),
        ("date", "after the war", 0),
        ("number", "2015", -1),
        ("number", "20,000", 1),
        ("number", "many", 0),
        ("number", "Vienna", -1),
        ("person", "14 July 2015", -1),
        ("person", "Ali", 1),
        ("place", "Muscat hosted secret talks that paved the way for the agreement", -1),
        ("place", "the hills north of Muscat", 1),
        ("duration", "12-day", 1),
        ("percentage", "98 percent", 1),
        ("percentage", "12 days", -1),
        ("any", "2015", 0),
    ],
)
def test_whether_words_are_of_the_kind(kind: str, text: str, fit: float) -> None:
    assert fits(kind, text) == fit


@pytest.mark.parametrize(
    ("question", "day"),
    [
        ("On what date did the sanctions return?", True),
        ("On which day did the dam break?", True),
        ("What was the exact date of the vote?", True),
        ("What exact date was agreed?", True),
        ("When did the dam break?", False),
        ("What day of the week was it?", False),
        ("In which year did the dam break?", False),
    ],
)
def test_whether_a_day_is_asked_for(question: str, day: bool) -> None:
    assert to_the_day(question) is day


@pytest.mark.parametrize(
    ("text", "fit"), [("28 September 2025", 1), ("28 September", 1), ("September 2025", 0), ("2025", -1), ("the next day", 1)]
)
def test_how_well_words_are_a_day(text: str, fit: float) -> None:
    assert fits_day(text) == fit
