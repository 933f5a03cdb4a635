"""Which values of other documents contradict an answer."""

import re

import pytest

from rag.answering.conflicts import is_replaced, value_relation
from rag.answering.spans import Mention, QuestionAnalysis, mention
from rag.types import Answer
from tests.answering.readings import answer_of, span
from tests.fakes import document

QUESTION = QuestionAnalysis.of("What is it?")


def mention_in_brackets(marked: str) -> Mention:
    """The value in brackets, as an answer."""
    value = re.findall(r"\[(.*)\]", marked)[0]
    source = document(marked.replace("[", "").replace("]", ""), "d")
    return mention(QUESTION, span(source, value, 3.0))


@pytest.mark.parametrize(
    ("answer", "rival", "relation"),
    [
        ("It costs [6.80].", "It costs [5.50].", "differ"),
        ("It needs [Four] members.", "A quorum is [five].", "differ"),
        ("It leaves at [18:55].", "It leaves at [19:40].", "differ"),
        ("It begins at [19:30].", "It begins at [half past seven in the evening].", "same"),
        ("It is open on [Tuesdays].", "It is open on [Fridays].", "differ"),
        ("It takes [four days].", "It takes between [two and six days].", "overlap"),
        ("It is kept at [21 degrees].", "Keep it between [18 and 24 degrees].", "overlap"),
        ("Buy up to [8,000 euros].", "Buy up to [5,000 euros].", "differ"),
        ("It goes [25 km/h].", "It goes for [90 km].", "unlike"),
        ("It comes [every two weeks].", "It comes [every four weeks].", "differ"),
        ("It is tested [every quarter].", "It is tested [once a month].", "differ"),
        ("It is tested [twice a year].", "It is tested [every six months].", "same"),
        ("It is led by [Ana Brandt].", "It is led by [Joe Field].", "words"),
        ("It is in [the cellar].", "It is in [the cellar behind a shelf].", "overlap"),
        ("It ends on [30 April].", "It ends on [15 May].", "differ"),
        ("Write by [30 April].", "You may write until [15 May].", "differ"),
        ("Write by [30 April].", "You may write after [15 May].", "overlap"),
        ("It is [14 days].", "It is [two weeks].", "same"),
    ],
)
def test_how_two_values_relate(answer: str, rival: str, relation: str) -> None:
    assert value_relation(mention_in_brackets(answer), mention_in_brackets(rival)) == relation


@pytest.mark.parametrize(
    ("sentence", "replaced"),
    [
        ("The meeting is therefore moved from [18 May] to 15 June.", True),
        ("The fee was raised from [6 euros] to 7 euros.", True),
        ("We begin on Wednesday instead of [Monday].", True),
        ("The meeting is moved from 18 May to [15 June].", False),
        ("The office moved from [Hull] in 2019.", False),
        ("It is open from [18 May] to 15 June.", False),
        ("We begin on Wednesday instead of on [Monday].", True),
        ("The pool will not open on [18 May] but on 15 June.", True),
        ("The pool will not open on 18 May but on [15 June].", False),
        ("The dinner, planned for [18 May], takes place on 15 June.", True),
        ("It was originally scheduled for the [18 May], and is now on 15 June.", True),
        ("The dinner is planned for [18 May] and will be in the hall.", False),
        ("It does not open on [18 May].", False),
    ],
)
def test_a_value_that_another_one_replaced(sentence: str, replaced: bool) -> None:
    assert is_replaced(mention_in_brackets(sentence)) == replaced


def answer_from_two(question: str, sentence: str, rival: str, days: tuple[str, str]) -> Answer:
    """The answer from two documents of these days, each with its value in brackets."""
    documents, spans = [], []
    for number, (marked, day) in enumerate(zip((sentence, rival), days, strict=True)):
        value = re.findall(r"\[(.*)\]", marked)[0]
        text = marked.replace("[", "").replace("]", "")
        documents.append(document(text, str(number), date=day))
        spans.append(span(documents[-1], value, 3.0 - number / 10))
    return answer_of(question, documents, spans)


BINS = "On which day is the paper collected in Cobb Lane?"


def test_the_later_document_comes_first() -> None:
    earlier_rule = "In Cobb Lane paper is collected on [Tuesdays]."
    later_rule = "In Cobb Lane the paper will be collected on [Fridays]."
    later = answer_from_two(BINS, earlier_rule, later_rule, ("2023-01-02", "2023-08-28"))
    assert (later.text, [side.text for side in later.conflicts]) == ("Fridays", ["Tuesdays"])
    earlier = answer_from_two(BINS, earlier_rule, later_rule, ("2023-08-28", "2023-01-02"))
    assert (earlier.text, [side.text for side in earlier.conflicts]) == ("Tuesdays", ["Fridays"])


def test_a_document_that_moves_a_day_does_not_support_the_first_one() -> None:
    minutes = document("The fair of Cobb Lane will be held on 18 May.", "1", date="2024-01-16")
    letter = document(
        "The fair of Cobb Lane is moved from 18 May to 15 June.", "2", date="2024-05-07"
    )
    spans = [
        span(minutes, "18 May", 3.0),
        span(letter, "18 May", 2.5),
        span(letter, "15 June", 2.9),
    ]
    answer = answer_of("When is the fair of Cobb Lane?", [minutes, letter], spans)
    assert (answer.text, [side.text for side in answer.conflicts]) == ("15 June", ["18 May"])


