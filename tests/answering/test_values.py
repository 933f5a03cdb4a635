import datetime as dt

import pytest

from rag.answering.values import Place, value


def place(sentence: str, words: str, day: dt.date | None = None) -> Place:
    start = sentence.index(words)
    return Place(sentence, start, start + len(words), day)


@pytest.mark.parametrize(
    ("kind", "sentence", "words", "wanted"),
    [
        (
            "date",
            "It was signed on 14 July 2015.",
            "14 July 2015",
            ("date", "2015-07-14", None, None),
        ),
        (
            "date",
            "It was signed in Vienna on 14 July 2015.",
            "Vienna on 14 July 2015",
            ("date", "2015-07-14", None, None),
        ),
        ("duration", "The 12-day war ended.", "12-day", ("duration", "P12D", 12.0, "day")),
        (
            "number",
            "They had 20,000 centrifuges.",
            "20,000",
            ("number", None, 20000.0, "centrifuge"),
        ),
        (
            "percentage",
            "At 3.67 percent it stopped.",
            "3.67 percent",
            ("percentage", None, 3.67, "percent"),
        ),
        ("number", "They shipped 11 tonnes.", "11 tonnes", ("quantity", None, 11.0, "metric_ton")),
        ("any", "It cost $50 billion.", "$50 billion", ("money", None, 5e10, "USD")),
        ("any", "The P5+1 met in 2015.", "2015", ("date", "2015", None, None)),
        (
            "date",
            "It was held on 14–16 July 2015.",
            "14–16 July 2015",
            ("date", "2015-07-14/2015-07-16", None, None),
        ),
        (
            "date",
            "It is on Saturday, 20 July 2024.",
            "Saturday, 20 July",
            ("date", "2024-07-20", None, None),
        ),
        ("any", "In the season 2009-10 he left.", "2009-10", ("date", "2009/2010", None, None)),
        ("number", "It is 5m deep.", "5m deep", ("quantity", None, 5.0, "meter")),
    ],
)
def test_values_by_kind(
    kind: str, sentence: str, words: str, wanted: tuple[str, str | None, float | None, str | None]
) -> None:
    found = value(kind, "?", place(sentence, words))
    assert found is not None
    assert (found.kind, found.iso, found.number, found.unit) == wanted


@pytest.mark.parametrize(
    ("kind", "words"),
    [("any", "Vienna"), ("place", "Muscat"), ("date", "on Tuesday"), ("date", "after the war")],
)
def test_words_without_a_value_have_none(kind: str, words: str) -> None:
    assert value(kind, "?", place(f"It was {words}.", words)) is None


def test_a_month_told_from_the_document_s_is_of_its_year() -> None:
    found = value("date", "?", place("It was signed last May.", "last May", dt.date(2026, 2, 10)))
    assert found is not None
    assert (found.iso, found.resolved) == ("2025-05", '"last May" in a document of 2026-02-10')


@pytest.mark.parametrize("words", ["two weeks ago", "three days later", "2 weeks before the vote"])
def test_a_time_told_from_another_is_no_length_of_time(words: str) -> None:
    assert value("date", "?", place(f"It was {words}.", words)) is None


def test_a_polar_question_is_answered_by_the_sentence() -> None:
    found = value("polar", "Did Oman mediate the talks?", place("Oman mediated the talks.", "Oman"))
    assert found is not None
    assert (found.kind, found.yes, found.text) == ("boolean", True, "Oman mediated the talks.")
    assert value("polar", "Did Oman mediate the talks?", place("Oman is large.", "Oman")) is None
