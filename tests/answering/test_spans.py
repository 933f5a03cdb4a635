import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.answering.spans import QuestionAnalysis, SpanGroup, grouped, mention
from rag.meaning.compare import Relation, compare
from rag.types import Hit, Passage, Span


def span(text: str, words: str, score: float, document: str) -> Span:
    start = text.index(words)
    hit = Hit(Passage(document, 0, len(text), text, document, ()), 1.0, 1.0, 1.0)
    return Span(hit, start, start + len(words), score)


def gather(*spans: Span, question: str = "when?") -> list[SpanGroup]:
    analysis = QuestionAnalysis.of(question)
    return grouped(
        [mention(analysis, span) for span in spans], lambda mentioned: mentioned.span.score
    )


def test_a_year_supports_one_of_its_days_and_does_not_bring_two_together() -> None:
    groups = gather(
        span("On 14 July 2015.", "14 July 2015", 4.0, "a"),
        span("In 2015.", "2015", 3.0, "b"),
        span("On 18 October 2015.", "18 October 2015", 2.0, "c"),
    )
    texts = [(c.spans[0].text, c.documents) for c in groups]
    assert texts == [("14 July 2015", 2), ("18 October 2015", 1)]


@pytest.mark.parametrize(
    ("statement", "counterpart", "question"),
    [
        (("It was signed in 2015.", "2015"), ("It was not signed in 2015.", "2015"), "when?"),
        (("It is 3 months.", "3"), ("It is 3 weeks.", "3"), "how long?"),
        (("He came on Tuesday.", "on Tuesday"), ("He came on Tuesday.", "on Tuesday"), "when?"),
    ],
    ids=["a denial", "another unit", "a weekday of another document"],
)
def test_equal_words_of_another_meaning_do_not_support(
    statement: tuple[str, str], counterpart: tuple[str, str], question: str
) -> None:
    groups = gather(span(*statement, 4.0, "a"), span(*counterpart, 3.0, "b"), question=question)
    assert [group.documents for group in groups] == [1, 1]


def test_the_best_wording_represents_its_group() -> None:
    groups = gather(
        span("It took 12 days.", "12 days", 1.0, "a"),
        span("It took twelve days.", "twelve days", 3.0, "b"),
        span("12 days it was.", "12 days", 2.0, "c"),
    )
    assert [(c.spans[0].text, c.documents) for c in groups] == [("twelve days", 3)]


def test_words_that_do_not_answer_do_not_support() -> None:
    (supported,) = gather(
        span("It was signed in 2015.", "2015", 3.0, "a"),
        span("They agreed in 2015.", "2015", 1.0, "b"),
        span("A film of 2015.", "2015", -2.0, "c"),
    )
    assert supported.documents == 2
    assert [s.hit.passage.document_id for s in supported.supporting] == ["a", "b"]
    (group,) = gather(span("A film of 2015.", "2015", -2.0, "c"))
    assert group.documents == 1


def test_each_passage_adds_its_odds_once() -> None:
    (supported_twice,) = gather(
        span("It was 2015.", "2015", 2.0, "a"), span("In 2015.", "2015", 2.0, "b")
    )
    assert supported_twice.score == pytest.approx(2.0 + math.log(2))
    repeated_span = span("2015 it was, yes 2015.", "2015", 2.0, "a")
    (group,) = gather(repeated_span, replace(repeated_span, start=17, end=21, score=1.5))
    assert group.score == pytest.approx(2.0)


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


@given(
    st.lists(
        st.tuples(st.sampled_from(WORDS), st.floats(-5, 5), st.booleans()), min_size=1, max_size=9
    ),
    st.sampled_from(["when?", "how many?"]),
)
def test_groups_agree_and_lose_nothing(
    statements: list[tuple[str, float, bool]], question: str
) -> None:
    spans = [
        span(f"It was {'not ' if no else ''}{words}.", words, score, str(n))
        for n, (words, score, no) in enumerate(statements)
    ]
    groups = gather(*spans, question=question)
    said_by = sorted(s.hit.passage.document_id for c in groups for s in c.spans)
    assert said_by == sorted(s.hit.passage.document_id for s in spans)
    for candidate in groups:
        meanings = [mentioned.meaning for mentioned in candidate.mentions]
        assert all(compare(a, b) is Relation.SAME for a in meanings for b in meanings)
