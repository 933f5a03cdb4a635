"""Judgements of usefulness, by form."""

import pytest

from rag.evaluation.gold import Evidence, Question
from rag.evaluation.usefulness import ShownAnswer, judge

TERM = "The lease ends on 31 May 2027 without notice."
DOGS = "Dogs may be brought if the neighbours agree."
EVIDENCE = (Evidence("lease.md", TERM), Evidence("lease.md", DOGS))
SPAN = Question("1", "When does it end?", ("31 May 2027",), EVIDENCE[:1], wordings=("31 May 2027",))
YES = Question("2", "May I bring a dog?", (DOGS,), EVIDENCE[1:], form="yes_no", verdict="yes")
WHY = Question("3", "Why?", (TERM, DOGS), EVIDENCE, form="sentences", need=2)
ITEMS = (("roof",), ("lift", "elevator"), ("outer walls",))
LIST = Question("4", "Which?", ("a",), items=ITEMS, form="list", need=2)
NONE = Question("5", "What about cats?")


@pytest.mark.parametrize(
    ("question", "answer", "expected"),
    [
        (SPAN, ShownAnswer("31 May 2027", (TERM,)), "useful"),
        (SPAN, ShownAnswer(TERM, (TERM,)), "useful"),
        (SPAN, ShownAnswer("31 May 2027", ("It was signed on 31 May 2027.",)), "partial"),
        (SPAN, ShownAnswer("without notice", (TERM,)), "partial"),
        (SPAN, ShownAnswer("131 May 2027", ("Until 131 May 2027.",)), "wrong"),
        (
            SPAN,
            ShownAnswer("31 May 2027", ("The lease ends", "on 31 May 2027 without notice")),
            "partial",
        ),
        (SPAN, ShownAnswer("1 June 2027", ("It was signed on 1 June 2027.",)), "wrong"),
        (SPAN, ShownAnswer(None), "refused"),
        (YES, ShownAnswer(f"Yes. {DOGS}", (DOGS,), "yes"), "useful"),
        (YES, ShownAnswer(f"No. {DOGS}", (DOGS,), "no"), "wrong"),
        (YES, ShownAnswer(DOGS, (DOGS,)), "partial"),
        (YES, ShownAnswer(TERM, (TERM,)), "wrong"),
        (WHY, ShownAnswer(f"{TERM} […] {DOGS}", (TERM, DOGS)), "useful"),
        (WHY, ShownAnswer(TERM, (TERM,)), "partial"),
        (WHY, ShownAnswer("the neighbours agree"), "partial"),
        (WHY, ShownAnswer("Rent is due monthly."), "wrong"),
        (LIST, ShownAnswer("The roof and the elevator."), "useful"),
        (LIST, ShownAnswer("the roof"), "partial"),
        (LIST, ShownAnswer("the cellar"), "wrong"),
        (NONE, ShownAnswer("two cats"), "wrong"),
        (NONE, ShownAnswer(None), "refused"),
    ],
)
def test_judgements(question: Question, answer: ShownAnswer, expected: str) -> None:
    assert judge(question, answer) == expected
