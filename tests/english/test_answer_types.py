import pytest

from rag.english.answer_types import fits, fits_precision, precision, several, wanted


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
        ("Which hospital treated him?", "thing"),
        ("In which year did it end?", "date"),
        ("At which hotel did they stay?", "thing"),
        ("Which share of the oil passes there?", "percentage"),
        ("Which level was agreed?", "any"),
        ("What treaty was signed in the city which hosted the talks?", "any"),
        ("Which French diplomat was there?", "person"),
        ("What salary did she get?", "money"),
        ("How much did they charge for it?", "money"),
        ("How much oil did they sell?", "number"),
        ("How much oil did they have when the war began?", "number"),
        ("What did they do when the war began?", "any"),
        ("What was the year when it began?", "date"),
        ("For how long was he held where he was?", "duration"),
        ("sultan qaboos birthday", "date"),
        ("lausanne framework date?", "date"),
        ("What is up to date?", "any"),
    ],
)
def test_what_a_question_wants(question: str, kind: str) -> None:
    assert wanted(question) == kind


def test_several_things() -> None:
    assert several("Which countries were the P5+1?")
    assert several("Who were the negotiators?")
    assert not several("Who was the negotiator?")
    assert not several("Which teacher runs the choir?")
    assert not several("What happens?")
    assert not several("What was the price?")
    assert not several("When was it signed?")


@pytest.mark.parametrize(
    ("kind", "text", "fit"),
    [
        ("date", "Vienna", -1),
        ("date", "2015", 1),
        ("date", "on Tuesday", 1),
        ("date", "after the war", 0),
        ("date", "Fridays", 0),
        ("reason", "because", -0.5),
        ("reason", "because it rained", 1),
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
        ("place", "UK", 1),
        ("person", "Xi", 1),
        ("person", "5 kg", -1),
        ("person", "the 14th", 0),
        ("place", "10 a.m.", -1),
        ("thing", "23 March", -1),
        ("thing", "25 kg", -1),
        ("thing", "12-day war", 0),
        ("thing", "2231", 0),
        ("thing", "the 5 July Party", 0),
        ("money", "one month", -1),
        ("number", "one month", -1),
        ("number", "4 billion dollars", 0),
    ],
)
def test_whether_words_are_of_the_kind(kind: str, text: str, fit: float) -> None:
    assert fits(kind, text) == fit


@pytest.mark.parametrize(
    ("question", "asked"),
    [
        ("On what date did the sanctions return?", "day"),
        ("On which day did the dam break?", "day"),
        ("What was the exact date of the vote?", "day"),
        ("What exact date was agreed?", "day"),
        ("In which month did the dam break?", "month"),
        ("In what year did the dam break?", "year"),
        ("When did the dam break?", ""),
        ("What day of the week was it?", ""),
    ],
)
def test_whether_a_day_a_month_or_a_year_is_asked_for(question: str, asked: str) -> None:
    assert precision(question) == asked


@pytest.mark.parametrize(
    ("asked", "text", "fit"),
    [
        ("day", "28 September 2025", 1),
        ("day", "28 September", 1),
        ("day", "September 2025", 0),
        ("day", "2025", -1),
        ("day", "the next day", 1),
        ("month", "28 September", 1),
        ("month", "2025", -1),
        ("year", "2025", 1),
        ("year", "28 September 2025", 1),
        ("year", "the 1990s", 1),
        ("year", "September", -1),
        ("year", "28 September", -1),
    ],
)
def test_how_well_words_are_what_is_asked_for(asked: str, text: str, fit: float) -> None:
    assert fits_precision(asked, text) == fit
