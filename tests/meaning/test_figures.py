"""Values of whole sentences, compared as claims and evidence, and times of day."""

import pytest

from rag.meaning.compare import Relation, compare
from rag.meaning.dates import times
from rag.meaning.figures import contradicting, figures, states


@pytest.mark.parametrize(
    ("claim", "evidence"),
    [
        ("It takes a fortnight.", "It takes two weeks."),
        ("It is over in a quarter of an hour.", "It lasts 15 minutes."),
        ("It stays open for half a year.", "It stays open for six months."),
        ("They pay back three quarters of it.", "They repay 75% of it."),
        ("It needs two thirds of the votes.", "It needs 66.7 percent of the votes."),
        ("Say so a week or more before.", "Say so at least 7 days before."),
        ("It is reviewed once a year.", "It is reviewed annually."),
        ("They meet every other week.", "They meet every second week."),
        ("It costs 150 pounds.", "It costs \u00a3150."),
        ("It begins at twenty to three.", "The 14:40 appointment."),
        ("It was signed in 2015.", "It was signed on 14 July 2015."),
        ("PEP 503 was accepted.", "pep 0503"),
        ("More than 6,000 machines were kept.", "They kept 6,104 machines."),
    ],
)
def test_the_evidence_states_the_value(claim: str, evidence: str) -> None:
    (claimed,) = figures(claim)
    assert any(states(stated, claimed) for stated in figures(evidence))


@pytest.mark.parametrize(
    ("claim", "evidence", "pairs"),
    [
        ("It was before 2015.", "It was after 2015.", [("before 2015", "after 2015")]),
        (
            "It ends after June 2027.",
            "It ends no later than June 2027.",
            [("after June 2027", "no later than June 2027")],
        ),
        ("It takes three weeks.", "It takes two weeks.", [("3 weeks", "2 weeks")]),
        ("It begins at half past nine.", "It begins at 10:30.", [("half past nine", "10:30")]),
        ("At most 5 members vote.", "At most 2 members vote.", [("5 members", "2 members")]),
        ("It was signed in May 2018.", "It was signed in 2015.", [("May 2018", "2015")]),
        ("It costs 5 dollars.", "It weighs 5 kilograms.", []),
        ("It is sold once a week.", "It takes two days.", []),
        ("It was signed on 29 July 1957.", "It was signed in 1957.", []),
        ("One of them left.", "Two of them left.", []),
    ],
)
def test_another_value_contradicts(claim: str, evidence: str, pairs: list[tuple[str, str]]) -> None:
    claimed = figures(claim)
    assert list(contradicting(claimed, figures(evidence), claimed)) == pairs


def test_a_long_text_is_read_in_pieces() -> None:
    assert len(figures("It rose in 2015 by 3 percent. " * 100)) == 200


@pytest.mark.parametrize(
    ("text", "other_text", "relation"),
    [
        ("the 14:40 appointment", "twenty to three", Relation.SAME),
        ("2.40 pm", "14:40", Relation.SAME),
        ("at 9 a.m.", "nine o'clock", Relation.SAME),
        ("noon", "12:00", Relation.SAME),
        ("midnight", "00:00", Relation.SAME),
        ("a quarter to five", "16:45", Relation.SAME),
        ("half past nine", "10:30", Relation.CONTRADICTS),
        ("14:40", "02:40", Relation.CONTRADICTS),
    ],
)
def test_times_of_day_compare(text: str, other_text: str, relation: Relation) -> None:
    ((time,), (other_time,)) = times(text), times(other_text)
    assert compare(time, other_time) is relation
    assert compare(other_time, time) is relation


@pytest.mark.parametrize(
    "text", ["five to ten people", "a ratio of 3:1", "25:10", "13 pm", "section 2.40", "1:2:3:4"]
)
def test_other_numbers_are_no_times(text: str) -> None:
    assert times(text) == []
