import pytest

from rag.answering.spans import QuestionAnalysis, mention, value
from rag.types import Document, Hit, Passage, Span, Value
from tests.fakes import document
from tests.parsing.reading import load_bytes


def value_of_words(question: str, source: Document, words: str, *headings: str) -> Value | None:
    passage = Passage(source.id, 0, len(source.text), source.text, "", headings)
    start = source.text.index(words)
    span = Span(Hit(passage, 1.0, 1.0, 1.0), start, start + len(words), 1.0)
    return value(mention(QuestionAnalysis.of(question), span), source)


@pytest.mark.parametrize(
    ("question", "marked", "expected"),
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
    question: str, marked: str, expected: tuple[str, str | None, float | None, str | None]
) -> None:
    words = marked[marked.index("[") + 1 : marked.index("]")]
    value = value_of_words(question, document(marked.replace("[", "").replace("]", "")), words)
    assert value is not None
    assert (value.kind, value.iso, value.number, value.unit) == expected


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("what?", "Vienna"),
        ("where?", "Muscat"),
        ("when?", "on Tuesday"),
        ("when?", "after the war"),
        ("when?", "two weeks ago"),
        ("when?", "three days later"),
        ("when?", "2 weeks before the vote"),
    ],
)
def test_words_without_a_value_have_none(question: str, words: str) -> None:
    """A relative time is no duration."""
    assert value_of_words(question, document(f"It was {words}."), words) is None


@pytest.mark.parametrize(
    ("label", "words", "heading", "number"),
    [
        ("Sales", "$78,588", "Income (In millions)", 78_588e6),
        ("Sales", "78,588", "Income > in thousands", 78_588e3),
        ("Net loss", "(74)", "Income (In millions)", -74e6),
        ("Diluted earnings per share", "$1.11", "In millions, except per share data", 1.11),
        ("Sales", "$78,588", "Income", 78_588),
        ("Sales", "$78,588", "Income ($ millions)", 78_588e6),
        ("Diluted EPS", "$6.13", "In millions, except per-share amounts", 6.13),
        ("Dividends | per common share", "$0.92", "In millions", 0.92),
        ("Sales", "(5)%", "In millions", -5),
        ("Sales", "(5.2%)", "In millions", -5.2),
        ("Sales", "\u20131,234", "In millions", -1234e6),
        ("Sales", "-1,234", "In millions", -1234e6),
        ("Sales", "US$(1,234)", "In millions", -1234e6),
        ("Sales", "$5 million", "In millions", 5e6),
        ("Sales", "5.2 percent", "In millions", 5.2),
    ],
)
def test_a_figure_has_its_table_s_unit(label: str, words: str, heading: str, number: float) -> None:
    cell = label.replace("|", "/")
    page = f"# {heading}\n\n| Item | 2024 |\n| --- | --- |\n| {cell} | {words} |\n"
    (sheet,) = load_bytes("income.md", page)
    typed_value = value_of_words("How much?", sheet, words)
    assert typed_value is not None
    assert typed_value.number == number


@pytest.mark.parametrize(
    "text", ["We invest in millions of people and paid $50.", "Sales | $50", "Sales | 2024: $50"]
)
def test_a_figure_outside_a_table_has_no_unit_of_a_heading(text: str) -> None:
    (page,) = load_bytes("income.md", f"# In millions\n\n{text}\n")
    typed_value = value_of_words("How much?", page, "$50", "In millions")
    assert typed_value is not None
    assert typed_value.number == 50


def test_a_weekday_recurs_in_a_table_but_not_beside_a_bar_in_a_paragraph() -> None:
    (page,) = load_bytes(
        "choir.md",
        "---\ndate: 2026-02-10\n---\nThe choir | band met on Friday.\n\n"
        "| Group | Day |\n| --- | --- |\n| Choir | Wednesday |\n",
    )
    paragraph = value_of_words("When?", page, "on Friday")
    assert paragraph is not None
    assert paragraph.iso == "2026-02-06"
    assert value_of_words("When?", page, "Wednesday") is None
