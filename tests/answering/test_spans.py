from hypothesis import given, settings
from hypothesis import strategies as st

from rag.answering.spans import QuestionAnalysis, SpanGroup, grouped, mention
from rag.meaning.compare import Relation, compare
from rag.types import Hit, Passage, Span


def span(text: str, words: str, score: float, document: str) -> Span:
    start = text.index(words)
    return Span(
        Hit(Passage(document, 0, len(text), text, document, ""), 1.0, 1.0, 1.0),
        start,
        start + len(words),
        score,
    )


def gather(*spans: Span, question: str = "when?") -> list[SpanGroup]:
    asked = QuestionAnalysis.of(question)
    return grouped([mention(asked, span) for span in spans], lambda one: one.span.score)


def test_a_year_supports_one_of_its_days_and_does_not_bring_two_together() -> None:
    found = gather(
        span("On 14 July 2015.", "14 July 2015", 4.0, "a"),
        span("In 2015.", "2015", 3.0, "b"),
        span("On 18 October 2015.", "18 October 2015", 2.0, "c"),
    )
    assert [(c.spans[0].text, c.documents) for c in found] == [
        ("14 July 2015", 2),
        ("18 October 2015", 1),
    ]


def test_a_denied_date_does_not_support_its_denial() -> None:
    found = gather(
        span("It was signed in 2015.", "2015", 4.0, "a"),
        span("It was not signed in 2015.", "2015", 3.0, "b"),
    )
    assert [c.documents for c in found] == [1, 1]


def test_the_best_wording_represents_its_group() -> None:
    found = gather(
        span("It took 12 days.", "12 days", 1.0, "a"),
        span("It took twelve days.", "twelve days", 3.0, "b"),
        span("12 days it was.", "12 days", 2.0, "c"),
    )
    assert [(c.spans[0].text, c.documents) for c in found] == [("twelve days", 3)]


def test_words_that_do_not_answer_do_not_support() -> None:
    (found,) = gather(
        span("It was signed in 2015.", "2015", 3.0, "a"),
        span("They agreed in 2015.", "2015", 1.0, "b"),
        span("A film of 2015.", "2015", -2.0, "c"),
    )
    assert (found.documents, [s.hit.passage.document_id for s in found.supporting]) == (
        2,
        ["a", "b"],
    )
    (alone,) = gather(span("A film of 2015.", "2015", -2.0, "c"))
    assert alone.documents == 1


def test_equal_words_of_different_units_are_two_answers() -> None:
    found = gather(
        span("It is 3 months.", "3", 4.0, "a"),
        span("It is 3 weeks.", "3", 3.0, "b"),
        question="how long?",
    )
    assert [c.documents for c in found] == [1, 1]


def test_the_same_weekday_in_two_documents_is_not_one_day() -> None:
    found = gather(
        span("He came on Tuesday.", "on Tuesday", 4.0, "a"),
        span("He came on Tuesday.", "on Tuesday", 3.0, "b"),
    )
    assert [c.documents for c in found] == [1, 1]


WORDS = [
    "2015",
    "14 July 2015",
    "18 October 2015",
    "2016",
    "about 12 days",
    "12 days",
    "Ali Larijani",
    "Larijani",
    "Sadeq Larijani",
]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(WORDS), st.floats(-5, 5), st.booleans()), min_size=1, max_size=9
    ),
    st.sampled_from(["when?", "how many?"]),
)
def test_groups_agree_and_nothing_is_lost(
    said: list[tuple[str, float, bool]], question: str
) -> None:
    spans = [
        span(f"It was {'not ' if no else ''}{words}.", words, score, str(n))
        for n, (words, score, no) in enumerate(said)
    ]
    found = gather(*spans, question=question)
    said_by = sorted(s.hit.passage.document_id for c in found for s in c.spans)
    assert said_by == sorted(s.hit.passage.document_id for s in spans)
    for candidate in found:
        meanings = [one.meaning for one in candidate.mentions]
        assert all(compare(a, b) is Relation.SAME for a in meanings for b in meanings)