@pytest.mark.parametrize(
    ("verb", "conflicting"), [("was moved", ["18 May"]), ("runs every day", [])]
)
def test_both_days_of_a_move_in_one_span_are_no_range(verb: str, conflicting: list[str]) -> None:
    plan = document("The fair of Cobb Lane is on 18 May.", "1", date="2024-01-16")
    news = document(f"The fair of Cobb Lane {verb} from 18 May to 15 June.", "2", date="2024-05-07")
    spans = [span(plan, "18 May", 3.0), span(news, "18 May to 15 June", 2.9)]
    answer = answer_of("When is the fair of Cobb Lane?", [plan, news], spans)
    assert [side.text for side in answer.conflicts] == conflicting
    assert answer.text == ("15 June" if conflicting else "18 May")


def test_a_day_among_other_words_is_the_value_that_is_compared() -> None:
    plan = document("The move to Cobb Lane is on 3 August 2026.", "1", date="2026-02-02")
    news = document(
        "The move to Cobb Lane comes two weeks later than announced, on 17 August 2026.",
        "2",
        date="2026-02-20",
    )
    spans = [
        span(plan, "3 August 2026", 3.0),
        span(news, "two weeks later than announced, on 17 August 2026", 2.9),
    ]
    answer = answer_of("When is the move to Cobb Lane?", [plan, news], spans)
    assert (answer.text, [side.text for side in answer.conflicts]) == (
        "17 August 2026",
        ["3 August 2026"],
    )


def test_a_deadline_that_must_be_kept_is_moved_by_a_sentence_without_must() -> None:
    call = document("Applications must be in by 30 April 2026.", "1", date="2026-02-02")
    news = document(
        "The deadline for applications is extended until 15 May 2026.", "2", date="2026-02-20"
    )
    spans = [span(call, "30 April 2026", 3.0), span(news, "15 May 2026", 2.9)]
    answer = answer_of("When must the applications be in?", [call, news], spans)
    assert (answer.text, [side.text for side in answer.conflicts]) == (
        "15 May 2026",
        ["30 April 2026"],
    )


def test_more_documents_outweigh_a_later_day() -> None:
    texts = ("Paper in Cobb Lane is collected on Tuesdays.", "Cobb Lane: paper goes on Tuesdays.")
    days = ("2023-01-02", "2023-02-02")
    agreeing = [document(text, text[:3], date=day) for text, day in zip(texts, days, strict=True)]
    later_document = document(
        "Paper in Cobb Lane is collected on Fridays.", "late", date="2023-08-28"
    )
    spans = [span(notice, "Tuesdays", 3.0) for notice in agreeing] + [
        span(later_document, "Fridays", 2.9)
    ]
    answer = answer_of(BINS, [*agreeing, later_document], spans)
    assert (answer.text, [side.text for side in answer.conflicts]) == ("Tuesdays", ["Fridays"])


@pytest.mark.parametrize(
    ("question", "earlier", "later"),
    [
        (
            "How wide is the north gate?",
            "The north gate of the fair is [4.2 metres] wide.",
            "The south gate of the fair is [3.1 metres] wide.",
        ),
        (
            "When is the desk open?",
            "From June to August the desk is open from [7 to 15].",
            "From November to February the desk is open from [16 to 18].",
        ),
        (
            "How long does delivery take?",
            "Delivery takes [four days].",
            "Delivery takes between [two and six days].",
        ),
    ],
)
def test_another_subject_period_or_range_is_no_conflict(
    question: str, earlier: str, later: str
) -> None:
    assert answer_from_two(question, earlier, later, ("2023-01-02", "2023-08-28")).conflicts == ()


@pytest.mark.parametrize(
    ("text", "disagreeing"),
    [
        ("A wedding costs 551 euros for parishioners and 652 euros for others.", []),
        ("A wedding costs 551 euros; others say 652 euros.", ["652 euros"]),
    ],
)
def test_two_values_of_a_sentence_conflict_if_it_says_that_accounts_differ(
    text: str, disagreeing: list[str]
) -> None:
    terms = document(text, "1")
    spans = [span(terms, "551 euros", 3.0), span(terms, "652 euros", 2.9)]
    answer = answer_of("What does a wedding cost?", [terms], spans)
    assert [side.text for side in answer.conflicts] == disagreeing


def test_a_value_that_the_judge_finds_unlikely_is_no_conflict() -> None:
    first = document("The meeting of the board is on Thursday 2 May.", "1", date="2024-03-01")
    mail = document("The meeting of the board is on Thursday 9 May.", "2", date="2024-04-15")
    question = "When is the meeting of the board?"
    spans = [span(first, "Thursday 2 May", 3.0), span(mail, "Thursday 9 May", 2.5)]
    moved = answer_of(question, [first, mail], spans)
    assert (moved.text, [side.text for side in moved.conflicts]) == (
        "Thursday 9 May",
        ["Thursday 2 May"],
    )
    unlikely = [spans[0], span(mail, "Thursday 9 May", -2.0)]
    assert answer_of(question, [first, mail], unlikely).conflicts == ()


def test_a_sentence_without_the_question_s_words_is_about_another_thing() -> None:
    signing = document("The lease was signed on 3 May 2023.", "1", date="2023-05-04")
    visit = document("The surveyor came on 9 June 2023.", "2", date="2023-06-10")
    spans = [span(signing, "3 May 2023", 3.0), span(visit, "9 June 2023", 2.9)]
    answer = answer_of("When was the lease signed?", [signing, visit], spans)
    assert (answer.text, answer.conflicts) == ("3 May 2023", ())
