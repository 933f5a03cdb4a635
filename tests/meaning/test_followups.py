"""Follow-ups are completed from the last question and answer; complete questions stay as typed."""

import json
from pathlib import Path

import pytest

from rag.meaning.followups import (
    UNSURE,
    PreviousTurn,
    Rewrite,
    completions,
    names_something,
    pointers,
    probabilities,
    understand,
)
from rag.server.schemas import Turn
from rag.session import Conversation
from tests.growth import cpu_seconds

SIGNED = PreviousTurn("When was the JCPOA signed?", "2015")
LEADER = PreviousTurn("Who led the Iranian team?", "Abbas Araghchi")
PRESIDENT = PreviousTurn("Who was president of Iran in 2015?", "Hassan Rouhani")
PASS = PreviousTurn("What does the blue pass cost?", "40 euros")


@pytest.mark.parametrize(
    ("previous", "typed", "complete"),
    [
        (SIGNED, "and when did it end?", "When did the JCPOA end?"),
        (SIGNED, "When did the US leave it?", "When did the US leave the JCPOA?"),
        (SIGNED, "what were its limits", "What were the JCPOA's limits?"),
        (SIGNED, "and where?", "Where was the JCPOA signed?"),
        (SIGNED, "By whom?", "By whom was the JCPOA signed?"),
        (PreviousTurn("Which country hosted?", "Oman"), "What is its capital?", None),
        (LEADER, "who is he?", "Who is Abbas Araghchi?"),
        (LEADER, "What was his role?", "What was Abbas Araghchi's role?"),
        (
            PreviousTurn("Who signed the deal?", "Zarif and Kerry"),
            "When did they meet?",
            "When did Zarif and Kerry meet?",
        ),
        (PRESIDENT, "and in 2018?", "Who was president of Iran in 2018?"),
        (PASS, "And for children?", "What does the blue pass cost for children?"),
        (
            PreviousTurn("Where is the boiler?", "in the cellar"),
            "how old is it?",
            "How old is the boiler?",
        ),
    ],
)
def test_follow_ups_are_completed(previous: PreviousTurn, typed: str, complete: str | None) -> None:
    rewrite = understand(typed, previous)
    assert rewrite.question == (complete or "What is Oman's capital?")
    assert rewrite.note == ""
    assert rewrite.is_about_the_last


def test_an_unclear_antecedent_gives_the_whole_topic() -> None:
    turn = PreviousTurn("Which compression settings does the server have?", "off, fast, best")
    rewrite = understand("which one is the default?", turn)
    assert rewrite.question == "Which one is the default (compression settings server)?"


@pytest.mark.parametrize(
    "typed",
    [
        "When was the IAEA founded?", "What did the talks of 2013 achieve?",
        "How much sugar is in the cake?", "Is there a dining car?", "thanks", "",
    ],
)  # fmt: skip
def test_complete_questions_are_unchanged(typed: str) -> None:
    assert understand(typed, SIGNED).question == typed
    assert not understand(typed, SIGNED).is_about_the_last
    assert understand(typed, None) == Rewrite(typed)


@pytest.mark.parametrize(
    ("typed", "is_noted"),
    [
        ("Where are the fuses?", False),
        ("Who empties the bins?", False),
        ("Who empties the other bins?", True),
    ],
)
def test_only_what_may_be_incomplete_is_noted(typed: str, is_noted: bool) -> None:
    turn = PreviousTurn("When was the pump replaced?", "in May")
    assert bool(understand(typed, turn).note) == is_noted


def test_what_may_refer_to_the_last_question_but_is_asked_as_typed_is_noted() -> None:
    rewrites = [
        rewrite
        for row in map(json.loads, Path("eval/gold/follow-ups.jsonl").read_text().splitlines())
        if (rewrite := understand(row["question"], PreviousTurn(row["last"], row["answer"]))).note
    ]
    assert rewrites
    assert all("asked as typed" in noted.note and noted.follows < UNSURE for noted in rewrites)
    assert not any(noted.others for noted in rewrites)


def test_a_completed_question_has_other_meanings() -> None:
    assert not understand("When was the IAEA founded?", SIGNED).others
    (_, weight), *_ = understand("and when did it end?", SIGNED).others
    assert 0 < weight < 1


def test_there_after_is_points_to_nothing() -> None:
    assert [word.lower for word in pointers("Is there a lift?")] == []
    assert [word.lower for word in pointers("Who works there?")] == ["there"]


def test_each_completion_is_proposed_once_and_probabilities_sum_to_one() -> None:
    options = completions("and for the cellar?", PreviousTurn("What is the rent of the flat?"))
    texts = [option.text for option in options if option.kind != "talk"]
    assert options[0].kind == "typed"
    assert "What is the rent of the flat for the cellar?" in texts
    assert len(set(texts)) == len(texts)
    assert sum(probabilities(options)) == pytest.approx(1)


def test_a_long_answer_never_takes_the_place_of_a_pronoun() -> None:
    answer = "Hold the button for ten seconds, then let it go again"
    options = completions("does that always help?", PreviousTurn("How do I reset it?", answer))
    assert all("Hold" not in option.text for option in options)


