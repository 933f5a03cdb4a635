import datetime as dt

import pytest

from rag.answering.spans import QuestionAnalysis, mention, value
from rag.types import Hit, Passage, Span, Value


def typed(
    question: str, sentence: str, words: str, day: dt.date | None = None, heading: str = ""
) -> Value | None:
    passage = Passage("d", 0, len(sentence), sentence, "", heading)
    start = sentence.index(words)
    span = Span(Hit(passage, 1.0, 1.0, 1.0), start, start + len(words), 1.0)
    return value(mention(QuestionAnalysis.of(question), span), day)


@pytest.mark.parametrize(
    ("question", "said", "wanted"),
    [
        ("when?", "It was signed on [14 July 2015].", ("date", "2015-07-14", None, None)),
        ("when?", "Signed in [Vienna on 14 July 2015].", ("date", "2015-07-14", None, None)),
        ("how long?", "The [12-day] war ended.", ("duration", "P12D", 12.0, "day")),
        ("how many?", "They had [20,000] centrifuges.", ("number", None, 20000.0, "centrifuge")),
        ("what?", "At [3.67 percent] it stopped.", ("percentage", None, 3.67, "percent")),
        ("how many?", "They shipped [11 tonnes].", ("quantity", None, 11.0, "metric_ton")),
        ("what?", "It cost [$50 billion].", ("money", None, 5e10, "USD")),
        ("what?", "The P5+1 met in [2015].", ("date", "2015", None, None)),
        ("when?", "Held on [14–16 July 2015].", ("date", "2015-07-14/2015-07-16", None, None)),
        ("when?", "It is on [Saturday, 20 July] 2024.", ("date", "2024-07-20", None, None)),
        ("what?", "In the season [2009-10] he left.", ("date", "2009/2010", None, None)),
        ("how many?", "It is [5m deep].", ("quantity", None, 5.0, "meter")),
    ],
)
def test_values_by_kind(
    question: str, said: str, wanted: tuple[str, str | None, float | None, str | None]
) -> None:
    words = said[said.index("[") + 1 : said.index("]")]
    found = typed(question, said.replace("[", "").replace("]", ""), words)
    assert found is not None
    assert (found.kind, found.iso, found.number, found.unit) == wanted


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("what?", "Vienna"),
        ("where?", "Muscat"),
        ("when?", "on Tuesday"),
        ("when?", "after the war"),
    ],
)
def test_words_without_a_value_have_none(question: str, words: str) -> None:
    assert typed(question, f"It was {words}.", words) is None


def test_a_relative_month_is_in_the_documents_year() -> None:
    found = typed("when?", "It was signed last May.", "last May", dt.date(2026, 2, 10))
    assert found is not None
    assert (found.iso, found.resolved) == ("2025-05", '"last May" in a document of 2026-02-10')


@pytest.mark.parametrize("words", ["two weeks ago", "three days later", "2 weeks before the vote"])
def test_a_relative_time_is_not_a_duration(words: str) -> None:
    assert typed("when?", f"It was {words}.", words) is None


@pytest.mark.parametrize(
    ("row", "words", "heading", "number"),
    [
        ("Sales | 2024: $78,588", "$78,588", "Income (In millions)", 78_588e6),
        ("Sales | 2024: 78,588", "78,588", "Income > in thousands", 78_588e3),
        ("Net loss | 2024: (74)", "(74)", "Income (In millions)", -74e6),
        ("Diluted earnings per share | $1.11", "$1.11", "In millions, except per share data", 1.11),
        ("Sales | 2024: $78,588", "$78,588", "Income", 78_588),
        ("We invest in millions of people and paid $50.", "$50", "In millions", 50),
        ("Sales | 2024: $78,588", "$78,588", "Income ($ millions)", 78_588e6),
        ("Diluted EPS | 2024: $6.13", "$6.13", "In millions, except per-share amounts", 6.13),
        ("Dividends per common share | 2024: $0.92", "$0.92", "In millions", 0.92),
        ("Sales | Change: (5)%", "(5)%", "In millions", -5),
        ("Sales | Change: (5.2%)", "(5.2%)", "In millions", -5.2),
        ("Sales | 2024: \u20131,234", "\u20131,234", "In millions", -1234e6),
        ("Sales | 2024: -1,234", "-1,234", "In millions", -1234e6),
        ("Sales | 2024: US$(1,234)", "US$(1,234)", "In millions", -1234e6),
        ("Sales | 2024: $5 million", "$5 million", "In millions", 5e6),
        ("Sales | Change: 5.2 percent", "5.2 percent", "In millions", 5.2),
    ],
)
def test_a_figure_of_a_table_is_in_its_unit(
    row: str, words: str, heading: str, number: float
) -> None:
    found = typed("How much?", row, words, heading=heading)
    assert found is not None
    assert found.number == number
