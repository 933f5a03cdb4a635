"""Follow-ups with one possible meaning are resolved; all others stay as typed."""

import pytest

from rag.meaning.followups import PreviousTurn, Rewrite, understand
from rag.meaning.noun_phrases import phrases

SIGNED = PreviousTurn("When was the JCPOA signed?", "2015")
PLAN = PreviousTurn("When was the Joint Comprehensive Plan of Action signed?", "2015")
SEVERAL = PreviousTurn("When did Iran sign the JCPOA?", "2015")
LEADER = PreviousTurn("Who led the Iranian team?", "Abbas Araghchi")
PRESIDENT = PreviousTurn("Who was president of Iran in 2015?", "Hassan Rouhani")


@pytest.mark.parametrize(
    ("last", "typed", "meant"),
    [
        (SIGNED, "and when did it end?", "When did the JCPOA end?"),
        (SIGNED, "When did the US leave it?", "When did the US leave the JCPOA?"),
        (SIGNED, "what were its limits", "What were the JCPOA's limits?"),
        (SIGNED, "and where?", "Where was the JCPOA signed?"),
        (SIGNED, "By whom?", "By whom was the JCPOA signed?"),
        (SIGNED, "in which city?", "In which city was the JCPOA signed?"),
        (PLAN, "who signed it?", "Who signed the Joint Comprehensive Plan of Action?"),
        (
            PreviousTurn("when was the jcpoa signed"),
            "ok, and when did it start",
            "When did the jcpoa start?",
        ),
        (
            PreviousTurn("What is the JCPOA?", "Iran nuclear deal"),
            "why did it fail?",
            "Why did the JCPOA fail?",
        ),
        (
            PreviousTurn("When was the deal signed in Vienna?"),
            "When did it end?",
            "When did the deal end?",
        ),
        (
            PreviousTurn("When did the Vienna talks begin?"),
            "Where were they held?",
            "Where were the Vienna talks held?",
        ),
        (
            PreviousTurn("Which country hosted?", "Oman"),
            "What is its capital?",
            "What is Oman's capital?",
        ),
        (LEADER, "who is he?", "Who is Abbas Araghchi?"),
        (LEADER, "What was his role?", "What was Abbas Araghchi's role?"),
        (
            PreviousTurn("Who is the mayor?", "Anna Lind"),
            "When did her husband meet her?",
            "When did Anna Lind's husband meet Anna Lind?",
        ),
        (
            PreviousTurn("Who signed the deal?", "Zarif and Kerry"),
            "When did they meet?",
            "When did Zarif and Kerry meet?",
        ),
        (
            PreviousTurn("When was Zarif born?", "1960", "Foreign Minister Zarif"),
            "where did he study?",
            "Where did Zarif study?",
        ),
        (PRESIDENT, "and in 2018?", "Who was president of Iran in 2018?"),
        (PRESIDENT, "In 2018?", "Who was president of Iran in 2018?"),
        (
            PreviousTurn("When did Iran join the talks?"),
            "what about Oman?",
            "When did Oman join the talks?",
        ),
        (PreviousTurn("When did Iran join?"), "and the US?", "When did the US join?"),
        (
            PreviousTurn("Did Iran trade with non-Iranian firms?"),
            "what about Oman?",
            "Did Oman trade with non-Iranian firms?",
        ),
        (PreviousTurn("When did the US join?"), "And Iran?", "When did Iran join?"),
    ],
)
def test_unambiguous_follow_ups_are_resolved(last: PreviousTurn, typed: str, meant: str) -> None:
    assert understand(typed, last) == Rewrite(meant)


@pytest.mark.parametrize(
    ("last", "typed", "could"),
    [
        (SEVERAL, "When did it end?", '"it" could be Iran or the JCPOA; asked as typed'),
        (SIGNED, "Who is he?", '"he" could mean several things, or none; asked as typed'),
        (
            PreviousTurn("When was Zarif born?"),
            "where did he study?",
            '"he" could mean several things, or none; asked as typed',
        ),
        (
            LEADER,
            "When did they meet her?",
            '"they" could mean several things, or none; asked as typed',
        ),
        (
            PreviousTurn("Which country hosted the talks?", "Oman"),
            "What is its capital?",
            '"its" could be the talks or Oman; asked as typed',
        ),
        (
            PreviousTurn("What is Imogen Tran's salary?"),
            "When is it paid?",
            '"it" could mean several things, or none; asked as typed',
        ),
        (LEADER, "And cats?", "the follow-up is ambiguous; asked as typed"),
        (LEADER, "and when?", "this does not fit the last question; asked as typed"),
    ],
)
def test_ambiguous_follow_ups_are_left_and_reported(
    last: PreviousTurn, typed: str, could: str
) -> None:
    assert understand(typed, last) == Rewrite(typed, could)


@pytest.mark.parametrize(
    "typed",
    [
        "When was the IAEA founded?",
        "When did Iran say it would stop?",
        "When did Kerry say he was tired?",
        "How long did it take?",
        "Is it true that Iran left?",
        "In Vienna who met?",
        "What did the talks of 2013 achieve?",
        "",
    ],
)
def test_complete_questions_are_unchanged(typed: str) -> None:
    assert understand(typed, SIGNED) == Rewrite(typed)
    assert understand(typed, None) == Rewrite(typed)


@pytest.mark.parametrize(
    "asked", ["Can I cancel it?", "What happens if I forget it?", "How do you open it?"]
)
def test_the_speaker_is_never_an_antecedent(asked: str) -> None:
    last = PreviousTurn("What must I do with the badge?", None, "")
    assert " I?" not in understand(asked, last).question.replace(asked, "")
    assert (
        understand("What if I forget it?", PreviousTurn("Do I need my badge?")).question
        == "What if I forget it?"
    )


def test_first_questions_are_unchanged() -> None:
    assert understand(" and when did it end? ", None) == Rewrite("and when did it end?")


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("When was the nuclear deal finally signed?", ["the nuclear deal"]),
        ("Where did Javad Zarif meet John Kerry?", ["Javad Zarif", "John Kerry"]),
        ("When will the new lease really end?", ["the new lease"]),
        ("Who mediated between Iran and the US?", ["Iran", "the US"]),
        ("How is it?", []),
    ],
)
def test_phrases(question: str, found: list[str]) -> None:
    assert [phrase.text for phrase in phrases(question)] == found