def test_many_long_turns_take_little_time() -> None:
    """Chats of 50 questions, of 1,000 and of 280 characters."""
    turns = [Turn(question="Who led the talks number 5? " * 35)] * 50
    assert cpu_seconds(lambda: Conversation.of(turns).understand(turns[0].question)) < 0.1
    medium = [Turn(question="Who led the talks number 5? " * 10)] * 50
    assert cpu_seconds(lambda: Conversation.of(medium).understand("and who followed him?")) < 1


def test_only_function_words_name_nothing() -> None:
    assert not names_something("and who?")
    assert names_something("and the deposit?")


CONTRACT = PreviousTurn("When does the Brightline Payroll contract end?", "31 March 2026")


@pytest.mark.parametrize(
    ("typed", "complete"),
    [
        ("What about Alder?", "When does the Alder contract end?"),
        ("and Alder Cleaning?", "When does the Alder Cleaning contract end?"),
    ],
)
def test_a_completion_has_one_subject(typed: str, complete: str) -> None:
    rewrite = understand(typed, CONTRACT)
    assert rewrite.question == complete
    assert not any("Brightline" in text or "Payroll" in text for text, _ in rewrite.others)
    assert rewrite.renames
    assert not rewrite.is_about_the_last


def test_a_number_may_take_the_place_of_a_number_in_a_name() -> None:
    rewrite = understand("and C40?", PreviousTurn("How many copies of Form B12 must I send?"))
    assert rewrite.question == "How many copies of Form C40 must I send?"


@pytest.mark.parametrize(
    "typed",
    ["How much does Alder Cleaning cost?", "Who signed for Alder Cleaning?", "Is Dr Osei in?"],
)
def test_nothing_is_added_to_a_question_with_a_subject_of_its_own(typed: str) -> None:
    rewrite = understand(typed, CONTRACT)
    assert (rewrite.question, rewrite.note, rewrite.others) == (typed, "", ())


def test_a_topic_in_brackets_does_not_grow_over_turns() -> None:
    turn = PreviousTurn("Which one is the default (compression settings server)?", "fast")
    topics = [
        option.text
        for option in completions("which one is better?", turn)
        if option.kind == "topic"
    ]
    assert topics == ["Which one is better (compression settings server)?"]


@pytest.mark.parametrize(
    "typed",
    ["thanks a lot", "ok", "great, thanks!", "help", "hello again", "got it", "Who are you?"],
)
def test_talk_is_not_completed(typed: str) -> None:
    rewrite = understand(typed, CONTRACT)
    assert rewrite.is_talk
    assert (rewrite.question, rewrite.note, rewrite.others) == (typed, "", ())


@pytest.mark.parametrize(
    "typed",
    ["heating?", "Parking", "insurance", "and when does it start?", "why?", "ok, and Alder?"],
)
def test_a_topic_or_a_follow_up_is_no_talk(typed: str) -> None:
    assert not understand(typed, CONTRACT).is_talk


def answered(*turns: tuple[str, str | None]) -> Conversation:
    return Conversation.of([Turn(question=question, answer=answer) for question, answer in turns])


def test_talk_leaves_the_topic() -> None:
    talk = answered((CONTRACT.question, "31 March 2026"), ("thanks", None), ("ok great", None))
    assert talk.understand("What about Alder?").question == "When does the Alder contract end?"


def test_words_do_not_pile_up_over_turns() -> None:
    talk = answered(
        ("Which compression settings does the server have?", "off, fast, best"),
        ("which one is the default?", "fast"),
        ("which one is the slowest?", "best"),
        ("which one is the safest?", None),
    )
    completed = talk.understand("which one is the newest?").question
    assert len(completed.split()) <= 9
    assert not {"default", "slowest", "safest"} & set(completed.split())


def test_a_name_without_an_answer_is_still_the_subject() -> None:
    talk = answered((CONTRACT.question, "31 March 2026"), ("What about Alder?", None))
    completed = talk.understand("and when does it start?").question
    assert "Alder" in completed
    assert "Brightline" not in completed


def texts(last: PreviousTurn, typed: str) -> list[str]:
    return [option.text for option in completions(typed, last)]


def test_a_thing_never_takes_the_place_of_a_verb() -> None:
    jam = PreviousTurn("How long does the plum jam keep in the cellar?", "two years")
    assert not [text for text in texts(jam, "And the syrup?") if "jam syrup" in text]
    assert understand("How much sugar does it need?", jam).question.startswith(
        "How much sugar does the plum jam need"
    )
    linen = PreviousTurn("Where can I buy linen?", "in the cellar")
    assert "Where can I buy Oakley paint?" in texts(linen, "And Oakley paint?")


def test_a_verb_after_i_is_no_part_of_the_last_question() -> None:
    fee = PreviousTurn("What is the late fee of the library?", "2 euros")
    assert not [text for text in texts(fee, "Can I complain?") if text.startswith("What is")]
    assert "What is the late fee of the archive?" in texts(fee, "does the archive too?")


def test_a_topic_in_brackets_is_not_replaced_in_part() -> None:
    cover = PreviousTurn("Is hail covered (excess home insurance)?", "No.")
    replaced = [text for text in texts(cover, "And frozen pipes?") if text.startswith("Is")]
    assert replaced
    assert all(text.endswith("(excess home insurance)?") for text in replaced)


def test_a_day_is_no_place() -> None:
    lease = PreviousTurn("When does the lease of Oak House end?", "31 March 2027")
    assert not [text for text in texts(lease, "Who is the caretaker there?") if "2027" in text]
